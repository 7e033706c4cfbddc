"""What is fixed for the people of a lineage, for ever, and the caps on top of their total."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Any

from dpsynth.errors import InputError
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.conversion import epsilon_at, renyi_order, tight_epsilon
from dpsynth.privacy.numbers import float_down, float_up, parse_decimal
from dpsynth.privacy.unit import PrivacyUnit, Relation
from dpsynth.results import decimal_string

SLACK = 1e-9  #: relative error that a conversion may have; the three accountants differ by less


class Currency(StrEnum):
    """In what the events of a release add up."""

    ZCDP = "zcdp"  #: rho of zCDP: holds at every Renyi order
    RENYI = "renyi"  #: the price at the one order that the lineage fixed
    NONE = "none"  #: nothing adds up: programs without any guarantee run


@dataclass(frozen=True, kw_only=True)
class Cap:
    """A cap on what one recipient, or all recipients of one jurisdiction, may get.

    Attributes:
        budget: Cap as (epsilon, delta) over all their releases together.
        rho: The same in zCDP rho, at what the lineage's discovery leaves of delta.
    """

    budget: Budget
    rho: float

    @classmethod
    def of(cls, budget: Budget, *, discovery_delta: float = 0.0) -> Cap:
        """Return the cap with its rho.

        Raises:
            InputError: Its delta leaves nothing beside the lineage's delta for discovery.
        """
        from dpsynth.privacy.cross_check import rho_for

        left = conversion_delta(budget, discovery_delta)
        return cls(budget=budget, rho=rho_for(Budget(epsilon=budget.epsilon, delta=left)))

    def to_json(self) -> dict[str, str]:
        """Return {epsilon, delta, rho} as decimal strings."""
        return {**budget_json(self.budget), "rho": decimal_string(self.rho)}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any] | None) -> Cap | None:
        """Return what :meth:`to_json` wrote; None for null."""
        if tree is None:
            return None
        return cls(budget=budget_from(tree), rho=parse_decimal(tree["rho"], where="ledger"))


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Caps for any one recipient and for any one jurisdiction; None where there is none."""

    recipient: Cap | None = None
    jurisdiction: Cap | None = None

    def to_json(self) -> dict[str, Any]:
        """Return {recipient, jurisdiction}, each an object or null."""
        return {
            "recipient": self.recipient.to_json() if self.recipient else None,
            "jurisdiction": self.jurisdiction.to_json() if self.jurisdiction else None,
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Caps:
        """Return what :meth:`to_json` wrote."""
        return cls(
            recipient=Cap.from_json(tree["recipient"]),
            jurisdiction=Cap.from_json(tree["jurisdiction"]),
        )


@dataclass(frozen=True, kw_only=True)
class LineageTerms:
    """What is fixed for the people of a lineage, for ever. Made by :meth:`of`.

    The filter is fully adaptive: zCDP adds up adaptively, and what is no zCDP is priced at the one
    order fixed here before anything is released (Feldman & Zrnic 2021, Theorem 4.3).

    Attributes:
        lineage: Name of the people whose budget it is.
        relation: Neighbouring relation.
        unit: What one unit is, in words.
        unit_column: Column that names the unit, or None.
        total: Cap as (epsilon, delta) over all releases together.
        discovery_delta: Part of the total delta set aside for events with a delta of their own.
        total_rho: The cap in zCDP rho, at the rest of delta.
        order: Renyi order at which the filter adds up.
        recipient_cap: Cap for any one recipient on top of the total, or None.
        jurisdiction_cap: Cap for any one jurisdiction on top of the total, or None.
    """

    lineage: str
    relation: Relation
    unit: str
    unit_column: str | None
    total: Budget
    discovery_delta: float
    total_rho: float
    order: float
    recipient_cap: Cap | None = None
    jurisdiction_cap: Cap | None = None

    @classmethod
    def of(
        cls,
        lineage: str,
        *,
        unit: PrivacyUnit,
        total: Budget,
        discovery_delta: float = 0.0,
        recipient: Budget | None = None,
        jurisdiction: Budget | None = None,
    ) -> LineageTerms:
        """Return the terms with every rho and the order worked out.

        Args:
            lineage: Name of the people.
            unit: Privacy unit; its number of rows is a matter of each release.
            total: Cap over all releases together.
            discovery_delta: Part of the total delta for events with a delta of their own.
            recipient: Cap for any one recipient.
            jurisdiction: Cap for any one jurisdiction.

        Raises:
            InputError: The delta for discovery leaves nothing of a cap's delta.
            SelfTestError: The accountants disagree.
        """
        cap = Cap.of(total, discovery_delta=discovery_delta)
        return cls(
            lineage=lineage,
            relation=unit.relation,
            unit=unit.name,
            unit_column=unit.column,
            total=total,
            discovery_delta=discovery_delta,
            total_rho=cap.rho,
            order=renyi_order(cap.rho, conversion_delta(total, discovery_delta)),
            recipient_cap=Cap.of(recipient, discovery_delta=discovery_delta) if recipient else None,
            jurisdiction_cap=Cap.of(jurisdiction, discovery_delta=discovery_delta)
            if jurisdiction
            else None,
        )

    @property
    def conversion_delta(self) -> float:
        """The delta at which rho becomes epsilon: the total less what discovery may take."""
        return conversion_delta(self.total, self.discovery_delta)

    @property
    def caps(self) -> Caps:
        """The caps on top of the total."""
        return Caps(recipient=self.recipient_cap, jurisdiction=self.jurisdiction_cap)

    def epsilon_at_order(self, rho: Fraction, cap: Cap) -> float:
        """Return the epsilon of rho at the lineage's order and a cap's delta, rounded up."""
        delta = conversion_delta(cap.budget, self.discovery_delta)
        return reached(float_up(rho), delta, self.order)

    def check(self) -> None:
        """Raise InputError if a rho exceeds its epsilon, or the order is none."""
        if not self.order > 1 or not self.total_rho > 0:
            raise InputError("A total needs a positive rho and an order above 1.", where="ledger")
        epsilon = reached(self.total_rho, self.conversion_delta, self.order)
        if not epsilon <= self.total.epsilon * (1 + SLACK):
            raise InputError("The total in rho exceeds the total epsilon.", where=self.lineage)
        check_caps(self.caps, self.discovery_delta, self.lineage)

    def to_json(self) -> dict[str, Any]:
        """Return the payload of a register entry."""
        return {
            "relation": self.relation.value,
            "unit": self.unit,
            "unit_column": self.unit_column,
            "total_epsilon": decimal_string(self.total.epsilon),
            "total_delta": decimal_string(self.total.delta),
            "discovery_delta": decimal_string(self.discovery_delta),
            "total_rho": decimal_string(self.total_rho),
            "order": decimal_string(self.order),
            "caps": self.caps.to_json(),
        }

    @classmethod
    def from_json(cls, lineage: str, tree: Mapping[str, Any]) -> LineageTerms:
        """Return the terms that a register entry holds."""
        caps = Caps.from_json(tree["caps"])
        return cls(
            lineage=lineage,
            relation=Relation(tree["relation"]),
            unit=tree["unit"],
            unit_column=tree["unit_column"],
            total=Budget(
                epsilon=parse_decimal(tree["total_epsilon"], where="ledger"),
                delta=parse_decimal(tree["total_delta"], where="ledger"),
            ),
            discovery_delta=parse_decimal(tree["discovery_delta"], where="ledger"),
            total_rho=parse_decimal(tree["total_rho"], where="ledger"),
            order=parse_decimal(tree["order"], where="ledger"),
            recipient_cap=caps.recipient,
            jurisdiction_cap=caps.jurisdiction,
        )


@lru_cache(maxsize=1024)
def reached(rho: float, delta: float, order: float | None = None) -> float:
    """Return the epsilon of rho at delta: of zCDP at the best order, or at one order alone."""
    return tight_epsilon(rho, delta) if order is None else epsilon_at(order, rho, delta)


def check_caps(caps: Caps, discovery_delta: float, where: str) -> None:
    """Raise InputError if the rho of a cap exceeds its epsilon."""
    for label, cap in (("recipient", caps.recipient), ("jurisdiction", caps.jurisdiction)):
        if cap is None:
            continue
        delta = conversion_delta(cap.budget, discovery_delta)
        if not (cap.rho > 0 and reached(cap.rho, delta) <= cap.budget.epsilon * (1 + SLACK)):
            raise InputError(f"The rho of the {label} cap exceeds its epsilon.", where=where)


def conversion_delta(budget: Budget, discovery_delta: float) -> float:
    """Return what discovery leaves of a budget's delta, rounded down.

    Raises:
        InputError: It leaves nothing.
    """
    usable = math.isfinite(discovery_delta) and discovery_delta >= 0
    left = float_down(Fraction(budget.delta) - Fraction(discovery_delta)) if usable else 0.0
    if left <= 0:
        raise InputError(
            f"is {discovery_delta:g}, which leaves nothing of delta {budget.delta:g}.",
            where="delta for discovery",
            fix="Set less aside for discovery, or allow a larger delta.",
        )
    return left


def budget_json(budget: Budget) -> dict[str, str]:
    """Return {epsilon, delta} as decimal strings."""
    return {
        "epsilon": decimal_string(budget.epsilon),
        "delta": decimal_string(budget.delta),
    }


def budget_from(tree: Mapping[str, Any]) -> Budget:
    """Return what :func:`budget_json` wrote."""
    return Budget(
        epsilon=parse_decimal(tree["epsilon"], where="ledger"),
        delta=parse_decimal(tree["delta"], where="ledger"),
    )


@lru_cache(maxsize=4096)
def alike(name: str) -> str:
    """Return what two spellings of one name share: its letters and digits, case aside."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(c for c in folded if c.isalnum())
