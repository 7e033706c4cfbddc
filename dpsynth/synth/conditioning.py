"""Fix some attributes of a graphical model: exact conditioning, without rejected draws.

The potentials are cut at the given codes and calibrated again (Lauritzen and Spiegelhalter 1988,
absorption of evidence), so that a fixed attribute has one code left and no other can be drawn.
What may never be true: a condition that the model holds for impossible and that gives rows all the
same. Conditioning is post-processing and costs no budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from dpsynth.schema.domain import Attribute, Domain
from dpsynth.synth.pgm.model import GraphicalModel


def condition(graph: GraphicalModel, codes: Mapping[str, int]) -> tuple[GraphicalModel, float]:
    """Return the distribution given that some attributes have the given codes.

    p(x | e) is proportional to the product of the potentials at e, and p(e) is the quotient of the
    two normalising constants.

    Args:
        graph: The model.
        codes: Code of each fixed attribute.

    Returns:
        The conditional model, in which a fixed attribute has the one code 0, and the probability
        of the condition (0 where it is too small for a float).
    """
    cut = [
        np.ascontiguousarray(
            potential[
                tuple(slice(codes[n], codes[n] + 1) if n in codes else slice(None) for n in scope)
            ]
        )
        for scope, potential in zip(graph.scopes, graph.potentials, strict=True)
    ]
    domain = Domain(
        tuple(Attribute(name=a.name, size=1) if a.name in codes else a for a in graph.domain)
    )
    given = GraphicalModel.build(domain, graph.scopes, cut)
    return given, min(1.0, math.exp(given.log_z - graph.log_z))
