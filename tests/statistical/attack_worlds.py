"""Members, non-members and harmless output: rows of a generated table like Adult."""

from __future__ import annotations

import numpy as np
from dpsynth.attacks.api import AttackData

from dpsynth.schema.domain import Domain

SIZES = {"sex": 2, "age": 70, "job": 12, "hours": 60, "region": 9, "edu": 8, "pay": 200, "kids": 6}
RARE = {f"flag{j}": 3 for j in range(6)}  # mostly one value, as benefits, allergies or gains are
DOMAIN = Domain.from_sizes(SIZES | RARE, ordered=["age", "hours", "edu", "pay", "kids"])


def people(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows of a table like Adult: related columns, skewed columns, natural duplicates."""
    edu = rng.integers(0, 8, n)
    age = np.clip(rng.normal(30, 12, n), 0, 69).astype(int)
    job = (edu + rng.integers(0, 3, n)) % 12
    pay = np.where(rng.random(n) < 0.3, 0, 8 * edu + rng.integers(0, 60, n))
    hours = np.where(rng.random(n) < 0.6, 40, rng.integers(0, 60, n))
    kids = np.minimum(5, rng.poisson(0.8, n))
    region = np.minimum(8, rng.geometric(0.4, n) - 1)
    flags = [np.where(rng.random(n) < 0.9, 0, rng.integers(0, 3, n)) for _ in RARE]
    columns = [rng.integers(0, 2, n), age, job, hours, region, edu, pay, kids, *flags]
    return np.stack(columns, axis=1)


def world(seed: int, *, train: int = 6000, holdout: int = 2000) -> AttackData:
    """Return members, non-members and, as synthetic rows, fresh rows of the same kind."""
    rng = np.random.default_rng(seed)
    return AttackData(
        domain=DOMAIN,
        train=people(train, rng),
        holdout=people(holdout, rng),
        synthetic=people(6000, rng),
    )
