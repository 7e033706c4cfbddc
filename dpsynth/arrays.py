"""Names of array types, one for one kind of numbers in every room; shapes stand with each use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Integers = NDArray[np.int64]
#: Codes of cells, in whole numbers of any width.
Codes = NDArray[np.integer[Any]]
#: Coded rows, shape (rows, columns).
Rows = NDArray[np.int32]
