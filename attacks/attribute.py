"""Attribute inference against a model that never saw the members.

An adversary trains a classifier of a secret on the synthetic table and applies it to people whose
other columns are known. It will often be right, because columns are related: that is a pattern of
the population and no leak, however sensitive the secret. So the same classifier is trained on
held-out rows as baseline, and only the excess on members counts: rows that the baseline misses and
the synthetic classifier gets right, among members against other held-out rows. (On telling the two
apart: Jayaraman and Evans, "Are attribute inference attacks just imputation?", CCS 2022.)

The classifier is a small forest of fully grown, randomised trees (Geurts, Ernst and Wehenkel,
"Extremely randomized trees", Machine Learning 2006): quick, seeded, and it remembers single rows.

Never true here: that accuracy alone is called a risk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import MIN_ROWS, AttackData, inconclusive, too_little
from dpsynth.attacks.guesses import (
    Guessed,
    can_be_guessed,
    columns_to_guess,
    conclude_on_secrets,
)
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from dpsynth.arrays import Codes
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Attribute

_CLASSES = 10  # an ordered secret has so many equally full classes, a nominal one twice as many
Classes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AttributeInference:
    """Members against non-members by a classifier, beside the same one trained on held-out rows.

    Attributes:
        name: Machine name.
        title: Human title.
        secrets: Columns to guess, such as sensitive ones or the label; empty: the ones that are
            hardest to guess in the synthetic table.
        most_secrets: Where none is named, so many columns.
        trees: Trees of a forest.
    """

    name: str = "attribute_inference"
    title: str = "Attribute inference beyond a model of other people"
    all_rows: bool = False
    secrets: tuple[str, ...] = ()
    most_secrets: int = 4
    trees: int = 5

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Train and guess; one half of the held-out rows trains the baseline.

        Args:
            data: The tables; members and non-members are cut to half of the held-out rows.
            seed: Draws the rows that are kept and the forests.

        Raises:
            InputError: A secret is no column of the table.
        """
        columns = columns_to_guess(data.domain, self.secrets, self.name)
        reason = too_little(data)
        if reason is None and min(len(data.train), len(data.holdout)) < 2 * MIN_ROWS:
            reason = f"Half of the held-out rows trains the baseline: fewer than {2 * MIN_ROWS}."
        if reason is None and len(data.domain) < 2:
            reason = "A guess needs a second column."
        if reason is not None:
            return inconclusive(self, reason)
        data = data.balanced(seed)
        size = len(data.holdout) // 2
        other, rows = data.holdout[size:], np.concatenate([data.train[:size], data.holdout[:size]])
        columns = [column for column in columns if can_be_guessed(data, column)]
        classes = {
            column: classes_of(data.domain.attributes[column], data.synthetic[:, column])
            for column in columns
        }
        columns = [c for c in columns if len(np.unique(classes[c][data.synthetic[:, c]])) > 1]
        if not columns:
            return inconclusive(self, "Each secret has one class only in the synthetic table.")
        if not self.secrets:
            columns.sort(key=lambda c: np.bincount(classes[c][data.synthetic[:, c]]).max())
            columns = columns[: self.most_secrets]
        guessed = []
        for column in columns:
            truth = classes[column][rows[:, column]]
            right, baseline = (
                self._guess(table, rows, column, classes[column], seed) == truth
                for table in (data.synthetic, other)
            )
            guessed.append(
                Guessed(secret=data.domain.names[column], size=size, right=right, baseline=baseline)
            )
        return conclude_on_secrets(
            self,
            guessed,
            unit="share of training rows whose secret is guessed right, worst secret",
            baseline_title="the same classifier trained on held-out rows, on training rows",
            details={
                "baseline_training_rows": len(other),
                "synthetic_rows": len(data.synthetic),
                "model": f"ExtraTreesClassifier({self.trees} trees, fully grown)",
                **_excess(guessed),
            },
            note="A pattern of the population can be learnt from other people too and is no leak; "
            "only an excess on members counts.",
        )

    def _guess(
        self, table: Codes, rows: Codes, column: int, classes: Classes, seed: int
    ) -> Classes:
        """Return the classes that a forest trained on `table` gives to `rows`, shape (n,)."""
        forest = ExtraTreesClassifier(n_estimators=self.trees, random_state=seed % 2**32)
        forest.fit(np.delete(table, column, axis=1), classes[table[:, column]])
        return np.asarray(forest.predict(np.delete(rows, column, axis=1)), np.int64)


def classes_of(attribute: Attribute, codes: Codes) -> Classes:
    """Return the class of each code of a secret, shape (size,).

    Ordered cells are joined to `_CLASSES` about equally full groups where there are more; cells
    beside the line are one class. Of nominal codes the most frequent ones are classes, the others
    one class together.

    Args:
        attribute: The secret.
        codes: Its synthetic column, shape (n,).
    """
    counts = np.bincount(codes, minlength=attribute.size)
    line = attribute.n_ordered
    if line > _CLASSES:
        total = max(1, int(counts[:line].sum()))
        middle = (np.cumsum(counts[:line]) - counts[:line] / 2) / total
        group = np.minimum((middle * _CLASSES).astype(np.int64), _CLASSES - 1)
        return np.concatenate([group, np.full(attribute.size - line, _CLASSES, np.int64)])
    classes = np.full(attribute.size, 2 * _CLASSES, np.int64)
    most = np.argsort(-counts, kind="stable")[: 2 * _CLASSES]
    classes[most] = np.arange(len(most))
    return classes


def _excess(guessed: list[Guessed]) -> dict[str, float | int | str | None]:
    """Return the mean advantage on members of either classifier, and the difference."""
    advantage = {
        source: float(
            np.mean(
                [
                    getattr(one, source)[: one.size].mean()
                    - getattr(one, source)[one.size :].mean()
                    for one in guessed
                ]
            )
        )
        for source in ("right", "baseline")
    }
    return {
        "average_advantage_synthetic": advantage["right"],
        "average_advantage_baseline": advantage["baseline"],
        "average_excess": advantage["right"] - advantage["baseline"],
    }
