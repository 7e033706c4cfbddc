"""One thread for every program, so that figures of different programs compare."""

from __future__ import annotations

import os


def one_thread() -> None:
    """Give OpenBLAS, OpenMP and numba one thread each, here if not loaded yet, and in children."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
