"""Shadow runs: the generator is run on many tables that differ in whether they hold the targets.

The game of Shokri et al. (S&P 2017) and of Stadler, Oprisanu and Troncoso, "Synthetic data:
anonymisation groundhog day" (USENIX Security 2022), played for all targets at once. The base table
is fixed: the adversary knows every other row, as in the definition of differential privacy. Each
target is in the table in exactly half of the shadows of either part, by a draw of its own. What is
kept of an output are the features that attacks look at.

Never true here: an import of a synthesizer. The generator is a callable, and its outputs are
dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from dpsynth.attacks.api import AttackData, Generate, check_codes
from dpsynth.attacks.cells import Query, choose_queries, count_cells
from dpsynth.attacks.neighbours import mean_nearest, nearest_two
from dpsynth.attacks.streams import Stream, rng_of
from numpy.typing import NDArray

from dpsynth.arrays import Codes
from dpsynth.schema.domain import Domain

NEIGHBOURS = 5  #: vulnerable targets are those far from this many nearest rows
PAIRS, TRIPLES = 15, 15  #: largest numbers of targeted queries
BINS = 10  #: bins of a one-way histogram
Features = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shadows:
    """What all shadow runs showed.

    Attributes:
        included: Whether a shadow's table held a target, shape (shadows, targets). Exactly half of
            the first `fitted` shadows and half of the rest hold each target.
        fitted: The first `fitted` shadows are for fitting attacks, the others for judging them.
        worst: Whether a target was chosen as vulnerable (else at random), shape (targets,).
        targeted: Features of one target in one output, shape (shadows, targets, features).
        whole: Features of one output, shape (shadows, features).
        base_rows: Rows that every shadow table holds.
    """

    included: NDArray[np.bool_]
    fitted: int
    worst: NDArray[np.bool_]
    targeted: Features
    whole: Features
    base_rows: int


def run_shadows(
    data: AttackData,
    generate: Generate,
    seed: int,
    *,
    fitted: int,
    judged: int,
    targets: int,
    rows: int,
    tell: Callable[[int, int], None] = lambda number, shadows: None,
) -> Shadows:
    """Choose targets, run the generator on every shadow table and keep the features.

    Args:
        data: The tables; real rows of both sides are drawn from, synthetic rows are not looked at.
        generate: Runs the generator on coded rows with a seed; returns coded rows.
        seed: Seed of every draw; each shadow is generated with a seed derived from it, whose stream
            has nothing in common with the coins.
        fitted: Even number of shadows for fitting.
        judged: Even number of shadows for judging.
        targets: Number of vulnerable targets and of random targets.
        rows: Largest number of real rows used, targets included; more than 2 * `targets`.
        tell: Called before each shadow with its number and the number of all.

    Raises:
        InputError: The generator returned something that is no table of the domain.
    """
    rng = rng_of(seed, Stream.SHADOWS)
    real = np.concatenate([data.train, data.holdout])
    real = real[rng.permutation(len(real))[:rows]]
    order = np.argsort(mean_nearest(data.domain, real, NEIGHBOURS), kind="stable")[::-1]
    rest = rng.permutation(order[targets:])
    chosen = np.concatenate([order[:targets], rest[:targets]])
    base, attacked = real[rest[targets:]], real[chosen]
    queries = (
        *choose_queries(data.domain, seed, ways=2, most=PAIRS),
        *choose_queries(data.domain, seed, ways=3, most=TRIPLES),
    )
    included = np.concatenate(
        [_halves(rng, fitted, len(attacked)), _halves(rng, judged, len(attacked))]
    )
    seeds = np.random.SeedSequence(seed).generate_state(len(included))
    targeted, whole = [], []
    for number, (present, own_seed) in enumerate(zip(included, seeds, strict=True), start=1):
        tell(number, len(included))
        table = np.concatenate([base, attacked[present]])
        output = generate(table[rng.permutation(len(table))], int(own_seed))
        check_codes(data.domain, "generated", output)
        targeted.append(targeted_features(data.domain, queries, attacked, output))
        whole.append(whole_features(data.domain, output))
    return Shadows(
        included=included,
        fitted=fitted,
        worst=np.arange(len(attacked)) < targets,
        targeted=np.stack(targeted),
        whole=np.stack(whole),
        base_rows=len(base),
    )


def targeted_features(
    domain: Domain, queries: tuple[Query, ...], targets: Codes, output: Codes
) -> Features:
    """Return what an output shows at each target: shares of its cells and closeness.

    Args:
        domain: Domain of the columns.
        queries: Sets of columns.
        targets: Codes, shape (t, d).
        output: Codes of generated rows, shape (k, d); may be empty.

    Returns:
        Shape (t, queries + 2): shares of the target's cell in each marginal, share of exact copies,
        distance to the nearest row.
    """
    rows = max(1, len(output))
    features = []
    for query in queries:
        cells = count_cells(domain, query, targets, (output,))
        features.append(cells.counts[0][cells.at] / rows)
    whole = count_cells(domain, tuple(range(len(domain))), targets, (output,))
    features.append(whole.counts[0][whole.at] / rows)
    near = nearest_two(domain, targets, output).first if len(output) else np.ones(len(targets))
    return np.stack([*features, near], axis=1)


def whole_features(domain: Domain, output: Codes) -> Features:
    """Return the features of a whole output: naive, histogram and correlation.

    The three feature sets of Stadler et al.: mean, median and variance of each column's codes;
    one-way histograms in at most `BINS` bins; correlations of all pairs of columns.

    Args:
        domain: Domain of the columns.
        output: Codes, shape (k, d); zeros are returned for less than two rows.
    """
    bins = [min(BINS, attribute.size) for attribute in domain]
    d = len(domain)
    if len(output) < 2:
        return np.zeros(3 * d + sum(bins) + d * (d - 1) // 2)
    codes = output.astype(np.float64)
    naive = np.concatenate([codes.mean(axis=0), np.median(codes, axis=0), codes.var(axis=0)])
    histograms = [
        np.bincount(output[:, j].astype(np.int64) * bins[j] // attribute.size, minlength=bins[j])
        for j, attribute in enumerate(domain)
    ]
    spread = codes.std(axis=0)
    centred = (codes - codes.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    correlation = (centred.T @ centred / len(codes))[np.triu_indices(d, 1)]
    return np.concatenate([naive, np.concatenate(histograms) / len(output), correlation])


def _halves(rng: np.random.Generator, shadows: int, targets: int) -> NDArray[np.bool_]:
    """Return (shadows, targets): each target is in exactly half of the shadows."""
    columns = [rng.permutation(shadows) < shadows // 2 for _ in range(targets)]
    return np.stack(columns, axis=1)
