"""What all fitted models share: noisy counts, and a distribution of bins refined inside the bins.

Two levels: a joint distribution over bins, whose form is the method's, and inside each bin the fine
noisy one-way distribution, so that decoded values keep spikes and tails. What may never be true: an
array whose shape depends on the number of rows, or a value that did not come out of a Measurement
or of training under differential privacy.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Floats, Integers
from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Measurement, Partitions
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Check, HalfWidth
from dpsynth.synth.estimate import mean_of
from dpsynth.synth.numeric import shares_inside
from dpsynth.synth.oneway import estimates_of, noise_share
from dpsynth.synth.pgm.model import MAX_TABLE_CELLS
from dpsynth.synth.sampling import refine
from dpsynth.synth.selftest import BinTables, check_sample
from dpsynth.synth.uncertainty import half_widths
from dpsynth.synth.zeros import settle

#: A condition of a smaller probability is refused: nothing was measured that speaks of such rows.
LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one measurement was, for the evidence."""

    attributes: tuple[str, ...]
    cells: int
    sigma: float
    rho: float
    ledger_seq: int


@dataclass(frozen=True, kw_only=True, eq=False)
class BinnedModel(ABC):
    """A distribution over bins, refined inside the bins.

    Attributes:
        method: Registered name of the synthesizer.
        domain: The fine domain of the rows that it generates.
        total: Noisy estimate of the number of rows behind it, at least 1.
        partitions: Bin of every fine code, for every attribute.
        fine: Expected counts of the fine codes of each attribute, non-negative.
        measurements: Everything that was measured.
        fixed: Code of every attribute that :meth:`given` fixed.
    """

    method: str
    domain: Domain
    total: float
    partitions: Mapping[str, Integers]
    fine: tuple[Floats, ...]
    measurements: tuple[Measurement, ...]
    fixed: Mapping[str, int] = field(default_factory=dict)

    @abstractmethod
    def bin_marginal(self, attributes: Sequence[str]) -> Floats:
        """Return the probabilities of the bins of some attributes, one axis each.

        Raises:
            InputError: A table on the way would be too large.
        """

    @abstractmethod
    def bin_tables(self) -> BinTables:
        """Return what the self-test needs of the bins."""

    @abstractmethod
    def _sample_bins(self, rows: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw rows of bins, one row of the result an attribute: shape (attributes, rows)."""

    @abstractmethod
    def _conditioned(self, bins: Mapping[str, int]) -> tuple[Self, float]:
        """Fix bins in the distribution, which leaves each one bin, 0; and their probability."""

    @abstractmethod
    def _write(self, folder: Path) -> None:
        """Write the files of the model."""

    @property
    def total_sigma(self) -> float:
        """Noise of the number of rows: of the best mean of the sums of one-way counts, in rows."""
        precision = sum(
            1.0 / (m.values.size * m.sigma**2) for m in self.measurements if len(m.attributes) == 1
        )
        return 1.0 / math.sqrt(precision)

    @property
    def noise_share(self) -> float:
        """See :func:`dpsynth.synth.oneway.noise_share`."""
        estimates = estimates_of(self.domain, self.measurements)
        return noise_share(self.domain, estimates, self.partitions, self.total)

    @property
    def measured(self) -> tuple[Measured, ...]:
        """What was measured, in order, for the evidence."""
        return tuple(
            Measured(
                attributes=m.attributes,
                cells=m.values.size,
                sigma=m.sigma,
                rho=m.rho,
                ledger_seq=m.ledger_seq,
            )
            for m in self.measurements
        )

    def errors(self) -> list[dict[str, object]]:
        """Return {attributes, cells, sigma, typical_error} of everything measured, JSON-ready.

        A wide column stands here twice: with its own cells, and with its blocks.
        """
        return [
            {
                "attributes": list(m.attributes),
                "cells": m.cells,
                "sigma": m.sigma,
                "typical_error": _typical(m.sigma),
            }
            for m in self.measured
        ]

    def half_widths(self, bins: Partitions) -> list[HalfWidth]:
        """See :func:`dpsynth.synth.uncertainty.half_widths`."""
        return half_widths(self, bins)

    def out_of_domain_counts(self) -> list[tuple[str, float, float]]:
        """Return (attribute, noisy count, sigma) of every out-of-domain bucket, as measured."""
        found = []
        for a in self.domain:
            if a.out_of_domain is not None:
                values, variance = mean_of(
                    [m for m in self.measurements if m.attributes == (a.name,) and not m.partitions]
                )
                found.append((a.name, float(values[a.out_of_domain]), math.sqrt(variance)))
        return found

    def marginal(self, attributes: Sequence[str]) -> Floats:
        """Return expected counts over `attributes`, shape ``domain.shape(attributes)``.

        Raises:
            InputError: The table would have more than MAX_TABLE_CELLS cells.
        """
        if self.domain.cells(attributes) > MAX_TABLE_CELLS:
            raise InputError(
                f"A marginal of more than {MAX_TABLE_CELLS} cells was asked for.",
                where=", ".join(attributes),
                fix="Ask for fewer attributes at once.",
            )
        table = self.bin_marginal(attributes) * self.total
        for axis, name in enumerate(attributes):
            shape = [1] * len(attributes)
            shape[axis] = self.domain[name].size
            table = table.take(self.partitions[name], axis=axis) * self._inside(name).reshape(shape)
        return table

    def _inside(self, name: str) -> Floats:
        """Return the probability of each fine code given its bin."""
        return shares_inside(self.fine[self.domain.index(name)], self.partitions[name])

    def given(self, codes: Mapping[str, int]) -> Self:
        """Return the model of the rows in which some attributes have the given fine codes.

        Its `total` is the number of such rows that this model expects; what is told of the
        measurements, the noise of the total among it, stays that of the whole table.

        Args:
            codes: Fine code of each fixed attribute.

        Raises:
            InputError: There is no such attribute or code, or the model holds such rows for
                impossible.
        """
        for name, code in codes.items():
            if name not in self.domain.names:
                raise InputError("is no column of the model.", where=f"condition on {name!r}")
            if not 0 <= code < self.domain[name].size:
                raise InputError(
                    f"has no code {code}.",
                    where=f"condition on {name!r}",
                    fix=f"Its codes are 0 to {self.domain[name].size - 1}.",
                )
        bins = {name: int(self.partitions[name][code]) for name, code in codes.items()}
        changed, probability = self._conditioned(bins)
        for name, code in codes.items():
            probability *= float(self._inside(name)[code])
        if probability < LEAST_PROBABILITY:
            raise InputError(
                "The model holds rows of this kind for impossible.",
                where=f"condition on {', '.join(map(repr, codes))}",
                fix="Drop a part of the condition, or choose a value that is not as rare.",
            )
        # A fixed attribute has one bin left. All its codes are in it, and one has all the weight.
        total = self.total * probability
        one_bin = {name: np.zeros_like(self.partitions[name]) for name in codes}
        alone = {
            name: np.where(np.arange(self.domain[name].size) == code, total, 0.0)
            for name, code in codes.items()
        }
        return replace(
            changed,
            total=total,
            partitions={**self.partitions, **one_bin},
            fine=tuple(
                alone.get(name, weight)
                for name, weight in zip(self.domain.names, self.fine, strict=True)
            ),
            fixed={**self.fixed, **codes},
        )

    def sample(self, rows: int, *, seed: int) -> NDArray[np.int32]:
        """Return `rows` coded rows, shape (rows, attributes), in no particular order.

        Args:
            rows: Number of rows, 0 or more.
            seed: Seed of the draw; sampling is post-processing.
        """
        if rows < 0:
            raise InputError("must not be negative.", where="rows")
        rng = np.random.default_rng(seed)
        codes = self._sample_bins(rows, rng)
        for number, name in enumerate(self.domain.names):
            codes[number] = refine(codes[number], self.partitions[name], self.fine[number], rng)
        settle(codes, self.domain, self.partitions, self.fine, rng)
        return np.ascontiguousarray(codes.T)

    def self_test(self, codes: NDArray[np.int32], *, seed: int) -> list[Check]:
        """Compare sampled rows with this model, see ``selftest.py``."""
        return check_sample(self, codes, seed=seed)

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and a file of arrays into an existing folder.

        Raises:
            InputError: The model stands under a condition, so it is no longer what was measured.
        """
        if self.fixed:
            raise InputError(
                "A model under a condition is not saved.",
                fix="Save the model that it came from, and give the condition again.",
            )
        self._write(folder)


def _typical(sigma: float) -> float:
    """Return the mean absolute value of Gaussian noise."""
    return sigma * math.sqrt(2.0 / math.pi)
