"""How the statistical tests judge noise against its exact law: chi-square, tails, and their power.

Each p-value is compared with ALPHA = 1e-8. Shares and tails are exact binomial. The chi-square law
is an approximation: its bins expect at least 160 draws, and `chi_square_rate` measures the real
rate by importance sampling, 1.0 to 1.7 ALPHA. A failed test is never given a second sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from scipy.stats import binom, chi2, kstest, ncx2, norm

ALPHA = 1e-8
SIGMAS = (0.7, 3.3, 20.0, 137.0, 1000.5)
MISSED = 1e-12  # what a planted fault may at most escape with
BIN_MASS = 0.008  # smallest probability of a bin: at most 125 bins
BIN_DRAWS = 160  # fewest draws that a bin may expect
TAIL_DRAWS = 40  # draws expected beyond the outermost limit of a tail; missing all has exp(-40)


@dataclass(frozen=True, eq=False)
class Law:
    """Probabilities of the integers first, first + 1, ..."""

    first: int
    pmf: np.ndarray

    @property
    def support(self) -> np.ndarray:
        return self.first + np.arange(self.pmf.size)

    def sample(self, draws: int, seed: int = 1) -> np.ndarray:
        """Draw with a seed: for planted faults only."""
        return np.random.default_rng(seed).choice(self.support, draws, p=self.pmf)

    def given(self, keep: np.ndarray) -> Law:
        """Return the conditional law on a part of the support."""
        pmf = np.where(keep, self.pmf, 0.0)
        return Law(self.first, pmf / pmf.sum())

    def mirrored(self) -> Law:
        """Return the law of the negated draw."""
        return Law(1 - self.first - self.pmf.size, self.pmf[::-1])

    def at_least(self) -> np.ndarray:
        """Return the probability of each integer or more, and 0 for what lies beyond."""
        return np.append(np.cumsum(self.pmf[::-1])[::-1], 0.0)

    def deepest(self, draws: int) -> int:
        """Return the largest t such that TAIL_DRAWS of the draws are expected at t or more."""
        return self.first + int(np.flatnonzero(self.at_least() * draws >= TAIL_DRAWS)[-1])


def gaussian_law(sigma: float, centre: int = 0) -> Law:
    """Return the discrete Gaussian out to 37 sigma, where doubles end."""
    reach = int(37 * sigma) + 3
    pmf = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    return Law(centre - reach, pmf / pmf.sum())


def gaussian_faults(sigma: float, draws: int) -> dict[str, Law]:
    """Return the laws that a test of discrete Gaussian noise must reject."""
    law = gaussian_law(sigma)
    limit = law.deepest(draws)
    faults = {
        "scale 10 % too large": gaussian_law(1.1 * sigma),
        "scale 10 % too small": gaussian_law(0.9 * sigma),
        "tails cut": law.given(np.abs(law.support) < limit),
        "upper tail cut": law.given(law.support < limit),
    }
    if sigma < 1:  # beyond, rounding is closer to the law than any sample can tell
        edges = np.append(law.support, law.support[-1] + 1) - 0.5
        pmf = np.diff(norm.cdf(edges, scale=sigma))
        faults["rounded continuous Gaussian"] = Law(law.first, pmf / pmf.sum())
    return faults


def bins(law: Law) -> np.ndarray:
    """Return a bin for each integer: neighbours join until a bin holds BIN_MASS."""
    index, held, bin_of = 0, 0.0, np.empty(law.pmf.size, dtype=np.int64)
    for i, p in enumerate(law.pmf):
        if held >= BIN_MASS:
            index, held = index + 1, 0.0
        bin_of[i], held = index, held + p
    if held < BIN_MASS:
        bin_of[bin_of == index] = index - 1
    return bin_of


def shares(law: Law) -> np.ndarray:
    """Return the probability of each bin."""
    return np.bincount(bins(law), weights=law.pmf)


def binned(sample: np.ndarray, law: Law) -> np.ndarray:
    """Return how many draws fall into each bin; no draw may lie outside the support."""
    at = sample - law.first
    assert at.min() >= 0 and at.max() < law.pmf.size
    return np.bincount(bins(law)[at], minlength=int(bins(law).max()) + 1)


def pearson(seen: np.ndarray, share: np.ndarray) -> float:
    """Return the p-value of Pearson's statistic."""
    expected = share * seen.sum()
    assert expected.min() >= BIN_DRAWS * 0.999, "too few draws for the chi-square approximation"
    return float(chi2.sf(((seen - expected) ** 2 / expected).sum(), expected.size - 1))


def chi_square(sample: np.ndarray, law: Law) -> float:
    """Return the p-value of a sample against a law."""
    return pearson(binned(sample, law), shares(law))


def grain(sample: np.ndarray, law: Law) -> float:
    """Return the p-value of the residues modulo 4: noise must not live on a coarser grid."""
    return pearson(
        np.bincount(sample % 4, minlength=4), np.bincount(law.support % 4, weights=law.pmf)
    )


def two_samples(one: np.ndarray, two: np.ndarray, law: Law) -> float:
    """Return the p-value that two samples follow one law, without using its probabilities."""
    seen = np.stack([binned(one, law), binned(two, law)])
    expected = seen.sum(1, keepdims=True) * seen.sum(0) / seen.sum()
    return float(chi2.sf(((seen - expected) ** 2 / expected).sum(), seen.shape[1] - 1))


def missed(law: Law, fault: Law, draws: int) -> float:
    """Return the probability that draws of a fault pass chi_square (noncentral chi-square)."""
    share = shares(law)
    at = np.clip(fault.support - law.first, 0, law.pmf.size - 1)
    other = np.bincount(bins(law)[at], weights=fault.pmf, minlength=share.size)
    shift = draws * float(((other - share) ** 2 / share).sum())
    return float(ncx2.cdf(chi2.isf(ALPHA, share.size - 1), share.size - 1, shift))


def chi_square_rate(law: Law, draws: int, trials: int = 20_000) -> float:
    """Return the real false-alarm rate of chi_square at ALPHA, over ALPHA.

    Importance sampling: shares from a Dirichlet law so wide that Pearson's statistic lies around
    its limit; a trial weighs the multinomial over the Dirichlet-multinomial probability.
    """
    share, rng = shares(law), np.random.default_rng(0)
    limit = float(chi2.isf(ALPHA, share.size - 1))
    width = (draws - 1) / (limit / (share.size - 1) - 1) - 1
    seen = rng.multinomial(draws, rng.dirichlet(width * share, trials))
    statistic = ((seen - draws * share) ** 2 / (draws * share)).sum(axis=1)
    dirichlet = (gammaln(seen + width * share) - gammaln(width * share)).sum(axis=1)
    log_weight = (seen * np.log(share)).sum(axis=1) - dirichlet
    log_weight += gammaln(draws + width) - gammaln(width)
    return float(np.mean(np.exp(log_weight) * (statistic > limit))) / ALPHA


def share_p(seen: int, draws: int, share: float) -> float:
    """Return the exact two-sided p-value of a number of successes."""
    one_side = min(binom.cdf(seen, draws, share), binom.sf(seen - 1, draws, share))
    return float(min(1.0, 2 * one_side))


def share_missed(share: float, fault: float, draws: int) -> float:
    """Return the probability that a share which is really `fault` passes share_p, exactly."""
    seen = np.arange(draws + 1)
    passes = 2 * np.minimum(binom.cdf(seen, draws, share), binom.sf(seen - 1, draws, share)) > ALPHA
    return float(binom.pmf(seen, draws, fault)[passes].sum())


def tails(sample: np.ndarray, law: Law) -> float:
    """Return the p-value of both tails: shares beyond falling limits, and the most extreme draw.

    The outermost limit expects TAIL_DRAWS or more on its side; the others go inwards fourfold in
    probability, up to 2 %. Exact binomial, times the number of looks.
    """
    values = []
    for drawn, one_side in ((sample, law), (-sample, law.mirrored())):
        above = one_side.at_least()
        level = TAIL_DRAWS / sample.size
        while level < 0.02:
            at = int(np.flatnonzero(above >= level)[-1])
            beyond = int((drawn >= one_side.first + at).sum())
            values.append(share_p(beyond, sample.size, float(above[at])))
            level *= 4
        extreme = min(int(drawn.max()) - one_side.first, above.size - 1)
        values.append(sample.size * float(above[extreme]))
    return float(min(1.0, len(values) * min(values)))


def lag(sample: np.ndarray) -> float:
    """Return the two-sided p-value of the correlation of neighbouring cells."""
    correlation = np.corrcoef(sample[:-1], sample[1:])[0, 1]
    return float(2 * norm.sf(abs(correlation) * np.sqrt(sample.size)))


def unseen_faults(sigma: float, draws: int) -> list[str]:
    """Return the planted faults that pass, of seeded draws; the tail test alone must see a tail."""
    law = gaussian_law(sigma)
    return [
        name
        for name, fault in gaussian_faults(sigma, draws).items()
        if not (tails if "tail" in name else chi_square)(fault.sample(draws), law) < ALPHA
    ]


def body(sample: np.ndarray) -> float:
    """Return the p-value of a standard normal law (Kolmogorov and Smirnov)."""
    return float(kstest(sample, "norm").pvalue)


def spread(sample: np.ndarray) -> float:
    """Return the two-sided p-value of a variance of one: a sum of squares is chi-square."""
    law = chi2(sample.size)
    square = float((sample**2).sum())
    return 2 * float(min(law.cdf(square), law.sf(square)))
