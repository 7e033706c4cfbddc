"""A ledger with releases in every state, and answers of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.ledger import Anchors, Ledger, LedgerKey, ReservationRequest
from dpsynth.privacy.unit import PrivacyUnit, Relation

UNIT = PrivacyUnit(relation=Relation.ADD_REMOVE, name="patient", column="id", max_rows=2)
#: release, recipient, jurisdiction, rho charged (0: never charged), last step
RELEASES = (
    ("first", "Hospital Basel", "CH", 0.015, "commit"),
    ("second", "Institut Curie", "EU", 0.01, "commit"),
    ("third", "HOSPITAL  BASEL", "CH", 0.005, "commit"),
    ("lost", "", "CH", 0.0, "open"),
    ("waiting", "Acme", "US", 0.0, "reserve"),
    ("returned", "Acme", "US", 0.0, "void"),
)
RHO = 0.02


@dataclass
class Answer:
    """What one call came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Books:
    """A folder with a ledger, its key and the memory of this machine."""

    folder: Path
    call: Callable[..., Answer]

    @property
    def path(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def key(self) -> LedgerKey:
        return LedgerKey.load(self.folder / "ledger.pem")

    @property
    def anchors(self) -> Anchors:
        return Anchors(self.folder / "anchors")

    def open(self) -> Ledger:
        return Ledger.open(self.path, key=self.key, anchors=self.anchors)


def spend(
    ledger: Ledger,
    release: str,
    recipient: str = "",
    jurisdiction: str = "",
    rho: float = 0.01,
    last: str = "commit",
) -> None:
    """Write one release up to its last step."""
    asked = ReservationRequest(
        release=release, budget=Budget(epsilon=1, delta=1e-6), rho=RHO, unit=UNIT, plan=[],
        recipient=recipient, jurisdiction=jurisdiction,
    )  # fmt: skip
    held = ledger.reserve("clinic", asked)
    if last == "void":
        held.void()
    if last in {"void", "reserve"}:
        return
    held.open_data()
    if rho:
        sigma = 2 * (0.5 / rho) ** 0.5 * (1 + 1e-9)
        held.charge([GaussianEvent(stage="one", attributes=("a",), cells=4, sigma=sigma,
                                   sensitivity=2, rho=rho)])  # fmt: skip
    if last == "commit":
        held.commit({"public": "0" * 64})
