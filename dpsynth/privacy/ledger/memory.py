"""A reservation without a ledger: for public and made-up data, tests, and replicas under attack.

It enforces the same cap and the same prices, but remembers nothing. Never true here: that anything
answered under it about private rows leaves the process. Replicas (`dpsynth/pipeline/replica.py`)
are the one use on private rows; what they answer is scored and dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from dpsynth.errors import InputError
from dpsynth.privacy.events import Event
from dpsynth.privacy.ledger.replay import check_affordable
from dpsynth.privacy.losses import total_loss


class MemoryReservation:
    """Charges against a cap that lives in memory only.

    Args:
        rho: Cap in zCDP rho.
        discovery_delta: What events with a delta of their own may spend of it.
    """

    def __init__(self, rho: float, discovery_delta: float = 0.0) -> None:
        if not (math.isfinite(rho) and rho > 0):
            raise InputError("A cap in rho must be finite and positive.")
        self._rho = rho
        self._discovery_delta = discovery_delta
        self._charged = Fraction(0)
        self._failing = Fraction(0)
        self._seq = 0

    def charge(self, events: Sequence[Event]) -> int:
        """Charge events and return a running number.

        Raises:
            BudgetError: The cap cannot pay.
        """
        if not events:
            raise InputError("There is nothing to charge.")
        cost = total_loss(events)
        charged, failing = self._charged + cost.rho, self._failing + cost.delta
        check_affordable(charged, self._rho, "reservation in memory")
        check_affordable(
            failing, self._discovery_delta, "reservation in memory", what="delta for discovery"
        )
        self._charged, self._failing = charged, failing
        self._seq += 1
        return self._seq
