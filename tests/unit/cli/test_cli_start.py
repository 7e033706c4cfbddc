"""What the command line loads: a ledger that is only read must not wait for OpenDP or Arrow."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from ledger_books import Books

from dpsynth.cli.app import COMMANDS, app
from dpsynth.cli.lazy import Command
from dpsynth.cli.ledger import COMMANDS as LEDGER_COMMANDS

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {
    "aiohttp", "dp_accounting", "numba", "opendp", "pandas", "pyarrow", "pyhanko", "scipy",
    "sklearn", "weasyprint",
}  # fmt: skip
PROBE = """
import sys
from dpsynth.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


#: A plain look at a ledger converts by one Renyi order and needs no arrays either.
ARRAYS = {"numpy"}


def loaded(*arguments: str, before: str = "") -> set[str]:
    """Run the command line in a fresh process and return the packages that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", before + PROBE, *arguments],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return set(done.stdout.split("LOADED", 1)[1].split())


@pytest.mark.parametrize(
    "command",
    ["--version", "--help", "ledger --help", "ledger status", "ledger status clinic",
     "ledger show", "ledger anchor", "ledger status clinic --joint Acme --json"],
)  # fmt: skip
def test_light_commands_load_nothing_heavy(books: Books, command: str) -> None:
    found = loaded(*command.split())
    assert "typer" in found
    assert not found & HEAVY
    assert not found & ARRAYS or "--joint" in command


def test_a_heavy_import_would_be_noticed(books: Books) -> None:
    assert loaded("ledger", "status", before="import scipy.special\n") & HEAVY == {"scipy"}


@pytest.mark.parametrize("command", [*COMMANDS.values(), *LEDGER_COMMANDS.values()])
def test_help_in_the_table_is_that_of_the_command(command: Command) -> None:
    found = command.load()
    if isinstance(found, typer.Typer):
        assert found.info.help == command.help
    else:
        assert (inspect.getdoc(found) or "").splitlines()[0] == command.help


def test_unknown_commands_are_answered(books: Books) -> None:
    wrong = books.call("ledgr")
    assert wrong.code == 2 and "Did you mean 'ledger'?" in wrong.err
    assert books.call("ledger", "nothing").code == 2
    assert app.info.name == "dpsynth"
