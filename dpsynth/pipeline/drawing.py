"""Draw rows from a fitted model: under a condition, in blocks, as several sets.

Everything here is post-processing of a model that is paid for: it costs no budget and sees no row.
What may never be true: memory that grows with the number of rows of a file, an identifier that is
given twice in one table, or a file that holds a part of what was asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.errors import InputError, SelfTestError
from dpsynth.newfile import new_bytes
from dpsynth.pipeline.examine import Progress
from dpsynth.schema.codec import OUT_OF_DOMAIN, Codec
from dpsynth.schema.dictionary import Dictionary
from dpsynth.sources.writer import TableWriter
from dpsynth.synth.api import Check, Model
from dpsynth.synth.dependent import functions_of, hold

BLOCK_ROWS = 1_000_000  #: rows that are drawn at once; each block follows the model by itself
_EXAMPLES = 6


def codes_of(codec: Codec, values: Mapping[str, str]) -> dict[str, int]:
    """Return the fine codes of values that are written as the table writes them.

    Args:
        codec: The codec of the dictionary.
        values: Text of one cell for each column.

    Raises:
        InputError: A column is not modelled, or a value is outside the declared domain.
    """
    return {name: _code(codec, name, text) for name, text in values.items()}


def _code(codec: Codec, name: str, text: str) -> int:
    if name not in codec.domain.names:
        reasons = {t.column: t.reason for t in codec.treatments}
        raise InputError(
            f"The column is not modelled ({reasons[name]})."
            if name in reasons
            else "There is no such column.",
            where=f"condition on {name!r}",
            fix=f"Columns of the model: {', '.join(codec.domain.names)}.",
        )
    code = int(codec.encode_column(name, pa.array([text], type=pa.string()))[0])
    attribute = codec.domain[name]
    if code == attribute.out_of_domain and text.strip() != OUT_OF_DOMAIN:
        shown = [codec.describe(name, c) for c in range(min(attribute.size - 1, _EXAMPLES))]
        raise InputError(
            f"{text!r} is not a declared value of this column.",
            where=f"condition on {name!r}",
            fix=f"Write it as the table does. Its first values are: {'; '.join(shown)}.",
        )
    return code


def given(model: Model, codec: Codec, values: Mapping[str, str]) -> Model:
    """Return the model of the rows that have the given values.

    A value that shares its cell with others, a number of a wide bin, stands for all of them.

    Raises:
        InputError: A column or value is not declared, or the model holds such rows for impossible.
    """
    return model.given(codes_of(codec, values))


def checked(model: Model, codes: NDArray[np.int32], kept: str) -> tuple[Check, ...]:
    """Compare drawn rows with their model.

    Args:
        model: The model.
        codes: The rows.
        kept: What a person should know if they do not agree: what was written and spent.

    Raises:
        SelfTestError: The rows do not follow the model.
    """
    checks = tuple(model.self_test(codes, seed=secrets.randbits(63)))
    failed = [check.name for check in checks if not check.passed]
    if failed:
        raise SelfTestError(
            f"The synthetic rows do not follow the fitted model ({failed[0]}).",
            fix=f"{kept} Please report this as a defect.",
        )
    return checks


def text_blocks(
    model: Model,
    codec: Codec,
    rows: int,
    *,
    seed: np.random.SeedSequence,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[pa.Table]:
    """Yield the rows of one table as text, block by block.

    Each block is a stratified sample of its own, from its own derived seed, and is compared with
    the model. Identifiers differ over all blocks.

    Args:
        model: The model.
        codec: The codec of its dictionary.
        rows: Number of rows, 0 or more; one empty block where there is none.
        seed: What all seeds are derived from; it must be fresh.
        block_rows: Rows of a block.

    Raises:
        InputError: An identifier would come twice.
        SelfTestError: A block does not follow the model; neither it nor a later one is yielded.
    """
    for name, most in codec.identifiers().items():
        if rows > most:
            raise InputError(
                f"has a pattern of {most} different texts, too few for {rows} rows.",
                where=f"identifiers of column {name!r}",
                fix="Ask for fewer rows, or declare a longer pattern.",
            )
    whole = _number(seed)
    functions = functions_of(model, codec.dependencies)
    for first in range(0, max(1, rows), block_rows):
        codes = model.sample(min(block_rows, rows - first), seed=_number(seed))
        checked(model, codes, "No file was written.")
        hold(functions, model.domain, codes)
        yield codec.decode(codes, seed=_number(seed), first=first, table_seed=whole)
        del codes  # or two blocks would be held while the next one is drawn


def _number(seed: np.random.SeedSequence) -> int:
    """Return the next number that is derived from a seed."""
    return int(seed.spawn(1)[0].generate_state(1, np.uint64)[0])


def sample_text(model: Model, codec: Codec, rows: int, *, seed: int) -> pa.Table:
    """Return drawn rows as one table of text."""
    return pa.concat_tables(text_blocks(model, codec, rows, seed=np.random.SeedSequence(seed)))


def set_paths(out: Path, sets: int) -> tuple[Path, ...]:
    """Return the files of `sets` synthetic sets: ``name-1.csv``, ``name-2.csv`` and so on.

    Raises:
        InputError: The ending is of no known format, or a file exists already.
    """
    if out.suffix not in {".csv", ".parquet"}:
        raise InputError("must end in .csv or .parquet.", where=str(out))
    numbered = [out.with_stem(f"{out.stem}-{number}") for number in range(1, sets + 1)]
    paths = tuple(numbered) if sets > 1 else (out,)
    for path in paths:
        if path.exists() or path.is_symlink():
            raise InputError("exists already.", where=str(path), fix="Choose another --out.")
    return paths


def write_sets(
    model: Model,
    codec: Codec,
    dictionary: Dictionary,
    paths: Sequence[Path],
    rows: int,
    *,
    seed: int,
    progress: Progress,
    block_rows: int = BLOCK_ROWS,
) -> None:
    """Write one table of drawn rows to each path; memory does not grow with `rows`.

    Text in CSV, typed columns in Parquet, as the dictionary's source. All sets come from one
    measurement and share its noise: their differences show the sampling alone.

    Args:
        model: The model.
        codec: The codec of its dictionary.
        dictionary: How the source is written.
        paths: New files; each appears once it is whole.
        rows: Rows of each.
        seed: What the seed of each set is derived from.
        progress: Called before each block.
        block_rows: Rows that are drawn at once.

    Raises:
        InputError: A file exists or cannot be written, or there are too few identifiers.
        SelfTestError: The rows do not follow the model.
    """
    root = np.random.SeedSequence(seed)
    seeds = root.spawn(len(paths)) if len(paths) > 1 else [root]
    for path, own in zip(paths, seeds, strict=True):
        with (
            new_bytes(path) as file,
            TableWriter(
                file,
                path.suffix.removeprefix("."),
                delimiter=dictionary.delimiter,
                encoding=dictionary.encoding,
            ) as writer,
        ):
            done = 0
            progress(f"Drawing {rows:,} rows: {path.name}")
            for text in text_blocks(model, codec, rows, seed=own, block_rows=block_rows):
                writer.append(codec.typed(text) if path.suffix == ".parquet" else text)
                done += text.num_rows
                progress(f"{path.name}: {done:,} of {rows:,} rows")
                del text  # or two blocks would be held while the next one is decoded
