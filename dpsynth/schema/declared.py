"""What a data owner declares about a table: typed, frozen, public.

Everything here was written by a person from a codebook or a policy. Nothing may ever be filled in
from rows: a fact learned from rows would be an uncharged release (CONTRIBUTING.md, rule 1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum

from dpsynth.schema.constraints import Constraint

OUT_OF_DOMAIN = "__out_of_domain__"  #: text of the out-of-domain bucket; no code may be called so


class Kind(StrEnum):
    """What the cells of a column are."""

    CATEGORICAL = "categorical"
    ORDINAL = "ordinal"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    ID = "id"
    TEXT = "text"


class Role(StrEnum):
    """What a column means for a person's privacy or for the use of the table."""

    DIRECT_IDENTIFIER = "direct_identifier"
    QUASI_IDENTIFIER = "quasi_identifier"
    SENSITIVE = "sensitive"
    OTHER = "other"
    LABEL = "label"
    WEIGHT = "weight"


@dataclass(frozen=True, kw_only=True)
class CategoryDomain:
    """A closed list of categories, in order for an ordinal column.

    Attributes:
        categories: Text of each category as the source writes it.
        labels: Meaning of a category, by category.
        numeric_equivalence: Whether ``1`` and ``1.0`` are the same category.
    """

    categories: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    numeric_equivalence: bool = False


@dataclass(frozen=True, kw_only=True)
class NumericDomain:
    """A closed range with declared bins.

    Attributes:
        lower: Smallest value inside the domain.
        upper: Largest value inside the domain.
        edges: Bin i is ``[edges[i], edges[i+1])``, the last one closed. They cover the range and
            may extend past it.
    """

    lower: float
    upper: float
    edges: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DateDomain:
    """A closed range of days written in one strftime format."""

    format: str
    lower: date
    upper: date


@dataclass(frozen=True, kw_only=True)
class PatternDomain:
    """Text of a declared form, optionally with public groups of its leading number.

    Attributes:
        pattern: Regular expression of the whole text.
        public_groups: Group name to a list of ranges such as ``390-459, 785`` or
            ``everything else``.
    """

    pattern: str
    public_groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OpenDomain:
    """A category list that nobody publishes in full; some values are known."""

    known_values: tuple[str, ...] = ()


WHOLE_BITS, REAL_BITS = 40, 30  #: powers of two up to which open ranges are looked for


@dataclass(frozen=True, kw_only=True)
class OpenRange:
    """Numbers whose bounds nobody published, as far as that goes.

    Whole numbers are looked for up to 2**40 in size, real ones up to 2**30.

    Attributes:
        lower: Smallest value that is possible, where one is known.
        upper: Largest value that is possible, where one is known.
        bins: About how many bins are wanted.
    """

    lower: float | None = None
    upper: float | None = None
    bins: int = 20


@dataclass(frozen=True, kw_only=True)
class TextDomain:
    """Free text of at most `max_length` characters, where a limit is declared."""

    max_length: int | None = None


ColumnDomain = (
    CategoryDomain
    | NumericDomain
    | DateDomain
    | PatternDomain
    | OpenDomain
    | OpenRange
    | TextDomain
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One declared column.

    Attributes:
        name: Name in the header of the file.
        kind: What its cells are.
        role: What it means for privacy.
        meaning: One line for people.
        domain: Declared domain, by kind.
        domain_source: Where the domain was taken from.
        missing: Missing codes by text, with what each means. Codes of one meaning are one cell.
        special: Special codes by text, with what each means. Each is its own cell.
    """

    name: str
    kind: Kind
    role: Role
    meaning: str
    domain: ColumnDomain
    domain_source: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    special: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PrivacyUnitSpec:
    """Whose presence is protected.

    Attributes:
        kind: ``row`` or ``column``.
        column: Column that names the unit, where the kind is ``column``.
        max_rows_declared: Largest number of rows of one unit that the codebook allows, or None.
        note: One line for people.
    """

    kind: str
    column: str | None = None
    max_rows_declared: int | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """The whole declaration of one table.

    Attributes:
        title: Title of the table.
        columns: Columns in file order.
        privacy_unit: Whose presence is protected.
        codebook: The document that the declaration follows.
        codebook_access: How that document was read.
        file: Name of the data file.
        extra_files: Names of further files of the same form.
        delimiter: One character.
        encoding: Name of a text encoding.
        label: Column that a model would predict, or None.
        constraints: Facts that hold over columns.
        notes: Lines for people.
        version: Version of the format, 1.
        status: ``draft`` or ``declared``.
    """

    title: str
    columns: tuple[Column, ...]
    privacy_unit: PrivacyUnitSpec
    codebook: str = ""
    codebook_access: str = ""
    file: str = ""
    extra_files: tuple[str, ...] = ()
    delimiter: str = ","
    encoding: str = "utf-8"
    label: str | None = None
    constraints: tuple[Constraint, ...] = ()
    notes: str = ""
    version: int = 1
    status: str = "declared"

    @property
    def is_draft(self) -> bool:
        """Whether nobody has declared it yet; a release refuses a draft."""
        return self.status == "draft"

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in file order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        """Return the column called `name`; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the declaration as canonical JSON.

        Two files that declare the same facts have the same digest, whatever their layout.
        """
        content = asdict(self)
        content["constraints"] = [{"type": c.type, **asdict(c)} for c in self.constraints]
        text = json.dumps(
            content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str
        )
        return hashlib.sha256(text.encode()).hexdigest()
