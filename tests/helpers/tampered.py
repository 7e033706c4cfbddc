"""The whole table of tampers; reading it from here makes sure that every part of it is loaded."""

from __future__ import annotations

import tampers_around
import tampers_bundle
import tampers_documents
from tampers import PARTS, TAMPERS, Scene, Tamper, outcome

#: Where the tampers stand.
ROOMS = (tampers_around, tampers_bundle, tampers_documents)
TABLE = tuple(sorted(TAMPERS, key=lambda each: PARTS.index(each.part)))

__all__ = ["PARTS", "ROOMS", "TABLE", "Scene", "Tamper", "outcome"]
