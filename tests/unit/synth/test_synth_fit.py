"""The fit: it stands at the optimum it states, and follows or ignores the noise as it should."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.schema.domain import Domain
from dpsynth.synth.pgm.fit import Observation, fit, log_prior, shrinkage_for

DOMAIN = Domain.from_sizes({"a": 3, "b": 4, "c": 2})
PRIOR = [np.array([0.5, 0.3, 0.2]), np.full(4, 0.25), np.array([0.9, 0.1])]
LOG_PRIOR = [log_prior(p) for p in PRIOR]
TOTAL = 5000.0


def observe(names: tuple[str, ...], values: np.ndarray, sigma: float) -> Observation:
    return Observation(
        attributes=names, values=values.astype(float), variance=np.full(values.shape, sigma**2)
    )


def truth() -> np.ndarray:
    joint = np.random.default_rng(3).dirichlet(np.full(24, 0.7)).reshape(3, 4, 2)
    return joint * TOTAL


@pytest.mark.parametrize("shrinkage", [2e-3, 0.02, 1.0])
def test_the_gradient_vanishes_in_units_of_the_noise(shrinkage: float) -> None:
    joint, rng = truth(), np.random.default_rng(4)
    seen = [
        observe(("a", "b"), joint.sum(2) + rng.normal(0, 40, (3, 4)), 40.0),
        observe(("c", "b"), joint.sum(0).T + rng.normal(0, 20, (2, 4)), 20.0),
        observe(("a", "c"), joint.sum(1) + rng.normal(0, 30, (3, 2)), 30.0),
        observe(("b",), joint.sum((0, 2)) + rng.normal(0, 9, 4), 9.0),
        observe(("b", "a"), joint.sum(2).T + rng.normal(0, 60, (4, 3)), 60.0),
    ]
    model = fit(DOMAIN, seen, prior=LOG_PRIOR, total=TOTAL, shrinkage=shrinkage)
    again = fit(
        DOMAIN, seen, prior=LOG_PRIOR, total=TOTAL, shrinkage=shrinkage, start=model.potentials[:3]
    )
    for found in (model, again):
        gradients = []
        for number, o in enumerate(seen):
            expected = TOTAL * found.marginal(o.attributes)
            gradient = expected - o.values + shrinkage * o.variance * found.potentials[number]
            gradients.append((gradient / np.sqrt(o.variance)).ravel())
        assert np.sqrt(np.mean(np.concatenate(gradients) ** 2)) < 0.05


def test_without_observations_the_model_is_the_prior() -> None:
    model = fit(DOMAIN, [], prior=LOG_PRIOR, total=TOTAL, shrinkage=0.02)
    product = np.einsum("i,j,k->ijk", *PRIOR)
    np.testing.assert_allclose(model.marginal(("a", "b", "c")), product, atol=1e-5)


def test_precise_counts_are_reproduced_and_noise_is_shrunk() -> None:
    joint = truth()
    sharp = fit(
        DOMAIN,
        [observe(("a", "b"), joint.sum(2), 1.0)],
        prior=LOG_PRIOR,
        total=TOTAL,
        shrinkage=1e-3,
    )
    np.testing.assert_allclose(TOTAL * sharp.marginal(("a", "b")), joint.sum(2), atol=0.5)
    useless = fit(
        DOMAIN,
        [observe(("a", "b"), joint.sum(2), 1e6)],
        prior=LOG_PRIOR,
        total=TOTAL,
        shrinkage=1.0,
    )
    product = np.outer(PRIOR[0], PRIOR[1])
    np.testing.assert_allclose(useless.marginal(("a", "b")), product, atol=1e-3)


def test_a_prior_of_zeros_and_negative_counts_do_no_harm() -> None:
    seen = [observe(("a", "b"), np.full((3, 4), -50), 30.0)]
    model = fit(
        DOMAIN, seen, prior=[log_prior(np.zeros(3)), *LOG_PRIOR[1:]], total=1.0, shrinkage=0.02
    )
    table = model.marginal(("a", "b", "c"))
    assert np.isfinite(table).all() and table.sum() == pytest.approx(1.0)


def test_shrinkage_depends_on_the_budget_alone() -> None:
    assert shrinkage_for(0.015) == pytest.approx(0.02)
    assert shrinkage_for(0.06) == pytest.approx(0.04)
