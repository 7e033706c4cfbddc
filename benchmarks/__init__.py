"""Benchmarks on public tables: what the product costs and delivers, beside published figures.

Authorities, signers and bundles are made by the same helpers as in tests: their folder is on the
path here as it is there.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
