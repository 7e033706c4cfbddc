"""What a prepared release can expect, and what it and the next one cost; no row is read.

Forecasts rest on a number of rows that a person supposes, never on the table: under add/remove the
number of rows is itself private. Whether a release fits is decided in exact fractions, as the
ledger decides it; every epsilon is rounded up. Formulas and validation: ``docs/planning.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dpsynth.errors import InputError
from dpsynth.exact import first
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.price import Price
from dpsynth.pipeline.promise import lineage_epsilon
from dpsynth.privacy.budget import MAX_EPSILON, Budget
from dpsynth.privacy.ledger import LineageStatus, LineageTerms
from dpsynth.synth.api import Assumption, ExpectedNoise

MAX_ASSUMED_ROWS = 10**9
# Below it nothing is answered: a smaller answer would only say that any budget will do.
_LEAST_EPSILON = 0.01
# What leaving out all relations costs in the pairs of six public tables: 0.014 to 0.171 (README).
_LIKE_INDEPENDENT = 0.08

# So much noise in single columns had Adult at epsilon 1 with some 7,000 rows, where the pairs of a
# method that trains on gradients were as far off as independent columns (docs/neural_trained.md).
_TOO_NOISY_TO_TRAIN = 0.04
# Two columns of two bins each: with fewer cells there is no relation to measure.
_LEAST_CELLS = 4.0


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What noise would do at an assumed number of rows.

    Attributes:
        rows: Rows that are supposed, kept of the table before the holdout is sealed.
        fitted_rows: Those of them that are fitted.
        noise: One entry a kind of marginal.
        warnings: Sentences for people.
    """

    rows: int
    fitted_rows: int
    noise: tuple[ExpectedNoise, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What it takes to bring the noise of one kind of marginal down to a target.

    Attributes:
        columns: Columns of the marginals: 1 or 2.
        target: Mean total variation distance that is wanted.
        epsilon: Two-digit epsilon that reaches it where the next smaller one does not; None if not
            even `max_epsilon` does.
        fits: Whether the lineage can pay that epsilon; None if there is none.
        max_epsilon: Largest epsilon that the policy allows for one release.
        best: Forecast at `max_epsilon`.
        rows: Two-digit number of rows with which the epsilon asked for reaches the target; None if
            a billion rows do not suffice.
    """

    columns: int
    target: float
    epsilon: float | None
    fits: bool | None
    max_epsilon: float
    best: float
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class LineageForecast:
    """Where a lineage stands before and after this release, and after one more like it.

    Attributes:
        known: Whether the ledger has the lineage.
        terms: Its terms; those of the request if it is new.
        spent_rho: Exact.
        remaining_rho: Exact, before this release.
        fits: Whether this release does, by the total and by every cap.
        refusal: Why the ledger would refuse it, in a sentence; None if it would not.
        releases_that_fit: How many such releases fit, this one included.
        epsilon_spent: Epsilon of what is spent, at the delta of the total; 0 if nothing is.
        epsilon_after: The same after this release.
        epsilon_after_next: The same after one more release at the same price.
    """

    known: bool
    terms: LineageTerms
    spent_rho: Fraction
    remaining_rho: Fraction
    fits: bool
    refusal: str | None
    releases_that_fit: int
    epsilon_spent: float
    epsilon_after: float
    epsilon_after_next: float

    @property
    def next_fits(self) -> bool:
        """Whether one more release at the same price fits after this one."""
        return self.releases_that_fit >= 2


def forecast(plan: Plan, rows: int) -> Forecast:
    """Forecast the noise of a plan at an assumed number of rows.

    Raises:
        InputError: The number is out of range.
    """
    if not 1 <= rows <= MAX_ASSUMED_ROWS:
        raise InputError(
            f"must lie in [1, {MAX_ASSUMED_ROWS}].",
            where="--assume-rows",
            fix="Give a public guess of the number of rows; do not look it up in the table.",
        )
    noise = _noise(plan, plan.price.fit, rows)
    return Forecast(
        rows=rows,
        fitted_rows=_fitted(plan, rows),
        noise=noise,
        warnings=(
            *_unknown(plan),
            *(() if plan.sampled is None else _training_warnings(noise)),
            *_warnings(noise, _fitted(plan, rows)),
        ),
    )


def answers(plan: Plan, rows: int, target: float, lineage: LineageForecast) -> tuple[Answer, ...]:
    """Say which epsilon, or how many rows, a target of noise needs, for each kind of marginal.

    Both are found by halving on the numbers of two significant digits. The forecast of pairs falls
    in steps, because more budget or rows also buy finer bins, so halving finds one place where it
    passes the target; that the answer itself passes is always checked.

    Args:
        plan: The prepared release.
        rows: Number of rows that is supposed.
        target: Mean total variation distance, in (0, 1).
        lineage: Where its lineage stands.

    Raises:
        InputError: The target is out of range.
    """
    if not 0.0 < target < 1.0:
        raise InputError(
            "must lie between 0 and 1.",
            where="--target-error",
            fix="0.05 means that 5 of 100 rows would have to move.",
        )
    top = min(plan.policy.max_epsilon, MAX_EPSILON)
    kinds = [noise.columns for noise in _noise(plan, plan.price.fit, rows)]
    return tuple(_answer(plan, rows, target, columns, top, lineage) for columns in kinds)


def lineage_forecast(
    plan: Plan, status: LineageStatus | None, *, refusal: str | None = None
) -> LineageForecast:
    """Say where the lineage stands with this release, and with one more like it.

    Args:
        plan: The prepared release.
        status: The lineage in the ledger; None if it is new.
        refusal: Why the ledger would refuse this release; None if it would not.
    """
    terms = plan.terms if status is None else status.terms
    spent = Fraction(0) if status is None else status.spent_rho
    remaining = Fraction(terms.total_rho) - spent
    price = Fraction(plan.price.rho)
    count = max(0, remaining // price)

    def epsilon_of(rho: Fraction, *, alone: bool = False) -> float:
        return lineage_epsilon(plan, status, rho, alone=alone)

    return LineageForecast(
        known=status is not None,
        terms=terms,
        spent_rho=spent,
        remaining_rho=remaining,
        fits=count >= 1 and refusal is None,
        refusal=refusal,
        releases_that_fit=count,
        epsilon_spent=epsilon_of(spent),
        epsilon_after=epsilon_of(spent + price, alone=not spent),
        epsilon_after_next=epsilon_of(spent + 2 * price),
    )


def two_digits(low: float, high: float) -> list[float]:
    """Return the numbers of two significant digits in [low, high], ascending.

    >>> two_digits(0.98, 1.2)
    [0.98, 0.99, 1.0, 1.1, 1.2]
    """
    first = Decimal(repr(float(low))).adjusted()
    last = Decimal(repr(float(high))).adjusted()
    numbers = [
        float(Decimal(digits).scaleb(power - 1))
        for power in range(first, last + 1)
        for digits in range(10, 100)
    ]
    return [number for number in numbers if low <= number <= high]


def _fitted(plan: Plan, rows: int) -> int:
    """Return the rows that are fitted: those that are not sealed."""
    return max(1, round(rows * (1.0 - plan.settings.holdout)))


def _noise(plan: Plan, rho: float, rows: int) -> tuple[ExpectedNoise, ...]:
    """Return the forecast of the method at a price and a number of rows of the whole table.

    It is one of the declared columns; empty where there are none.
    """
    if not len(plan.codec.domain):
        return ()
    return plan.synthesizer.forecast(
        plan.codec.domain,
        rho,
        Assumption(rows=_fitted(plan, rows), max_rows=plan.unit.max_rows, bins=plan.codec.coarse),
    )


def _distance(noise: tuple[ExpectedNoise, ...], columns: int) -> float:
    """Return the forecast of one kind of marginal; 1 where none of them is measured."""
    return next((entry.distance for entry in noise if entry.columns == columns), 1.0)


def _answer(
    plan: Plan, rows: int, target: float, columns: int, top: float, lineage: LineageForecast
) -> Answer:
    """Find the epsilon and the rows that one kind of marginal needs."""

    def price(value: float) -> Price:
        return Price.of(
            Budget(epsilon=value, delta=plan.budget.delta),
            plan.open_columns,
            discovery_share=plan.settings.discovery_share,
            fidelity_share=plan.settings.fidelity_share,
        )

    def at_epsilon(value: float) -> float:
        rho = price(value).fit
        try:
            plan.synthesizer.plan(plan.codec.domain, rho)
        except InputError:  # too little to be shared out: not an answer
            return 1.0
        return _distance(_noise(plan, rho, rows), columns)

    def at_rows(value: float) -> float:
        return _distance(_noise(plan, plan.price.fit, round(value)), columns)

    epsilons = two_digits(_LEAST_EPSILON, top)
    needed = _first(epsilons, lambda value: at_epsilon(value) <= target)
    many = _first(two_digits(1, MAX_ASSUMED_ROWS), lambda value: at_rows(value) <= target)
    return Answer(
        columns=columns,
        target=target,
        epsilon=needed,
        fits=None if needed is None else Fraction(price(needed).rho) <= lineage.remaining_rho,
        max_epsilon=top,
        best=at_epsilon(top),
        rows=None if many is None else round(many),
    )


def _first(numbers: list[float], good: Callable[[float], bool]) -> float | None:
    """Return by halving a number that is good and whose predecessor is not; None if there is none.

    The last number must be good, else there is none.
    """
    found = first(0, len(numbers) - 1, lambda i: good(numbers[i])) if numbers else None
    return None if found is None else numbers[found]


def _unknown(plan: Plan) -> tuple[str, ...]:
    """Say which columns are not in the forecast."""
    names = [column.name for column in plan.open_columns]
    if not names:
        return ()
    return (
        f"Not in this forecast, because their domains are still to be found: {', '.join(names)}.",
    )


def _training_warnings(noise: tuple[ExpectedNoise, ...]) -> tuple[str, ...]:
    """Say where a table is too small for training on noisy gradients."""
    if all(entry.distance < _TOO_NOISY_TO_TRAIN for entry in noise):
        return ()
    return (
        "The table is too small for training at this epsilon: with so much noise in single "
        "columns, pairs of such methods were further off than independent columns in public "
        "tables. Choose the method cliquetree or independent, or a larger epsilon.",
    )


def _warnings(noise: tuple[ExpectedNoise, ...], rows: int) -> tuple[str, ...]:
    """Say where the table is too small for what would be measured."""
    found = []
    for entry in noise:
        if entry.columns < 2:
            continue
        if entry.sigma > rows / entry.cells:
            found.append(
                f"The noise of a count of a pair ({entry.sigma:.0f} rows) exceeds the average "
                f"count ({rows / entry.cells:.0f} rows): the table is too small for pairs at this "
                "epsilon. Choose the method independent, a larger epsilon or fewer columns."
            )
        elif entry.cells < _LEAST_CELLS:
            found.append(
                f"So few rows allow only {entry.cells:.1f} cells a pair, which hold hardly any "
                "relation: the table is too small for pairs at this epsilon. Choose the method "
                "independent, a larger epsilon or fewer columns."
            )
        elif entry.distance >= _LIKE_INDEPENDENT:
            found.append(
                f"Noise alone moves {entry.distance:.0%} of the rows of a pair. In public tables, "
                "leaving out all relations between columns cost 1 to 17 %: the method independent "
                "may do as well here. A larger epsilon or fewer columns would help pairs."
            )
    return tuple(found)
