"""The budget ledger: what may be spent on people, what was, and the chain that proves it."""

from dpsynth.privacy.ledger.chain import GENESIS, Entry, Head, Kind
from dpsynth.privacy.ledger.ledger import Ledger, LedgerCheck, Reservation
from dpsynth.privacy.ledger.replay import (
    LineageStatus,
    LineageTerms,
    ReleaseRecord,
    ReleaseState,
)

__all__ = [
    "GENESIS",
    "Entry",
    "Head",
    "Kind",
    "Ledger",
    "LedgerCheck",
    "LineageStatus",
    "LineageTerms",
    "ReleaseRecord",
    "ReleaseState",
    "Reservation",
]
