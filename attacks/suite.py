"""The attack suite: every attack, its correction for multiplicity, and two controls.

Holm's correction covers the attacks that were attempted, so the probability that a harmless table
is accused by any of them is at most `ALPHA`. A planted leak must be found and fresh rows must not
be accused on the very tables at hand, or the silence of the suite means nothing and is called
inconclusive.

Never true here: that an attack which crashed disappears, or that a message of an exception (it
could hold private values) reaches a result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from dpsynth.attacks.api import (
    ALPHA,
    Attack,
    AttackData,
    Closeable,
    inconclusive,
    too_little,
    verdict_of,
)
from dpsynth.attacks.attribute import AttributeInference
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.controls import plant_copies
from dpsynth.attacks.copies import ExactCopies
from dpsynth.attacks.density import DensityRatio
from dpsynth.attacks.distance import DistanceRatio, DistanceShare
from dpsynth.attacks.inference import Inference
from dpsynth.attacks.linkability import Linkability
from dpsynth.attacks.membership import ClosestDistance
from dpsynth.attacks.queries import TargetedQueries
from dpsynth.attacks.reconstruction import Reconstruction
from dpsynth.attacks.scores import judged_verdict
from dpsynth.attacks.singling_out import SinglingOutMultivariate, SinglingOutUnivariate
from dpsynth.attacks.stats import holm

from dpsynth.errors import InputError
from dpsynth.results import AttackProfile, AttackResult, AttackVerdict, Status

PLANTED = 0.05  #: share of synthetic rows that the positive control replaces by training rows
CONTROL_POSITIVE = "control_positive"
CONTROL_NEGATIVE = "control_negative"
CONTROLS = frozenset({CONTROL_POSITIVE, CONTROL_NEGATIVE})  #: checks of the suite, not findings
ROWS = 10_000  #: quick: largest number of members and of non-members in distance attacks
SYNTHETIC_ROWS = 20_000  #: quick: largest number of synthetic rows in distance attacks
PROFILES = (AttackProfile.QUICK.value, AttackProfile.FULL.value)
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class _PositiveControl:
    """Plant copies of training rows; the copies attack must report a leak."""

    name: str = CONTROL_POSITIVE
    title: str = "Positive control: planted copies are found"
    all_rows: bool = True

    def run(self, data: AttackData, seed: int) -> AttackResult:
        result = ExactCopies().run(plant_copies(data, PLANTED, seed), seed)
        fired = result.verdict is AttackVerdict.LEAK_FOUND
        result = replace(
            result,
            name=self.name,
            title=self.title,
            details={
                **result.details,
                "planted_share": PLANTED,
                "fired": int(fired),
                "required": "must fire",
            },
            note="A leak planted in a copy of the synthetic table. It says whether the suite can "
            "see; it is not a finding about the release.",
        )
        if fired:
            return result
        return replace(
            result,
            status=Status.INCONCLUSIVE,
            verdict=AttackVerdict.INCONCLUSIVE,
            reason="Planted copies were not found: these tables are too small or their rows too "
            "alike for the copies attack.",
        )


@dataclass(frozen=True, kw_only=True)
class _NegativeControl:
    """Attack one half of the holdout as if it had been trained on; no attack may report a leak."""

    name: str = CONTROL_NEGATIVE
    title: str = "Negative control: fresh rows are not accused"
    all_rows: bool = True

    def run(self, data: AttackData, seed: int) -> AttackResult:
        order = np.random.default_rng(seed).permutation(len(data.holdout))
        half = len(order) // 2
        fresh = replace(data, train=data.holdout[order[:half]], holdout=data.holdout[order[half:]])
        copies = ExactCopies().run(fresh, seed)
        sample = fresh.equal_sizes(seed, rows=ROWS, synthetic_rows=SYNTHETIC_ROWS)
        closest = ClosestDistance().run(sample, seed)
        p_value = min(holm([_p(copies), _p(closest)]))
        verdict = verdict_of(p_value)
        result = replace(
            closest,
            name=self.name,
            title=self.title,
            p_value=p_value,
            verdict=verdict,
            details={
                "p_exact_copies": copies.p_value,
                "p_closest_distance": closest.p_value,
                "fired": int(verdict is AttackVerdict.LEAK_FOUND),
                "required": "must not fire",
            },
            note="Two halves of rows that were never trained on. It says whether the suite accuses "
            "without cause; it is not a finding about the release.",
        )
        if verdict is not AttackVerdict.LEAK_FOUND:
            silent = AttackVerdict.INCONCLUSIVE if result.status is not Status.OK else verdict
            return replace(result, verdict=silent)
        return replace(
            result,
            status=Status.INCONCLUSIVE,
            verdict=AttackVerdict.INCONCLUSIVE,
            reason="Rows that were never trained on were accused: the held-out rows are not "
            "exchangeable, for example sorted or grouped, or this is the one run in "
            f"{round(1 / ALPHA):,} where that happens by chance.",
        )


def output_attacks(
    *, secrets: Sequence[str] = (), claim: Claim | None = None
) -> tuple[Attack, ...]:
    """Return the attacks that need nothing but the three tables.

    Args:
        secrets: Columns to guess, such as sensitive ones and the label; none: the attacks choose.
        claim: What is claimed of the table, where that is known. Attacks by density and by marginal
            queries see what differential privacy allows an attacker to see, so they are then held
            against the claim. The others detect copies, which no claim of this size explains.
    """
    return (
        ExactCopies(),
        DistanceShare(),
        DistanceRatio(),
        ClosestDistance(),
        DensityRatio(claim=claim),
        TargetedQueries(claim=claim),
        SinglingOutUnivariate(),
        SinglingOutMultivariate(),
        Linkability(),
        Inference(secrets=tuple(secrets)),
        AttributeInference(secrets=tuple(secrets)),
        Reconstruction(),
    )


def run(
    data: AttackData,
    *,
    profile: str = "quick",
    seed: int,
    progress: Progress | None = None,
    attacks: Sequence[Attack] | None = None,
) -> list[AttackResult]:
    """Run the attacks and the two controls; attacks that keep private tables are then closed.

    Args:
        data: The three tables. With units, one random row of each unit is attacked.
        profile: "quick": attacks that compare rows with rows see at most 10,000 members, as many
            non-members and 20,000 synthetic rows; those that count see all. "full": all rows.
        seed: Seed of every subsample; results are a function of data and seed.
        progress: Called with one sentence before each attack.
        attacks: The attacks to run; :func:`output_attacks` by default.

    Returns:
        One result per attack, Holm-corrected over those that gave a p-value, then
        `control_positive` and `control_negative` (see `CONTROLS`: they are never findings).

    Raises:
        InputError: The profile is unknown.
    """
    if profile not in PROFILES:
        raise InputError(
            f"Unknown attack profile {profile!r}.",
            where="attacks",
            fix=f"Use one of: {', '.join(PROFILES)}.",
        )
    attacks = output_attacks() if attacks is None else attacks
    data = data.one_row_per_unit(seed)
    planned: list[Attack] = [*attacks, _PositiveControl(), _NegativeControl()]
    reason = too_little(data)
    if reason is not None:
        return [inconclusive(attack, reason) for attack in planned]
    sample = data
    if profile == "quick":
        sample = data.equal_sizes(seed, rows=ROWS, synthetic_rows=SYNTHETIC_ROWS)
    results = []
    with ExitStack() as held:
        for attack in planned:
            if isinstance(attack, Closeable):
                held.callback(attack.close)
        for attack in planned:
            if progress is not None:
                progress(f"Attack: {attack.title}")
            results.append(_attempt(attack, data if attack.all_rows else sample, seed))
    findings = _corrected(results[: len(attacks)])
    positive, negative = results[len(attacks) :]
    return [*_trusted(findings, positive), positive, negative]


def _attempt(attack: Attack, data: AttackData, seed: int) -> AttackResult:
    try:
        return attack.run(data, seed)
    # One attack must not take the others down, whatever it meets; its message may hold cells.
    except Exception as error:  # noqa: BLE001
        return AttackResult(
            name=attack.name,
            title=attack.title,
            status=Status.NOT_RUN,
            reason=f"The attack stopped with {type(error).__name__}.",
            alpha=ALPHA,
            verdict=AttackVerdict.NOT_RUN,
        )


def _p(result: AttackResult) -> float:
    return 1.0 if result.p_value is None else result.p_value


def _corrected(results: list[AttackResult]) -> list[AttackResult]:
    """Judge p-values that are corrected together; what a claim allows is judged by the claim's."""
    tested = [i for i, result in enumerate(results) if result.p_value is not None]
    adjusted = holm([_p(results[i]) for i in tested])
    claims = [_p_of_claim(results[i]) for i in tested]
    judged = holm([_p(results[i]) if p is None else p for i, p in zip(tested, claims, strict=True)])
    out = list(results)
    for i, p_value, of_claim, deciding in zip(tested, adjusted, claims, judged, strict=True):
        details = {**results[i].details, "p_holm": p_value, "attempted_tests": len(results)}
        if of_claim is not None:
            details["p_of_claim_holm"] = deciding
        verdict = judged_verdict(p_value, deciding if of_claim is not None else None)
        out[i] = replace(results[i], details=details, verdict=verdict)
    return out


def _p_of_claim(result: AttackResult) -> float | None:
    found = result.details.get("p_of_claim")
    return float(found) if isinstance(found, int | float) else None


def _trusted(results: list[AttackResult], positive: AttackResult) -> list[AttackResult]:
    """A copies attack that missed the planted copies says nothing by being silent."""
    if positive.status is Status.OK:
        return results
    return [
        replace(
            result,
            status=Status.INCONCLUSIVE,
            verdict=AttackVerdict.INCONCLUSIVE,
            reason="The positive control did not show that this attack finds planted copies here.",
        )
        if result.name == ExactCopies.name and result.verdict is AttackVerdict.NO_LEAK_DETECTED
        else result
        for result in results
    ]
