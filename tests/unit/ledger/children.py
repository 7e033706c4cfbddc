"""Children of a warm process for kills and races: forked, so that a thousand take a minute."""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import traceback
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Child:
    """A forked process and what it tells."""

    pid: int
    told: int

    def kill(self) -> None:
        """Send SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> tuple[int, list[str]]:
        """Return its exit code (negative for a signal) and the whole lines that it told."""
        parts = []
        while part := os.read(self.told, 1 << 16):
            parts.append(part)
        os.close(self.told)
        _, status = os.waitpid(self.pid, 0)
        lines = b"".join(parts).decode().split("\n")
        return os.waitstatus_to_exitcode(status), lines[:-1]

    def heard(self, seconds: float) -> bool:
        """Say whether it told anything within some seconds."""
        return bool(select.select([self.told], [], [], seconds)[0])


def watch_statements(call: Callable[[str], None], *, after: bool = False) -> None:
    """Call a function before, or after, each statement that this process runs on a ledger."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    class Watched(sqlite3.Connection):
        def execute(self, statement, *parameters):
            if not after:
                call(statement)
            cursor = super().execute(statement, *parameters)
            if after:
                call(statement)
            return cursor

    connect = sqlite3.connect
    sqlite3.connect = lambda *a, **k: connect(*a, factory=Watched, **k)

    moment = "after_cursor_execute" if after else "before_cursor_execute"
    event.listen(Engine, moment, lambda _, __, statement, *rest: call(statement))


def fork(work: Callable[[Callable[[str], None]], int | None]) -> Child:
    """Run `work` in a child; its argument writes one line to the parent, whole or not at all."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            code = work(lambda line: os.write(writer, f"{line}\n".encode()) and None) or 0
        except BaseException:  # noqa: BLE001 (a child ends here, whatever stopped it)
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    return Child(pid, reader)
