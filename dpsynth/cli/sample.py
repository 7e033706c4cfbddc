"""``sample``: more rows from a fitted model, under a condition, as one file or several."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, say, steps
from dpsynth.errors import InputError
from dpsynth.pipeline.drawing import codes_of, set_paths, write_sets
from dpsynth.pipeline.package import discovered_domains
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.schema.undeclared import completed
from dpsynth.synth.registry import load_model


def sample(
    model: Annotated[Path, typer.Argument(help="Model folder of a bundle (internal/model).")],
    dictionary: Annotated[
        Path, typer.Option("--dictionary", help="dictionary.yaml of the columns.")
    ],
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
    fitted = load_model(model)
    described = completed(load_dictionary(dictionary), discovered_domains(model))
    codec = Codec.from_dictionary(described)
    if fitted.domain != codec.domain:
        raise InputError(
            "was fitted with another dictionary.", where=str(model), fix="Give the one it used."
        )
    codes = codes_of(codec, _conditions(where or (), described.names))
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
            described,
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
    """Return the value of each column of a condition; names may hold an equals sign."""
    found: dict[str, str] = {}
    for text in where:
        name, sign, value = text.partition("=")
        declared = [n for n in names if text.startswith(f"{n}=")]
        if declared:
            name = max(declared, key=len)
            value = text[len(name) + 1 :]
        if not sign:
            raise InputError(
                f"{text!r} is no condition.", where="--where", fix="Write COLUMN=VALUE."
            )
        if name in found:
            raise InputError(
                f"names the column {name!r} twice.",
                where="--where",
                fix="Give each column one value.",
            )
        found[name] = value
    return found
