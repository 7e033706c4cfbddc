"""The coded benchmark tables, Adult and ACS: the table, its split and its scores.

adult_discretised of the marginal-synthesis papers and ten columns of NIST's national2019 excerpt,
split and scored by the ``bench/score.py`` that stands beside the data folder, so that figures
compare with those quoted for other programs.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpsynth.schema.domain import Domain
from dpsynth.sources.table import CodedTable

_FOLDERS = {"adult": "adult_discretised", "acs": "acs_national2019"}
TABLES = tuple(_FOLDERS)
_ADULT_ORDERED = (
    "age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week",
)  # fmt: skip
_ACS = (
    "AGEP", "SEX", "MSP", "RAC1P", "HOUSING_TYPE", "OWN_RENT", "EDU", "PINCP_DECILE", "DVET",
    "DEYE",
)  # fmt: skip
_ACS_ORDERED = ("AGEP", "EDU", "PINCP_DECILE")
_SPLIT_SEED, _TRIPLES, _TRIPLES_SEED = 12345, 60, 0


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Mean total variation distance over all 1-way, 2-way and 60 3-way marginals, and the AUC."""

    tvd1: float
    tvd2: float
    tvd3: float
    auc: float

    @property
    def k_marginal(self) -> float:
        """NIST's score over all pairs."""
        return 1000.0 * (1.0 - self.tvd2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Benchmark:
    """A table, loaded.

    Attributes:
        name: Which of `TABLES`.
        domain: The domain of the codes.
        train: Codes that are fitted.
        test: Codes that are not.
        label: Column that a classifier learns.
        positive: Its positive code.
        scorer: The file that scores.
    """

    name: str
    domain: Domain
    train: pd.DataFrame
    test: pd.DataFrame
    label: str
    positive: int
    scorer: Path

    @cached_property
    def score(self) -> ModuleType:
        """The scorer; loaded late, because it brings scikit-learn into the memory measured."""
        spec = importlib.util.spec_from_file_location("bench_score", self.scorer)
        if spec is None or spec.loader is None:
            raise ImportError(self.scorer.name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def table(self) -> CodedTable:
        """Return the training part as a source for the Curator."""
        return CodedTable.build(self.domain, self.train.to_numpy(dtype=np.int32).T.copy())

    def scores(self, codes: NDArray[np.int32]) -> Scores:
        """Score synthetic rows."""
        return Scores(
            tvd1=self.tvd(codes, 1),
            tvd2=self.tvd(codes, 2),
            tvd3=self.tvd(codes, 3),
            auc=self.auc(self.frame(codes)),
        )

    def tvd(self, codes: NDArray[np.int32], ways: int) -> float:
        """Return the mean distance to the training rows over `ways`-way marginals."""
        sets = list(itertools.combinations(self.domain.names, ways))
        if ways == 3:
            rng = np.random.default_rng(_TRIPLES_SEED)
            sets = [sets[i] for i in rng.choice(len(sets), min(_TRIPLES, len(sets)), replace=False)]
        synthetic, sizes = self.frame(codes), {a.name: a.size for a in self.domain}
        return float(np.mean([self.score.tvd(self.train, synthetic, sizes, list(s)) for s in sets]))

    def auc(self, frame: pd.DataFrame) -> float:
        """Return the AUC on held-out real rows of a classifier trained on `frame`.

        One half where the frame has one class only: nothing can be learned from it.
        """
        found = self.score.auc(frame, self.test, self.label, self.positive)
        return 0.5 if found is None else float(found)

    def frame(self, codes: NDArray[np.int32]) -> pd.DataFrame:
        """Return coded rows as a frame."""
        return pd.DataFrame(codes, columns=list(self.domain.names))


def load(data: Path, name: str, rows: int | None = None) -> Benchmark | None:
    """Load one of `TABLES` from a data folder; None where it or its scorer is not there.

    Args:
        data: The folder.
        name: Which table.
        rows: How many of the training rows are fitted, all by default.
    """
    folder = data / _FOLDERS[name]
    scorer = data.parent / "bench" / "score.py"
    if not (folder / "data.csv").is_file() or not scorer.is_file():
        return None
    if name == "adult":
        sizes = json.loads((folder / "domain.json").read_text(encoding="utf-8"))
        frame, label, positive = pd.read_csv(folder / "data.csv")[list(sizes)], "income>50K", 1
        domain = Domain.from_sizes(sizes, ordered=_ADULT_ORDERED)
    else:
        frame, domain, values = _acs(folder)
        label, positive = "OWN_RENT", values["OWN_RENT"].index("1")
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(frame))
    held_out = len(frame) // 5
    return Benchmark(
        name=name,
        domain=domain,
        train=frame.iloc[order[held_out:][:rows]].reset_index(drop=True),
        test=frame.iloc[order[:held_out]].reset_index(drop=True),
        label=label,
        positive=positive,
        scorer=scorer,
    )


def _acs(folder: Path) -> tuple[pd.DataFrame, Domain, dict[str, list[str]]]:
    """Return ten columns as codes: numbers in order, then what is no number."""
    texts = pd.read_csv(folder / "data.csv", dtype=str, keep_default_na=False)[list(_ACS)]

    def place(value: str) -> tuple[bool, int, str]:
        number = value.lstrip("-").isdigit()
        return not number, int(value) if number else 0, value

    values = {name: sorted(texts[name].unique(), key=place) for name in _ACS}
    frame = pd.DataFrame(
        {name: pd.Categorical(texts[name], categories=values[name]).codes for name in _ACS}
    ).astype(np.int32)
    domain = Domain.from_sizes({n: len(v) for n, v in values.items()}, ordered=_ACS_ORDERED)
    return frame, domain, values
