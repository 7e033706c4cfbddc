"""The command line ``dpsynth``: what it runs, and what it answers when something is wrong.

Exit codes: 0 done, 1 invalid (verification failed), 2 usage or input error, 3 refused by policy,
4 budget, 5 ledger damaged, 6 indeterminate, 70 a defect of dpsynth itself.
"""

from __future__ import annotations

import sys
import traceback

from dpsynth.cli.app import app
from dpsynth.cli.console import complain, emit_json
from dpsynth.errors import DpsynthError

DEFECT = 70


def main() -> None:
    """Run the command line and exit with a stable code."""
    try:
        app()
    except DpsynthError as error:
        _answer(type(error).__name__, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 (last stop: a message could hold a private value)
        place = traceback.extract_tb(error.__traceback__)[-1]
        _answer(
            "Defect",
            f"dpsynth itself failed: {type(error).__name__} in {place.name}, line {place.lineno}. "
            "No detail is shown because it could hold private values. A budget that was reserved "
            "stays spent. Please report this defect.",
            DEFECT,
        )


def _answer(kind: str, message: str, code: int) -> None:
    if "--json" in sys.argv:
        emit_json({"error": {"kind": kind, "message": message}, "exit_code": code})
    else:
        complain(message)
    sys.exit(code)
