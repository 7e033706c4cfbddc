"""What a synthesizer may ask of the Curator, and what it gets back.

Queries name attributes and a price in zCDP rho; they never hold rows. Answers hold noisy numbers
and the line in the ledger that paid for them. `partitions` coarsen an attribute before counting:
an int array of shape (size,) mapping each fine code to a coarse code 0..max. A partition must be
a function of public and noisy values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dpsynth.arrays import Integers

Partitions = Mapping[str, Integers]


@dataclass(frozen=True, kw_only=True)
class MarginalQuery:
    """Ask for the noisy counts of one marginal.

    Attributes:
        attributes: Names, in the axis order of the answer.
        rho: Price in zCDP rho; the Curator calibrates sigma from it and from the
            maximum rows per unit, rounding so that the charge never exceeds it.
        partitions: Coarsening by attribute name; an attribute not named stays fine.
    """

    attributes: tuple[str, ...]
    rho: float
    partitions: Partitions = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Noisy integer counts of one marginal, built by the code that drew the noise.

    Attributes:
        attributes: Names, in axis order.
        values: Noisy counts, int64, shaped by the (coarsened) sizes.
        sigma: Scale of the discrete Gaussian noise of each cell.
        rho: What was charged.
        ledger_seq: Sequence number of the ledger entry that paid.
        partitions: The coarsening that was applied.
    """

    attributes: tuple[str, ...]
    values: Integers
    sigma: float
    rho: float
    ledger_seq: int
    partitions: Partitions = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One marginal that could be selected, with the public model of it.

    The score is ``weight * L1(counts, reference) + offset``, an exact integer; one unit with c rows
    moves it by at most ``weight * c``.

    Attributes:
        attributes: Names, in axis order.
        reference: Integer counts of the public model, shaped by the (coarsened) sizes.
        partitions: Coarsening by attribute name.
        weight: Public positive integer.
        offset: Public integer added to the score, for example a penalty for noise.
    """

    attributes: tuple[str, ...]
    reference: Integers
    partitions: Partitions = field(default_factory=dict)
    weight: int = 1
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class SelectionQuery:
    """Ask for the candidate with the (noisily) highest score, at a price in zCDP rho."""

    candidates: tuple[Candidate, ...]
    rho: float


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The index of the selected candidate and the ledger entry that paid for it."""

    index: int
    rho: float
    ledger_seq: int


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Noisy scores of candidates, all released.

    Attributes:
        values: Noisy integer scores, int64, one a candidate.
        sigma: Scale of the discrete Gaussian noise of each.
        rho: What was charged.
        ledger_seq: Number of the ledger entry that paid.
    """

    values: Integers
    sigma: float
    rho: float
    ledger_seq: int


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """Texts of a column that enough units share, with noisy counts.

    Attributes:
        attribute: The column.
        counts: Noisy count of each text, in the order of the characters.
        sigma: Scale of the noise.
        threshold: Smallest noisy count that was released.
        rho: What was charged.
        delta: What was charged.
        ledger_seq: Number of the ledger entry that paid.
    """

    attribute: str
    counts: Mapping[str, int]
    sigma: float
    threshold: int
    rho: float
    delta: float
    ledger_seq: int


@dataclass(frozen=True, kw_only=True)
class TrainingQuery:
    """Ask for noisy gradients of a loss: sums over Poisson samples of units, each clipped whole.

    Attributes:
        partitions: Bin of every fine code, for every attribute; the loss sees bins.
        sampling_rate: Public probability that a unit takes part in a step; no function of rows.
        steps: Number of steps, all of which are charged before the first.
        rho: Price of all steps at the Renyi order of the Curator.
        clip: L2 norm that the gradient of one unit is cut down to.
        divisor: Public number that every sum is divided by: how many units a sample is expected to
            have, for example, from noisy counts.
        normals: Standard normal draws that the loss of each row gets.
    """

    partitions: Partitions
    sampling_rate: float
    steps: int
    rho: float
    clip: float
    divisor: float
    normals: int = 0
