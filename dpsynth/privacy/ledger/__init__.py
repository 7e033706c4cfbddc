"""The budget ledger: what may be spent on people, what was, and the chain that proves it."""

from dpsynth.privacy.ledger.anchors import Anchor, Anchors
from dpsynth.privacy.ledger.book import ledger_exists
from dpsynth.privacy.ledger.chain import GENESIS, Entry, Head, Kind
from dpsynth.privacy.ledger.keys import LedgerKey
from dpsynth.privacy.ledger.ledger import Ledger
from dpsynth.privacy.ledger.parties import Party
from dpsynth.privacy.ledger.place import Place
from dpsynth.privacy.ledger.records import (
    LedgerCheck,
    LineageStatus,
    ReleaseRecord,
    ReleaseState,
    Standing,
)
from dpsynth.privacy.ledger.request import ReservationRequest
from dpsynth.privacy.ledger.reservation import Reservation
from dpsynth.privacy.ledger.terms import Cap, Caps, Currency, LineageTerms
from dpsynth.privacy.ledger.transfer import adopt, import_lines

__all__ = [
    "GENESIS",
    "Anchor",
    "Anchors",
    "Cap",
    "Caps",
    "Currency",
    "Entry",
    "Head",
    "Kind",
    "Ledger",
    "LedgerCheck",
    "Standing",
    "LedgerKey",
    "LineageStatus",
    "LineageTerms",
    "Party",
    "Place",
    "ReleaseRecord",
    "ReleaseState",
    "Reservation",
    "ReservationRequest",
    "adopt",
    "import_lines",
    "ledger_exists",
]
