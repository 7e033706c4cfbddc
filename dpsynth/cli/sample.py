"""``sample``: more rows from a fitted model, under a condition, as one file or several."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say, steps
from dpsynth.cli.fitted import DictionaryFile, ModelFolder, conditions, open_model
from dpsynth.errors import InputError
from dpsynth.pipeline.drawing import codes_of, set_paths, write_sets


def sample(
    model: ModelFolder,
    dictionary: DictionaryFile,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows to draw.")],
    out: Annotated[Path, typer.Option("--out", help="CSV or Parquet file to write.")],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COLUMN=VALUE",
            help="Only rows with this value, written as in the table; once for each column.",
        ),
    ] = None,
    sets: Annotated[
        int,
        typer.Option(
            "--sets",
            min=1,
            max=1000,
            help="Write so many tables, NAME-1, NAME-2 ...: synthetic sets of one measurement.",
        ),
    ] = 1,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the draw, to repeat it.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Draw more rows from a fitted model. Costs no budget: the model is already paid for."""
    paths = set_paths(out, sets)
    opened = open_model(model, dictionary)
    fitted, codec = opened.model, opened.codec
    codes = codes_of(codec, _conditions(where or (), opened.dictionary.names))
    chosen = fitted.given(codes) if codes else fitted
    meaning = {name: codec.describe(name, code) for name, code in codes.items()}
    share = chosen.total / fitted.total
    if codes and not json:
        words = ", ".join(f"{name}: {value}" for name, value in meaning.items())
        say(f"Only rows with {words}; the model holds {share:.3g} of all rows for such.")
    with steps(quiet=json) as progress:
        write_sets(
            chosen,
            codec,
            opened.dictionary,
            paths,
            rows,
            seed=secrets.randbits(63) if seed is None else seed,
            progress=progress,
        )
    if json:
        emit_json({"files": paths, "rows": rows, "given": meaning, "share": share})
        return
    for path in paths:
        say(f"Wrote {rows} rows: {path}")
    if sets > 1:
        say("All sets come from one measurement and share its noise; the budget is unchanged.")


def _conditions(where: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the one value of each column of a condition."""
    found: dict[str, str] = {}
    for name, value in conditions(where, names):
        if name in found:
            raise InputError(
                f"names the column {name!r} twice.",
                where="--where",
                fix="Give each column one value.",
            )
        found[name] = value
    return found
