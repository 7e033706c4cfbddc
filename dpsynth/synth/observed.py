"""What was measured, as a fit reads it: noisy tables of bins with the variance of every cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpsynth.privacy.measurement import Measurement
from dpsynth.synth.numeric import sum_bins
from dpsynth.synth.oneway import OneWays
from dpsynth.synth.pgm.fit import Observation


def observations_of(one_ways: OneWays, tables: Sequence[Measurement]) -> list[Observation]:
    """Return every column in its bins, in domain order, and then the tables.

    Args:
        one_ways: Fine one-way counts and the bins that follow from them.
        tables: Noisy counts of sets of attributes, in those bins.
    """
    partitions = one_ways.partitions
    return [
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
