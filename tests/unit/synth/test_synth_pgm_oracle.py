"""The inference engine beside mbi, the field's reference, of the version that smartnoise brings.

Of mbi 1.1.0 the sampler is wrong; only its marginals are asked, which 2.0.0 gives alike.
"""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.schema.domain import Domain
from dpsynth.synth.pgm.model import GraphicalModel

mbi = pytest.importorskip("mbi", reason="mbi is not installed (extra smartnoise)")

DOMAIN = Domain.from_sizes({"a": 4, "b": 3, "c": 5, "d": 2, "e": 6, "f": 3})
SCOPES = {
    "tree": [("a", "b"), ("b", "c"), ("c", "d"), ("c", "e"), ("e", "f")],
    "cycle": [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f"), ("a", "f")],
    "triples": [("a", "b", "c"), ("b", "c", "d"), ("d", "e", "f"), ("a", "e")],
}


@pytest.mark.parametrize("name", SCOPES)
def test_marginals_equal_those_of_mbi(name: str) -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(3)
    potentials = [rng.normal(0.0, 2.0, DOMAIN.shape(scope)) for scope in SCOPES[name]]
    ours = GraphicalModel.build(DOMAIN, SCOPES[name], potentials)
    domain = mbi.Domain(DOMAIN.names, tuple(a.size for a in DOMAIN))
    factors = {
        scope: mbi.Factor(domain.project(scope), jax.numpy.asarray(potential))
        for scope, potential in zip(SCOPES[name], potentials, strict=True)
    }
    vector = mbi.CliqueVector(domain, list(factors), factors)
    theirs = mbi.marginal_oracles.message_passing_stable(vector, 1.0)
    for scope in SCOPES[name]:
        np.testing.assert_allclose(
            ours.marginal(scope), np.asarray(theirs[scope].datavector(flatten=False)), atol=1e-12
        )
