"""A fitted model as commands get it: its folder, its dictionary, and conditions on its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.errors import InputError
from dpsynth.pipeline.package import discovered_domains
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import Dictionary, load_dictionary
from dpsynth.schema.undeclared import completed
from dpsynth.synth.api import Model
from dpsynth.synth.binned_model import BinnedModel
from dpsynth.synth.registry import load_model

ModelFolder = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="A bundle, or its model folder (internal/model).")
]
DictionaryFile = Annotated[
    Path, typer.Option("--dictionary", help="dictionary.yaml of the columns.")
]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A model with what its codes mean.

    Attributes:
        model: The model.
        dictionary: The dictionary, completed by what was discovered for the model.
        codec: Its codec.
    """

    model: Model
    dictionary: Dictionary
    codec: Codec


def open_model(folder: Path, dictionary: Path) -> Opened:
    """Read a model.

    Args:
        folder: A bundle, or the model folder of one.
        dictionary: The dictionary file that the model was fitted with.

    Raises:
        InputError: There is no such model, or it was fitted with another dictionary.
    """
    inside = folder / "internal" / "model"
    folder = inside if inside.is_dir() else folder
    model = load_model(folder)
    described = completed(load_dictionary(dictionary), discovered_domains(folder))
    codec = Codec.from_dictionary(described)
    if model.domain != codec.domain:
        raise InputError(
            "was fitted with another dictionary.", where=str(folder), fix="Give the one it used."
        )
    return Opened(model=model, dictionary=described, codec=codec)


def with_counts(opened: Opened) -> BinnedModel:
    """Return a model that keeps noisy counts.

    Raises:
        InputError: It keeps none, so nothing is known of how certain an estimate is.
    """
    if not isinstance(opened.model, BinnedModel):
        raise InputError("keeps no noisy counts.", where=f"method {opened.model.method}")
    return opened.model


def conditions(where: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (column, value) of each condition COLUMN=VALUE; names may hold an equals sign."""
    found = []
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
        found.append((name, value))
    return found
