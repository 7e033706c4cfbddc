"""Exceptions of dpsynth, each with the exit code that the command line returns for it.

A message says what is wrong, where, and how to mend it. It never holds a private cell, a private
count or a fragment of private data: names of columns, files and settings are the only variables.
"""

from __future__ import annotations


class DpsynthError(Exception):
    """Base of every error that dpsynth raises on purpose.

    Args:
        what: One sentence that says what is wrong, without private values.
        where: The file, column, setting or entry that it concerns.
        fix: One sentence that says how to mend it.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        """Return the message as a person reads it: where, what, how to mend it."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} {self.fix}" if self.fix else text


class InputError(DpsynthError):
    """A file, option or declaration that cannot be used. Nothing was spent."""

    exit_code = 2


class MissingExtraError(InputError):
    """An optional dependency is needed, for example ``dpsynth[neural]``."""


class PolicyRefusal(DpsynthError):
    """The policy refuses the release. The budget stays spent."""

    exit_code = 3


class BudgetError(DpsynthError):
    """The privacy budget of the lineage cannot pay for what was asked."""

    exit_code = 4


class LedgerDamagedError(DpsynthError):
    """The ledger was edited, truncated, reordered or rolled back."""

    exit_code = 5


class SpentError(DpsynthError):
    """A run stopped after its budget was reserved: the budget stays spent.

    Args:
        cause: What stopped it; its exit code is kept.
    """

    def __init__(self, cause: DpsynthError) -> None:
        fix = f"{cause.fix} " if cause.fix else ""
        super().__init__(
            cause.what, where=cause.where, fix=f"{fix}The budget of this run stays spent."
        )
        self.exit_code = cause.exit_code


class ThirdPartyError(DpsynthError):
    """A program that dpsynth did not write failed on the rows it was handed."""

    exit_code = 1


class SelfTestError(DpsynthError):
    """The program caught itself computing something wrong; the release stops."""

    exit_code = 1


class DisclosureError(DpsynthError):
    """A raw number was about to reach a public document."""

    exit_code = 1
