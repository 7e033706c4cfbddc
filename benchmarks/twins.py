"""The controls of the attack suite: leaky twins, each with its detector, and harmless tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from dpsynth.attacks import controls
from dpsynth.attacks.api import Attack, AttackData, Generate
from dpsynth.attacks.canaries import OneRunCanaries
from dpsynth.attacks.claim import Claim
from dpsynth.attacks.probe import UniqueCategory
from dpsynth.attacks.shadow import (
    Classifier,
    ShadowGame,
    ShadowMembership,
    SharedShadows,
    Targets,
)
from dpsynth.attacks.sizes import TwoSizes

from benchmarks import inspections, own
from dpsynth.arrays import Codes
from dpsynth.privacy.budget import Budget
from dpsynth.schema.domain import Domain

Inspect = Callable[[Domain, Codes, int], bool]
EPSILONS = (0.1, 1.0, 3.0)  # of N4
_DELTA = 1e-9


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
        inspect: Says of the training rows and a seed whether an inspection found the fault.
        required: Least share of convictions; None: reported only.
        low_auc: Whether the lower limit of the AUC must also exceed 0.55.
        every: Whether each attack of the suite is also asked by itself.
        claim: What the whole suite holds the output against.
        fits: Whether a model is fitted for each output.
    """

    id: str
    title: str
    detectors: tuple[str, ...] = ()
    attack: Callable[[World], AttackData] | None = None
    generator: Callable[[Domain], Attack] | None = None
    inspect: Inspect | None = None
    required: float | None = 0.0
    low_auc: bool = False
    every: bool = False
    claim: Claim | None = None
    fits: bool = False


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
    return ShadowMembership(
        shared=SharedShadows(game), classifier=Classifier.LIRA, targets=Targets.WORST
    )


def changed(make: Callable[[World], Codes]) -> Callable[[World], AttackData]:
    """Return the world with another synthetic table."""
    return lambda w: replace(w.data, synthetic=make(w))


def noise_free(world: World) -> AttackData:
    """Return the twin that reproduces marginals to the count."""
    data = world.data
    made = controls.noise_free_marginals(data.domain, data.train, world.seed)
    return replace(data, synthetic=made)


def trees(world: World) -> AttackData:
    """Return the twin whose decision trees follow single rows."""
    data = world.data
    made = controls.overfitted_trees(data.domain, data.train, len(data.synthetic), world.seed)
    return replace(data, synthetic=made)


def exact_sizes(rows: Codes, seed: int) -> tuple[Codes, int]:
    """Write as many rows as were read, and keep nothing."""
    return np.random.default_rng(seed).permutation(rows), 0


def kept_sizes(rows: Codes, seed: int) -> tuple[Codes, int]:
    """Write a noisy number of rows, and keep one number for each row that was read."""
    noisy = len(rows) + round(np.random.default_rng(seed).normal(0.0, 10.0))
    return np.resize(rows, (noisy, rows.shape[1])), 8 * len(rows)


def correct(epsilon: float) -> Callable[[World], AttackData]:
    """Return the world with the output of our own default method at an epsilon."""

    def make(world: World) -> AttackData:
        budget = Budget(epsilon=epsilon, delta=_DELTA)
        generate = own.own_generator(world.data.domain, "cliquetree", budget)
        return replace(world.data, synthetic=generate(world.data.train, world.seed))

    return make


def canaries(epsilon: float) -> Callable[[Domain], Attack]:
    """Return canaries in our own default method, against the claim of its epsilon."""
    budget = Budget(epsilon=epsilon, delta=_DELTA)
    return lambda d: OneRunCanaries(
        generate=own.own_generator(d, "cliquetree", budget),
        claim=Claim(epsilon=epsilon, delta=_DELTA),
    )


def _calibrated() -> tuple[Control, ...]:
    """Return N4: a correctly calibrated engine, by its output and by canaries in it."""
    return tuple(
        control
        for epsilon in EPSILONS
        for control in (
            Control(
                id=f"N4 {epsilon:g}", title=f"our engine at epsilon {epsilon:g}, the suite",
                attack=correct(epsilon), claim=Claim(epsilon=epsilon, delta=_DELTA), fits=True,
            ),
            Control(
                id=f"N4c {epsilon:g}", title=f"our engine at epsilon {epsilon:g}, 1,000 canaries",
                generator=canaries(epsilon),
            ),
        )
    )  # fmt: skip


CONTROLS: tuple[Control, ...] = (
    Control(
        id="P1", title="5 % of rows copied", detectors=("exact_copies",),
        attack=planted(0.05), required=1.0, every=True,
    ),
    Control(
        id="P1b", title="1 % of rows copied", detectors=("exact_copies",),
        attack=planted(0.01), required=0.99, every=True,
    ),
    Control(
        id="P1c", title="0.2 % of rows copied", detectors=("exact_copies",),
        attack=planted(0.002), required=None, every=True,
    ),
    Control(
        id="P1d", title="5 % near copies, one cell drawn anew",
        detectors=("distance_to_closest_record", "exact_copies"),
        attack=planted(0.05, 1), required=0.95, every=True,
    ),
    Control(
        id="P2", title="marginals without noise", detectors=("targeted_query_membership",),
        attack=noise_free, required=1.0, every=True,
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
        low_auc=True, every=True,
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
        id="P3g", title="over-fitted model: sequential trees, leaves of one row",
        detectors=("closest_distance_membership",), attack=trees, required=1.0, low_auc=True,
        every=True,
    ),
    Control(
        id="P5", title="domain derived from the data", detectors=("unique_category_probe",),
        generator=lambda d: UniqueCategory(
            generate=lambda rows, seed: controls.data_derived_domain(d, rows, seed)
        ),
        required=1.0,
    ),
    Control(
        id="P6", title="as many rows in the output as were read", detectors=("two_size_probe",),
        generator=lambda d: TwoSizes(keep=exact_sizes), required=1.0,
    ),
    Control(
        id="P6s", title="one number saved for each row", detectors=("two_size_probe",),
        generator=lambda d: TwoSizes(keep=kept_sizes), required=1.0,
    ),
    Control(
        id="P7", title="ten teachers that are one object", detectors=("object identities",),
        inspect=inspections.aliased_teachers, required=1.0,
    ),
    Control(
        id="P7l", title="accountant that stops late", detectors=("end-of-run books",),
        inspect=inspections.stops_late, required=1.0,
    ),
    Control(
        id="P7o", title="drawn in a loop, charged once", detectors=("end-of-run books",),
        inspect=inspections.charges_once, required=1.0,
    ),
    Control(
        id="P8", title="rows in saved state: arrays, pickle, texts",
        detectors=("planted rows in files",), inspect=inspections.rows_in_saved_state,
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
    *_calibrated(),
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
    Control(
        id="N6", title="two sizes, our engine at epsilon 1",
        generator=lambda d: TwoSizes(
            keep=own.own_keeper(d, "cliquetree", Budget(epsilon=1.0, delta=_DELTA))
        ),
    ),
    Control(
        id="N7", title="ten teachers that are ten objects", inspect=inspections.own_teachers,
    ),
    Control(id="N7l", title="our Curator's books", inspect=inspections.settles),
    Control(
        id="N8", title="what our methods save", inspect=inspections.own_saved_state,
    ),
)  # fmt: skip
