"""A draft dictionary from the header of a file, for a person to complete.

Only names are known. Kinds, categories, bounds and missing codes are never read off the rows: a
fact taken from rows would be an uncharged release, so a person declares them from a codebook or a
policy.
"""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.errors import InputError

_HEAD = """\
# Draft dictionary. A person completes it; dpsynth refuses a draft for a release.
#
# Nothing here was learned from the rows, and nothing may be: take categories, bounds and missing
# codes from the codebook or from a policy, never from the file itself. What you write is public.
#
# For each column declare:
#   kind     one of these, each with its domain:
#            categorical  a closed list:     {{categories: ['a', 'b']}}
#            ordinal      the same in order: {{categories: ['low', 'high']}}
#            integer      whole numbers:     {{lower: 0, upper: 120, bins: {{uniform: 24}}}}
#            float        real numbers:      {{lower: 0, upper: 9.5, bins: {{edges: [0, 1, 9.5]}}}}
#            date         days:              {{format: '%Y-%m-%d', lower: '1990-01-01',
#                                              upper: '2029-12-31'}}
#            id           an identifier:     {{pattern: '[A-Z]\\d{{6}}'}}   (made up afresh)
#            text         free text:         no domain needed          (left out)
#   role     direct_identifier quasi_identifier sensitive other label weight
#   meaning  one line for the people who read the certificate
#   missing  codes that mean "no value", for example: missing: {{'?': unknown}}
#   special  codes that are no numbers or have a meaning of their own: special: {{'999': not asked}}
# Numbers in the file need a decimal point and no thousands separator: 1234.5, not 1.234,5.
# Write categories and codes in quotes: yes, no, 1 and 2020-01-01 are not text in YAML.
#
# A column left as `text` is left out of the synthetic table.
# When all is declared, set `status: declared`.
version: 1
status: draft
title: {title}
codebook: ''          # the document that you follow
file: {file}
delimiter: {delimiter}
encoding: {encoding}
# label: name         # the column that a model would predict, if there is one
privacy_unit:
  # Whose presence is protected? `row` if each row is one person. If one person can have several
  # rows, write `kind: column` and `column:` with the column that names the person.
  kind: row
columns:
"""
_COLUMN = """\
- name: {name}
  kind: text
  role: other
  meaning: ''
"""


def draft_dictionary(
    column_names: Sequence[str],
    title: str,
    file_name: str,
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> str:
    """Return a draft ``dictionary.yaml``.

    Args:
        column_names: Names in the header, in file order.
        title: Title of the table.
        file_name: Name of the data file, without folders.
        delimiter: Delimiter of the file.
        encoding: Text encoding of the file.

    Raises:
        InputError: A name cannot stand in a dictionary; the message gives its place, because a file
            without a header has private cells there.
    """
    lines = [
        _HEAD.format(
            title=_quote(title),
            file=_quote(file_name),
            delimiter=_quote_delimiter(delimiter),
            encoding=_quote(encoding),
        )
    ]
    for place, name in enumerate(column_names, 1):
        if not name or name != name.strip() or not name.isprintable() or len(name) > 200:
            raise InputError(
                f"column {place} has a name that is blank, over 200 characters or not plain.",
                where=file_name,
                fix="Check that the first line of the file is a header, or rename the column.",
            )
        lines.append(_COLUMN.format(name=_quote(name)))
    return "".join(lines)


def _quote(text: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return "'" + plain.replace("'", "''") + "'"


def _quote_delimiter(delimiter: str) -> str:
    return '"\\t"' if delimiter == "\t" else _quote(delimiter)
