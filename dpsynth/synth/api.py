"""Contracts of synthesizers and models.

A synthesizer is frozen configuration. It sees a Curator and nothing else: no row, no ledger, no
noise source, no file. A model is built from Measurements only and may be saved, sampled and
published without further cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dpsynth.privacy.curator import Curator
from dpsynth.privacy.measurement import Measurement, Partitions
from dpsynth.schema.domain import Domain


@dataclass(frozen=True, kw_only=True)
class PlannedMarginal:
    """Like marginals that a stage would count: what each is and costs.

    Attributes:
        attributes: Columns of the marginal; empty where noisy answers choose them.
        columns: Number of columns.
        count: How many such marginals.
        cells: Number of cells of each.
        at_most: Whether `cells` is an upper bound, because noisy counts choose the bins.
        rho: Price of each in zCDP rho; their average where noisy counts share it out.
    """

    attributes: tuple[str, ...]
    columns: int
    count: int
    cells: int
    at_most: bool = False
    rho: float

    def sigma(self, max_rows: int) -> float:
        """Return the standard deviation of the noise of a cell, in rows.

        ``max_rows / sqrt(2 rho)`` (Bun & Steinke 2016, Proposition 1.6), to 12 digits what the
        Curator would calibrate.

        Args:
            max_rows: Rows of one unit at most.
        """
        return max_rows / math.sqrt(2.0 * self.rho)


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """One stage of a plan: what would be asked, and what it would cost at most.

    Attributes:
        stage: Machine name, for example ``one-way``.
        description: One sentence for people.
        queries: Number of queries at most.
        rho: Price in zCDP rho at most.
        marginals: What is counted, like ones together; empty for a stage that counts nothing.
    """

    stage: str
    description: str
    queries: int
    rho: float
    marginals: tuple[PlannedMarginal, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the stage in short, for the evidence."""
        return {
            "stage": self.stage,
            "description": self.description,
            "queries": self.queries,
            "rho": self.rho,
        }


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """Training on Poisson samples of units, as a method plans it: fixed before data is opened.

    Attributes:
        stage: Machine name of its stage.
        sampling_rate: Public probability that a unit takes part in a step.
        steps: Number of steps.
        rho: What all steps may cost at the Renyi order of the lineage.
    """

    stage: str
    sampling_rate: float
    steps: int
    rho: float


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """What a person supposes about a table that nobody has opened. Public.

    Attributes:
        rows: Number of rows that would be fitted, positive.
        max_rows: Rows of one unit at most.
        bins: Bin of every fine code at which one-way distances are stated, by attribute name; an
            attribute that is not named stays fine.
    """

    rows: int
    max_rows: int
    bins: Partitions


@dataclass(frozen=True, kw_only=True)
class ExpectedNoise:
    """What noise would do to the marginals of one stage, under an assumption.

    Attributes:
        stage: Machine name of the stage.
        columns: Columns of each marginal, 1 or more.
        marginals: How many marginals `distance` is the mean of.
        cells: Cells of a marginal, on average.
        sigma: Noise of a cell in rows, its root mean square over cells and marginals.
        distance: Expected mean total variation distance that noise alone causes.
        ceiling: The same if no negative count were corrected, at most 1: an upper bound where
            the cells are as many as assumed.
    """

    stage: str
    columns: int
    marginals: int
    cells: float
    sigma: float
    distance: float
    ceiling: float


@dataclass(frozen=True, kw_only=True)
class HalfWidth:
    """Half of the 95 % interval of one count, from noise alone.

    Attributes:
        attributes: Columns of the table of counts.
        cells: Number of its cells.
        rows: Of the count, in rows: of a table of one column, that of its least certain bin.
        share: Of the share that a rare value has of all rows: `rows` over their number.
    """

    attributes: tuple[str, ...]
    cells: int
    rows: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Check:
    """One comparison of a sample with the model that it was drawn from.

    Attributes:
        name: What was compared, with the table that fits worst.
        value: Largest statistic as a share of its limit.
        limit: Largest value that passes.
        passed: Whether it does.
    """

    name: str
    value: float
    limit: float
    passed: bool


@runtime_checkable
class Model(Protocol):
    """A fitted generative model: noisy measurements and parameters, never rows."""

    @property
    def method(self) -> str:
        """Registered name of the method that was fitted."""
        ...

    @property
    def domain(self) -> Domain:
        """The coded domain of the rows that it generates."""
        ...

    @property
    def total(self) -> float:
        """Noisy estimate of the number of rows behind it."""
        ...

    @property
    def total_sigma(self) -> float:
        """Standard deviation of the noise of :attr:`total`, in rows."""
        ...

    @property
    def noise_share(self) -> float:
        """How far noise alone moves a column from the rows, on average, as a share of the rows.

        nan where nothing is known of it.
        """
        ...

    def marginal(self, attributes: Sequence[str]) -> NDArray[np.float64]:
        """Return expected counts over `attributes`, shape ``domain.shape(attributes)``."""
        ...

    def given(self, codes: Mapping[str, int]) -> Model:
        """Return the model of the rows in which some attributes have the given codes.

        Raises:
            InputError: The model holds such rows for impossible.
        """
        ...

    def sample(self, rows: int, *, seed: int) -> NDArray[np.int32]:
        """Return `rows` coded rows, shape (rows, len(domain)); post-processing, so seeded."""
        ...

    def self_test(self, codes: NDArray[np.int32], *, seed: int) -> list[Check]:
        """Compare sampled rows with the model; the false-alarm rate is stated and tiny."""
        ...

    def errors(self) -> list[dict[str, object]]:
        """Return {attributes, cells, sigma, typical_error} of everything that was measured."""
        ...

    def half_widths(self, bins: Partitions) -> list[HalfWidth]:
        """Return half of the interval of one count from noise alone, of all that was measured.

        Args:
            bins: Bin of every fine code at which columns are stated, by attribute name.
        """
        ...

    def out_of_domain_counts(self) -> list[tuple[str, float, float]]:
        """Return (attribute, noisy count, sigma) of every out-of-domain bucket."""
        ...

    def save(self, folder: Path) -> None:
        """Write JSON and a file of arrays into an existing folder; never pickle, never rows."""
        ...


class KeepsCounts(Protocol):
    """A model that keeps the noisy counts it was fitted to: what error bars are read from."""

    @property
    def domain(self) -> Domain:
        """The coded domain of the rows that it generates."""
        ...

    @property
    def total(self) -> float:
        """Noisy estimate of the number of rows behind it, at least 1."""
        ...

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Everything that was measured."""
        ...

    @property
    def fixed(self) -> Mapping[str, int]:
        """Code of every attribute that a condition fixed."""
        ...

    def marginal(self, attributes: Sequence[str]) -> NDArray[np.float64]:
        """Return expected counts over `attributes`, shape ``domain.shape(attributes)``."""
        ...


@runtime_checkable
class Synthesizer(Protocol):
    """Frozen configuration of a method."""

    @property
    def name(self) -> str:
        """Registered name of the method."""
        ...

    def options(self) -> Mapping[str, Any]:
        """Return the declared options, JSON-ready, for the evidence."""
        ...

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost, with no data. Raises InputError if it cannot work."""
        ...

    def forecast(
        self, domain: Domain, rho: float, assumption: Assumption
    ) -> tuple[ExpectedNoise, ...]:
        """Say how far noise alone would move the measured marginals, one entry a kind of marginal.

        Nothing is said about what the model cannot represent.
        """
        ...

    def fit(self, curator: Curator) -> Model:
        """Fit through the Curator, spending at most its budget."""
        ...


@runtime_checkable
class Trains(Synthesizer, Protocol):
    """A method that trains on noisy gradients, which are no zCDP and are calibrated beforehand."""

    def training(self, domain: Domain, rho: float) -> PlannedTraining:
        """Return what :meth:`fit` will ask of :meth:`Curator.train` with this budget.

        Rate and number of steps follow from options alone: what is fitted may have less budget than
        was planned, other categories than were assumed, or fewer columns (replicas).
        """
        ...
