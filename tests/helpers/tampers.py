"""Tampered bundles: what somebody does to a release, what he would gain, and what must name it.

Each tamper changes a copy of a real release and says which finding and exit code `dpsynth verify`
must answer with. Attackers are of three kinds: anybody who can write files; somebody with another
key, under the same root or none; and somebody with the issuer's own key, who signs anew what he
changed. An issuer who does everything anew, documents and ledger, tells a consistent story: no
verifier can object.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from envelopes import resign_manifest
from hospital import Hospital
from signed_files import ALL

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger import Ledger, LedgerKey, LineageTerms, ReservationRequest
from dpsynth.privacy.unit import PrivacyUnit, Relation
from dpsynth.signing.keys import Signer
from dpsynth.signing.levels import Level
from dpsynth.signing.roles import Role

PARTS = ("PDF", "attachment", "signature", "manifest", "data", "evidence", "bundle", "status list",
         "ledger")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Releases of one institution, made with the product.

    Attributes:
        hospital: Who released them.
        first: Issuer alone, level B-B.
        second: Another release of the same people, issuer and ledger.
        three: Issuer, expert and data protection officer, level B-LTA; the last in the ledger.
            None where tampers with it are not asked for.
        before: The ledger as it was before `second`.
        elsewhere: The ledger of another institution.
    """

    hospital: Hospital
    first: Path
    second: Path
    three: Path | None
    before: Path
    elsewhere: Path

    @classmethod
    def make(cls, hospital: Hospital, *, alone: bool = False) -> Scene:
        """Release three times, which takes half a minute; twice if the issuer is `alone`."""
        folder = hospital.folder
        first = hospital.release("first")
        before = Path(shutil.copy(hospital.ledger, folder / "before.sqlite"))
        second = hospital.release("second")
        three = None
        if not alone:
            three = hospital.release(
                "three", roles=ALL, level=Level.B_LTA, form="parquet", paper="letter"
            )
        return cls(
            hospital=hospital,
            first=first,
            second=second,
            three=three,
            before=before,
            elsewhere=_other_ledger(folder),
        )

    @property
    def issuer(self) -> Signer:
        """Who issued all of them."""
        return self.hospital.world.signer(Role.ISSUER)

    def colleague(self) -> Signer:
        """Return somebody else under the same root."""
        return self.hospital.world.signer(Role.DPO)


#: Changes a copy of a bundle; returns further options of `dpsynth verify`.
Apply = Callable[[Scene, Path], Sequence[str] | None]


@dataclass(frozen=True, kw_only=True)
class Tamper:
    """One way to tamper.

    Attributes:
        name: What is done.
        part: One of :data:`PARTS`.
        gain: What whoever does it would gain.
        code: The finding that must name it.
        exit_code: 1 invalid, 6 indeterminate.
        on: Which release of the scene it is done to.
        whole: Whether the whole bundle is verified, or its public folder alone.
        apply: Does it.
    """

    name: str
    part: str
    gain: str
    code: str
    exit_code: int
    on: str
    whole: bool
    apply: Apply


TAMPERS: list[Tamper] = []


def tamper(
    part: str,
    name: str,
    gain: str,
    code: str,
    *,
    exit_code: int = 1,
    on: str = "first",
    whole: bool = False,
) -> Callable[[Apply], Apply]:
    """Add a function to the table of tampers."""

    def add(apply: Apply) -> Apply:
        assert part in PARTS and name not in {each.name for each in TAMPERS}, name
        TAMPERS.append(
            Tamper(
                name=name,
                part=part,
                gain=gain,
                code=code,
                exit_code=exit_code,
                on=on,
                whole=whole,
                apply=apply,
            )
        )
        return apply

    return add


def outcome(scene: Scene, each: Tamper, folder: Path) -> tuple[int, frozenset[str]]:
    """Tamper with a copy in an empty folder; return exit code and findings of the verification."""
    bundle = folder / "bundle"
    shutil.copytree(getattr(scene, each.on), bundle)
    options = each.apply(scene, bundle) or ()
    checked = scene.hospital.verify(bundle if each.whole else bundle / "public", *options)
    return checked.exit_code, checked.codes


def with_status(bundle: Path, content: bytes) -> list[str]:
    """Write a status list beside a bundle; return the option that names it."""
    path = bundle.parent / "status.dsse.json"
    path.write_bytes(content)
    return ["--status", str(path)]


def manifest_by(scene: Scene, bundle: Path, certificate: x509.Certificate, key: object) -> None:
    """Sign the public manifest with a certificate that may be unsuitable."""
    signer = Signer(
        private_key=key,  # type: ignore[arg-type]
        certificate=certificate,
        chain=(scene.hospital.world.authority.root,),
    )
    resign_manifest(bundle / "public", signer)


def _other_ledger(folder: Path) -> Path:
    """Return the ledger of another institution, which holds one committed release."""
    path = folder / "elsewhere.sqlite"
    unit = PrivacyUnit(relation=Relation.ADD_REMOVE, name="row", column=None, max_rows=1)
    budget = Budget(epsilon=4.0, delta=1e-6)
    with Ledger.open(path, key=LedgerKey.create(folder / "elsewhere.pem")) as ledger:
        ledger.register(LineageTerms.of("clinic", unit=unit, total=budget))
        asked = ReservationRequest(release="first", budget=budget, rho=1e-3, unit=unit, plan=())
        reservation = ledger.reserve("clinic", asked)
        reservation.open_data()
        reservation.commit({"public": "0" * 64, "internal": "1" * 64})
    return path
