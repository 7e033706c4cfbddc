"""Made-up tables with related columns, for attacks."""

from __future__ import annotations

import numpy as np
from dpsynth.attacks.api import AttackData

from dpsynth.schema.domain import Domain

DOMAIN = Domain.from_sizes({"a": 8, "b": 300, "c": 5, "d": 50, "e": 12}, ordered=["b", "d"])


def table(n: int, seed: int) -> np.ndarray:
    """Return n rows of codes."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 8, n)
    columns = [a, (30 * a + rng.integers(0, 60, n)) % 300, rng.integers(0, 5, n)]
    columns += [np.minimum(49, rng.geometric(0.08, n)), (a + rng.integers(0, 4, n)) % 12]
    return np.stack(columns, axis=1)


def data(train: int, holdout: int, synthetic: int = 1200) -> AttackData:
    """Return tables of so many rows, all of one population."""
    return AttackData(
        domain=DOMAIN,
        train=table(train, 1),
        holdout=table(holdout, 2),
        synthetic=table(synthetic, 3),
    )
