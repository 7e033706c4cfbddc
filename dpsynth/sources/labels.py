"""Labels of privacy units: which cells name a unit, and which name nobody.

Rows that name nobody must not pass for one unit: were they, removing one of these people would
change which rows of the others are kept, by more than the declared maximum. Which cells these are
is decided cell by cell, by a public rule: nothing depends on the other rows.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.schema.texts import to_numbers, unique_bytes

#: What programs write where there is nothing, in lower case; never the name of a unit.
NOTHING = frozenset(
    (
        *("na", "n/a", "<na>", "#na", "#n/a", "#n/a n/a", "nan", "-nan", "nat", "nil", "none"),
        *("null", "(null)", "\\n", "missing", "?", "-", "."),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    )
)


def named_units(
    cells: pa.ChunkedArray | pa.Array, codes: Collection[str]
) -> tuple[list[bytes], NDArray[np.int64]]:
    """Return the different labels of units, and the place of each row's label among them.

    Nobody is named by a blank cell, by a text of `NOTHING` in any case, or by a declared code of
    the column, as text or, for labels without leading zeros, as a number.

    Args:
        cells: The column that names the unit.
        codes: Its declared missing and special codes.

    Returns:
        Labels as bytes, some of which no row may have, and int64 (rows,); -1 where nobody is named.
    """
    labels, places = unique_bytes(cells)
    texts = [label.decode("utf-8", "replace") for label in labels]
    known = {code.strip() for code in codes}
    named = np.array(
        [text not in known and text.casefold() not in NOTHING for text in texts], dtype=bool
    )
    values = to_numbers(pa.array(known, type=pa.string()))
    if not np.isnan(values).all():
        numbers = to_numbers(pa.array(texts, type=pa.string()))
        plain = np.array([_is_plain(text) for text in texts], dtype=bool)
        named &= ~(plain & np.isin(numbers, values[~np.isnan(values)]))
    return labels, np.where(np.append(named, False)[places], places, -1)


def _is_plain(text: str) -> bool:
    """Whether a text is no number with leading zeros, such as the identifiers 0009 and -09."""
    digits = text.lstrip("+-")
    return not (len(digits) > 1 and digits[0] == "0" and digits[1].isdigit())
