"""Files of a mixture model: ``model.json`` and ``model.safetensors``, never pickle, never rows.

The rules of ``persist.py`` hold: every key is known and every shape follows from the JSON file.
Arrays are in the safetensors format, which holds numbers and their shapes and nothing that runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dpsynth.synth.neural.decoder import Decoder, Layer, layer_shapes
from dpsynth.synth.neural.latents import Latents, NormalLatents, StoredLatents
from dpsynth.synth.persist import (
    Common,
    Kept,
    arrays_of,
    common_of,
    head_of,
    read_head,
    reading,
    require,
    take,
    write_head,
)

FORMAT = "dpsynth-mixture-model"
VERSION = 1
_ARRAYS = "model.safetensors"
_DECODER_KEYS = {"width", "blocks"}
_LATENT_KEYS = {
    "normal": {"kind", "count", "dimension", "seed"},
    "stored": {"kind", "count", "dimension"},
}
# Numbers in all layers and latent points together: 400 MB.
_MAX_NUMBERS = 100_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class MixtureParts:
    """What a mixture model is made from; see MixtureModel."""

    common: Common
    decoder: Decoder
    latents: Latents


def save_mixture(folder: Path, model: Kept, decoder: Decoder, latents: Latents) -> None:
    """Write the two files into an existing folder."""
    arrays = arrays_of(model)
    for number, layer in enumerate(decoder.layers):
        arrays[f"weight_{number}"], arrays[f"bias_{number}"] = layer.weight, layer.bias
    points: dict[str, Any] = {"count": latents.count, "dimension": latents.dimension}
    if isinstance(latents, StoredLatents):
        arrays["latents"] = latents.values
        points["kind"] = "stored"
    else:
        points |= {"kind": "normal", "seed": latents.seed}
    network = {"width": decoder.width, "blocks": decoder.blocks}
    write_head(folder, head_of(model, FORMAT, VERSION) | {"decoder": network, "latents": points})
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / _ARRAYS)


def load_mixture_parts(folder: Path) -> MixtureParts:
    """Read and check the two files.

    Raises:
        InputError: A file is missing, damaged, or holds more or less than a model.
    """
    with reading(folder):
        head = read_head(folder)
        try:
            arrays: dict[str, NDArray[Any]] = load_file(folder / _ARRAYS)
        except SafetensorError as error:
            raise ValueError("no safetensors file") from error
        common = common_of(head, arrays, FORMAT, VERSION, {"decoder", "latents"})
        latents = _latents(head["latents"], arrays)
        decoder = _decoder(head["decoder"], latents.dimension, common, arrays)
        require(not arrays)
        return MixtureParts(common=common, decoder=decoder, latents=latents)


def _latents(head: Mapping[str, Any], arrays: dict[str, NDArray[Any]]) -> Latents:
    """Return the latent points; ValueError for anything else."""
    require(isinstance(head, dict) and head["kind"] in _LATENT_KEYS)
    require(set(head) == _LATENT_KEYS[head["kind"]])
    require(all(type(value) is int for key, value in head.items() if key != "kind"))
    count, dimension = head["count"], head["dimension"]
    require(0 < count * dimension <= _MAX_NUMBERS)
    if head["kind"] == "stored":
        return StoredLatents(values=take(arrays, "latents", (count, dimension), np.float32))
    return NormalLatents(seed=head["seed"], count=count, dimension=dimension)


def _decoder(
    head: Mapping[str, Any], dimension: int, common: Common, arrays: dict[str, NDArray[Any]]
) -> Decoder:
    """Return the decoder; ValueError for anything else."""
    require(isinstance(head, dict) and set(head) == _DECODER_KEYS)
    require(all(type(value) is int and value >= 0 for value in head.values()))
    sizes = tuple(attribute.size for attribute in common.coarse_domain)
    require(head["blocks"] <= len(arrays))
    shapes = layer_shapes(dimension, head["width"], head["blocks"], sum(sizes))
    return Decoder(
        sizes=sizes,
        layers=tuple(
            Layer(
                weight=take(arrays, f"weight_{number}", shape, np.float32),
                bias=take(arrays, f"bias_{number}", shape[1:], np.float32),
            )
            for number, shape in enumerate(shapes)
        ),
    )
