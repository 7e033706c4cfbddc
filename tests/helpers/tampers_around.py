"""Tampers with what stands beside a bundle: the issuer's status list and the ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import rfc8785
from envelopes import opened, statement_of
from hospital import entry
from ledger_copies import edited_copy
from tampers import Scene, tamper, with_status

from dpsynth.signing.chain import fingerprint
from dpsynth.signing.dsse import sign_envelope
from dpsynth.signing.keys import Signer
from dpsynth.signing.manifest import MANIFEST
from dpsynth.signing.statement import statement
from dpsynth.signing.status import STATUS_TYPE, ReleaseStatus, StatusList, sign_status


def release_of(bundle: Path) -> str:
    """Return the certificate number."""
    return str(statement_of(bundle / "public" / MANIFEST).predicate["release"])


@tamper("status list", "use of a withdrawn release", "data that the issuer no longer stands by",
        "withdrawn")  # fmt: skip
def withdrawn(scene: Scene, bundle: Path) -> list[str]:
    """The list says so."""
    listed = scene.hospital.status_list(entry(release_of(bundle)))
    return with_status(bundle, sign_status(listed, scene.issuer))


@tamper("status list", "use of a release that was replaced", "the better one stays unused",
        "superseded")  # fmt: skip
def superseded(scene: Scene, bundle: Path) -> list[str]:
    """The list names the one in its place."""
    said = entry(release_of(bundle), ReleaseStatus.SUPERSEDED,
                 superseded_by=release_of(scene.second))  # fmt: skip
    return with_status(bundle, sign_status(scene.hospital.status_list(said), scene.issuer))


@tamper("status list", "withdrawal of an outdated list", "an old list is taken for no list",
        "withdrawn")  # fmt: skip
def withdrawn_long_ago(scene: Scene, bundle: Path) -> list[str]:
    """What was withdrawn stays so."""
    listed = scene.hospital.status_list(entry(release_of(bundle)), age=60)
    return with_status(bundle, sign_status(listed, scene.issuer))


@tamper("status list", "replay of an older list", "a withdrawal since then stays hidden",
        "status_outdated", exit_code=6)  # fmt: skip
def outdated(scene: Scene, bundle: Path) -> list[str]:
    """Before its next edition was due, nothing can show it: see docs/status.md."""
    listed = scene.hospital.status_list(age=60)
    return with_status(bundle, sign_status(listed, scene.issuer))


@tamper("status list", "list dated into the future", "a list that never becomes old",
        "status_from_the_future", exit_code=6)  # fmt: skip
def future(scene: Scene, bundle: Path) -> list[str]:
    """Issued in ten days."""
    listed = scene.hospital.status_list(age=-10)
    return with_status(bundle, sign_status(listed, scene.issuer))


@tamper("status list", "withdrawal taken out of the list", "a withdrawn release looks good",
        "status_refused")  # fmt: skip
def edited(scene: Scene, bundle: Path) -> list[str]:
    """The envelope of one list around the payload of another."""
    said = sign_status(scene.hospital.status_list(entry(release_of(bundle))), scene.issuer)
    kept = sign_status(scene.hospital.status_list(), scene.issuer)
    tree = json.loads(said)
    tree["payload"] = json.loads(kept)["payload"]
    return with_status(bundle, rfc8785.dumps(tree))


@tamper("status list", "list of a colleague", "somebody else clears the release",
        "status_of_another")  # fmt: skip
def colleague(scene: Scene, bundle: Path) -> list[str]:
    """Under the same root, under his own name."""
    signer = scene.colleague()
    listed = replace(scene.hospital.status_list(), issuer=signer.name)
    return with_status(bundle, sign_status(listed, signer))


@tamper("status list", "list in the issuer's name by a colleague", "somebody else clears it",
        "status_refused")  # fmt: skip
def impostor(scene: Scene, bundle: Path) -> list[str]:
    """Under the same root; the list names the issuer."""
    return with_status(bundle, _signed_by(scene.hospital.status_list(), scene.colleague()))


@tamper("status list", "cleared and withdrawn in one list", "each reader sees what he likes",
        "status_refused")  # fmt: skip
def twice(scene: Scene, bundle: Path) -> list[str]:
    """Two entries about one release."""
    said = entry(release_of(bundle))
    cleared = replace(
        said, status=ReleaseStatus.REVIEWED, review_by=said.since + timedelta(days=300)
    )
    return with_status(bundle, _signed_by(scene.hospital.status_list(said, cleared), scene.issuer))


@tamper("status list", "a manifest given as the list", "something genuine of another kind",
        "status_refused")  # fmt: skip
def other_statement(scene: Scene, bundle: Path) -> list[str]:
    """Signed by the issuer, and no status list."""
    return with_status(bundle, (bundle / "public" / MANIFEST).read_bytes())


@tamper("status list", "list signed after the certificate expired", "a stolen old key clears it",
        "status_certificate_time", exit_code=6)  # fmt: skip
def expired(scene: Scene, bundle: Path) -> list[str]:
    """A certificate of the issuer's name that ended yesterday."""
    world = scene.hospital.world
    old = world.authority.signer(scene.issuer.name, days=-1, age=timedelta(days=20))
    return with_status(bundle, sign_status(scene.hospital.status_list(), old))


@tamper("ledger", "ledger of another institution", "budget that was never spent", "ledger")
def other_ledger(scene: Scene, bundle: Path) -> list[str]:
    """It holds a release of the same name."""
    return ["--ledger", str(scene.elsewhere)]


@tamper("ledger", "ledger rolled back to before the release", "the same budget twice", "ledger",
        on="second")  # fmt: skip
def rolled_back(scene: Scene, bundle: Path) -> list[str]:
    """A backup, shown to somebody who never met the ledger."""
    return ["--ledger", str(scene.before)]


@tamper("ledger", "ledger cut off before the commit", "a release that was never completed",
        "not_committed", on="three")  # fmt: skip
def uncommitted(scene: Scene, bundle: Path) -> list[str]:
    """The last entry is gone; the entry that the documents name is there."""
    return ["--ledger", str(_spoiled(scene, bundle, "DELETE FROM entries WHERE seq = {last}"))]


@tamper("ledger", "entry of a ledger edited", "less spent than was", "LedgerDamagedError",
        exit_code=5)  # fmt: skip
def edited_ledger(scene: Scene, bundle: Path) -> list[str]:
    """The ledger itself says so before the bundle is looked at."""
    change = "UPDATE entries SET lineage = 'others' WHERE seq = {last}"
    return ["--ledger", str(_spoiled(scene, bundle, change))]


def _spoiled(scene: Scene, bundle: Path, change: str) -> Path:
    """Return a copy of the ledger, changed past its triggers."""
    return edited_copy(scene.hospital.ledger, bundle.parent / "ledger.sqlite", change)


def _signed_by(listed: StatusList, signer: Signer) -> bytes:
    """Return a list in its issuer's name that our own writer would not sign with this key."""
    honest = sign_status(replace(listed, issuer=signer.name), signer)
    predicate = {**opened(honest).predicate, "issuer": listed.issuer}
    subjects = {"issuer certificate": fingerprint(signer.certificate)}
    return sign_envelope(statement(subjects, STATUS_TYPE, predicate), signer)
