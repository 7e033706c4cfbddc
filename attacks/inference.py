"""Inference: does the synthetic table give away a secret of somebody whose other columns are known?

Article 29 Working Party, Opinion 05/2014 (WP 216): to deduce the value of an attribute from other
attributes. The guess is the secret of the nearest synthetic row by all other columns (Giomi et al.,
PoPETs 2023). A guess of a number hits within a tolerance of the declared range.

A pattern of the population may be learnt: that is what data are published for. What counts is
whether members are guessed right more often than non-members.

Never true here: that a high rate of right guesses alone is a leak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import AttackData, inconclusive, too_little
from dpsynth.attacks.closest_rows import closest_without
from dpsynth.attacks.guesses import (
    Guessed,
    Hit,
    can_be_guessed,
    columns_to_guess,
    conclude_on_secrets,
)

from dpsynth.arrays import Codes
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Attribute


@dataclass(frozen=True, kw_only=True)
class Inference:
    """Members against non-members by the secret of the nearest synthetic row.

    Attributes:
        name: Machine name.
        title: Human title.
        secrets: Columns to guess, such as sensitive ones or the label; empty: each in turn.
        most_secrets: Where none is named, at most so many columns, drawn at random.
        tolerance: Largest error of a guess of a number, as a share of the declared range.
    """

    name: str = "inference"
    title: str = "Guessing a secret from the nearest synthetic row"
    all_rows: bool = False
    secrets: tuple[str, ...] = ()
    most_secrets: int = 50
    tolerance: float = 0.05

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Guess; members and non-members are cut to equal numbers.

        Args:
            data: The tables.
            seed: Draws the rows that are kept, their order and, where there are too many, secrets.

        Raises:
            InputError: A secret is no column of the table.
        """
        columns = columns_to_guess(data.domain, self.secrets, self.name)
        reason = too_little(data)
        if reason is None and len(data.domain) < 2:
            reason = "A guess needs a second column."
        if reason is not None:
            return inconclusive(self, reason)
        data = data.balanced(seed)
        columns = [column for column in columns if can_be_guessed(data, column)]
        if not columns:
            return inconclusive(self, "Each secret has the same value in all rows.")
        if not self.secrets:
            drawn = np.random.default_rng(seed).permutation(columns)[: self.most_secrets]
            columns = sorted(drawn.tolist())
        rows = np.concatenate([data.train, data.holdout])
        near = closest_without(data.domain, rows, data.synthetic, columns)
        guessed = []
        for column, nearest in zip(columns, near.T, strict=True):
            attribute, synthetic = data.domain.attributes[column], data.synthetic[:, column]
            constant = best_constant(attribute, synthetic, self.tolerance)
            truth = rows[:, column]
            guessed.append(
                Guessed(
                    secret=attribute.name,
                    size=len(data.train),
                    right=is_right(attribute, synthetic[nearest], truth, self.tolerance),
                    baseline=is_right(
                        attribute, np.full_like(truth, constant), truth, self.tolerance
                    ),
                )
            )
        return conclude_on_secrets(
            self,
            guessed,
            unit="share of training rows whose secret is guessed right, worst secret",
            baseline_title="the one guess that fits most synthetic rows",
            details={
                "tolerance": self.tolerance,
                "synthetic_rows": len(data.synthetic),
                "distance": "Gower, exact; ties in one shuffled order",
            },
            note="What the table teaches about everybody is no leak; only an excess over held-out "
            "rows counts.",
        )


def is_right(attribute: Attribute, guess: Codes, truth: Codes, tolerance: float) -> Hit:
    """Return where a guess is right: the same code, or ordered cells within the tolerance.

    Args:
        attribute: The secret.
        guess: Codes, shape (n,).
        truth: Codes, shape (n,).
        tolerance: Largest error, as a share of the declared range.
    """
    right = guess == truth
    if attribute.n_ordered:
        at = np.asarray(attribute.positions)
        both = (guess < attribute.n_ordered) & (truth < attribute.n_ordered)
        gap = np.abs(at[guess[both]] - at[truth[both]])
        right[both] |= gap <= _reach(attribute, tolerance)
    return np.asarray(right)


def best_constant(attribute: Attribute, codes: Codes, tolerance: float) -> int:
    """Return the code that, as a guess for all rows, is right most often.

    Args:
        attribute: The secret.
        codes: Its column, shape (n,), at least one row.
        tolerance: As of :func:`is_right`.
    """
    fits = np.bincount(codes, minlength=attribute.size)
    line = attribute.n_ordered
    if line:
        at, below = np.asarray(attribute.positions), np.concatenate([[0], np.cumsum(fits[:line])])
        reach = _reach(attribute, tolerance)
        first = np.searchsorted(at, at - reach, side="left")
        last = np.searchsorted(at, at + reach, side="right")
        fits[:line] = below[last] - below[first]
    return int(fits.argmax())


def _reach(attribute: Attribute, tolerance: float) -> float:
    return tolerance * (attribute.positions[-1] - attribute.positions[0])
