"""Attacks that run the generator, as a release runs them: canaries always, shadows in `full`.

A generator is two callables, for all columns and for a few of them: shadows take hundreds of fits,
which is affordable on few columns and rows. Sizes are fixed before any run.

Never true here: that an attack which had no generator is left out without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dpsynth.attacks.api import ALPHA, Attack, Generate
from dpsynth.attacks.canaries import OneRunCanaries
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.shadow import ShadowGame, shadow_attacks

from dpsynth.arrays import Codes
from dpsynth.results import AttackResult, AttackVerdict, Status

CANARIES = {"quick": 1_000, "full": 5_000}  #: by profile
SHADOW_COLUMNS = 8  #: largest number of columns of a shadow game
SHADOW_ROWS = 5_000  #: largest number of real rows in a shadow table
SHADOWS = 200  #: shadows that attacks learn from, and as many that they are judged on
TARGETS = 20  #: vulnerable targets, and as many random ones
_TOLD = 20  # shadows between two words of progress
_NEEDED = "It runs the generator, and only tables are at hand."


@dataclass(frozen=True, kw_only=True)
class Generator:
    """What made the synthetic table, to be run again on other rows.

    Attributes:
        whole: Runs it on all columns.
        part: Runs it on `columns` alone.
        columns: At most `SHADOW_COLUMNS` names.
        rows_per_unit: Rows of one unit at most, by the claim.
    """

    whole: Generate
    part: Generate
    columns: tuple[str, ...]
    rows_per_unit: int = 1


def generator_attacks(
    generator: Generator,
    *,
    profile: str,
    claim: Claim | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[Attack, ...]:
    """Return the attacks that run a generator in a profile.

    Args:
        generator: The generator.
        profile: "quick": 1,000 canaries in one run. "full": 5,000, and the four shadow attacks in
            400 runs.
        claim: What is claimed of the generator.
        progress: Called with one sentence from time to time while shadows run.
    """
    canaries = OneRunCanaries(
        generate=generator.whole,
        canaries=CANARIES[profile],
        rows_per_unit=generator.rows_per_unit,
        claim=claim,
    )
    if profile == "quick":
        return (canaries,)

    def tell(number: int, shadows: int) -> None:
        if number % _TOLD == 0:
            progress(f"Shadow {number} of {shadows}")

    game = ShadowGame(
        generate=generator.part,
        fitted=SHADOWS,
        judged=SHADOWS,
        targets=TARGETS,
        rows=SHADOW_ROWS,
        columns=generator.columns,
        tell=tell,
    )
    return (canaries, *shadow_attacks(game, claim))


def _none(rows: Codes, seed: int) -> Codes:
    raise NotImplementedError


def _unrunnable(profile: str) -> tuple[Attack, ...]:
    """Return the attacks of a profile with a generator that is none."""
    return generator_attacks(Generator(whole=_none, part=_none, columns=()), profile=profile)


def generator_attack_names(profile: str) -> frozenset[str]:
    """Return the names of the attacks that run a generator in a profile."""
    return frozenset(attack.name for attack in _unrunnable(profile))


def without_generator() -> list[AttackResult]:
    """Return the results of these attacks where there is no generator: none of them was run."""
    return [
        AttackResult(
            name=attack.name,
            title=attack.title,
            status=Status.NOT_RUN,
            reason=_NEEDED,
            alpha=ALPHA,
            verdict=AttackVerdict.NOT_RUN,
        )
        for attack in _unrunnable("full")
    ]
