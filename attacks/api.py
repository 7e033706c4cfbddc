"""What every attack is given and what it must answer.

An attack looks at three coded tables: rows that a generator was trained on, rows of the same
people's table that it never saw, and its output. It asks whether the training rows are easier to
hit than the others. It follows the control-group idea of Giomi et al., "A unified framework for
quantifying privacy risk in synthetic data" (PoPETs 2023), and the exchangeability argument of
permutation tests: the split was random, so under "no leak" the labels member / non-member carry no
information.

Never true of an attack: that its silence is evidence of privacy. All results are raw: internal
only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from dpsynth.attacks.streams import Stream, rng_of

from dpsynth.arrays import Codes
from dpsynth.errors import InputError
from dpsynth.results import AttackResult, AttackVerdict, Status
from dpsynth.schema.domain import Domain

ALPHA = 1e-3  #: significance level of every test, fixed before any run
LEVEL = 0.95  #: confidence level of every interval
MIN_ROWS = 100  #: fewer members or non-members than this say nothing at ALPHA

Generate = Callable[[Codes, int], Codes]  #: runs a generator on coded rows with a seed


@dataclass(frozen=True, kw_only=True)
class AttackData:
    """The three coded tables of one attack run.

    Attributes:
        domain: The declared domain; its attributes are the columns.
        train: Codes of the training rows (the members), shape (n, d).
        holdout: Codes of rows drawn at random from the same table and never trained on, (m, d).
        synthetic: Codes of the generated rows, (k, d).
        train_units: Privacy unit of each training row, shape (n,), or None where a row is a unit.
        holdout_units: The same for the holdout.

    Raises:
        InputError: A table has another shape, another type or codes outside the domain.
    """

    domain: Domain
    train: Codes
    holdout: Codes
    synthetic: Codes
    train_units: Codes | None = None
    holdout_units: Codes | None = None

    def __post_init__(self) -> None:
        """Check shapes, types and codes."""
        for name in ("train", "holdout", "synthetic"):
            check_codes(self.domain, name, getattr(self, name))
        if (self.train_units is None) != (self.holdout_units is None):
            raise InputError(
                "Units are given for only one of training rows and holdout.",
                where="attack data",
                fix="Give train_units and holdout_units, or neither.",
            )
        for name in ("train", "holdout"):
            units = getattr(self, f"{name}_units")
            if units is not None and units.shape != (len(getattr(self, name)),):
                raise InputError(
                    f"{name}_units has not one entry per row.",
                    where="attack data",
                    fix="Pass one unit number per row.",
                )

    def one_row_per_unit(self, seed: int) -> AttackData:
        """Return data with one random row of each unit, so that rows are exchangeable.

        Rows of one person or household resemble each other and were split together; counting them
        as independent would raise false alarms.
        """
        if self.train_units is None or self.holdout_units is None:
            return self
        rng = np.random.default_rng(seed)
        return AttackData(
            domain=self.domain,
            train=_one_per_unit(rng, self.train, self.train_units),
            holdout=_one_per_unit(rng, self.holdout, self.holdout_units),
            synthetic=self.synthetic,
        )

    def equal_sizes(self, seed: int, *, rows: int, synthetic_rows: int) -> AttackData:
        """Return equally many members and non-members, at most `rows`, drawn without replacement.

        Args:
            seed: Seed of the draw.
            rows: Largest number of members and of non-members.
            synthetic_rows: Largest number of synthetic rows.
        """
        rng = np.random.default_rng(seed)
        size = min(rows, len(self.train), len(self.holdout))

        def draw(table: Codes, count: int) -> Codes:
            return table[rng.permutation(len(table))[:count]]

        return AttackData(
            domain=self.domain,
            train=draw(self.train, size),
            holdout=draw(self.holdout, size),
            synthetic=draw(self.synthetic, synthetic_rows),
        )

    def balanced(self, seed: int) -> AttackData:
        """Return equally many members and non-members and all synthetic rows, in random order."""
        size = min(len(self.train), len(self.holdout))
        return self.equal_sizes(seed, rows=size, synthetic_rows=len(self.synthetic))

    def on(self, columns: Sequence[str]) -> AttackData:
        """Return the same rows on some of the columns, in the order given."""
        places = [self.domain.index(name) for name in columns]
        return replace(
            self,
            domain=self.domain.project(columns),
            train=self.train[:, places],
            holdout=self.holdout[:, places],
            synthetic=self.synthetic[:, places],
        )

    def with_reference(self, seed: int) -> tuple[AttackData, Codes]:
        """Return data with half of the holdout, and the other half as a reference population.

        An attack that needs to know what is common must learn it from rows that it does not attack.
        Of the rest, members and non-members are equally many; all synthetic rows stay.

        Args:
            seed: Seed of the draw.
        """
        order = rng_of(seed, Stream.REFERENCE).permutation(len(self.holdout))
        half = len(order) // 2
        attacked = AttackData(
            domain=self.domain,
            train=self.train,
            holdout=self.holdout[order[half:]],
            synthetic=self.synthetic,
        )
        return attacked.balanced(seed), self.holdout[order[:half]]


class Attack(Protocol):
    """One attack. Implementations are frozen configurations.

    Those that share costly runs also share one mutable object, which keeps the tables it was asked
    about: they are `Closeable`, and a suite closes them when its last attack has run.
    """

    @property
    def name(self) -> str:
        """Machine name, unique within the suite."""

    @property
    def title(self) -> str:
        """Human title."""

    @property
    def all_rows(self) -> bool:
        """Whether it sees all rows in every profile: cheap on them, or weak on a part of them."""

    def run(self, data: AttackData, seed: int) -> AttackResult:
        """Attack and return the result; `seed` drives every random choice of the attack."""


@runtime_checkable
class Closeable(Protocol):
    """What holds private tables beyond a call."""

    def close(self) -> None:
        """Let go of them; a second time it does nothing."""


def too_little(data: AttackData) -> str | None:
    """Return why no attack can say anything about these tables, or None."""
    if not len(data.domain):
        return "The domain has no columns."
    if min(len(data.train), len(data.holdout)) < MIN_ROWS:
        return f"Fewer than {MIN_ROWS} training or held-out rows: no test could reject at {ALPHA}."
    if not len(data.synthetic):
        return "The synthetic table has no rows."
    first = data.train[0]
    if (data.train == first).all() and (data.holdout == first).all():
        return "All real rows are the same: members and non-members cannot be told apart."
    if (data.synthetic == data.synthetic[0]).all():
        return "All synthetic rows are the same: nothing in them could point at a training row."
    return None


def inconclusive(attack: Attack, reason: str) -> AttackResult:
    """Return the result of an attack that cannot say anything."""
    return AttackResult(
        name=attack.name,
        title=attack.title,
        status=Status.INCONCLUSIVE,
        reason=reason,
        alpha=ALPHA,
        verdict=AttackVerdict.INCONCLUSIVE,
    )


def verdict_of(p_value: float) -> AttackVerdict:
    """Return the verdict of one test at `ALPHA`."""
    return AttackVerdict.LEAK_FOUND if p_value < ALPHA else AttackVerdict.NO_LEAK_DETECTED


def _one_per_unit(rng: np.random.Generator, rows: Codes, units: Codes) -> Codes:
    order = rng.permutation(len(rows))
    _, first = np.unique(units[order], return_index=True)
    return rows[order[first]]


def check_codes(domain: Domain, name: str, codes: Codes) -> None:
    """Refuse a table that is not codes of the domain.

    Args:
        domain: The columns.
        name: What the table is, for the message.
        codes: The table.

    Raises:
        InputError: Another shape, another type or codes outside the domain.
    """
    if not isinstance(codes, np.ndarray) or codes.ndim != 2 or codes.dtype.kind not in "iu":
        raise InputError(
            f"The {name} table is not a two-dimensional array of integer codes.",
            where="attack data",
            fix="Encode the rows by the dictionary first.",
        )
    if codes.shape[1] != len(domain):
        raise InputError(
            f"The {name} table has another number of columns than the domain.",
            where="attack data",
            fix="Encode all three tables with the same dictionary.",
        )
    if not len(codes):
        return
    for attribute, low, high in zip(domain, codes.min(axis=0), codes.max(axis=0), strict=True):
        if low < 0 or high >= attribute.size:
            raise InputError(
                f"The {name} table has codes outside the declared domain.",
                where=attribute.name,
                fix="Encode all three tables with the same dictionary.",
            )
