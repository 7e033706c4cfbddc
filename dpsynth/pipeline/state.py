"""What one step of a release hands to the next. Holds private rows: never leaves the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.fidelity import GroupError
from dpsynth.pipeline.plan import Plan
from dpsynth.pipeline.published import PublishedError
from dpsynth.policy import Verdict
from dpsynth.privacy.events import Charged, Unbounded
from dpsynth.privacy.ledger import Standing
from dpsynth.results import AttackResult, FidelityResult, Status
from dpsynth.sources.table import CodedTable
from dpsynth.synth.api import Check, Model
from dpsynth.synth.discovery import Discovered


@dataclass(frozen=True, kw_only=True)
class SeenPeople:
    """Whether the units of a new lineage are known from others; a raw, internal fact.

    Attributes:
        status: OK where it was looked at; NOT_RUN with a reason otherwise.
        reason: Why it was not.
        lineages: Names of the lineages that hold at least half of the units, together.
    """

    status: Status
    reason: str = ""
    lineages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OpenData:
    """The bounded table, split by unit, and what was seen of it (raw: internal evidence only).

    Attributes:
        train: Training part.
        holdout: Sealed part.
        counts: Exact counts.
        people: What the ledger's fingerprints say about the units.
    """

    train: CodedTable
    holdout: CodedTable
    counts: Mapping[str, int]
    people: SeenPeople


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The model, and the synthetic rows as codes and as text."""

    model: Model
    codes: NDArray[np.int32]
    text: pa.Table
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Examined:
    """Attack, fidelity, group and constraint results."""

    attacks: tuple[AttackResult, ...]
    fidelity: tuple[FidelityResult, ...]
    groups: tuple[GroupError, ...]
    constraints: Sequence[Mapping[str, object]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that the evidence is made from.

    The ledger is read once, after the last look at the rows: other runs may have written to it
    since this one was reserved.
    """

    plan: Plan
    standing: Standing
    reservation: int
    issuer: str
    created: datetime
    charged: Charged
    unbounded: Unbounded
    discovered: tuple[Discovered, ...]
    fitted: Fitted
    published: PublishedError | None
    data: OpenData
    examined: Examined
    verdict: Verdict
    files: Sequence[Mapping[str, object]]
