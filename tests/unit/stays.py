"""A made-up table of hospital stays under every type of constraint, and its dictionary."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from dpsynth.schema.constraints import (
    Constraint,
    FunctionalDependency,
    Implies,
    LessThan,
    MissingIffBelow,
    SameMissing,
)
from dpsynth.schema.declared import (
    CategoryDomain,
    Column,
    DateDomain,
    Dictionary,
    Kind,
    NumericDomain,
    PrivacyUnitSpec,
    Role,
)

FIRST = date(2020, 1, 1)
DAYS = DateDomain(format="%Y-%m-%d", lower=FIRST, upper=date(2020, 12, 31))
MONEY = NumericDomain(lower=0, upper=100_000, edges=tuple(range(0, 100_001, 5000)))
CONSTRAINTS: tuple[Constraint, ...] = (
    MissingIffBelow(column="pay", numeric="age", threshold=15),
    SameMissing(names=("pay", "employer")),
    Implies(condition={"sex": ("m",)}, consequence={"ward": ("general", "heart")}),
    LessThan(left="admitted", right="discharged", or_equal=True),
    LessThan(left="cost", right="charged"),
    FunctionalDependency(determinant=("ward",), dependent=("floor", "rate")),
)


def dictionary(constraints: tuple[Constraint, ...] = CONSTRAINTS) -> Dictionary:
    """Return the declaration of the table."""

    def column(name: str, kind: Kind, domain, **more) -> Column:
        return Column(name=name, kind=kind, role=Role.OTHER, meaning="", domain=domain, **more)

    def words(*texts: str) -> CategoryDomain:
        return CategoryDomain(categories=texts)

    return Dictionary(
        title="stays",
        privacy_unit=PrivacyUnitSpec(kind="row"),
        constraints=constraints,
        columns=(
            column("age", Kind.INTEGER, NumericDomain(lower=0, upper=99, edges=(0, 50, 100))),
            column("sex", Kind.CATEGORICAL, words("f", "m")),
            column("ward", Kind.CATEGORICAL, words("birth", "general", "heart")),
            column("floor", Kind.CATEGORICAL, words("1", "2")),
            column("rate", Kind.FLOAT, NumericDomain(lower=0, upper=10, edges=(0, 5, 10))),
            column("pay", Kind.FLOAT, MONEY, missing={"N": "none"}),
            column("employer", Kind.CATEGORICAL, words("public", "private"), missing={"?": "none"}),
            column("admitted", Kind.DATE, DAYS),
            column("discharged", Kind.DATE, DAYS),
            column("cost", Kind.FLOAT, MONEY),
            column("charged", Kind.FLOAT, MONEY),
        ),
    )


def table(rows: int, seed: int) -> dict[str, pa.Array]:
    """Return rows that keep all constraints, as text."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 100, rows)
    male = rng.random(rows) < 0.5
    ward = np.where(male, rng.integers(1, 3, rows), rng.integers(0, 3, rows))
    pay = np.round(np.minimum(rng.gamma(2, 9000, rows), 100_000), 2)
    child = age < 15
    start = rng.integers(0, 330, rows)
    stay = np.minimum(rng.geometric(0.2, rows) - 1, 30)
    cost = np.minimum(rng.gamma(2, 1500, rows), 90_000) + 1
    texts = {
        "age": age,
        "sex": np.where(male, "m", "f"),
        "ward": np.array(["birth", "general", "heart"])[ward],
        "floor": np.array(["1", "1", "2"])[ward],
        "rate": np.array(["1.25", "1.5", "7"])[ward],
        "pay": np.where(child, "N", pay.astype(str)),
        "employer": np.where(child, "?", "public"),
        "admitted": [FIRST + timedelta(days=int(d)) for d in start],
        "discharged": [FIRST + timedelta(days=int(d)) for d in start + stay],
        "cost": np.round(cost, 2),
        "charged": np.round(cost * 1.1 + 5, 2),
    }
    return {name: pa.array([str(cell) for cell in cells]) for name, cells in texts.items()}
