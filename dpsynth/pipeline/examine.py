"""Attack and measure coded tables: one way for a release, a vendor's table and the demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth import attacks, fidelity
from dpsynth.arrays import Rows
from dpsynth.errors import InputError
from dpsynth.results import AttackResult, plain
from dpsynth.schema.codec import Codec
from dpsynth.schema.declared import Column, Dictionary, Role
from dpsynth.schema.domain import Attribute
from dpsynth.sources.files import open_source

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Training part, sealed holdout and synthetic rows, each (n, d) codes of one codec.

    Units name the privacy unit of each real row, or are None where each row is one.
    """

    train: Rows
    holdout: Rows
    synthetic: Rows
    train_units: NDArray[np.int64] | None = None
    holdout_units: NDArray[np.int64] | None = None


def attack_tables(
    codec: Codec,
    dictionary: Dictionary,
    tables: Tables,
    *,
    claim: attacks.Claim | None,
    generator: attacks.Generator | None,
    profile: str,
    seed: int,
    progress: Progress,
) -> list[AttackResult]:
    """Run the attack suite at the fine resolution of the codec.

    Args:
        codec: The codec of the dictionary.
        dictionary: Which columns are secrets: the sensitive ones and the label.
        tables: The tables.
        claim: What is claimed of the synthetic rows, or None.
        generator: What made them, or None where only they are at hand: attacks that need it are
            then listed as not run.
        profile: Profile of the suite.
        seed: Seed of its choices.
        progress: Called before each attack.
    """
    secrets = [
        column.name
        for column in dictionary.columns
        if column.name in codec.domain.names
        and (column.role is Role.SENSITIVE or column.name == dictionary.label)
    ]
    data = attacks.AttackData(
        domain=codec.domain,
        train=tables.train,
        holdout=tables.holdout,
        synthetic=tables.synthetic,
        train_units=tables.train_units,
        holdout_units=tables.holdout_units,
    )
    chosen = attacks.output_attacks(secrets=secrets, claim=claim)
    if generator is not None:
        chosen += attacks.generator_attacks(
            generator, profile=profile, claim=claim, progress=progress
        )
    results = attacks.run(data, profile=profile, seed=seed, progress=progress, attacks=chosen)
    if generator is not None:
        return results
    findings = [result for result in results if result.name not in attacks.CONTROLS]
    controls = [result for result in results if result.name in attacks.CONTROLS]
    return [*findings, *attacks.without_generator(), *controls]


def measure_tables(
    codec: Codec, dictionary: Dictionary, tables: Tables, *, seed: int, progress: Progress
) -> fidelity.Measured:
    """Run fidelity and utility at the declared bins of the dictionary.

    Groups of people are the values of quasi-identifiers and sensitive columns that have few.
    """
    label = dictionary.label
    roles = (Role.QUASI_IDENTIFIER, Role.SENSITIVE)
    data = fidelity.FidelityData(
        domain=codec.coarse_domain,
        train=codec.coarsen(tables.train),
        holdout=codec.coarsen(tables.holdout),
        synthetic=codec.coarsen(tables.synthetic),
        label=label if label in codec.domain.names else None,
    )
    groups = [column.name for column in dictionary.columns if column.role in roles]
    return fidelity.run(data, seed=seed, groups=groups, progress=progress)


def group_rows(codec: Codec, groups: Sequence[fidelity.GroupError]) -> list[dict[str, Any]]:
    """Return errors within groups as plain values, each group in the words of the dictionary."""
    rows = []
    for group in groups:
        fine = np.flatnonzero(codec.coarse[group.column] == group.code).tolist()
        found = plain(asdict(group))
        del found["code"]
        rows.append({**found, "group": codec.describe_all(group.column, fine)})
    return rows


def read_coded(path: Path, dictionary: Dictionary, codec: Codec) -> Rows:
    """Read a file that already lies outside the ledger, such as a vendor's output, into codes.

    Columns that the dictionary would not model are not needed in the file.

    Raises:
        InputError: A modelled column is missing, or holds values and none that is declared: a table
            that spells its categories otherwise has nothing in common with any other, and looks as
            if nothing had leaked.
    """
    source = open_source(path, delimiter=dictionary.delimiter, encoding=dictionary.encoding)
    missing = [name for name in codec.domain.names if name not in source.columns()]
    if missing:
        raise InputError(
            f"lacks the column {missing[0]!r}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}.",
            where=str(path),
            fix="All files need the modelled columns of the dictionary.",
        )
    raw = source.read(codec.domain.names)
    codes = np.ascontiguousarray(codec.encode(raw.columns).T, dtype=np.int32)
    declared = {column.name: column for column in dictionary.columns}
    strange = [
        attribute.name
        for attribute, column in zip(codec.domain, codes.T, strict=True)
        if _undeclared(column, attribute, declared[attribute.name])
    ]
    if strange:
        raise InputError(
            f"holds no value that the dictionary declares in the column {strange[0]!r}"
            f"{f' and in {len(strange) - 1} more' if len(strange) > 1 else ''}.",
            where=str(path),
            fix="Spell the values as the dictionary does, or declare them there.",
        )
    return codes


def _undeclared(codes: Rows, attribute: Attribute, column: Column) -> bool:
    """Say whether a column holds undeclared values, and none of its declared ones.

    Special codes, readings of missing ones, the blank and everything else come last.
    """
    last = len(column.special) + max(1, len(set(column.missing.values()))) + 1
    return bool((codes == attribute.out_of_domain).any() and (codes >= attribute.size - last).all())
