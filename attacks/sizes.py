"""Two sizes: does the output, or what a generator keeps, follow the exact number of rows?

Under add/remove neighbours the number of rows is private. A generator that writes as many rows as
it read, or saves one number a row, publishes it. Two worlds: some training rows, and the same with
one row more. In every run the rows of the output and the bytes of the saved state are counted. A
size is cut at the middle of all runs of both worlds together, which does not know the worlds, so
Fisher's exact test of "above the middle" is exact if sizes do not depend on the row. Two sizes and
two directions make four tests; the most striking p-value is multiplied by four (Holm's first step).

Never true here: a result about the released table. The generator is run anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import AttackData, check_codes, inconclusive, too_little
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.scores import p_of_counts
from dpsynth.attacks.two_worlds import run_worlds, too_few_runs, worlds_result
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.results import AttackResult

#: Runs a generator on coded rows with a seed; returns coded rows and the bytes that it saves.
Keep = Callable[[Codes, int], tuple[Codes, int]]
_SIZES = ("output rows", "saved bytes")
_TESTS = 2 * len(_SIZES)


@dataclass(frozen=True, kw_only=True)
class TwoSizes:
    """Runs with one row more against runs without it, by sizes alone.

    Attributes:
        keep: Runs the generator.
        rows: Training rows in the smaller world; the larger one has one more.
        runs: Runs in each world; fewer than 8 cannot reach `ALPHA`.
        claim: The claim to test, where one is known; "no difference" is tested without.
    """

    keep: Keep
    rows: int = 300
    runs: int = 10
    name: str = "two_size_probe"
    title: str = "Two sizes: the number of rows in the output or in what is kept"
    all_rows: bool = False
    claim: Claim | None = None

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Run both worlds.

        Args:
            data: The tables; only training rows are generated from.
            seed: Draws the rows and the seeds of the generator.
        """
        reason = too_little(data)
        if reason is None and len(data.train) <= self.rows:
            reason = f"The larger world needs {self.rows + 1} training rows."
        reason = reason or too_few_runs(self.runs, _TESTS)
        if reason is not None:
            return inconclusive(self, reason)
        order = np.random.default_rng(seed).permutation(len(data.train))
        larger = data.train[order[: self.rows + 1]]

        def sizes_of(table: Codes, own_seed: int) -> tuple[float, ...]:
            output, kept = self.keep(table, own_seed)
            check_codes(data.domain, "generated", output)
            return len(output), kept

        sizes = run_worlds(sizes_of, larger, larger[:-1], runs=self.runs, seed=seed)
        p_value, which, hits = self._most_striking(sizes)
        return worlds_result(
            self,
            hits,
            self.runs,
            p_value,
            unit="share of runs with the row on one side of the middle size",
            baseline=0.5,
            baseline_title="sizes that do not depend on the row",
            control_title="share of runs without the row on that side",
            detection_limit=f"A size that lies on one side in all {self.runs} runs with the row "
            "and on the other without it would be found.",
            details={
                "size": which,
                "rows": self.rows,
                **{
                    f"mean {name} {words}": float(sizes[world, :, s].mean())
                    for s, name in enumerate(_SIZES)
                    for world, words in enumerate(("with the row", "without"))
                },
                "test": ("Fisher's exact test" if self.claim is None else "against the claim")
                + f", one-sided, times {_TESTS}",
            },
            note="The number of rows is private: neither the output nor a saved file may tell it.",
        )

    def _most_striking(self, sizes: NDArray[np.float64]) -> tuple[float, str, tuple[int, int]]:
        """Return the corrected p-value, the size, and the runs on that side in either world.

        Args:
            sizes: World, run, size; shape (2, runs, sizes).
        """
        found = []
        for s, name in enumerate(_SIZES):
            middle = float(np.median(sizes[:, :, s]))
            for side, beyond in (
                ("above", sizes[:, :, s] > middle),
                ("below", sizes[:, :, s] < middle),
            ):
                hits = (int(beyond[0].sum()), int(beyond[1].sum()))
                counts = (hits[0], self.runs, hits[1], self.runs)
                p_value = p_of_counts(self.claim, counts)
                found.append((min(1.0, _TESTS * p_value), f"{name} {side}", hits))
        return min(found)
