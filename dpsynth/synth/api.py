"""Contracts of synthesizers and models.

A synthesizer is frozen configuration. It sees a Curator and nothing else: no row, no ledger, no
noise source, no file. A model is built from Measurements only and may be saved, sampled and
published without further cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dpsynth.privacy.curator import Curator
from dpsynth.schema.domain import Domain


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """One stage of a plan: what would be asked, and what it would cost at most.

    Attributes:
        stage: Machine name, for example ``one-way``.
        description: One sentence for people.
        queries: Number of queries at most.
        rho: Price in zCDP rho at most.
    """

    stage: str
    description: str
    queries: int
    rho: float


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
    def domain(self) -> Domain:
        """The coded domain of the rows that it generates."""
        ...

    @property
    def total(self) -> float:
        """Noisy estimate of the number of rows behind it."""
        ...

    def marginal(self, attributes: Sequence[str]) -> NDArray[np.float64]:
        """Return expected counts over `attributes`, shape ``domain.shape(attributes)``."""
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

    def out_of_domain_counts(self) -> list[tuple[str, float, float]]:
        """Return (attribute, noisy count, sigma) of every out-of-domain bucket."""
        ...

    def save(self, folder: Path) -> None:
        """Write JSON and npz files into an existing folder; never pickle, never rows."""
        ...


@runtime_checkable
class Synthesizer(Protocol):
    """Frozen configuration of a method."""

    name: str

    def options(self) -> Mapping[str, Any]:
        """Return the declared options, JSON-ready, for the evidence."""
        ...

    def plan(self, domain: Domain, rho: float) -> tuple[PlannedStage, ...]:
        """Say what a fit would ask and cost, with no data. Raises InputError if it cannot work."""
        ...

    def fit(self, curator: Curator) -> Model:
        """Fit through the Curator, spending at most its budget."""
        ...
