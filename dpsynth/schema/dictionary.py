"""Read ``dictionary.yaml`` into a typed, checked :class:`Dictionary`.

The format is a contract with data owners: every dictionary that was read once is read in the same
sense later. A dictionary is public text, so messages may quote it; no message or check ever looks
at a row.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from dpsynth.schema.constraints import Constraint
from dpsynth.schema.declared import (
    OUT_OF_DOMAIN,
    CategoryDomain,
    Column,
    DateDomain,
    Dictionary,
    Kind,
    NumericDomain,
    OpenDomain,
    OpenRange,
    PatternDomain,
    PrivacyUnitSpec,
    Role,
    TextDomain,
)
from dpsynth.schema.parse_constraints import read_constraint
from dpsynth.schema.parse_domains import read_domain
from dpsynth.yamlfile import Cursor, quoted, read_yaml

__all__ = [
    "CategoryDomain",
    "Column",
    "DateDomain",
    "Dictionary",
    "Kind",
    "NumericDomain",
    "OpenDomain",
    "OpenRange",
    "PatternDomain",
    "PrivacyUnitSpec",
    "Role",
    "TextDomain",
    "load_dictionary",
]

_KNOWN = (
    "version", "status", "title", "codebook", "codebook_access", "file", "tables", "extra_files",
    "delimiter", "encoding", "label", "privacy_unit", "constraints", "columns", "notes",
    "feature_sets", "feature_sets_note", "csv_note", "simulated",
)  # fmt: skip
_KNOWN_COLUMN = (
    "name", "kind", "role", "meaning", "domain", "domain_source", "missing", "special",
)  # fmt: skip
_UNIT_EXAMPLE = "{kind: row}"
_MAX_COLUMNS = 10_000
_Option = TypeVar("_Option", Kind, Role)


def load_dictionary(path: Path | str) -> Dictionary:
    """Return the dictionary in a YAML file.

    Args:
        path: The file; at most 5 MB of UTF-8.

    Raises:
        InputError: The file cannot be read or declares something impossible; the message names the
            file, the column and what to do.
    """
    path = Path(path)
    top = Cursor.of(read_yaml(path), str(path))
    if "tables" in top.content:
        top.fail(
            "declares several tables: multi-table dictionaries are not supported yet.",
            "Write a dictionary of one table, with `file` and `columns`.",
        )
    top.only(_KNOWN)
    if top.content.get("version", 1) != 1 or isinstance(top.content.get("version"), bool):
        top.fail(
            f"has version {quoted(top.content['version'])}; this program reads version 1.",
            "Write `version: 1`.",
        )
    status = top.text("status", "declared")
    if status not in {"draft", "declared"}:
        top.fail(f"has the status {quoted(status)}.", "Write `status: draft` or `declared`.")
    columns: list[Column] = []
    names: set[str] = set()
    for place, item in top.each("columns", "[...]"):
        column = _column(item, f"{path}, column {place}", str(path))
        if column.name in names:
            top.fail(f"declares the column {column.name!r} twice.", "Remove or rename one.")
        names.add(column.name)
        columns.append(column)
        if place > _MAX_COLUMNS:
            top.fail(f"declares more than {_MAX_COLUMNS} columns.")
    label = top.text("label") or None
    if label is not None and label not in names:
        top.fail(
            f"names the label {quoted(label)}, which is no declared column.",
            "Correct `label` or declare that column.",
        )
    return Dictionary(
        title=top.text("title") or path.parent.name,
        columns=tuple(columns),
        privacy_unit=_privacy_unit(top, names),
        codebook=top.text("codebook"),
        codebook_access=top.text("codebook_access"),
        file=top.text("file"),
        extra_files=top.texts("extra_files"),
        delimiter=_delimiter(top),
        encoding=_encoding(top),
        label=label,
        constraints=_constraints(top, {column.name: column for column in columns}),
        notes=top.text("notes"),
        status=status,
    )


def _delimiter(top: Cursor) -> str:
    delimiter = top.text("delimiter", ",")
    if len(delimiter) != 1 or delimiter in '"\n' or not delimiter.isascii():
        top.fail(
            "delimiter: must be one plain character.",
            "Write for example `delimiter: ','`, `';'` or `\"\\t\"`.",
        )
    return delimiter


def _encoding(top: Cursor) -> str:
    encoding = top.text("encoding", "utf-8", limit=40)
    try:
        "".encode(encoding)
    except LookupError:
        top.fail(f"encoding: {quoted(encoding)} is not known.", "Write for example `utf-8`.")
    return encoding


def _privacy_unit(top: Cursor, names: set[str]) -> PrivacyUnitSpec:
    unit = Cursor.of(top.require("privacy_unit", _UNIT_EXAMPLE), f"{top.where}, privacy_unit")
    kind = unit.require("kind", "row")
    if kind == "relational":
        unit.fail(
            "is relational: multi-table dictionaries are not supported yet.",
            "Write `kind: row`, or `kind: column` with the column that names the person.",
        )
    if kind not in {"row", "column"}:
        unit.fail(
            f"has the unknown kind {quoted(kind)}.",
            "Write `kind: row`, or `kind: column` with the column that names the person.",
        )
    unit.only(("kind", "column", "max_rows_per_unit_declared", "note"))
    column = unit.text("column") or None
    if kind == "row" and column is not None:
        unit.fail("names a column although its kind is row.", "Write `kind: column`.")
    if kind == "column" and column not in names:
        unit.fail(
            f"names the column {quoted(column)}, which is not declared."
            if column
            else "names no column.",
            "Write `column:` with the name of a declared column.",
        )
    rows = unit.content.get("max_rows_per_unit_declared")
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
        unit.fail(
            "max_rows_per_unit_declared: must be a whole number of at least 1.",
            "Leave it out if the codebook gives none.",
        )
    return PrivacyUnitSpec(kind=kind, column=column, max_rows_declared=rows, note=unit.text("note"))


def _column(item: object, where: str, file: str) -> Column:
    cursor = Cursor.of(item, where)
    name = cursor.token("name", cursor.require("name", "'age'"), limit=200)
    if not name or name != name.strip() or not name.isprintable():
        cursor.fail(
            "name: is blank, has spaces around it or is not plain text.",
            "Write the name in the header.",
        )
    cursor = Cursor(cursor.content, f"{file}, column {name!r}")
    cursor.only(_KNOWN_COLUMN)
    kind = _choice(cursor, "kind", Kind, "categorical")
    role = _choice(cursor, "role", Role, "other")
    missing = _codes(cursor, "missing")
    special = _codes(cursor, "special")
    column = Column(
        name=name,
        kind=kind,
        role=role,
        meaning=cursor.text("meaning"),
        domain=read_domain(cursor, kind),
        domain_source=cursor.text("domain_source"),
        missing=missing,
        special=special,
    )
    _check_codes(cursor, column)
    return column


def _choice(cursor: Cursor, key: str, options: type[_Option], example: str) -> _Option:
    value = cursor.require(key, example)
    for option in options:
        if value == option.value:
            return option
    cursor.fail(
        f"has the unknown {key} {quoted(value)}.",
        f"Write one of: {', '.join(option.value for option in options)}.",
    )


def _codes(cursor: Cursor, key: str) -> dict[str, str]:
    codes = cursor.text_map(key)
    if len({code.strip() for code in codes}) != len(codes):
        cursor.fail(f"{key}: two codes differ only by spaces.", "Remove one.")
    return codes


def _check_codes(cursor: Cursor, column: Column) -> None:
    """Refuse one text with two readings: category, missing code, special code, reserved word."""
    groups: list[tuple[str, list[str]]] = [
        ("missing", list(column.missing)),
        ("special", list(column.special)),
    ]
    match column.domain:
        case CategoryDomain(categories=categories):
            groups.append(("categories", list(categories)))
        case PatternDomain(public_groups=public_groups):
            groups.append(("public_groups", list(public_groups)))
        case _:
            pass
    seen: dict[str, str] = {OUT_OF_DOMAIN: "the reserved word of the out-of-domain bucket"}
    for title, texts in groups:
        for text in texts:
            if (key := text.strip()) in seen:
                cursor.fail(
                    f"{title}: {quoted(text)} is also {seen[key]}.", "One text needs one reading."
                )
            seen[key] = f"in {title}"
            if not key and title != "missing":
                cursor.fail(f"{title}: holds a blank text.", "Declare '' under `missing`.")


def _constraints(top: Cursor, columns: dict[str, Column]) -> tuple[Constraint, ...]:
    if top.content.get("constraints") in (None, []):
        return ()
    return tuple(
        read_constraint(Cursor.of(item, f"{top.where}, constraint {place}"), columns)
        for place, item in top.each("constraints", "[...]")
    )
