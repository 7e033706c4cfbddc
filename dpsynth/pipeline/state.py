"""What one step of a release hands to the next. Holds private rows: never leaves the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.pipeline.prepare import Plan
from dpsynth.pipeline.published import PublishedError
from dpsynth.policy import Verdict
from dpsynth.privacy.events import Charged
from dpsynth.privacy.ledger import Entry, Head, LineageStatus
from dpsynth.results import AttackResult, FidelityResult
from dpsynth.sources.table import CodedTable
from dpsynth.synth.api import Check, Model
from dpsynth.synth.discovery import Discovered


@dataclass(frozen=True, kw_only=True)
class OpenData:
    """The bounded table, split by unit, and the exact counts (raw: internal evidence only)."""

    train: CodedTable
    holdout: CodedTable
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The model, and the synthetic rows as codes and as text."""

    model: Model
    codes: NDArray[np.int32]
    text: pa.Table
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Examined:
    """Attack, fidelity and constraint results."""

    attacks: tuple[AttackResult, ...]
    fidelity: tuple[FidelityResult, ...]
    constraints: Sequence[Mapping[str, object]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that the evidence is made from."""

    plan: Plan
    before: LineageStatus
    head: Head
    entries: Sequence[Entry]
    issuer: str
    created: datetime
    charged: Charged
    discovered: tuple[Discovered, ...]
    fitted: Fitted
    published: PublishedError | None
    data: OpenData
    examined: Examined
    verdict: Verdict
    files: Sequence[Mapping[str, object]]
