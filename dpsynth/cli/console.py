"""How the command line speaks: people read text on a terminal, machines read one JSON object.

Results go to standard output, progress and warnings to standard error. Nothing here knows a
private value: callers pass names, public numbers and paths that the user typed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_OUT = Console(highlight=False, soft_wrap=True)
_ERR = Console(stderr=True, highlight=False, soft_wrap=True)


def emit_json(payload: Mapping[str, Any]) -> None:
    """Write one JSON object to standard output."""
    sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=False, default=str) + "\n")


def say(text: str, style: str = "") -> None:
    """Write one line for people to standard output; text is never read as markup."""
    _OUT.print(Text(text, style=style))


def prompt(*, confirm: bool = False) -> Callable[[str], str] | None:
    """Return a hidden prompt where somebody sits at a terminal; `confirm` asks twice."""
    if not sys.stdin.isatty():
        return None
    return lambda text: str(
        typer.prompt(text, hide_input=True, err=True, confirmation_prompt=confirm)
    )


def warn(text: str) -> None:
    """Write one warning line to standard error."""
    _ERR.print(Text(f"Note: {text}", style="yellow"))


def complain(text: str) -> None:
    """Write an error to standard error."""
    _ERR.print(Text(f"Error: {text}", style="bold red"))


def show_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "",
    right: Sequence[int] = (),
) -> None:  # fmt: skip
    """Write a table for people; `right` lists right-aligned columns."""
    table = Table(title=title or None, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    _OUT.print(table)


def width() -> int:
    """Return the width of the terminal, in cells."""
    return _OUT.width


@contextmanager
def steps(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Yield a progress callback: a spinner on a terminal, a line a step elsewhere.

    It writes to what is standard error now, so that a step may capture that of its own.

    Args:
        quiet: Show nothing (for ``--json``).
    """
    if quiet:
        yield lambda text: None
        return
    start = time.monotonic()
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    if console.is_terminal:
        with console.status("Starting") as status:

            def show(text: str) -> None:
                status.update(Text(f"{text} ... {time.monotonic() - start:.0f} s"))

            yield show
    else:

        def line(text: str) -> None:
            console.print(Text(f"[{time.monotonic() - start:5.1f} s] {text}"))

        yield line
