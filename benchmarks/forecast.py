"""``python -m benchmarks forecast``: the noise that ``dpsynth check`` forecasts, over measured.

Measured, with the true number of rows given to the forecast: the mean distance of the model's
columns from the exact ones at the declared bins, and of its measured pairs from the exact pairs in
the bins that they were counted in, where the model could hold them without error. Noise is real
and has no seed. Tables marked `tuned` chose the exponent of the assumed counts; no other did.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import coded
from dpsynth.arrays import Integers
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.cross_check import rho_for
from dpsynth.privacy.curator import Curator
from dpsynth.privacy.ledger.memory import MemoryReservation
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.schema.domain import Attribute, Domain
from dpsynth.sources.files import open_source
from dpsynth.sources.table import CodedTable
from dpsynth.synth import registry
from dpsynth.synth.api import Assumption
from dpsynth.synth.binned_model import BinnedModel

TUNED = ("adult", "german_credit", "heart_disease", "credit_default")


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A table, the rows that may be kept of a unit, the declared bins and the label."""

    table: CodedTable
    max_rows: int
    bins: Mapping[str, Integers]
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Forecast and measured mean distance of marginals of `columns` columns."""

    columns: int
    forecast: float
    measured: float

    @property
    def ratio(self) -> float:
        """Forecast over measured."""
        return self.forecast / self.measured


def ratios(case: Case, method: str, rho: float, runs: int) -> list[Ratio]:
    """Fit `runs` times at a price and compare with the forecast."""
    synthesizer = registry.make(method, {"label": case.label})
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(runs):
        with Curator(
            case.table,
            reservation=MemoryReservation(rho),
            max_rows_per_unit=case.max_rows,
            rho=rho,
        ) as curator:
            model = synthesizer.fit(curator)
        assert isinstance(model, BinnedModel)
        for columns, distances in measured(case, model).items():
            found[columns].append(float(np.mean(distances)))
    assumption = Assumption(rows=case.table.n_rows, max_rows=case.max_rows, bins=case.bins)
    return [
        Ratio(
            columns=entry.columns,
            forecast=entry.distance,
            measured=float(np.mean(found[entry.columns])),
        )
        for entry in synthesizer.forecast(case.table.domain, rho, assumption)
    ]


def measured(case: Case, model: BinnedModel) -> dict[int, list[float]]:
    """Return the distances of a model from the table: of its columns and of its measured pairs."""
    codes = dict(zip(case.table.domain.names, case.table.codes, strict=True))
    single = []
    for name, column in codes.items():
        bins = case.bins.get(name, np.arange(case.table.domain[name].size))
        made = np.bincount(bins, weights=model.marginal((name,)))
        single.append(_distance(made, np.bincount(bins[column], minlength=made.size)))
    found = {1: single}
    for m in model.measurements:
        if len(m.attributes) == 2:
            left, right = (model.partitions[n][codes[n]] for n in m.attributes)
            pairs = model.bin_marginal(m.attributes)
            exact = np.bincount(left * pairs.shape[1] + right, minlength=pairs.size)
            found.setdefault(2, []).append(_distance(pairs.ravel(), exact))
    return found


def _distance(a: NDArray[np.number[Any]], b: NDArray[np.number[Any]]) -> float:
    return float(np.abs(a / a.sum() - b / b.sum()).sum()) / 2.0


def real(data: Path, name: str, max_rows: int = 1, file: Path | None = None) -> Case | None:
    """Load a real table by its dictionary; None where it is not there."""
    place = data / name / "dictionary.yaml"
    if not place.is_file():
        return None
    dictionary = load_dictionary(place)
    codec = Codec.from_dictionary(dictionary)
    source = open_source(
        file or data / name / str(dictionary.file),
        delimiter=dictionary.delimiter,
        encoding=dictionary.encoding,
    )
    unit = dictionary.privacy_unit.column
    raw = source.read(codec.columns_in(unit))
    table = CodedTable.build(
        codec.domain, codec.encode(raw.columns), raw.columns[unit] if unit else None
    )
    bounded = table.bounded(max_rows, secrets.token_bytes(32))
    label = dictionary.label if dictionary.label in codec.domain.names else None
    return Case(table=bounded, max_rows=max_rows, bins=codec.coarse, label=label)


def rand_hie() -> Case | None:
    """Load the RAND Health Insurance Experiment that statsmodels ships, one row of a person."""
    try:
        folder = files("statsmodels.datasets.randhie")
    except ModuleNotFoundError:
        return None
    here = Path(str(files("dpsynth.cli")))
    return real(here, "demo_files", 1, Path(str(folder.joinpath("randhie.csv"))))


def adult_discretised(data: Path) -> Case | None:
    """Load the discretised Adult table: the people of `adult`, other cells."""
    benchmark = coded.load(data, "adult")
    return (
        None
        if benchmark is None
        else Case(table=benchmark.table(), max_rows=1, bins={}, label=benchmark.label)
    )


def generated(kind: str) -> Case:
    """Return a generated table: `chain`, `normal`, `skewed` or `flags`; always the same rows."""
    rng = np.random.default_rng(7)
    ordered = 0
    if kind == "chain":  # each column repeats the one before it, half the time
        sizes = [int(k) for k in rng.integers(3, 13, 12)]
        columns = [rng.integers(0, sizes[0], 5000)]
        for size in sizes[1:]:
            fresh = rng.integers(0, size, 5000)
            columns.append(np.where(rng.random(5000) < 0.5, columns[-1] % size, fresh))
    elif kind == "normal":  # ten correlated bell curves in 64 cells
        sizes, ordered = [64] * 10, 64
        mixed = rng.standard_normal((10, 10)) @ rng.standard_normal((10, 20_000))
        columns = [np.clip(np.floor(32 + 10 * z / z.std()), 0, 63).astype(np.int64) for z in mixed]
    elif kind == "skewed":  # few common values, all driven by one hidden trait
        sizes = [int(k) for k in rng.integers(2, 15, 15)]
        hidden = rng.random(2000)
        columns = []
        for size in sizes:
            weight = np.arange(1, size + 1) ** -rng.uniform(0.5, 2.0)
            mix = np.where(rng.random(2000) < 0.5, hidden, rng.random(2000))
            columns.append(np.searchsorted(np.cumsum(weight) / weight.sum(), mix))
    else:  # yes and no, mostly no
        sizes = [2] * 20
        sick = rng.random(10_000) < 0.3
        columns = [
            (rng.random(10_000) < rate * np.where(sick, 2, 1)).astype(np.int64)
            for rate in rng.uniform(0.01, 0.3, 20)
        ]
    domain = Domain(
        tuple(
            Attribute(
                name=f"c{i}",
                size=size,
                n_ordered=ordered,
                positions=tuple(float(p) for p in range(ordered)),
            )
            for i, size in enumerate(sizes)
        )
    )
    codes = np.minimum(np.array(columns), np.array(sizes)[:, None] - 1).astype(np.int32)
    return Case(table=CodedTable.build(domain, codes), max_rows=1, bins={})


GENERATED = ("chain", "normal", "skewed", "flags")


def cases(data: Path) -> dict[str, Callable[[], Case | None]]:
    """Return the tables by name, each loaded when it is called for."""
    return {
        **{name: partial(real, data, name) for name in TUNED},
        "acs_national2019": lambda: real(data, "acs_national2019"),
        "acs2018_nd": lambda: real(data, "acs2018_nd", 3),
        "diabetes130": lambda: real(data, "diabetes130", 2),
        "adult_discretised": lambda: adult_discretised(data),
        "rand_hie": rand_hie,
        **{name: partial(generated, name) for name in GENERATED},
    }


def run(
    *,
    data: Path,
    names: Sequence[str],
    methods: Sequence[str],
    epsilons: Sequence[float],
    runs: int,
) -> int:
    """Print one row a table, method and epsilon; returns the exit code."""
    print("| table | method | epsilon | 1-way forecast | measured | ratio "
          "| pair forecast | measured | ratio |")  # fmt: skip
    print("| --- | --- " + "| ---: " * 7 + "|")
    for name, load in cases(data).items():
        case = load() if not names or name in names else None
        if case is None:
            continue
        for method in methods or registry.METHODS:
            for epsilon in epsilons:
                rho = rho_for(Budget(epsilon=epsilon, delta=1e-6))
                cells = [
                    f"{r.forecast:.4f} | {r.measured:.4f} | {r.ratio:.2f}"
                    for r in ratios(case, method, rho, runs)
                ]
                label = f"{name}{' (tuned)' if name in TUNED else ''}"
                print(
                    f"| {label} | {method} | {epsilon:g} | "
                    + " | ".join(cells if len(cells) > 1 else [*cells, "- | - | -"])
                    + " |",
                    flush=True,
                )
    return 0
