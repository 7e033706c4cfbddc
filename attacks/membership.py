"""Closest-distance membership inference: a row that lies near a synthetic row is called a member.

The black-box attack of Chen et al., "GAN-Leaks" (CCS 2020): score = minus the distance to the
nearest synthetic row.

Never true here: that far means private. What a generator learned about a row need not lie near it.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.attacks.api import AttackData
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.neighbours import nearest_two
from dpsynth.attacks.scores import membership_result

from dpsynth.results import AttackResult


@dataclass(frozen=True, kw_only=True)
class ClosestDistance:
    """Members against non-members by closeness to the synthetic table."""

    name: str = "closest_distance_membership"
    title: str = "Membership inference by closest synthetic row"
    all_rows: bool = False
    claim: Claim | None = None

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Attack; members and non-members are cut to equal numbers.

        Args:
            data: The tables.
            seed: Draws the rows that are kept and the halves of the epsilon bound.
        """
        data = data.balanced(seed)
        return membership_result(
            self,
            -nearest_two(data.domain, data.train, data.synthetic).first,
            -nearest_two(data.domain, data.holdout, data.synthetic).first,
            seed=seed,
            claim=self.claim,
            details={"synthetic_rows": len(data.synthetic), "distance": "Gower, exact"},
        )
