"""Reconstruction: do half a record of somebody unusual and the synthetic table give the rest?

Each adversary knows one half of a person's columns, dealt at random, and guesses all others at
once: they are those of the nearest synthetic row by what is known. Rebuilding records is the oldest
attack on published data (Dinur and Nissim, PODS 2003), and it hurts those whom few resemble. So the
targets are rare rows: of all real rows, training and held-out ones together, the tenth that lies
farthest from its five nearest others. Several adversaries know different halves; a row counts once,
however many of them rebuild it.

The same guess from the nearest other real row is the baseline: it is what people alike tell about
each other without any synthetic table. Only rows that it misses can tell, and of those members are
compared with non-members.

Never true here: that a row is rare, rebuilt or left out because of the table that it came from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import AttackData, inconclusive, too_little
from dpsynth.attacks.closest_rows import closest_rows
from dpsynth.attacks.criteria import conclude
from dpsynth.attacks.guesses import Guessed, Hit
from dpsynth.attacks.inference import is_right
from dpsynth.attacks.neighbours import mean_nearest
from dpsynth.attacks.streams import Stream, rng_of

from dpsynth.arrays import Codes, Integers
from dpsynth.results import AttackResult
from dpsynth.schema.domain import Domain

_NEIGHBOURS = 5  # others whose mean distance says how rare a row is


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Rare members against rare non-members by "all unknown cells are rebuilt".

    Attributes:
        name: Machine name.
        title: Human title.
        rare: Share of all real rows that count as rare, at most.
        adversaries: Deals of the columns into known and unknown ones.
        tolerance: Largest error of a guess of a number, as a share of the declared range.
    """

    name: str = "rare_row_reconstruction"
    title: str = "Rebuilding rare records from half of their columns"
    all_rows: bool = False
    rare: float = 0.1
    adversaries: int = 4
    tolerance: float = 0.05

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Rebuild; members and non-members are cut to equal numbers, and so are the rare ones.

        Args:
            data: The tables.
            seed: Draws the rows that are kept, their order and what each adversary knows.
        """
        reason = too_little(data)
        if reason is None and len(data.domain) < 2:
            reason = "Half a record needs a second column."
        if reason is None and (data.synthetic == data.synthetic[0]).all():
            reason = "All synthetic rows are the same, and so is every guess."
        if reason is not None:
            return inconclusive(self, reason)
        data = data.balanced(seed)
        rng = rng_of(seed, Stream.ADVERSARIES)
        order = rng.permutation(len(data.train) + len(data.holdout))
        real = np.concatenate([data.train, data.holdout])[order]
        targets = rare_rows(data.domain, real, self.rare)
        right, baseline = np.zeros((2, len(targets)), np.bool_)
        for _ in range(self.adversaries):
            dealt = rng.permutation(len(data.domain))
            known, unknown = np.array_split(dealt, 2)
            right |= self._rebuilt(data.domain, known, unknown, real, targets, data.synthetic)
            baseline |= self._rebuilt(data.domain, known, unknown, real, targets, None)
        # Labels come in here: nothing above depends on them.
        member = order[targets] < len(data.train)
        size = int(min(member.sum(), (~member).sum()))
        kept = np.concatenate([np.flatnonzero(member)[:size], np.flatnonzero(~member)[:size]])
        if not size:
            return inconclusive(self, "No members or no non-members are rarer than other rows.")
        guessed = Guessed(
            secret="",  # all unknown columns at once
            size=size,
            right=right[kept],
            baseline=baseline[kept],
        )
        test = guessed.test(1)
        if not (test.members and test.non_members):
            return inconclusive(self, "The baseline rebuilds every rare row: nothing is left.")
        return conclude(
            self,
            guessed.hits,
            test,
            unit="share of rare training rows of which all unknown cells are rebuilt",
            size=size,
            baseline_title="the nearest other real row instead of the nearest synthetic one",
            control_title="as many rare held-out rows",
            happens="rebuilt where the baseline fails",
            details={
                "rare_share": len(targets) / len(real),
                "known_columns": len(known),
                "unknown_columns": len(unknown),
                "adversaries": self.adversaries,
                "tolerance": self.tolerance,
                "synthetic_rows": len(data.synthetic),
                "distance": "Gower, exact; ties in one shuffled order",
                "test": "Fisher's exact test on rare rows that the baseline misses, one-sided",
            },
            note="Records that follow from half of their columns are no leak; only an excess over "
            "rare held-out rows counts.",
        )

    def _rebuilt(
        self,
        domain: Domain,
        known: Integers,
        unknown: Integers,
        real: Codes,
        targets: Integers,
        synthetic: Codes | None,
    ) -> Hit:
        """Return which targets one adversary rebuilds, shape (n,).

        Args:
            domain: Domain of the columns.
            known: Columns that are known.
            unknown: Columns that are guessed.
            real: All real rows.
            targets: Numbers of the rows to rebuild, shape (n,).
            synthetic: Where guesses come from; None: from the nearest real row but the target.
        """
        rows, known = real[targets], np.sort(known)
        part = domain.project([domain.names[j] for j in known])
        table = real if synthetic is None else synthetic
        near = closest_rows(part, rows[:, known], table[:, known], k=2)
        found = near[:, 0]
        if synthetic is None:
            found = np.where(found == targets, near[:, 1], found)
        hit = np.ones(len(targets), np.bool_)
        for j in unknown:
            guess = table[found, j]
            hit &= is_right(domain.attributes[j], guess, rows[:, j], self.tolerance)
        return hit


def rare_rows(domain: Domain, rows: Codes, share: float) -> Integers:
    """Return the numbers of the rows farthest from their nearest others, in ascending order.

    Args:
        domain: Domain of the columns.
        rows: Codes, shape (n, d), more than five rows.
        share: Share of rows to return; fewer where rows tie, so that no order decides.
    """
    distance = mean_nearest(domain, rows, _NEIGHBOURS)
    most = int(share * len(rows))
    cut = np.partition(distance, len(rows) - most - 1)[len(rows) - most - 1]
    return np.flatnonzero(distance > cut)
