"""The AIM core of smartnoise-synth as class B: its accounting was taken apart, its arithmetic not.

Only the core runs (`AIMSynthesizer.AIM`): it gets the declared domain, codes, and a price in zCDP
rho; its preprocessing, its conversion of epsilon and its default output size, which is the exact
number of rows, are never called. docs/adapters.md argues why one row costs that price: Gaussian
noise of the stated scale on counts that one row moves by one, and an exponential mechanism on
scores that one row moves by at most their weight. Units of c rows pay ``c**2`` times as much. Noise
and choice are floating-point arithmetic, and the choice is drawn from a generator that is seeded
from the operating system but is no cryptographic one: that is why it is B and not A.

Never true here: a price that was planned and not checked. What the core drew is recorded and added
up again after the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError, SelfTestError
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.foreign import ThirdPartyEvent
from dpsynth.privacy.handover import CodedRows
from dpsynth.privacy.numbers import float_down, float_up
from dpsynth.schema.domain import Domain
from dpsynth.synth.adapters.extra import (
    PROGRAM,
    column_names,
    fresh_randomness,
    installed_version,
)
from dpsynth.synth.api import Assumption, ExpectedNoise, PlannedStage
from dpsynth.synth.empirical import EmpiricalModel, NoisyTable
from dpsynth.synth.oneway import check_domain

STAGE = "aim core"
MAX_ROWS = 1_000_000
_MEASURED = 0.9  # share of a round's price that the core spends on the table it chose
_SLACK = 1.0 + 1e-9


@dataclass(frozen=True, kw_only=True)
class AimCoreSynthesizer:
    """Configuration of the core.

    Attributes:
        label: Column that matters most; taken by every method, without effect on this one.
        rounds: Rounds that the first price is set for, at least the number of columns; None for
            twice that number. Its authors take 16 times, which is slow.
        max_cells: Largest pair of columns that may be measured.
        max_model_size: Size of the core's model in megabytes at most.
    """

    label: str | None = None
    rounds: int | None = None
    max_cells: int = 10_000
    max_model_size: float = 80.0
    name = "smartnoise:aim"

    def options(self) -> Mapping[str, Any]:
        """Return the declared options."""
        return {
            "label": self.label,
            "rounds": self.rounds,
            "max_cells": self.max_cells,
            "max_model_size": self.max_model_size,
        }

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what would run and what it costs.

        Raises:
            InputError: The domain, the price or an option cannot work.
        """
        self._check(domain, rho)
        return (
            PlannedStage(
                stage=STAGE,
                description=f"The AIM core of {PROGRAM}: columns, then chosen pairs of them.",
                queries=1,
                rho=rho,
            ),
        )

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say nothing: which pairs are measured, and how often, the core decides."""
        del domain, rho, assumption
        return ()

    def fit(self, curator: Curator) -> EmpiricalModel:
        """Charge the whole budget, run the core and keep rows that it drew.

        Raises:
            SelfTestError: The core drew more than it was paid for.
            ThirdPartyError: The core failed.
        """
        domain, rows = curator.domain, curator.unit_rows
        self._check(domain, curator.rho)
        price = float_down(Fraction(curator.remaining) / rows**2)
        event = ThirdPartyEvent(
            stage=STAGE,
            program=f"{PROGRAM} aim",
            version=installed_version(),
            row_rho=price,
            sensitivity=rows,
            rho=float_up(Fraction(price) * rows**2),
        )
        ran = curator.hand_over(lambda given: _run(self, given, price), event)
        if ran.spent > price * _SLACK:
            raise SelfTestError(
                "The AIM core drew more than it was paid for.",
                where=f"synthesizer {self.name}",
                fix="The release stops. Please report this as a defect.",
            )
        single = [table for table in ran.tables if len(table.attributes) == 1]
        precision = sum(1.0 / (table.cells * table.sigma**2) for table in single)
        return EmpiricalModel(
            method=self.name,
            domain=domain,
            codes=ran.codes,
            total=ran.total,
            total_sigma=1.0 / math.sqrt(precision),
            tables=ran.tables,
        )

    def rounds_for(self, domain: Domain) -> int:
        """Return the rounds of a domain."""
        return 2 * len(domain) if self.rounds is None else self.rounds

    def _check(self, domain: Domain, rho: float) -> None:
        installed_version()
        check_domain(domain, rho, self.label)
        where = f"synthesizer {self.name}"
        if len(domain) < 2:
            raise InputError("needs two columns or more.", where=where)
        if isinstance(self.rounds, bool) or self.rounds_for(domain) < len(domain):
            raise InputError(
                f"must be at least the number of columns, {len(domain)}.",
                where=f"{where}, rounds",
                fix="With fewer the columns alone would cost more than the budget.",
            )
        sizes = sorted(attribute.size for attribute in domain)
        if not (self.max_model_size > 0 and sizes[-1] * sizes[0] <= self.max_cells):
            raise InputError(
                f"leaves a column of {sizes[-1]} codes without any pair.",
                where=f"{where}, max_cells",
                fix="Raise it, or coarsen the bins of that column.",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ran:
    """What the core put out: rows, and what it measured and chose."""

    codes: NDArray[np.int32]
    total: float
    tables: tuple[NoisyTable, ...]
    spent: float


@dataclass
class _Log:
    """What the core draws, written down as it draws: (columns, sigma, epsilon of the choice)."""

    rounds: list[tuple[tuple[str, ...], float, float]] = field(default_factory=list)


def _run(options: AimCoreSynthesizer, rows: CodedRows, price: float) -> _Ran:
    """Run the core at a price in rho; all that it returns is post-processing of its noise."""
    import pandas as pd
    from mbi import Dataset
    from mbi import Domain as TheirDomain
    from snsynth.aim.aim import AIMSynthesizer

    log = _Log()

    class Recorded(AIMSynthesizer):  # type: ignore[misc]
        """The core, which writes down each choice with the noise that goes with it."""

        def _worst_approximated(
            self, candidates: Any, answers: Any, model: Any, eps: float, sigma: float
        ) -> Any:
            chosen = super()._worst_approximated(candidates, answers, model, eps, sigma)
            log.rounds.append((tuple(chosen), float(sigma), float(eps)))
            return chosen

    names, rounds = column_names(rows.domain), options.rounds_for(rows.domain)
    sizes = dict(zip(names, rows.domain.shape(rows.domain.names), strict=True))
    with fresh_randomness():
        core = Recorded(rounds=rounds, max_model_size=options.max_model_size)
        core.rho = price
        data = Dataset(
            pd.DataFrame(np.array(rows.codes, dtype=np.int64), columns=names),
            TheirDomain(names, list(sizes.values())),
        )
        core.AIM(data, core.get_workload(data, degree=2, max_cells=options.max_cells))
        model = core.synthesizer
        total = max(1.0, float(model.total))
        # Drawn by probabilities: the other way to draw keeps unmeasured pairs together.
        drawn = model.synthetic_data(rows=min(round(total), MAX_ROWS), method="sample")
    first = math.sqrt(rounds / (2.0 * _MEASURED * price))
    real = dict(zip(names, rows.domain.names, strict=True))
    tables: list[tuple[tuple[str, ...], float]] = [((name,), first) for name in names]
    tables += [(columns, sigma) for columns, sigma, _ in log.rounds]
    return _Ran(
        codes=np.ascontiguousarray(drawn.df[names].to_numpy(), dtype=np.int32),
        total=total,
        tables=tuple(
            NoisyTable(
                attributes=tuple(real[name] for name in columns),
                cells=math.prod(sizes[name] for name in columns),
                sigma=sigma,
            )
            for columns, sigma in tables
        ),
        spent=sum(0.5 / sigma**2 for _, sigma in tables)
        + sum(epsilon**2 / 8.0 for _, _, epsilon in log.rounds),
    )
