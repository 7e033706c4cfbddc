"""Exact copies: are training rows repeated in the synthetic table more often than fresh rows?

The identical-match share of the vendors' reports, turned into a test. A synthetic table may well
hold rows that also exist in reality (natural duplicates), so the share among held-out rows is the
control and Fisher's exact test decides (Ganev and De Cristofaro, arXiv 2312.05114, on why shares
without a test mislead). Rows that several people share would only add noise: the test looks at rows
that occur once among all real rows, which are also the ones that point at somebody.

Never true here: that a low share means privacy. All rows are used, no subsample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import ALPHA, LEVEL, AttackData, inconclusive, verdict_of
from dpsynth.attacks.stats import fisher_p
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.exact import clopper_pearson, first
from dpsynth.results import AttackResult


@dataclass(frozen=True, kw_only=True)
class ExactCopies:
    """Members against non-members by "the row occurs identically in the synthetic table"."""

    name: str = "exact_copies"
    title: str = "Exact copies of training rows"
    all_rows: bool = True

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Count hits among the unique training rows and the unique held-out rows.

        Args:
            data: The tables; sizes may differ.
            seed: Draws the training rows of the equal-size comparison of synthetic rows.
        """
        train, holdout, synthetic = row_numbers(data.train, data.holdout, data.synthetic)
        occurs = np.bincount(np.concatenate([train, holdout]))
        hit_train, hit_holdout = np.isin(train, synthetic), np.isin(holdout, synthetic)
        once_train, once_holdout = occurs[train] == 1, occurs[holdout] == 1
        members, non_members = int(once_train.sum()), int(once_holdout.sum())
        if not members or not non_members:
            return inconclusive(self, "No row occurs only once in the real table.")
        hits = int(hit_train[once_train].sum())
        control_hits = int(hit_holdout[once_holdout].sum())
        p_value = fisher_p(hits, members, control_hits, non_members)
        size = min(len(train), len(holdout))
        rng = np.random.default_rng(seed)
        some_train = train[rng.permutation(len(train))[:size]]
        some_holdout = holdout[rng.permutation(len(holdout))[:size]]
        return AttackResult(
            name=self.name,
            title=self.title,
            value=hits / members,
            unit="share of unique training rows that occur identically in the synthetic table",
            interval=clopper_pearson(hits, members, LEVEL),
            n=members + non_members,
            baseline=0.0,
            baseline_title="no row in common",
            control=control_hits / non_members,
            control_title="unique held-out rows that occur identically in the synthetic table",
            members=members,
            non_members=non_members,
            p_value=p_value,
            alpha=ALPHA,
            detection_limit=_limit(smallest_excess(members, control_hits, non_members), members),
            verdict=verdict_of(p_value),
            details={
                "member_hits": hits,
                "non_member_hits": control_hits,
                "share_of_all_training_rows": float(hit_train.mean()),
                "share_of_all_held_out_rows": float(hit_holdout.mean()),
                "natural_duplicates": float(np.isin(holdout, train).mean()),
                "synthetic_rows": len(synthetic),
                "equal_size": size,
                "synthetic_share_in_train": float(np.isin(synthetic, some_train).mean()),
                "synthetic_share_in_holdout": float(np.isin(synthetic, some_holdout).mean()),
                "test": "Fisher's exact test on rows that occur once, one-sided",
            },
            note="Rows that occur identically by chance are expected; only an excess over held-out "
            "rows counts. A copy detector, not evidence of privacy.",
        )


def row_numbers(*tables: Codes) -> list[NDArray[np.int64]]:
    """Return one number per row, equal exactly where rows of any of the tables are equal.

    Args:
        tables: Codes with the same columns, shapes (n_i, d).
    """
    codes = np.concatenate(tables)
    highest = int(codes.max()) if codes.size else 0
    kind = np.uint8 if highest < 2**8 else np.uint16 if highest < 2**16 else np.uint32
    packed = np.ascontiguousarray(codes.astype(kind))
    rows = packed.view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1]))).ravel()
    numbers = np.unique(rows, return_inverse=True)[1].reshape(-1)
    ends = np.cumsum([len(table) for table in tables])[:-1]
    return np.split(numbers.astype(np.int64), ends)


def smallest_excess(
    members: int, control_hits: int, non_members: int, alpha: float = ALPHA
) -> int | None:
    """Return how many members beyond chance must be hit for p < alpha, or None if all do not do."""
    expected = round(members * control_hits / non_members)
    return first(
        0,
        members - expected,
        lambda more: fisher_p(expected + more, members, control_hits, non_members) < alpha,
    )


def _limit(fewest: int | None, members: int) -> str:
    if fewest is None:
        return "Even if every training row were copied, this run could not have shown it."
    return (
        f"About {fewest:,} copied unique training rows ({fewest / members:.2%} of them) beyond "
        "chance are needed before this test reports a leak."
    )
