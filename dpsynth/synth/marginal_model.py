"""The model that marginal methods return: noisy tables and the distribution fitted to them.

Two levels: a graphical model over bins, and inside each bin the fine noisy one-way distribution, so
that decoded values keep spikes and tails. What may never be true: an array whose shape depends on
the number of rows, or a value that did not come out of a Measurement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.privacy.measurement import Codes, Measurement
from dpsynth.schema.domain import Domain
from dpsynth.synth.api import Check
from dpsynth.synth.estimate import mean_of
from dpsynth.synth.numeric import sum_bins
from dpsynth.synth.oneway import OneWays
from dpsynth.synth.persist import load_parts, save_parts
from dpsynth.synth.pgm.fit import Observation, fit, shrinkage_for
from dpsynth.synth.pgm.model import MAX_TABLE_CELLS, GraphicalModel
from dpsynth.synth.sampling import refine, sample_codes
from dpsynth.synth.selftest import check_sample

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one measurement was, for the evidence."""

    attributes: tuple[str, ...]
    cells: int
    sigma: float
    rho: float
    ledger_seq: int


@dataclass(frozen=True, kw_only=True, eq=False)
class MarginalModel:
    """A graphical model over bins, refined inside the bins.

    Attributes:
        method: Registered name of the synthesizer.
        domain: The fine domain of the rows that it generates.
        total: Noisy estimate of the number of rows behind it, at least 1.
        partitions: Bin of every fine code, for every attribute.
        graph: Distribution of the bins.
        fine: Expected counts of the fine codes of each attribute, non-negative.
        measurements: Everything that was measured.
    """

    method: str
    domain: Domain
    total: float
    partitions: Mapping[str, Codes]
    graph: GraphicalModel
    fine: tuple[Floats, ...]
    measurements: tuple[Measurement, ...]

    @classmethod
    def from_measurements(
        cls,
        method: str,
        one_ways: OneWays,
        tables: Sequence[Measurement],
        rho: float,
        *,
        before: MarginalModel | None = None,
    ) -> MarginalModel:
        """Fit the model.

        Args:
            method: Registered name of the synthesizer.
            one_ways: Fine one-way counts and the bins that follow from them.
            tables: Noisy counts of sets of attributes, in those bins.
            rho: Budget of the fit, from which the weight of the prior follows.
            before: A model of the first of these tables, from which the search goes on.
        """
        partitions = one_ways.partitions
        observations = [
            Observation(
                attributes=(name,),
                values=sum_bins(estimate.values, partitions[name]),
                variance=estimate.bin_variance(partitions[name]),
            )
            for name, estimate in zip(one_ways.domain.names, one_ways.estimates, strict=True)
        ] + [
            Observation(
                attributes=m.attributes,
                values=m.values.astype(np.float64),
                variance=np.full(m.values.shape, m.sigma**2),
            )
            for m in tables
        ]
        coarse = one_ways.coarse_domain
        graph = fit(
            coarse,
            observations,
            prior=[counts / one_ways.total for counts in one_ways.coarse],
            total=one_ways.total,
            shrinkage=shrinkage_for(rho),
            start=before.graph.potentials[: -len(coarse)] if before else (),
        )
        return cls(
            method=method,
            domain=one_ways.domain,
            total=one_ways.total,
            partitions=partitions,
            graph=graph,
            fine=one_ways.fine,
            measurements=(*one_ways.measurements, *tables),
        )

    @property
    def total_sigma(self) -> float:
        """Noise of the number of rows: of the best mean of the sums of one-way counts, in rows."""
        precision = sum(
            1.0 / (m.values.size * m.sigma**2) for m in self.measurements if len(m.attributes) == 1
        )
        return 1.0 / math.sqrt(precision)

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

    def expected_error(self, attributes: Sequence[str]) -> float | None:
        """Return the typical absolute noise of a cell, in rows, of a measured marginal.

        The mean of the absolute value of the noise, sigma * sqrt(2 / pi), of the most precise
        measurement of this set of attributes; None where the set was not measured by itself.
        """
        sigmas = [m.sigma for m in self.measurements if set(m.attributes) == set(attributes)]
        return _typical(min(sigmas)) if sigmas else None

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
        table = self.graph.marginal(attributes) * self.total
        for axis, name in enumerate(attributes):
            shape = [1] * len(attributes)
            shape[axis] = self.domain[name].size
            table = table.take(self.partitions[name], axis=axis) * self._inside(name).reshape(shape)
        return table

    def _inside(self, name: str) -> Floats:
        """Return the probability of each fine code given its bin."""
        partition, weight = self.partitions[name], self.fine[self.domain.index(name)]
        mass = sum_bins(weight, partition)
        cells = np.bincount(partition)
        flat = 1.0 / cells[partition]
        share: Floats = np.divide(weight, mass[partition], out=flat, where=mass[partition] > 0)
        return share

    def sample(self, rows: int, *, seed: int) -> NDArray[np.int32]:
        """Return `rows` coded rows, shape (rows, attributes), in no particular order.

        Args:
            rows: Number of rows, 0 or more.
            seed: Seed of the draw; sampling is post-processing.
        """
        if rows < 0:
            raise InputError("must not be negative.", where="rows")
        rng = np.random.default_rng(seed)
        codes = sample_codes(self.graph, rows, rng)
        for number, name in enumerate(self.domain.names):
            codes[number] = refine(codes[number], self.partitions[name], self.fine[number], rng)
        return np.ascontiguousarray(codes.T)

    def self_test(self, codes: NDArray[np.int32], *, seed: int) -> list[Check]:
        """Compare sampled rows with this model, see ``selftest.py``."""
        return check_sample(self, codes, seed=seed)

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``arrays.npz`` into an existing folder."""
        save_parts(
            folder,
            method=self.method,
            domain=self.domain,
            total=self.total,
            partitions=self.partitions,
            fine=self.fine,
            measurements=self.measurements,
            scopes=self.graph.scopes,
            potentials=self.graph.potentials,
        )


def _typical(sigma: float) -> float:
    """Return the mean absolute value of Gaussian noise."""
    return sigma * math.sqrt(2.0 / math.pi)


def load_model(folder: Path) -> MarginalModel:
    """Read what :meth:`MarginalModel.save` wrote.

    Raises:
        InputError: A file is missing, or holds anything but a model of the declared shapes.
    """
    parts = load_parts(folder)
    return MarginalModel(
        method=parts.method,
        domain=parts.domain,
        total=parts.total,
        partitions=parts.partitions,
        graph=GraphicalModel.build(parts.coarse_domain, parts.scopes, parts.potentials),
        fine=parts.fine,
        measurements=parts.measurements,
    )
