"""What a release asks of the ledger before any row is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.ledger.terms import Caps, Currency
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.privacy.unit import PrivacyUnit


@dataclass(frozen=True, kw_only=True)
class ReservationRequest:
    """What one release asks to be set aside of a lineage's budget. It only states.

    Whether the numbers hold, and whether the lineage can pay, is decided where the lineage is
    known: by :meth:`dpsynth.privacy.ledger.Ledger.reserve`, and alike by
    :meth:`dpsynth.privacy.ledger.Ledger.refusal`, which reserves nothing.

    Attributes:
        release: Name of the release.
        budget: What the release may spend, as a person declared it; None with the currency NONE.
        rho: The same in rho, at what `discovery_delta` leaves of the budget's delta; 0 with NONE.
        unit: Privacy unit; relation and column must be the lineage's.
        plan: What is to be asked, for the record.
        discovery_delta: What events with a delta of their own may spend of the budget's delta.
        recipient: Who gets the release; spellings with equal letters and digits are one.
        jurisdiction: Where the recipient is; compared likewise.
        currency: In what the events add up; events that are no zCDP need RENYI, programs without
            any guarantee NONE.
        policy: {"name", "sha256"} of the policy that judges the release, and
            "waiver:GATE" -> SHA-256 of each waiver.
        caps: Caps of that policy for any one recipient and jurisdiction; the stricter of these and
            the lineage's holds.
        sampled: Steps on Poisson samples that are part of it; needs RENYI.
    """

    release: str
    budget: Budget | None
    rho: float
    unit: PrivacyUnit
    plan: Sequence[Mapping[str, Any]]
    discovery_delta: float = 0.0
    recipient: str = ""
    jurisdiction: str = ""
    currency: Currency = Currency.ZCDP
    policy: Mapping[str, str] = field(default_factory=dict)
    caps: Caps = field(default_factory=Caps)
    sampled: SampledSteps | None = None
