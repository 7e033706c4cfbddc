"""Commands that are loaded when they are called.

A command of dpsynth can need seconds of imports (OpenDP, numba, Arrow). A ledger that is only read
must not wait for them, so the group knows the name and the one line of help of each command and
imports its module when somebody calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_group


@dataclass(frozen=True)
class Command:
    """Where a command is.

    Attributes:
        module: Module that holds it.
        attribute: Its function, or the Typer application of a group.
        help: What it does, in the first line of its docstring.
    """

    module: str
    attribute: str
    help: str

    def load(self) -> Any:
        """Import the module and return the function or the application."""
        return getattr(import_module(self.module), self.attribute)


class LazyGroup(TyperGroup):
    """A group whose commands stand in a table; set by :func:`group_of`."""

    table: ClassVar[Mapping[str, Command]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # The names in the order of the table, for lists and for "did you mean".
        self.commands: Any = dict.fromkeys(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return one command; None if there is no such name."""
        if cmd_name not in self.table:
            return None
        # A parent of its own makes Typer build the command as it would below the root.
        parent = typer.Typer(rich_markup_mode=None, callback=lambda: None)
        found = self.table[cmd_name].load()
        if isinstance(found, typer.Typer):
            parent.add_typer(found, name=cmd_name)
        else:
            parent.command(cmd_name)(found)
        return get_group(parent).commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in self.table.items()])


def group_of(commands: Mapping[str, Command]) -> type[LazyGroup]:
    """Return a group of these commands."""
    return type("Commands", (LazyGroup,), {"table": dict(commands)})
