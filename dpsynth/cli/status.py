"""``dpsynth status``: the issuer's signed list of withdrawn, superseded and reviewed releases."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, prompt, say, show_table
from dpsynth.errors import InputError
from dpsynth.newfile import new_bytes, replace_bytes, unwritable
from dpsynth.pipeline.prepare import load_release_signer
from dpsynth.signing.keys import load_roots
from dpsynth.signing.status import (
    ReleaseStatus,
    StatusEntry,
    StatusList,
    first_edition,
    next_edition,
    open_status,
    sign_status,
)

app = typer.Typer(
    help="What became of releases: withdrawn, superseded or reviewed, in one signed list.",
    no_args_is_help=True,
)

_List = Annotated[Path, typer.Argument(metavar="LIST", help="File of the status list.")]
_Release = Annotated[
    str, typer.Argument(metavar="NUMBER", help="Certificate number, DPS-2026-0123456789.")
]
_Reason = Annotated[str, typer.Option("--reason", help="Why, in one line that everybody may read.")]
_Key = Annotated[Path, typer.Option("--key", help="PKCS#12 file of the issuer.")]
_Trust = Annotated[
    list[Path], typer.Option("--trust", help="Root certificate (PEM) of the issuer.")
]
_Days = Annotated[
    int, typer.Option("--days", help="Days until the next edition is due at the latest.")
]


@app.command("new")
def new(
    path: _List,
    key: _Key,
    days: _Days = 90,
    passphrase_file: o.PassphraseFile = None,
    json: o.Json = False,
) -> None:
    """Make the first edition of a list: it says that nothing was withdrawn."""
    signer = load_release_signer(key, passphrase_file, prompt())
    listed = first_edition(signer.name, issued=datetime.now(UTC), days=days)
    with new_bytes(path) as file:
        file.write(sign_status(listed, signer))
    _told(path, listed, json)


@app.command("withdraw")
def withdraw(
    path: _List,
    release: _Release,
    reason: _Reason,
    key: _Key,
    trust: _Trust,
    days: _Days = 90,
    passphrase_file: o.PassphraseFile = None,
    json: o.Json = False,
) -> None:
    """Withdraw a release, for good. Data that were copied cannot be called back."""
    entry = StatusEntry(
        release=release, status=ReleaseStatus.WITHDRAWN, since=_today(), reason=reason
    )
    _publish(path, entry, key, trust, days, passphrase_file, json)


@app.command("supersede")
def supersede(
    path: _List,
    release: _Release,
    reason: _Reason,
    by: Annotated[str, typer.Option("--by", help="Certificate number of the newer release.")],
    key: _Key,
    trust: _Trust,
    days: _Days = 90,
    passphrase_file: o.PassphraseFile = None,
    json: o.Json = False,
) -> None:
    """Say that another release takes the place of this one."""
    entry = StatusEntry(
        release=release,
        status=ReleaseStatus.SUPERSEDED,
        since=_today(),
        reason=reason,
        superseded_by=by,
    )
    _publish(path, entry, key, trust, days, passphrase_file, json)


@app.command("review")
def review(
    path: _List,
    release: _Release,
    reason: _Reason,
    review_by: Annotated[
        str, typer.Option("--review-by", help="Day of the next review, for example 2028-01-31.")
    ],
    key: _Key,
    trust: _Trust,
    days: _Days = 90,
    passphrase_file: o.PassphraseFile = None,
    json: o.Json = False,
) -> None:
    """Say that a release was reviewed, and until when the issuer stands by it."""
    try:
        due = date.fromisoformat(review_by)
    except ValueError:
        raise InputError("must be a day such as 2028-01-31.", where="--review-by") from None
    if due <= _today():
        raise InputError("must lie in the future.", where="--review-by")
    entry = StatusEntry(
        release=release,
        status=ReleaseStatus.REVIEWED,
        since=_today(),
        reason=reason,
        review_by=due,
    )
    _publish(path, entry, key, trust, days, passphrase_file, json)


@app.command("renew")
def renew(
    path: _List,
    key: _Key,
    trust: _Trust,
    days: _Days = 90,
    passphrase_file: o.PassphraseFile = None,
    json: o.Json = False,
) -> None:
    """Make the next edition without a change, before the last one becomes too old."""
    _publish(path, None, key, trust, days, passphrase_file, json)


@app.command("show")
def show(path: _List, trust: _Trust, json: o.Json = False) -> None:
    """Show a list after its signature was checked."""
    _told(path, _open(path, trust)[1], json)


def _publish(
    path: Path,
    entry: StatusEntry | None,
    key: Path,
    trust: list[Path],
    days: int,
    passphrase_file: Path | None,
    json: bool,
) -> None:
    """Replace a list by its next edition, in one step."""
    signer = load_release_signer(key, passphrase_file, prompt())
    content, known = _open(path, trust)
    listed = next_edition(content, known, entry, issued=datetime.now(UTC), days=days)
    signed = sign_status(listed, signer)
    try:
        replace_bytes(path, signed)
    except OSError as error:
        raise unwritable(path, error) from None
    _told(path, listed, json)


def _open(path: Path, trust: list[Path]) -> tuple[bytes, StatusList]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror}).",
            where=str(path),
            fix="Make a first edition with `dpsynth status new`.",
        ) from None
    opened = open_status(content, load_roots(trust), datetime.now(UTC))
    if opened.content is None:
        raise InputError(f"is refused: {opened.problem}.", where=str(path))
    return content, opened.content


def _told(path: Path, listed: StatusList, json: bool) -> None:
    if json:
        emit_json(
            {
                "list": path,
                "issuer": listed.issuer,
                "number": listed.number,
                "issued": listed.issued.isoformat(),
                "next_update": listed.next_update.isoformat(),
                "releases": [
                    {
                        "release": e.release,
                        "status": e.status.value,
                        "since": e.since.isoformat(),
                        "reason": e.reason,
                        "superseded_by": e.superseded_by or None,
                        "review_by": e.review_by.isoformat() if e.review_by else None,
                    }
                    for e in listed.entries
                ],
            }
        )
        return
    say(f"Status list of {listed.issuer}, edition {listed.number}: {path}")
    say(f"Issued {listed.issued:%Y-%m-%d}, to be relied on until {listed.next_update:%Y-%m-%d}.")
    if not listed.entries:
        say("No release was withdrawn, superseded or reviewed.")
        return
    show_table(
        ("release", "status", "since", "reason"),
        [(e.release, _words(e), e.since.isoformat(), e.reason) for e in listed.entries],
    )


def _words(entry: StatusEntry) -> str:
    if entry.superseded_by:
        return f"superseded by {entry.superseded_by}"
    if entry.review_by is not None:
        return f"reviewed, next by {entry.review_by.isoformat()}"
    return entry.status.value


def _today() -> date:
    return datetime.now(UTC).date()
