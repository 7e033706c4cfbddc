"""A release that can run: declared, checked and priced; no row has been read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from dpsynth.errors import InputError
from dpsynth.pipeline.audited import AuditFact
from dpsynth.pipeline.price import Price
from dpsynth.pipeline.settings import ReleaseSettings
from dpsynth.pipeline.signatures import DeclaredSignatures
from dpsynth.policy import Policy
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.events import ChargesEvents
from dpsynth.privacy.ledger import Currency, LineageTerms
from dpsynth.privacy.numbers import float_up
from dpsynth.privacy.sampled import SampledSteps
from dpsynth.privacy.unit import PrivacyUnit
from dpsynth.results import decimal_string
from dpsynth.schema.codec import Codec, Treatment
from dpsynth.schema.dictionary import Column, Dictionary
from dpsynth.signing.waiver import Waiver
from dpsynth.sources.source import Source
from dpsynth.sources.table import MarginalSource
from dpsynth.synth.api import PlannedStage, Synthesizer

T = TypeVar("T")

_LOOKED_FOR = (
    "its domain is looked for in the rows under differential privacy; where nothing is visible, it "
    "is left out"
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A release that can run: declared, checked, priced; no row has been read.

    Attributes:
        stated_budget: What it may spend; None where the method has no guarantee.
        stated_price: The same in the units that add up, divided; None likewise.
    """

    settings: ReleaseSettings
    dictionary: Dictionary
    codec: Codec
    source: Source
    extra_columns: tuple[str, ...]
    policy: Policy
    unit: PrivacyUnit
    stated_budget: Budget | None
    stated_price: Price | None
    open_columns: tuple[Column, ...]
    terms: LineageTerms
    synthesizer: Synthesizer
    stages: tuple[PlannedStage, ...]
    audit: AuditFact
    waivers: tuple[Waiver, ...]
    signatures: DeclaredSignatures

    @property
    def protected(self) -> bool:
        """Whether it is a release with a guarantee."""
        return self.stated_price is not None

    @property
    def budget(self) -> Budget:
        """What it may spend.

        Raises:
            InputError: The method has no guarantee.
        """
        return _stated(self.stated_budget, self.settings.synthesizer)

    @property
    def price(self) -> Price:
        """The budget in the units that add up, divided.

        Raises:
            InputError: The method has no guarantee.
        """
        return _stated(self.stated_price, self.settings.synthesizer)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are read: modelled, to be discovered, and the one that names the unit."""
        names = self.codec.columns_in(self.unit.column)
        return (*names, *(c.name for c in self.open_columns if c.name not in names))

    @property
    def treatments(self) -> tuple[Treatment, ...]:
        """What happens to every declared column, in dictionary order, as far as is known now."""
        opened = {column.name for column in self.open_columns} - set(self.codec.domain.names)
        return tuple(
            replace(t, treatment="open", reason=_LOOKED_FOR) if t.column in opened else t
            for t in self.codec.treatments
        )

    def stages_json(self) -> list[dict[str, str]]:
        """Return the plan as the ledger keeps it; without a guarantee nothing has a price."""
        if not self.protected:
            return [{"stage": s.stage} for s in self.stages]
        return [{"stage": s.stage, "rho": decimal_string(s.rho)} for s in self.stages]

    @property
    def sampled(self) -> SampledSteps | None:
        """Its steps on Poisson samples; None where there are none, or no guarantee."""
        return None if self.stated_price is None else self.stated_price.sampled

    @property
    def currency(self) -> Currency:
        """In what the events of the release add up."""
        return Currency.ZCDP if self.sampled is None else Currency.RENYI

    @property
    def rest_rho(self) -> float:
        """What the price leaves beside its steps on Poisson samples, in zCDP rho."""
        sampled = self.sampled
        steps = Fraction(0) if sampled is None else Fraction(sampled.rho(self.terms.order))
        return float_up(Fraction(self.price.rho) - steps)

    def curator(self, table: MarginalSource, reservation: ChargesEvents) -> Curator:
        """Return the Curator of the fit."""
        return Curator(
            table,
            reservation=reservation,
            max_rows_per_unit=self.unit.max_rows,
            rho=self.price.fit,
            order=self.terms.order,
            sampled=self.sampled,
        )

    @property
    def format(self) -> str:
        """Format of the synthetic file."""
        return self.settings.format or self.source.format


def _stated(value: T | None, method: str) -> T:
    """Return a value that only a release with a guarantee has."""
    if value is None:
        raise InputError("has no guarantee, so nothing is spent.", where=f"method {method}")
    return value
