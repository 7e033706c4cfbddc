from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.errors import InputError
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import Kind, Role, load_dictionary
from dpsynth.schema.draft import draft_dictionary


def test_a_draft_is_a_readable_draft_that_models_nothing(tmp_path: Path) -> None:
    names = ["age", "it's", "a: b", "yes", "#x", "déjà vu", "-", "{c}", "😀"]
    path = tmp_path / "d.yaml"
    text = draft_dictionary(names, "My 'own' table\n", "data.csv", delimiter="\t")
    path.write_text(text, encoding="utf-8")
    dictionary = load_dictionary(path)
    assert dictionary.is_draft
    assert dictionary.names == tuple(names)
    assert dictionary.delimiter == "\t"
    assert dictionary.title == "My 'own' table?"
    assert {(c.kind, c.role) for c in dictionary.columns} == {(Kind.TEXT, Role.OTHER)}
    assert len(Codec.from_dictionary(dictionary).domain) == 0
    assert "status: declared" in text


@pytest.mark.parametrize("name", ["", " a", "x" * 201, "a\nb"])
def test_names_that_cannot_stand_are_refused_without_being_shown(name: str) -> None:
    with pytest.raises(InputError, match="column 2") as caught:
        draft_dictionary(["fine", name], "t", "f.csv")
    assert "xxx" not in str(caught.value)
