"""``dpsynth ledger verify`` and ``anchor``: heads that are kept outside, and what they show."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say
from dpsynth.cli.files import lines_of
from dpsynth.cli.ledger_figures import is_copy
from dpsynth.cli.ledger_json import head_json
from dpsynth.cli.ledger_view import head_text, plain, say_copy
from dpsynth.errors import InputError, LedgerDamagedError
from dpsynth.newfile import new_file
from dpsynth.places import anchors, read_ledger
from dpsynth.privacy.ledger import Anchors, Entry, Head
from dpsynth.privacy.ledger.book import now
from dpsynth.privacy.ledger.transfer import read_lines
from dpsynth.verification.anchors import Fault, LedgerAnchor, NamedHead, fault_of, read_claim

if TYPE_CHECKING:
    from dpsynth.signing.timestamp import Authorities


@dataclass
class _Chain:
    """What was verified, and everything that does not hold."""

    ledger_id: str = ""
    public_key: str = ""
    entries: Sequence[Entry] = ()
    copy: bool | None = None
    moved: bool = False
    heads: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, str]] = field(default_factory=list)

    @property
    def head(self) -> Head | None:
        return self.entries[-1].head if self.entries else None

    def find(self, fault: str, text: str, anchor: str = "") -> None:
        self.findings.append({"fault": fault, "text": text, "anchor": anchor})


def verify(
    ledger: o.LedgerOption = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor",
            help="SEQ:DIGEST, an anchor file, a bundle or an evidence.dsse.json: the chain must "
            "hold the entry that it names.",
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Verify an exported file in place of a ledger.")
    ] = None,
    tsa_trust: o.TsaTrust = None,
    json: o.Json = False,
) -> None:
    """Check every entry, signature and price, and compare the chain with anchors.

    Exit code 5 if anything does not hold.
    """
    if export is not None and ledger is not None:
        raise InputError("cannot be used with --ledger.", where="--export")
    claims = [read_claim(text) for text in anchor or ()]
    roots = _roots(tsa_trust or (), claims)
    known = anchors()
    chain = _Chain()
    try:
        if export is not None:
            _read_export(export, known, chain)
        else:
            _read_ledger(ledger, chain)
    except LedgerDamagedError as error:
        chain.entries = ()
        chain.find("damaged", str(error))
    for claim in claims:
        _compare(claim, chain, known, roots)
    if json:
        emit_json(_as_json(chain))
    else:
        _say(chain)
    if chain.findings:
        raise typer.Exit(LedgerDamagedError.exit_code)


def anchor(
    out: Annotated[
        Path | None, typer.Option("--out", help="New file (default: standard output).")
    ] = None,
    tsa: Annotated[
        str | None,
        typer.Option(
            "--tsa", help="URL of a time-stamping authority (RFC 3161); uses the network."
        ),
    ] = None,
    ledger: o.LedgerOption = None,
    json: o.Json = False,
) -> None:
    """Write the head as a small file for an auditor or counterparty to keep.

    Later `dpsynth ledger verify --anchor FILE` shows whether the ledger still holds it.
    """
    with read_ledger(ledger) as book:
        made = LedgerAnchor.of(book.ledger_id, book.entries(), now())
    stamp = None
    if tsa is not None:
        from dpsynth.signing.timestamp import check_token, request_token

        token = request_token(made.message(), tsa)
        made, stamp = made.stamped(token), check_token(token, made.message())
    if out is None:
        emit_json(made.to_json())
        return
    with new_file(out) as file:
        file.write(json_module.dumps(made.to_json(), indent=2) + "\n")
    if json:
        emit_json(
            {
                "file": str(out),
                **head_json(made.head),
                "time_stamp": stamp.time.isoformat() if stamp else None,
            }
        )
        return
    say(f"Wrote the anchor of entry {made.head.seq}: {out}", "green")
    if stamp is not None:
        say(f"Time stamp {stamp.time.isoformat()} by {plain(stamp.authority)} (not checked here)")
    say("Give it to somebody who does not hold the ledger's key; it names nobody.")


def _roots(files: Sequence[Path], claims: Sequence[NamedHead]) -> Authorities:
    """Load the authorities that the reader trusts, if there is a time stamp that they can prove."""
    if not files:
        return []
    if not any(claim.anchor is not None and claim.anchor.token for claim in claims):
        raise InputError(
            "needs an anchor file with a time stamp.",
            where="--tsa-trust",
            fix="Name it with --anchor; `dpsynth ledger anchor --tsa URL` writes one.",
        )
    from dpsynth.signing.keys import load_roots

    return load_roots(files)


def _read_ledger(ledger: str | None, chain: _Chain) -> None:
    with read_ledger(ledger) as book:
        book.verify()
        chain.ledger_id, chain.public_key = book.ledger_id, book.public_key
        chain.copy, chain.moved = is_copy(book), book.moved
        chain.entries = book.entries()


def _read_export(file: Path, known: Anchors, chain: _Chain) -> None:
    """Verify an exported file as a ledger is: also against what this machine remembers."""
    replay = read_lines(lines_of(file))
    known.check(replay.ledger_id, replay.keys, replay.entries, "")
    known.remember(replay.ledger_id, replay.keys, replay.head, "")
    chain.ledger_id, chain.public_key = replay.ledger_id, replay.public_key
    chain.copy, chain.moved = True, replay.moved
    chain.entries = replay.entries


def _compare(claim: NamedHead, chain: _Chain, known: Anchors, roots: Authorities) -> None:
    """Compare one claim with the chain; a chain that does not hold says nothing about it."""
    told: dict[str, Any] = {
        "source": claim.source,
        **head_json(claim.head),
        "held": None,
        "signed": claim.anchor is not None,
        "time_stamp": None,
    }
    chain.heads.append(told)
    if chain.entries:
        fault = fault_of(claim, chain.ledger_id, chain.entries)
        told["held"] = fault is None
        if fault is not None:
            chain.find(fault[0].value, fault[1], claim.source)
            if fault[0] is Fault.ROLLED_BACK and claim.anchor is not None:
                # Signed by the ledger's own key: this state of the ledger is refused from now on.
                known.meet(chain.ledger_id, claim.anchor.public_key, claim.head)
    if claim.anchor is not None and claim.anchor.token is not None:
        told["time_stamp"] = _time_stamp(claim.anchor, claim.anchor.token, claim, chain, roots)


def _time_stamp(
    made: LedgerAnchor, token: bytes, claim: NamedHead, chain: _Chain, roots: Authorities
) -> dict[str, str] | None:
    """Check the time stamp of an anchor file; None where it is none."""
    from dpsynth.signing.timestamp import Trust, check_token

    try:
        stamp = check_token(token, made.message(), roots)
    except InputError as error:
        chain.find("time stamp", f"It {error.what}", claim.source)
        return None
    if stamp.trust is Trust.UNTRUSTED:
        chain.find(
            "time stamp",
            "The authority that signed it is none of those that you named.",
            claim.source,
        )
    time = stamp.time.isoformat()
    return {"time": time, "authority": stamp.authority, "trust": stamp.trust.value}


def _as_json(chain: _Chain) -> dict[str, Any]:
    return {
        "holds": not chain.findings,
        "ledger": chain.ledger_id,
        "public_key": chain.public_key,
        "entries": len(chain.entries),
        "head": head_json(chain.head) if chain.head else None,
        "copy": chain.copy,
        "moved": chain.moved,
        "anchors": chain.heads,
        "findings": chain.findings,
    }


def _say(chain: _Chain) -> None:
    """Tell a person what holds, then what does not."""
    if chain.head is not None:
        say(f"The chain holds: {len(chain.entries):,} entries, every signature and price.", "green")
        say(f"  ledger {chain.ledger_id}, key {chain.public_key}")
        say(f"  head {head_text(chain.head)}")
        say_copy(chain.copy)
    for told in chain.heads:
        held = {True: "held", False: "NOT held", None: "not compared"}[told["held"]]
        say(f"  {held}: entry {told['seq']} of {plain(told['source'])}")
        if stamp := told["time_stamp"]:
            trust = {
                "trusted": "trusted",
                "expired": "its certificate has expired since, so a stolen key could have made it",
                "untrusted": "NOT one that you trust",
                "not checked": "authority not checked: name it with --tsa-trust",
            }[stamp["trust"]]
            say(f"    time stamp {stamp['time']} by {plain(stamp['authority'])} ({trust})")
    for finding in chain.findings:
        source = f" ({plain(finding['anchor'])})" if finding["anchor"] else ""
        say(f"{finding['fault'].upper()}{source}: {finding['text']}", "bold red")
    if chain.head is not None and not chain.heads:
        say(
            "No anchor was given: only a head that was kept elsewhere shows a ledger that its "
            "key holder rebuilt."
        )
