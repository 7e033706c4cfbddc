"""Scores of two worlds against a claim: once more where they seem to refute it, and controls.

A claim is rejected where two samples of runs, made one after the other, each refute it at 99 %. So
a sound mechanism is rejected in one audit of 10,000 at most, however close it comes to its claim.
Silence says something only beside a planted fault that is found: noise at a fraction of its scale,
in as many runs as that needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from dpsynth.auditing.bound import (
    ERROR,
    choose_threshold,
    count_hits,
    detectable_mu,
    needed_runs,
    pilot_runs,
)
from dpsynth.auditing.claim import TradeOff
from dpsynth.auditing.report import Control, Finding, Limit, Verdict
from dpsynth.auditing.runs import Scores

SAMPLES = 2  #: samples that refute before a claim is rejected
POWER = 0.8  #: probability at which a detection limit is stated
_CONTROL_POWER = 0.9999
_CONTROL_RUNS = 200  # fewer save nothing
_FACTORS = (2, 4, 8, 16, 32)
_SMALL_FACTORS = (1.25, 1.5)  # where noise cannot be halved
_MOST_FACTOR = 1000.0  # beyond it a limit is none


class Subject(Protocol):
    """What is audited: it can be run in either world, with the noise it claims or with less."""

    def sharper(self, factor: float) -> Self | None:
        """Return the same with every scale of noise divided by a factor; None where it has none."""
        ...

    def growth(self, factor: float) -> float:
        """Return by which factor worlds are seen further apart then, by who expects the claim."""
        ...

    def understated(self, factor: float, delta: float) -> float:
        """Return by which factor epsilon is understated where noise is overstated by a factor."""
        ...


S = TypeVar("S", bound=Subject)
#: draw(what, runs in each world, a title for people) -> scores
Draw = Callable[[S, int, str], Scores]


@dataclass(frozen=True, kw_only=True)
class Planted(Generic[S]):
    """A case whose outcome is known.

    Attributes:
        name: Machine name.
        title: What was planted.
        subject: What is run, and judged by the claim of the honest one.
        expected: Whether the claim is to be refuted.
        needed: Whether the verdict rests on it; others show what so many runs can see.
    """

    name: str
    title: str
    subject: S
    expected: bool = True
    needed: bool = False


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a claim: the fields of the same names of a `MethodAudit`."""

    finding: Finding
    limit: Limit | None
    controls: tuple[Control, ...]
    verdict: Verdict
    reason: str


def weigh(
    subject: S,
    first: Scores,
    claimed: TradeOff,
    run: Draw[S],
    *,
    delta: float,
    further: Iterable[Planted[S]] = (),
) -> Judged:
    """Judge a claim, with the controls that the verdict needs.

    Args:
        subject: What is audited.
        first: Its scores.
        claimed: What was claimed.
        run: Makes more runs.
        delta: At which a limit is told as an epsilon.
        further: Cases that are planted with as many runs each.
    """
    runs = len(first.without)
    finding = judge(subject, first, claimed, run)
    controls: list[Control] = []
    if not finding.refuted and (planted := _noise(subject, finding, runs)) is not None:
        controls.append(_control(*planted, claimed, run))
    controls += [_control(case, runs, claimed, run) for case in further]
    limit = _limit(subject, delta, finding)
    verdict, reason = _verdict(finding, limit, controls)
    return Judged(
        finding=finding, limit=limit, controls=tuple(controls), verdict=verdict, reason=reason
    )


def judge(subject: S, first: Scores, claimed: TradeOff, run: Draw[S]) -> Finding:
    """Judge scores, and make as many again where they refute the claim.

    Args:
        subject: What was run.
        first: Its scores; a part of them fixes the threshold.
        claimed: What was claimed.
        run: Makes runs.
    """
    pilot = pilot_runs(len(first.without))
    threshold = choose_threshold(first.without[:pilot], first.with_unit[:pilot])
    hits = count_hits(first.without[pilot:], first.with_unit[pilot:], threshold)
    samples, refuted = 1, hits.p_value(claimed) <= ERROR
    while refuted and samples < SAMPLES:
        more = run(subject, len(first.without), "runs once more, to confirm")
        hits = count_hits(more.without, more.with_unit, threshold)
        samples, refuted = samples + 1, hits.p_value(claimed) <= ERROR
    return Finding(
        hits=hits, threshold=threshold, samples=samples, claimed=claimed, refuted=refuted
    )


def _control(case: Planted[S], runs: int, claimed: TradeOff, run: Draw[S]) -> Control:
    """Audit a planted case against the claim of the honest one."""
    first = run(case.subject, runs, f"control {case.name}")
    return Control(
        name=case.name,
        title=case.title,
        expected=case.expected,
        needed=case.needed,
        finding=judge(case.subject, first, claimed, run),
    )


def _noise(subject: S, finding: Finding, most: int) -> tuple[Planted[S], int] | None:
    """Return the fault that so many runs can see, less noise than claimed, and how many it needs.

    None where no such fault can be planted, because noise is so small already.
    """
    sharper = _sharper(subject, _FACTORS) or _sharper(subject, _SMALL_FACTORS)
    if not sharper:
        return None
    apart = _apart(finding)
    needs = {
        factor: needed_runs(
            finding.mu_claimed, subject.growth(factor) * apart, _CONTROL_POWER, SAMPLES
        )
        for factor in sharper
    }
    seen = [factor for factor, runs in needs.items() if runs + pilot_runs(most) <= most]
    factor = seen[0] if seen else max(needs)
    case = Planted(
        name="noise",
        title=f"every noise scale at 1/{factor} of what is claimed",
        subject=sharper[factor],
        needed=True,
    )
    return case, min(most, max(_CONTROL_RUNS, needs[factor] + pilot_runs(most)))


def _sharper(subject: S, factors: Iterable[float]) -> dict[float, S]:
    """Return the subject with less noise, by factor, where it has any."""
    return {factor: s for factor in factors if (s := subject.sharper(factor)) is not None}


def _limit(subject: Subject, delta: float, finding: Finding) -> Limit | None:
    """Return by how much noise or epsilon must be misstated to be seen; None if by any factor not.

    The least factor, to within 1 %, at which the worlds would be as far apart as can be seen.
    """
    hits = finding.hits
    if hits.mu_bound() == 0.0:
        return None
    seen = detectable_mu(finding.mu_claimed, hits.runs, POWER, SAMPLES) / _apart(finding)
    low, high = 1.0, _MOST_FACTOR
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        enough = subject.sharper(middle) is None or subject.growth(middle) >= seen
        low, high = (low, middle) if enough else (middle, high)
    if subject.sharper(high) is None or subject.growth(high) < seen:
        return None
    return Limit(sigma=high, epsilon=subject.understated(high, delta))


def _verdict(
    finding: Finding, limit: Limit | None, controls: Sequence[Control]
) -> tuple[Verdict, str]:
    """Return the verdict and its reason."""
    hits = finding.hits
    measured = (
        f"mu {hits.mu:.3f} was found where {finding.mu_claimed:.3f} is claimed, {hits.hits:,} hits "
        f"and {hits.false_alarms:,} false alarms of {hits.runs:,}, p-value of the claim "
        f"{hits.p_value(finding.claimed):.2g}"
    )
    if finding.refuted:
        return Verdict.REJECTED, f"{measured}: the answers tell more than was charged for"
    failed = [control.title for control in controls if control.needed and not control.passed]
    if failed:
        return (
            Verdict.INCONCLUSIVE,
            f"a control failed ({'; '.join(failed)}), so that silence says nothing: make more runs",
        )
    if not any(control.needed and control.expected for control in controls):
        return (
            Verdict.INCONCLUSIVE,
            "no fault could be planted, the noise is too small already: claim a smaller epsilon",
        )
    if limit is None:
        return Verdict.INCONCLUSIVE, "no fault in the noise would have been seen: make more runs"
    again = ", but not in the runs that were made to confirm it" if finding.samples > 1 else ""
    return (
        Verdict.CONSISTENT,
        f"{measured}{again}; these runs could have seen noise at 1/{limit.sigma:.2f} of its "
        f"scale, that is epsilon understated {limit.epsilon:.2f}x",
    )


def _apart(finding: Finding) -> float:
    """Return how far apart an honest run puts the worlds: as measured, or as claimed if less."""
    return min(finding.hits.mu, finding.mu_claimed)
