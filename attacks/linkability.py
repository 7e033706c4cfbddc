"""Linkability: does the synthetic table join what two parties know about the same person?

Article 29 Working Party, Opinion 05/2014 (WP 216): to link records that concern one person. One
party knows some columns of a person, another party knows other columns; nothing is in both. Each
looks for the synthetic rows nearest to what it knows. The two pieces count as linked if they share
one of the k nearest (Giomi et al., PoPETs 2023).

Of equally near rows the first of one shuffled order is taken by both parties, so two sets of ties
meet with probability |A and B| / |A or B| (Broder's min-hash, 1997): ties help as far as they are
the same rows.

Never true here: that a link uses the table that a row came from, or that a link alone is a leak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from dpsynth.attacks.api import AttackData, inconclusive, too_little
from dpsynth.attacks.closest_rows import closest_rows
from dpsynth.attacks.criteria import Hits, LabelTest, conclude
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Domain


@dataclass(frozen=True, kw_only=True)
class Linkability:
    """Members against non-members by "both halves of the row have a nearest synthetic row".

    Attributes:
        name: Machine name.
        title: Human title.
        k: Neighbours that each party looks at.
        first: Columns of the first party; empty: half of the columns, dealt at random.
        second: Columns of the second party; empty: all others.
    """

    name: str = "linkability"
    title: str = "Linking two parts of a record"
    all_rows: bool = False
    k: int = 5
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Link; members and non-members are cut to equal numbers.

        Args:
            data: The tables.
            seed: Draws the rows that are kept, their order and the columns of the parties.

        Raises:
            InputError: A column is unknown or known to both parties.
        """
        reason = too_little(data)
        if reason is None and len(data.domain) < 2:
            reason = "Two parties need two columns."
        if reason is None and len(data.synthetic) <= 2 * self.k:
            reason = f"Of {2 * self.k} synthetic rows or fewer, most are near to everything."
        if reason is not None:
            return inconclusive(self, reason)
        data = data.balanced(seed)
        first, second = self._parties(data.domain, np.random.default_rng(seed))
        size, count = len(data.train), len(data.synthetic)
        rows = np.concatenate([data.train, data.holdout])
        near = [_near(data, rows, party, self.k) for party in (first, second)]
        linked = (near[0][:, :, None] == near[1][:, None, :]).any(axis=(1, 2))
        members, others = int(linked[:size].sum()), int(linked[size:].sum())
        return conclude(
            self,
            Hits(
                members=members,
                non_members=others,
                baseline=size * chance(self.k, count),
                trials=size,
            ),
            LabelTest(hits=members, members=size, control_hits=others, non_members=size, most=size),
            unit="share of training rows whose two parts are linked",
            size=size,
            baseline_title="two parties that pick synthetic rows at random",
            control_title="as many held-out rows",
            happens="linked",
            details={
                "neighbours": self.k,
                "first_party": ", ".join(first),
                "second_party": ", ".join(second),
                "synthetic_rows": count,
                "distance": "Gower, exact; ties in one shuffled order",
                "test": "Fisher's exact test, one-sided",
            },
            note="Related columns link by themselves; only an excess over held-out rows counts.",
        )

    def _parties(
        self, domain: Domain, rng: np.random.Generator
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the columns of both parties in the order of the domain."""
        names = domain.names
        unknown = [name for name in self.first + self.second if name not in names]
        if unknown or set(self.first) & set(self.second) or (self.second and not self.first):
            raise InputError(
                "The two parties of the attack need columns of the table, none in both.",
                where="linkability",
                fix="Name columns of the dictionary, each for one party, or none at all.",
            )
        first = self.first
        if not first:
            first = tuple(rng.permutation(names)[: len(names) // 2].tolist())
        second = self.second or tuple(name for name in names if name not in first)
        if not second:
            raise InputError(
                "The second party of the linkability attack has no column.",
                where="linkability",
                fix="Leave at least one column to the second party.",
            )
        return tuple(n for n in names if n in first), tuple(n for n in names if n in second)


def chance(k: int, rows: int) -> float:
    """Return the probability that two random sets of `k` of `rows` rows meet.

    1 - C(rows - k, k) / C(rows, k).

    >>> chance(1, 4)
    0.25
    """
    return 1.0 - math.comb(rows - k, k) / math.comb(rows, k)


def _near(
    data: AttackData, rows: NDArray[np.integer[Any]], party: tuple[str, ...], k: int
) -> NDArray[np.int64]:
    columns = [data.domain.index(name) for name in party]
    return closest_rows(
        data.domain.project(party), rows[:, columns], data.synthetic[:, columns], k=k
    )
