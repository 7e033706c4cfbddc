"""Guesses of several secrets: which columns are guessed, and what their hits come to.

A guess that needs no leak, such as the most frequent value, is the baseline of each secret. Only
rows that the baseline misses can tell, so the exact test of a secret looks at those. Each secret
has its own test; the most striking one is multiplied by their number (Holm's first step), so that
an attack has one valid p-value.

Never true here: that a secret was chosen with a look at who is a member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import Attack, AttackData, inconclusive
from dpsynth.attacks.criteria import Details, Hits, LabelTest, conclude
from dpsynth.attacks.stats import residual_risk
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Domain

Hit = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Guessed:
    """Guesses of one secret for all members, then all non-members.

    Attributes:
        secret: Name of the column.
        size: Members, and non-members.
        right: Whether the guess from the synthetic table is right, shape (2 size,).
        baseline: Whether the baseline's guess is right, shape (2 size,).
    """

    secret: str
    size: int
    right: Hit
    baseline: Hit

    @property
    def hits(self) -> Hits:
        """Right guesses on all rows."""
        return Hits(
            members=int(self.right[: self.size].sum()),
            non_members=int(self.right[self.size :].sum()),
            baseline=int(self.baseline[: self.size].sum()),
            trials=self.size,
        )

    def test(self, tests: int) -> LabelTest:
        """Return the test on rows that the baseline misses, one of `tests`."""
        missed = ~self.baseline
        found = self.right & missed
        return LabelTest(
            hits=int(found[: self.size].sum()),
            members=int(missed[: self.size].sum()),
            control_hits=int(found[self.size :].sum()),
            non_members=int(missed[self.size :].sum()),
            most=int(missed[: self.size].sum()),
            tests=tests,
        )


def columns_to_guess(domain: Domain, named: Sequence[str], where: str) -> list[int]:
    """Return the numbers of the named columns, or of all where none is named.

    Raises:
        InputError: A name is no column.
    """
    unknown = [name for name in named if name not in domain.names]
    if unknown:
        raise InputError(
            f"The secret {unknown[0]!r} is no modelled column.",
            where=where,
            fix="Name modelled columns of the dictionary, or none.",
        )
    return [domain.index(name) for name in named] or list(range(len(domain)))


def can_be_guessed(data: AttackData, column: int) -> bool:
    """Return whether a column varies, both in the synthetic and in the real tables."""
    real = np.concatenate([data.train[:, column], data.holdout[:, column]])
    synthetic = data.synthetic[:, column]
    return bool((real != real[0]).any() and (synthetic != synthetic[0]).any())


def conclude_on_secrets(
    attack: Attack,
    guessed: Sequence[Guessed],
    *,
    unit: str,
    baseline_title: str,
    details: Details,
    note: str,
) -> AttackResult:
    """Return the result of the most striking secret, with the average over all beside it.

    Args:
        attack: The attack.
        guessed: Guesses of each secret.
        unit: What the rate on members counts.
        baseline_title: What the baseline is.
        details: Further numbers of the attack.
        note: What the reader must know.
    """
    tests = [one.test(len(guessed)) for one in guessed]
    able = [i for i, test in enumerate(tests) if test.members and test.non_members]
    if not able:
        return inconclusive(attack, "The baseline guesses every secret right: nothing is left.")
    worst = min(able, key=lambda i: (tests[i].p_value, -tests[i].hits))
    hits = [one.hits for one in guessed]
    residuals = [residual_risk(h.members, h.trials, h.non_members, h.trials) for h in hits]
    known = [residual.value for residual in residuals if residual is not None]
    return conclude(
        attack,
        hits[worst],
        tests[worst],
        unit=unit,
        size=guessed[worst].size,
        baseline_title=baseline_title,
        control_title="as many held-out rows",
        happens="guessed right where the baseline is wrong",
        details={
            "worst_secret": guessed[worst].secret,
            "secrets": len(guessed),
            "average_members": float(np.mean([h.members / h.trials for h in hits])),
            "average_non_members": float(np.mean([h.non_members / h.trials for h in hits])),
            "average_baseline": float(np.mean([h.baseline / h.trials for h in hits])),
            "average_residual_risk": float(np.mean(known)) if known else None,
            **details,
            "test": "Fisher's exact test on rows that the baseline misses, times the secrets",
        },
        note=note,
    )
