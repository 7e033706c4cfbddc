"""Train on synthetic, test on real (TSTR), beside train on real.

Esteban, Hyland and Rätsch (2017): the use that most recipients have in mind is a model. The same
classifier is trained on synthetic and on real training rows; both are scored on the sealed
holdout. Binary labels: ROC-AUC; more classes: macro mean of one class against the rest, over
classes that occur in the holdout. Intervals are DeLong's (Biometrics 1988) from the per-row
influence on the AUC, which also gives the interval of the paired difference.

Never true here: that a score was computed on rows that either model was trained on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from dpsynth.arrays import Codes
from dpsynth.fidelity.api import FidelityData, inconclusive
from dpsynth.results import FidelityResult, Interval

NAME = "tstr_auc"
TITLE = "Model trained on synthetic, tested on real rows"
MAX_TRAINING_ROWS = 100_000  #: more rows are cut by a seeded draw
MANY_CELLS = 10  #: an ordered label with more cells is split at the training median
RARE = 0.01  #: a missing or out-of-domain label is a class only from this share of training rows
MAX_CLASSES = 20  #: the most frequent ones are kept
MIN_SCORED = 10  #: rows of a class, and of the rest, in the holdout to be scored
MIN_FITTED = 10  #: rows of a class in a training table to be learnt at all
_CATEGORIES = 254  #: most frequent codes of a nominal feature; the rest become one code
LEVEL = 0.95


@dataclass(frozen=True)
class _Classes:
    """How label codes become classes: entry -1 leaves the row out."""

    of_code: NDArray[np.int64]
    count: int
    rule: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What the two models say about the holdout rows that have a class, n of them.

    Attributes:
        rows: Which holdout rows these are, shape (n,).
        truth: Their classes, shape (n,).
        synthetic, real: Class scores by the model trained on either table, shape (n, classes).
        rule: How labels became classes, in words.
    """

    rows: NDArray[np.int64]
    truth: NDArray[np.int64]
    synthetic: NDArray[np.float64]
    real: NDArray[np.float64]
    rule: str


@dataclass(frozen=True, kw_only=True)
class Compared:
    """AUC of both models, with half-widths of intervals at 95 %, and the classes it is over."""

    synthetic: float
    synthetic_half: float
    real: float
    real_half: float
    gap_half: float
    classes: int

    @property
    def gap(self) -> float:
        """What training on synthetic rows costs."""
        return self.real - self.synthetic


def predictions(data: FidelityData, seed: int) -> Predictions | str:
    """Train the model on synthetic and on real rows and let both score the holdout.

    Args:
        data: The coarse tables; `data.label` is what is predicted.
        seed: Draws the training rows where there are more than `MAX_TRAINING_ROWS`.

    Returns:
        The scores, or why there are none.
    """
    if data.label is None:
        return "The dictionary declares no label."
    if len(data.domain) < 2:
        return "There is no column beside the label."
    classes = _classes(data)
    if classes.count < 2:
        return "The label has fewer than two classes in training rows."
    test_x, test_y = _split(data, data.holdout, classes)
    if not len(_scored(test_y, classes.count)):
        return "The holdout has too few rows of two or more classes."
    found = {}
    for source, table in (("synthetic", data.synthetic), ("real", data.train)):
        rng = np.random.default_rng(seed)
        x, y = _split(data, table[rng.permutation(len(table))[:MAX_TRAINING_ROWS]], classes)
        found[source] = _scores(data, x, y, test_x, classes.count)
    labels = data.holdout[:, data.domain.index(data.label)]
    return Predictions(
        rows=np.flatnonzero(classes.of_code[labels] >= 0),
        truth=test_y,
        synthetic=found["synthetic"],
        real=found["real"],
        rule=classes.rule,
    )


def compare(made: Predictions, among: NDArray[np.bool_] | None = None) -> Compared | None:
    """Return the AUC of both models; None where too few rows have two or more classes.

    Args:
        made: What the models say.
        among: Which of the n rows count, shape (n,); None for all.
    """
    keep = np.ones(len(made.truth), bool) if among is None else among
    truth = made.truth[keep]
    scored = _scored(truth, made.real.shape[1])
    if not len(scored):
        return None
    synthetic, moves = macro_auc(made.synthetic[keep], truth, scored)
    real, real_moves = macro_auc(made.real[keep], truth, scored)
    return Compared(
        synthetic=synthetic,
        synthetic_half=_half_width(moves),
        real=real,
        real_half=_half_width(real_moves),
        gap_half=_half_width(real_moves - moves),
        classes=len(scored),
    )


def train_synthetic_test_real(data: FidelityData, made: Predictions | str) -> FidelityResult:
    """Return the holdout AUC of a model trained on synthetic rows, beside one trained on real rows.

    Args:
        data: The coarse tables.
        made: What :func:`predictions` returned for them.
    """
    if isinstance(made, str):
        return inconclusive(NAME, TITLE, made)
    found = compare(made)
    if found is None:
        raise ValueError("predictions without a class that can be scored")
    classes = made.real.shape[1]
    return FidelityResult(
        name=NAME,
        title=TITLE,
        value=found.synthetic,
        unit="ROC-AUC" if classes == 2 else "macro one-against-rest ROC-AUC",
        interval=_interval(found.synthetic, found.synthetic_half),
        n=len(made.truth),
        baseline=found.real,
        baseline_title="the same model trained on the real training rows",
        control=0.5,
        control_title="guessing",
        details={
            "label": data.label,
            "classes": classes,
            "classes_scored": found.classes if classes > 2 else 2,
            "class_rule": made.rule,
            "gap": found.gap,
            "gap_low": found.gap - found.gap_half,
            "gap_high": found.gap + found.gap_half,
            "real_low": max(0.0, found.real - found.real_half),
            "real_high": min(1.0, found.real + found.real_half),
            "training_rows_at_most": MAX_TRAINING_ROWS,
            "model": "HistGradientBoostingClassifier(random_state=0, max_iter=100)",
        },
        note=f"Label: {made.rule}",
    )


def macro_auc(
    scores: NDArray[np.float64], truth: NDArray[np.int64], scored: NDArray[np.int64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the mean one-against-rest AUC and each row's influence on it.

    Args:
        scores: Class scores, shape (n, classes).
        truth: Classes, shape (n,).
        scored: Classes to average over; each needs rows inside and outside of it.

    Returns:
        The mean AUC and centred influences, shape (n,): the variance of the mean AUC is
        sum(influence**2) / n**2, DeLong's up to the factor n / (n - 1).
    """
    n = len(truth)
    total, influence = 0.0, np.zeros(n)
    for k in scored:
        inside = truth == k
        score = scores[:, k]
        m = int(inside.sum())
        rank = stats.rankdata(score)
        above = (rank[inside] - stats.rankdata(score[inside])) / (n - m)
        below = 1.0 - (rank[~inside] - stats.rankdata(score[~inside])) / m
        value = float(above.mean())
        total += value
        influence[inside] += (above - value) * n / m
        influence[~inside] += (below - value) * n / (n - m)
    return total / len(scored), influence / len(scored)


def _scored(truth: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return the classes that have enough rows, and enough of the others beside them."""
    per_class = np.bincount(truth, minlength=classes)
    enough = (per_class >= MIN_SCORED) & (len(truth) - per_class >= MIN_SCORED)
    return np.flatnonzero(enough)


def _half_width(influence: NDArray[np.float64]) -> float:
    sd = math.sqrt(float((influence**2).sum())) / len(influence)
    return float(stats.norm.isf((1 - LEVEL) / 2)) * sd


def _interval(value: float, half: float) -> Interval:
    return Interval(low=max(0.0, value - half), high=min(1.0, value + half), level=LEVEL)


def _classes(data: FidelityData) -> _Classes:
    """Decide from the declared label and the training rows which codes are which class."""
    assert_label = data.label or ""
    attribute = data.domain[assert_label]
    counts = np.bincount(data.train[:, data.domain.index(assert_label)], minlength=attribute.size)
    of_code = np.full(attribute.size, -1, np.int64)
    ordered = counts[: attribute.n_ordered]
    if attribute.n_ordered > MANY_CELLS:
        if not ordered.any():
            return _Classes(of_code, 0, "no ordered label value in training rows")
        below = np.cumsum(ordered) / ordered.sum()
        cut = int(np.abs(below - 0.5).argmin())  # the cell border nearest to equal halves
        of_code[: cut + 1] = 0
        of_code[cut + 1 : attribute.n_ordered] = 1
        occupied = int(ordered[: cut + 1].any()) + int(ordered[cut + 1 :].any())
        return _Classes(
            of_code,
            occupied,
            "numeric, split into two classes at the declared cell border nearest to the median of "
            "the training rows; rows without a value are left out.",
        )
    tail = set(range(attribute.n_ordered, attribute.size)) if attribute.n_ordered else set()
    tail |= {code for code in (attribute.blank, attribute.out_of_domain) if code is not None}
    kept = [
        code
        for code in np.argsort(-counts, kind="stable").tolist()
        if counts[code] and (code not in tail or counts[code] >= RARE * len(data.train))
    ][:MAX_CLASSES]
    for number, code in enumerate(sorted(kept)):
        of_code[code] = number
    return _Classes(
        of_code,
        len(kept),
        f"its values, at most the {MAX_CLASSES} most frequent; missing and out-of-domain labels "
        f"are a class only from {RARE:.0%} of the training rows, else those rows are left out.",
    )


def _split(
    data: FidelityData, table: Codes, classes: _Classes
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return features and classes of the rows that have a class."""
    label = data.domain.index(data.label or "")
    y = classes.of_code[table[:, label]]
    rows = table[y >= 0]
    features = []
    for j, attribute in enumerate(data.domain):
        if j == label:
            continue
        column = rows[:, j].astype(np.int64)
        if not attribute.n_ordered and attribute.size > _CATEGORIES:
            counts = np.bincount(data.train[:, j], minlength=attribute.size)
            new_code = np.full(attribute.size, _CATEGORIES, np.int64)
            new_code[np.argsort(-counts, kind="stable")[:_CATEGORIES]] = np.arange(_CATEGORIES)
            column = new_code[column]
        features.append(column)
    return np.stack(features, axis=1).astype(np.float64), y[y >= 0]


def _scores(
    data: FidelityData,
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    test: NDArray[np.float64],
    count: int,
) -> NDArray[np.float64]:
    """Return class scores of the test rows, shape (n, count); classes not learnt score zero."""
    scores = np.zeros((len(test), count))
    learnt = np.bincount(y, minlength=count) >= MIN_FITTED
    keep = learnt[y]
    if learnt.sum() < 2:
        return scores
    nominal = [not a.n_ordered for a in data.domain if a.name != data.label]
    model = HistGradientBoostingClassifier(
        random_state=0, max_iter=100, categorical_features=nominal
    )
    # Spinning OpenMP threads on a busy machine were measured 40 times slower than one thread.
    with threadpool_limits(limits=1, user_api="openmp"):
        model.fit(x[keep], y[keep])
        scores[:, model.classes_] = model.predict_proba(test)
    return scores
