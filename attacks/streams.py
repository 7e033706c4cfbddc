"""The random streams of a seed: one number for each kind of draw that must not follow another.

A generator of (seed, stream) has nothing in common with that of another stream. Coins of canaries
must not be guessable from the draw of what is attacked, nor a planted leak from an attack's sample.

Never true here: a number that two draws share, or one that changes, since with it every result of
its draw does. Those who call the attacks have the numbers from 1 to 99; stream 0 is the seed alone.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """What is drawn."""

    REFERENCE = 100  #: the half of a holdout that is a reference population
    COPIES = 101  #: planted copies and near copies
    TREE = 102  #: the tree of noise-free marginals
    COLUMNS = 103  #: independent columns
    UNIFORM = 104  #: uniform rows
    SHUFFLE = 105  #: shuffled columns
    LABELS = 106  #: members and non-members drawn anew
    LEAVES = 107  #: trees of single rows
    CANARIES = 110  #: canaries and their coins
    SHADOWS = 111  #: targets of shadow runs and their coins
    ADVERSARIES = 112  #: which columns an adversary of a reconstruction knows


def rng_of(seed: int, stream: Stream) -> np.random.Generator:
    """Return the generator of one stream of a seed."""
    return np.random.default_rng([seed, int(stream)])
