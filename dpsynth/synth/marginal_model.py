"""The model that marginal methods return: noisy tables and the distribution fitted to them.

A graphical model over bins, see ``pgm/``, refined inside the bins, see ``binned_model.py``. What
may never be true: a value that did not come out of a Measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dpsynth.arrays import Floats
from dpsynth.privacy.measurement import Measurement
from dpsynth.schema.zeros import Zeros
from dpsynth.synth.binned_model import BinnedModel
from dpsynth.synth.conditioning import condition
from dpsynth.synth.observed import observations_of
from dpsynth.synth.oneway import OneWays
from dpsynth.synth.persist import load_parts, save_parts
from dpsynth.synth.pgm.fit import fit, prior_beside, shrinkage_for
from dpsynth.synth.pgm.model import GraphicalModel
from dpsynth.synth.sampling import one_way_bounds, sample_codes
from dpsynth.synth.selftest import BinTables
from dpsynth.synth.zeros import factor


@dataclass(frozen=True, kw_only=True, eq=False)
class MarginalModel(BinnedModel):
    """A graphical model over bins, refined inside the bins.

    Attributes:
        graph: Distribution of the bins.
    """

    graph: GraphicalModel

    @classmethod
    def from_measurements(
        cls,
        method: str,
        one_ways: OneWays,
        tables: Sequence[Measurement],
        rho: float,
        *,
        zeros: Sequence[Zeros] = (),
        before: MarginalModel | None = None,
    ) -> MarginalModel:
        """Fit the model.

        Args:
            method: Registered name of the synthesizer.
            one_ways: Fine one-way counts and the bins that follow from them.
            tables: Noisy counts of sets of attributes, in those bins.
            rho: Budget of the fit, from which the weight of the prior follows.
            zeros: Structural zeros that the model holds.
            before: A model of the first of these tables, from which the search goes on.
        """
        partitions = one_ways.partitions
        observations = observations_of(one_ways, tables)
        coarse = one_ways.coarse_domain
        fine = dict(zip(one_ways.domain.names, one_ways.fine, strict=True))
        factors = [factor(each, partitions, fine) for each in zeros]
        graph = fit(
            coarse,
            observations,
            prior=before.graph.potentials[-len(coarse) :]
            if before
            else prior_beside(
                coarse,
                factors,
                one_ways.coarse,
                [o.variance for o in observations[: len(coarse)]],
                total=one_ways.total,
                shrinkage=shrinkage_for(rho),
            ),
            total=one_ways.total,
            shrinkage=shrinkage_for(rho),
            start=before.graph.potentials[: -len(coarse) - len(factors)] if before else (),
            factors=factors,
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

    def bin_marginal(self, attributes: Sequence[str]) -> Floats:
        """See :meth:`BinnedModel.bin_marginal`."""
        return self.graph.marginal(attributes)

    def bin_tables(self) -> BinTables:
        """See :meth:`BinnedModel.bin_tables`."""
        return BinTables(marginal=self.graph.marginal, bounds=one_way_bounds(self.graph))

    def _sample_bins(self, rows: int, rng: np.random.Generator) -> NDArray[np.int32]:
        return sample_codes(self.graph, rows, rng)

    def _conditioned(self, bins: Mapping[str, int]) -> tuple[Self, float]:
        graph, probability = condition(self.graph, bins)
        return replace(self, graph=graph), probability

    def _write(self, folder: Path) -> None:
        save_parts(folder, self, scopes=self.graph.scopes, potentials=self.graph.potentials)


def load_marginal_model(folder: Path) -> MarginalModel:
    """Read what :meth:`MarginalModel.save` wrote.

    Raises:
        InputError: A file is missing, or holds anything but a model of the declared shapes.
    """
    parts = load_parts(folder)
    return MarginalModel(
        **parts.common.fields(),
        graph=GraphicalModel.build(parts.common.coarse_domain, parts.scopes, parts.potentials),
    )
