"""Public groups of coded text, for example chapters of ICD-9: which group a text belongs to.

A group is declared as ranges of the whole number that a code begins with (``390-459, 785``,
``250.xx``), one group as the rest (``everything else``). Texts are matched by RE2 in linear time,
so a hostile pattern cannot stall a run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.errors import InputError
from dpsynth.schema.declared import PatternDomain

_RANGE = re.compile(r"(\d{1,9})(?:\.x+)?(?:\s*-\s*(\d{1,9})(?:\.x+)?)?", re.IGNORECASE)
_REST = "everything else"


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups of a pattern column.

    Attributes:
        names: Group names in declared order.
        pattern: Regular expression of the whole text.
        starts: First number of each range, rising, shape (r,).
        ends: Last number of each range.
        owners: Group of each range.
        rest: Group of every other text that matches the pattern, or -1.
    """

    names: tuple[str, ...]
    pattern: str
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    owners: NDArray[np.int64]
    rest: int

    @classmethod
    def from_domain(cls, domain: PatternDomain, where: str) -> Groups:
        """Read the declared groups.

        Raises:
            InputError: A group cannot be read, two groups overlap, or the pattern uses what RE2
                does not know (look-around, back references).
        """
        found: list[tuple[int, int, int]] = []
        rest = -1
        for group, (name, text) in enumerate(domain.public_groups.items()):
            ranges = _ranges(text)
            if ranges is not None:
                found += [(low, high, group) for low, high in ranges]
            elif text.strip().lower().startswith(_REST) and rest < 0:
                rest = group
            else:
                raise InputError(
                    f"the public group {name!r} cannot be read.",
                    where=where,
                    fix="Write ranges such as '390-459, 785', or 'everything else' for one group.",
                )
        found.sort()
        for (_, high, a), (low, _, b) in zip(found, found[1:], strict=False):
            if low <= high:
                names = list(domain.public_groups)
                raise InputError(
                    f"the public groups {names[a]!r} and {names[b]!r} overlap.",
                    where=where,
                    fix="Give each number to one group.",
                )
        groups = cls(
            names=tuple(domain.public_groups),
            pattern=domain.pattern,
            starts=np.array([low for low, _, _ in found], dtype=np.int64),
            ends=np.array([high for _, high, _ in found], dtype=np.int64),
            owners=np.array([group for _, _, group in found], dtype=np.int64),
            rest=rest,
        )
        names_match = groups.encode(pa.array(list(groups.names), type=pa.string()), where)
        if (names_match >= 0).any():
            raise InputError(
                "the name of a public group matches the pattern of the codes.",
                where=where,
                fix="Choose names that cannot be codes.",
            )
        return groups

    def encode(self, values: pa.Array, where: str = "") -> NDArray[np.int64]:
        """Return the group of each stripped text, -1 where it has none."""
        try:
            matches = pc.match_substring_regex(values, pattern=rf"\A(?:{self.pattern})\z")
        except pa.ArrowInvalid:
            raise InputError(
                "the pattern uses what is not supported (look-around or back references).",
                where=where,
                fix="Write it with classes, groups and repeats only.",
            ) from None
        numbers = pc.struct_field(
            pc.extract_regex(values, pattern=r"\A(?P<number>\d{1,9})(?:\D|\z)"), "number"
        )
        leading = pc.fill_null(numbers, "-1")
        number = pc.if_else(pc.equal(leading, ""), "-1", leading).cast(pa.int64()).to_numpy()
        codes = np.full(len(values), self.rest, dtype=np.int64)
        if len(self.starts):
            at = np.searchsorted(self.starts, number, side="right") - 1
            inside = (at >= 0) & (number <= self.ends[at])
            codes = np.where(inside, self.owners[at], codes)
        matched = matches.to_numpy(zero_copy_only=False).astype(bool)
        return np.where(matched, codes, -1)


def _ranges(text: str) -> list[tuple[int, int]] | None:
    """Return the ranges in a group's text, or None where it is not a list of ranges."""
    found = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            return None
        low = int(match[1])
        high = int(match[2]) if match[2] else low
        if high < low:
            return None
        found.append((low, high))
    return found
