"""Shapes of values: a small vocabulary of JSON Schema 2020-12 and the check of a value against it.

A shape is a JSON Schema fragment, so that the published schemas and the check at the time of
writing are one thing. Only the words below are used; `fault` knows each of them and no other, and a
test compares it with a full implementation of the standard. Numbers must be finite.

Never true here: a message with a value in it. What is wrong is named by place and kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from dpsynth.results import Status

Shape = Mapping[str, Any]

ANY: Shape = {}
TEXT: Shape = {"type": "string"}
#: Words for people that say something about the release: the claim register must know them.
SENTENCE: Shape = {"type": "string", "title": "sentence"}
NAME: Shape = {"type": "string", "minLength": 1}
DECIMAL: Shape = {"type": "string", "title": "decimal", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
SHA256: Shape = {"type": "string", "title": "SHA-256", "pattern": "^[0-9a-f]{64}$"}
DATE: Shape = {"type": "string", "title": "date", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
TIME: Shape = {
    "type": "string",
    "title": "time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|\+00:00)$",
}
COUNT: Shape = {"type": "integer", "minimum": 0}
NUMBER: Shape = {"type": "number"}
SHARE: Shape = {"type": "number", "title": "share", "minimum": 0, "maximum": 1}
FLAG: Shape = {"type": "boolean"}
SCALAR: Shape = {"anyOf": [NUMBER, TEXT, FLAG, {"type": "null"}]}

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list, tuple),
    "object": (Mapping,),
}


def hexadecimal(digits: int) -> Shape:
    """Return the shape of so many hexadecimal digits."""
    return {"type": "string", "title": "hexadecimal", "pattern": f"^[0-9a-f]{{{digits}}}$"}


def one_of(*values: str) -> Shape:
    """Return the shape of one of several words."""
    return {"enum": list(values)}


def member_of(words: type[StrEnum]) -> Shape:
    """Return the shape of the value of an enumeration."""
    return one_of(*(word.value for word in words))


STATUS = member_of(Status)


def optional(shape: Shape) -> Shape:
    """Return the shape of a value that may be null."""
    return {"anyOf": [shape, {"type": "null"}]}


def list_of(shape: Shape) -> Shape:
    """Return the shape of a list."""
    return {"type": "array", "items": shape}


def row_of(*shapes: Shape) -> Shape:
    """Return the shape of a list of fixed length."""
    return {
        "type": "array",
        "prefixItems": list(shapes),
        "minItems": len(shapes),
        "maxItems": len(shapes),
    }


def record(needed: Mapping[str, Shape], more: Mapping[str, Shape] | None = None) -> Shape:
    """Return the shape of an object: keys that it needs, keys that it may have, and no others."""
    return {
        "type": "object",
        "properties": {**needed, **(more or {})},
        "required": list(needed),
        "additionalProperties": False,
    }


def map_of(shape: Shape) -> Shape:
    """Return the shape of an object whose keys are free."""
    return {"type": "object", "additionalProperties": shape}


def fault(shape: Shape, value: Any, place: str = "it") -> str:
    """Return where and how a value departs from its shape; empty text if it does not.

    Args:
        shape: A shape of this vocabulary.
        value: A JSON value, with tuples as lists.
        place: What the message calls the value.
    """
    if "anyOf" in shape:
        found = [fault(choice, value, place) for choice in shape["anyOf"]]
        return "" if "" in found else found[0]
    if "const" in shape and value != shape["const"]:
        return f"{place} is not {shape['const']!r}"
    if "enum" in shape and value not in shape["enum"]:
        return f"{place} is not one of {', '.join(map(str, shape['enum']))}"
    kind = shape.get("type")
    if kind is None:
        return ""
    if not _is_of(kind, value):
        return f"{place} is not of type {kind}"
    match kind:
        case "string":
            return _text_fault(shape, value, place)
        case "integer" | "number":
            return _number_fault(shape, value, place)
        case "array":
            return _list_fault(shape, value, place)
        case "object":
            return _object_fault(shape, value, place)
    return ""


def _is_of(kind: str, value: Any) -> bool:
    """Say whether a value is of a JSON type; 1.0 is an integer there, and true is no number."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS[kind])


def _text_fault(shape: Shape, value: str, place: str) -> str:
    if len(value) < shape.get("minLength", 0):
        return f"{place} is empty"
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        return f"{place} is not a {shape.get('title', 'text')} as {shape['pattern']}"
    return ""


def _number_fault(shape: Shape, value: float, place: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place} is not finite"
    if not shape.get("minimum", -math.inf) <= value <= shape.get("maximum", math.inf):
        return f"{place} is out of range"
    return ""


def _list_fault(shape: Shape, value: Sequence[Any], place: str) -> str:
    if not shape.get("minItems", 0) <= len(value) <= shape.get("maxItems", math.inf):
        return f"{place} has another length"
    first = shape.get("prefixItems", ())
    for i, item in enumerate(value):
        inner = first[i] if i < len(first) else shape.get("items", ANY)
        if found := fault(inner, item, f"{place}[{i}]"):
            return found
    return ""


def _object_fault(shape: Shape, value: Mapping[Any, Any], place: str) -> str:
    declared = shape.get("properties", {})
    for key in shape.get("required", ()):
        if key not in value:
            return f"{place} lacks {key}"
    for key, item in value.items():
        if not isinstance(key, str):
            return f"{place} has a key that is no text"
        inner, name = declared.get(key), key
        if inner is None:  # the key is not ours to print
            inner, name = _free(shape, key), "*"
        if inner is False:
            return f"{place} has a key that is not declared"
        if found := fault(inner, item, f"{place}.{name}"):
            return found
    return ""


def _free(shape: Shape, key: str) -> Any:
    """Return the shape of a key that is not declared by name, or False."""
    for pattern, inner in shape.get("patternProperties", {}).items():
        if re.search(pattern, key):
            return inner
    return shape.get("additionalProperties", ANY)


def words(shape: Shape) -> str:
    """Return a shape in a few words, for the table of fields."""
    if "anyOf" in shape:
        return " or ".join(words(choice) for choice in shape["anyOf"])
    if "const" in shape:
        return repr(shape["const"])
    if "enum" in shape:
        return " / ".join(map(str, shape["enum"]))
    match shape.get("type", "any value"):
        case "array" if "prefixItems" in shape:
            return f"[{', '.join(map(words, shape['prefixItems']))}]"
        case "array":
            return f"[{words(shape['items'])}]"
        case "object" if "properties" in shape:
            needed = shape["required"]
            keys = [
                f"{key if key in needed else f'{key}?'}: {words(inner)}"
                for key, inner in shape["properties"].items()
            ]
            return f"{{{', '.join(keys)}}}"
        case "object":
            return f"{{any key: {words(shape['additionalProperties'])}}}"
        case kind:
            return str(shape.get("title", kind))


def says_something(shape: Shape) -> bool:
    """Say whether a sentence stands anywhere in values of a shape."""
    if shape == SENTENCE:
        return True
    parts = [*shape.get("anyOf", ()), *shape.get("prefixItems", ())]
    parts += [*shape.get("properties", {}).values()]
    parts += [shape[key] for key in ("items", "additionalProperties") if shape.get(key)]
    return any(says_something(part) for part in parts)
