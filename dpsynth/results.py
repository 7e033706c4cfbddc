"""Result types shared by attacks, fidelity, policy and evidence.

"Not run" and "inconclusive" are values here, never blanks. Every result carries its disclosure
class: what may cross the legal boundary is decided by type, not by the author of a template.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dpsynth.errors import InputError


class Disclosure(StrEnum):
    """Where a number comes from, which decides whether it may be public."""

    DECLARED = "declared"  #: chosen without looking at the data
    DP = "dp"  #: output of a mechanism with an entry in the ledger
    POST = "post"  #: a function of DECLARED and DP values only
    INDEPENDENT = "independent"  #: computed on data unrelated to the people
    RAW = "raw"  #: computed on private rows: internal, never public

    @property
    def public(self) -> bool:
        """Whether a value of this class may appear in a public document."""
        return self is not Disclosure.RAW


class Status(StrEnum):
    """Whether a result says something."""

    OK = "ok"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not_run"


class AttackProfile(StrEnum):
    """Which attacks a release runs."""

    QUICK = "quick"
    FULL = "full"
    OFF = "off"


class AssuranceClass(StrEnum):
    """On what ground the privacy loss of a method holds."""

    A = "A"  #: measurements of dpsynth, with an audit on neighbouring inputs
    B = "B"  #: argued in writing
    N = "N"  #: no guarantee


class SignerRole(StrEnum):
    """A part that somebody signs a document in."""

    ISSUER = "issuer"
    EXPERT = "expert"
    DPO = "dpo"

    @property
    def field(self) -> str:
        """Name of the signature field."""
        return {"issuer": "Issuer", "expert": "Expert", "dpo": "DPO"}[self.value]

    @property
    def words(self) -> str:
        """The role in words."""
        return "data protection officer" if self is SignerRole.DPO else self.value


def words_of(kind: type[StrEnum]) -> tuple[str, ...]:
    """Return the words of a list of choices, in its order, as plain text.

    >>> words_of(AttackProfile)
    ('quick', 'full', 'off')
    """
    return tuple(member.value for member in kind)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval [low, high] at a stated level, for example 0.95."""

    low: float
    high: float
    level: float

    def __post_init__(self) -> None:
        """Refuse an interval that is not one."""
        if not (self.low <= self.high and 0.0 < self.level < 1.0):
            raise ValueError(f"not an interval: [{self.low}, {self.high}] at {self.level}")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One measured number with everything needed to read it.

    Attributes:
        name: Machine name, unique within its suite, for example ``exact_copies``.
        title: Human title.
        value: The number, or None unless the status is OK.
        unit: What the number counts, for example ``AUC`` or ``total variation distance``.
        interval: Confidence interval of the value, where one is known.
        n: Number of records, pairs or trials behind the value.
        baseline: What guessing or the ideal reference gives.
        baseline_title: What the baseline is, in words.
        control: The same number on a control, for example independent columns.
        control_title: What the control is, in words.
        status: OK, INCONCLUSIVE or NOT_RUN.
        reason: Why it is not OK; required then.
        disclosure: Class of the value, RAW unless argued otherwise.
        details: Further named numbers or words of this result.
        note: One or two sentences for the reader of the report.
    """

    name: str
    title: str
    value: float | None = None
    unit: str = ""
    interval: Interval | None = None
    n: int | None = None
    baseline: float | None = None
    baseline_title: str = ""
    control: float | None = None
    control_title: str = ""
    status: Status = Status.OK
    reason: str = ""
    disclosure: Disclosure = Disclosure.RAW
    details: Mapping[str, float | int | str | None] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        """Keep value, status and reason consistent."""
        if self.status is Status.OK:
            if self.value is None or not math.isfinite(self.value):
                raise ValueError(f"{self.name}: an OK result needs a finite value")
        elif not self.reason:
            raise ValueError(f"{self.name}: a result that is not OK needs a reason")


class AttackVerdict(StrEnum):
    """What an attack shows. No word here says that data are safe: attacks only refute."""

    LEAK_FOUND = "leak found"
    WITHIN_CLAIM = "seen, within the claim"  #: members stand out, no more than what was claimed
    NO_LEAK_DETECTED = "no leak detected by this test"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"


#: False-positive rates at which ROC curves and the ceilings of claims are written down.
FALSE_POSITIVE_RATES = tuple(round(10.0 ** (k / 10.0 - 4.0), 6) for k in range(41))


@dataclass(frozen=True, kw_only=True)
class Roc:
    """The ROC curve of an attack that scores rows, on a fixed grid, inside a simultaneous band.

    Attributes:
        points: (false-positive rate, true-positive rate, low, high) at those of
            `FALSE_POSITIVE_RATES` that are no less than one non-member in all. The true-positive
            rate is the largest that was reached with at most that rate of false positives.
        level: Confidence that the true curve runs from low to high at all points at once.
        members: Members that were scored.
        non_members: Non-members that were scored.
        reason: Why there are no points; empty where there are.
    """

    points: tuple[tuple[float, float, float, float], ...] = ()
    level: float
    members: int
    non_members: int
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a missing curve without a reason, and a curve that falls or leaves its band."""
        if bool(self.points) == bool(self.reason):
            raise ValueError("a ROC curve has points or a reason why it has none")
        for before, after in zip(self.points, self.points[1:], strict=False):
            if any(b > a for b, a in zip(before, after, strict=True)):
                raise ValueError("a ROC curve and its band never fall")
        if any(not 0.0 <= low <= rate <= high <= 1.0 for _, rate, low, high in self.points):
            raise ValueError("a ROC curve lies inside its band")


@dataclass(frozen=True, kw_only=True)
class AttackResult(Result):
    """One attack: members against non-members, with a p-value under "members are like others".

    Attributes:
        members: Records of the training part that were attacked.
        non_members: Records of the sealed holdout that were attacked as control.
        p_value: One-sided p-value of "members are easier to hit than non-members".
        alpha: Significance level used for the verdict, fixed before the run.
        detection_limit: In words: the smallest leak that this run could have seen.
        verdict: See :class:`AttackVerdict`.
        roc: The whole curve of an attack that scores rows, else None.
    """

    members: int = 0
    non_members: int = 0
    p_value: float | None = None
    alpha: float = 1e-3
    detection_limit: str = ""
    verdict: AttackVerdict = AttackVerdict.NOT_RUN
    roc: Roc | None = None


@dataclass(frozen=True, kw_only=True)
class FidelityResult(Result):
    """One fidelity or utility number, beside its noise floor and its control."""


def decimal_string(number: float) -> str:
    """Return a finite float as the shortest decimal string that reads back to it.

    Raises:
        InputError: The number is not finite.

    >>> decimal_string(1e-06)
    '0.000001'
    """
    if not math.isfinite(number):
        raise InputError("Only finite numbers can be written down.")
    return format(Decimal(repr(float(number))), "f")


def rounded_up(bound: float) -> float:
    """Return a bound in [0, 1] rounded up to six decimals: a rounded bound is still a bound.

    >>> rounded_up(0.0002718281)
    0.000272
    """
    return min(1.0, math.ceil(bound * 1e6) / 1e6)


def plain(value: Any) -> Any:
    """Turn mappings, tuples and enums into plain JSON values."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return str(value)
    return value
