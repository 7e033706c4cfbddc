"""Rows handed to a third party's program: coded, bounded, silenced, and taken back.

What a program gets are codes of the declared domain, never a text of the table and never a category
that was learned from rows. What it prints, warns of or raises may quote rows, so none of it gets
out: output and warnings are dropped, those of its libraries and child processes too, and of an
error only its type is told. The array that it worked on is wiped when it returns, so that a
reference which was kept shows nothing. A program that copies rows and hides them, or writes them to
a file, cannot be stopped from inside Python: what it returns is the adapter's to check.

Never true here: a charge. The Curator charges before it calls this.
"""

from __future__ import annotations

import ctypes
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InputError, ThirdPartyError
from dpsynth.privacy.foreign import ThirdPartyEvent, UnboundedEvent, refused
from dpsynth.schema.domain import Domain

if TYPE_CHECKING:
    from dpsynth.sources.table import MarginalSource

T = TypeVar("T")

_OUTPUTS = (1, 2)  # descriptors of standard output and errors


@dataclass(frozen=True, kw_only=True, eq=False)
class CodedRows:
    """Private rows as a third party's program gets them.

    Attributes:
        domain: The declared domain: sizes are of all codes, seen or not.
        codes: Shape (n, d), int32; zeros once the program has returned.
        max_rows: Rows of one unit at most.
    """

    domain: Domain
    codes: NDArray[np.int32]
    max_rows: int


Core = Callable[[CodedRows], T]


def priced_event(
    event: ThirdPartyEvent | UnboundedEvent, max_rows: int, prefix: str
) -> ThirdPartyEvent:
    """Return an event that a budget can pay, its stage behind a prefix.

    Raises:
        InputError: It has no price, or one for units of fewer rows.
    """
    if isinstance(event, UnboundedEvent):
        raise refused(event, "A budget")
    if not event.covers(max_rows):
        raise InputError("The event is priced for smaller units.", where=event.stage)
    return replace(event, stage=prefix + event.stage)


def run_core(core: Core[T], table: MarginalSource, max_rows: int) -> T:
    """Return what a program makes of the rows of a table.

    Args:
        core: The program. It must return nothing that holds a row.
        table: The rows, at most `max_rows` of one unit.
        max_rows: Rows of one unit at most.

    Raises:
        ThirdPartyError: The program failed; its words are not repeated.
    """
    codes = np.array(table.rows(), dtype=np.int32)
    failed = ""
    try:
        with _silenced():
            return core(CodedRows(domain=table.domain, codes=codes, max_rows=max_rows))
    # Whatever it says may quote a row; sys.exit takes words, too.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        failed = type(error).__name__
    finally:
        codes.setflags(write=True)  # whatever the program did to it
        codes.fill(0)
    # Raised out here, so that nothing points to the program's error and to the rows behind it.
    raise ThirdPartyError(
        f"A third party's program failed on the rows ({failed}); what it said is not repeated.",
        fix="Try it on made-up rows of the same domain.",
    )


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing and is never closed: a program may hold it for ever."""

    def write(self, text: str, /) -> int:
        """Drop a text."""
        return len(text)


@contextmanager
def _silenced() -> Iterator[None]:
    """Drop what the block prints, warns of and logs."""
    before = logging.root.manager.disable
    logging.disable(sys.maxsize)
    try:
        with (
            _dropped(),
            warnings.catch_warnings(),
            redirect_stdout(_Nowhere()),
            redirect_stderr(_Nowhere()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _dropped() -> Iterator[None]:
    """Drop what is written to the descriptors of output and errors, by whomever.

    Child processes, libraries that are no Python and loggers that took hold of the streams before
    write there.
    """
    _flush()
    kept = [os.dup(descriptor) for descriptor in _OUTPUTS]
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in _OUTPUTS:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        yield
    finally:
        _flush()
        for descriptor, copy in zip(_OUTPUTS, kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)


def _flush() -> None:
    """Write out what Python and the C library still hold back."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
    with suppress(OSError, TypeError):  # where programs are not linked as on Unix
        ctypes.CDLL(None).fflush(None)
