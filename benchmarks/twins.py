"""The controls of the attack suite: leaky twins, each with its detector, and harmless tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from dpsynth.attacks import controls
from dpsynth.attacks.api import Attack, AttackData, Generate
from dpsynth.attacks.canaries import OneRunCanaries
from dpsynth.attacks.probe import UniqueCategory
from dpsynth.attacks.shadow import Classifier, ShadowGame, ShadowMembership, Targets
from numpy.typing import NDArray

from dpsynth.schema.domain import Domain

Codes = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class World:
    """One draw: members, non-members and, as harmless output, other rows of the same table."""

    data: AttackData
    seed: int


@dataclass(frozen=True, kw_only=True)
class Control:
    """One line of the table.

    Attributes:
        id: Its name in the design.
        title: What it is.
        detectors: Names of attacks, one of which must convict; empty: the whole suite must not.
        attack: Makes the output to judge, where the suite's attacks judge.
        generator: Makes an attack that runs a generator by itself.
        required: Least share of convictions; None: reported only.
        low_auc: Whether the lower limit of the AUC must also exceed 0.55.
    """

    id: str
    title: str
    detectors: tuple[str, ...] = ()
    attack: Callable[[World], AttackData] | None = None
    generator: Callable[[Domain], Attack] | None = None
    required: float | None = 0.0
    low_auc: bool = False


def planted(share: float, fields: int = 0) -> Callable[[World], AttackData]:
    """Return the twin that hides copies of training rows among other rows."""
    return lambda w: controls.plant_near_copies(w.data, share, fields=fields, seed=w.seed)


def memoriser(domain: Domain) -> Generate:
    """Return the generator that repeats its rows with three cells drawn anew."""

    def generate(rows: Codes, seed: int) -> Codes:
        data = AttackData(domain=domain, train=rows, holdout=rows, synthetic=rows)
        return controls.plant_near_copies(data, 1.0, fields=3, seed=seed).synthetic

    return generate


def blind(domain: Domain) -> Generate:
    """Return the generator that does not look at its rows."""
    return lambda rows, seed: controls.uniform_rows(domain, 1000, seed)


def shadow(domain: Domain, generate: Generate) -> Attack:
    """Return a small shadow game: 100 + 50 shadows of 1,000 rows, 10 vulnerable targets."""
    game = ShadowGame(generate=generate, fitted=100, judged=50, targets=10, rows=1000)
    return ShadowMembership(game=game, classifier=Classifier.LIRA, targets=Targets.WORST)


def changed(make: Callable[[World], Codes]) -> Callable[[World], AttackData]:
    """Return the world with another synthetic table."""
    return lambda w: replace(w.data, synthetic=make(w))


def noise_free(world: World) -> AttackData:
    """Return the twin that reproduces marginals to the count."""
    data = world.data
    made = controls.noise_free_marginals(data.domain, data.train, world.seed)
    return replace(data, synthetic=made)


CONTROLS: tuple[Control, ...] = (
    Control(
        id="P1", title="5 % of rows copied", detectors=("exact_copies",),
        attack=planted(0.05), required=1.0,
    ),
    Control(
        id="P1b", title="1 % of rows copied", detectors=("exact_copies",),
        attack=planted(0.01), required=0.99,
    ),
    Control(
        id="P1c", title="0.2 % of rows copied", detectors=("exact_copies",),
        attack=planted(0.002), required=None,
    ),
    Control(
        id="P1d", title="5 % near copies, one cell drawn anew",
        detectors=("distance_to_closest_record", "exact_copies"),
        attack=planted(0.05, 1), required=0.95,
    ),
    Control(
        id="P2", title="marginals without noise", detectors=("targeted_query_membership",),
        attack=noise_free, required=1.0,
    ),
    Control(
        id="P2a", title="the same, AUC limit above 0.55", detectors=("targeted_query_membership",),
        attack=noise_free, required=0.95, low_auc=True,
    ),
    Control(
        id="P2d", title="marginals without noise", detectors=("density_ratio_membership",),
        attack=noise_free,
        required=None,
    ),
    Control(
        id="P3", title="memoriser, three cells drawn anew",
        detectors=("closest_distance_membership",), attack=planted(1.0, 3), required=1.0,
        low_auc=True,
    ),
    Control(
        id="P3d", title="memoriser, three cells drawn anew",
        detectors=("density_ratio_membership",), attack=planted(1.0, 3), required=None,
    ),
    Control(
        id="P3s", title="memoriser, shadow runs", detectors=("shadow_lira_worst",),
        generator=lambda d: shadow(d, memoriser(d)), required=1.0,
    ),
    Control(
        id="P3c", title="memoriser, 1,000 canaries", detectors=("one_run_canaries",),
        generator=lambda d: OneRunCanaries(generate=memoriser(d)), required=1.0,
    ),
    Control(
        id="P5", title="domain derived from the data", detectors=("unique_category_probe",),
        generator=lambda d: UniqueCategory(
            generate=lambda rows, seed: controls.data_derived_domain(d, rows, seed)
        ),
        required=1.0,
    ),
    Control(id="N1", title="other real rows", attack=lambda w: w.data),
    Control(
        id="N2", title="uniform over the domain",
        attack=changed(
            lambda w: controls.uniform_rows(w.data.domain, len(w.data.synthetic), w.seed)
        ),
    ),
    Control(
        id="N3", title="independent columns of other real rows",
        attack=changed(lambda w: controls.independent_columns(w.data.synthetic, w.seed)),
    ),
    Control(
        id="N5", title="P1 with members drawn anew",
        attack=lambda w: controls.relabelled(planted(0.05)(w), w.seed),
    ),
    Control(
        id="N5s", title="shadow runs of a blind generator",
        generator=lambda d: shadow(d, blind(d)),
    ),
    Control(
        id="N5c", title="1,000 canaries, blind generator",
        generator=lambda d: OneRunCanaries(generate=blind(d)),
    ),
    Control(
        id="N5p", title="P5 with the declared domain",
        generator=lambda d: UniqueCategory(
            generate=lambda rows, seed: controls.declared_domain(d, rows, seed)
        ),
    ),
)  # fmt: skip
