"""The Adult benchmark: the table, its split and its scores.

adult_discretised of the marginal-synthesis papers, split and scored by the ``bench/score.py`` that
stands beside the data folder, so that figures compare with those quoted for other programs.
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

LABEL = "income>50K"
POSITIVE = 1
ORDERED = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
_SPLIT_SEED, _TRIPLES, _TRIPLES_SEED = 12345, 60, 0


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Mean total variation distance over all 1-way, 2-way and 60 3-way marginals, and the AUC."""

    tvd1: float
    tvd2: float
    tvd3: float
    auc: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Adult:
    """The benchmark, loaded."""

    domain: Domain
    train: pd.DataFrame
    test: pd.DataFrame
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
            sets = [sets[i] for i in rng.choice(len(sets), _TRIPLES, replace=False)]
        synthetic, sizes = self.frame(codes), {a.name: a.size for a in self.domain}
        return float(np.mean([self.score.tvd(self.train, synthetic, sizes, list(s)) for s in sets]))

    def auc(self, frame: pd.DataFrame) -> float:
        """Return the AUC on held-out real rows of a classifier trained on `frame`."""
        return float(self.score.auc(frame, self.test, LABEL, POSITIVE))

    def frame(self, codes: NDArray[np.int32]) -> pd.DataFrame:
        """Return coded rows as a frame."""
        return pd.DataFrame(codes, columns=list(self.domain.names))


def load(data: Path) -> Adult | None:
    """Load the benchmark from a data folder; None where it or its scorer is not there."""
    folder, scorer = data / "adult_discretised", data.parent / "bench" / "score.py"
    if not (folder / "data.csv").is_file() or not scorer.is_file():
        return None
    sizes = json.loads((folder / "domain.json").read_text(encoding="utf-8"))
    frame = pd.read_csv(folder / "data.csv")[list(sizes)]
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(frame))
    held_out = len(frame) // 5
    return Adult(
        domain=Domain.from_sizes(sizes, ordered=ORDERED),
        train=frame.iloc[order[held_out:]].reset_index(drop=True),
        test=frame.iloc[order[:held_out]].reset_index(drop=True),
        scorer=scorer,
    )
