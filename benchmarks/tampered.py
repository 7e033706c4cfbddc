"""``python -m benchmarks tampered``: every tampered bundle must be named, no honest one refused.

Releases are made by the product itself, through the command line, of a small made-up table: three
for the tampers (`tests/helpers/tampers*.py`) and six for honest bundles, of one to three signers,
each as CSV on A4 or Parquet on letter paper, at each level. Honest bundles of other keys and levels
are those, signed anew, each with a copy of the ledger whose last entry commits it; the one of the
first signing must refuse them. Time authority and revocation lists are local. Prints one row a
tamper: part, what is done, what it would gain, finding, exit code.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from certificates import KINDS
from hospital import Checked, Hospital, entry, ledger_of, opened, resigned
from signed_files import ALL, TWO
from tampered import TABLE, Scene, outcome

from dpsynth.signing.levels import Level
from dpsynth.signing.roles import ISSUER_ONLY, Role
from dpsynth.signing.status import sign_status

#: Signers, level, key, format and paper of what is released; levels and keys of the rest follow.
RELEASES = (
    (ISSUER_ONLY, Level.B_B, "P-256", "csv", "a4"),
    (ISSUER_ONLY, Level.B_LTA, "RSA-3072", "parquet", "letter"),
    (TWO, Level.B_T, "P-384", "csv", "letter"),
    (TWO, Level.B_LT, "P-256", "parquet", "a4"),
    (ALL, Level.B_LTA, "P-384", "csv", "a4"),
    (ALL, Level.B_T, "RSA-3072", "parquet", "letter"),
)


def run(*, only: str) -> int:
    """Print both tables; returns 1 if a tamper is missed or an honest bundle refused.

    Args:
        only: ``tampered``, ``honest`` or ``both``.
    """
    print(f"Run of {datetime.now(UTC):%Y-%m-%d}.\n")
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        if only != "honest":
            failed += _tampered(Path(scratch, "tampered"))
        if only != "tampered":
            failed += _honest(Path(scratch, "honest"))
    return int(failed > 0)


def _tampered(folder: Path) -> int:
    """Print one row a tamper and return how many were missed."""
    missed = 0
    folder.mkdir()
    with opened(folder, "Hospital") as hospital:
        scene = Scene.make(hospital)
        print("| part | what is done | what it would gain | finding | exit code |")
        print("| --- | --- | --- | --- | --- |")
        for each in TABLE:
            place = Path(tempfile.mkdtemp(dir=folder))
            exit_code, codes = outcome(scene, each, place)
            shutil.rmtree(place)
            caught = exit_code == each.exit_code and each.code in codes
            missed += not caught
            found = f"`{each.code}`" if caught else f"MISSED: {', '.join(sorted(codes))}"
            print(
                f"| {each.part} | {each.name} | {each.gain} | {found} | {exit_code} |", flush=True
            )
    print(f"\n{len(TABLE)} tampered bundles, {missed} missed.\n")
    return missed


def _honest(folder: Path) -> int:
    """Print how many honest bundles of each kind were refused, and return how many in all."""
    folder.mkdir()
    seen: Counter[tuple[str, str]] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    with opened(folder, "Hospital") as hospital:
        for number, (kinds, checked) in enumerate(_bundles(hospital), 1):
            alarm = checked.exit_code != 0
            if alarm:
                print(f"bundle {number}, {', '.join(kinds)}: {sorted(checked.codes)}")
            seen.update(_kinds(kinds))
            refused.update(_kinds(kinds) if alarm else ())
    print("| honest bundles by | of that kind | refused |")
    print("| --- | --- | --- |")
    for kind in sorted(seen):
        print(f"| {kind[0]}: {kind[1]} | {seen[kind]} | {refused[kind]} |")
    total, alarms = (sum(c[k] for k in c if k[0] == "level") for c in (seen, refused))
    print(f"\n{total} honest verifications, {alarms} false alarms.")
    return alarms


def _kinds(kinds: Sequence[str]) -> list[tuple[str, str]]:
    """Return each property of a bundle beside its name."""
    names = ("signers", "level", "keys", "format", "paper", "status list", "ledger", "made by")
    return list(zip(names, kinds, strict=True))


def _bundles(hospital: Hospital) -> Iterator[tuple[tuple[str, ...], Checked]]:
    """Yield the properties of each honest bundle and what verification says of it."""
    folder = hospital.folder
    for number, (roles, level, kind, form, paper) in enumerate(RELEASES):
        bundle = hospital.release(
            f"r{number}", roles=roles, level=level, kind=kind, form=form, paper=paper
        )
        listed = folder / f"r{number}.status"
        listed.write_bytes(_status(hospital, kind))
        for with_list, with_ledger in product((False, True), repeat=2):
            options: tuple[str, ...] = ("--status", str(listed)) if with_list else ()
            options += ("--ledger", str(hospital.ledger)) if with_ledger else ()
            yield (
                (str(len(roles)), level.value, kind, form, paper, _word(with_list),
                 _word(with_ledger), "a release"),
                hospital.verify(bundle, *options),
            )  # fmt: skip
        for turn, (other, key) in enumerate(product(Level, KINDS)):
            if (turn + number) % 2:  # both releases of a number of signers make the whole grid
                continue
            anew = resigned(hospital, bundle, folder / "anew", level=other, kind=key)
            status = turn % 3 != 0
            listed.write_bytes(_status(hospital, key))
            options = ("--status", str(listed)) if status else ()
            ledger = ledger_of(hospital, anew, folder / "anew.sqlite")
            yield (
                (str(len(roles)), other.value, key, form, paper, _word(status), "with",
                 "signing anew"),
                hospital.verify(anew, *options, "--ledger", str(ledger)),
            )  # fmt: skip
            first = hospital.verify(anew, "--ledger", str(hospital.ledger))
            if "not_committed" not in first.codes:  # else the ledger would say yes to anything
                raise RuntimeError("The ledger of the first signing holds what was signed anew.")
            shutil.rmtree(anew)


def _status(hospital: Hospital, kind: str) -> bytes:
    """Return the issuer's status list, which withdraws another release."""
    listed = hospital.status_list(entry("DPS-2020-0123456789"))
    return sign_status(listed, hospital.world.signer(Role.ISSUER, kind))


def _word(given: bool) -> str:
    return "with" if given else "without"
