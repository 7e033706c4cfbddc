"""Fingerprints of units: the same people under two names are noticed, other people are not."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import InputError
from dpsynth.privacy.ledger import people as module
from dpsynth.privacy.ledger.people import People

KEY = bytes(range(32))


def digests(start: int, count: int) -> np.ndarray:
    """Return digests of `count` numbered units."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (start + count, 16)).astype(np.uint8)[start:]


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(folder=tmp_path / "people", key=KEY)


def test_half_of_the_people_under_a_new_name_are_noticed(people: People) -> None:
    people.remember("first", people.prints(digests(0, 1000)))
    for start, known in ((0, True), (400, True), (500, True), (501, False), (2000, False)):
        found = people.same_people("second", people.prints(digests(start, 1000)))
        assert found == (("first",) if known else ()), start


def test_people_spread_over_several_lineages_are_noticed(people: People) -> None:
    people.remember("north", people.prints(digests(0, 300)))
    people.remember("south", people.prints(digests(300, 400)))
    people.remember("elsewhere", people.prints(digests(5000, 400)))
    assert people.same_people("all", people.prints(digests(0, 1000))) == ("south", "north")


def test_a_lineage_that_is_known_warns_of_nothing_and_grows(people: People) -> None:
    people.remember("first", people.prints(digests(0, 100)))
    people.remember("other", people.prints(digests(0, 100)))
    assert people.same_people("first", people.prints(digests(0, 100))) == ()
    people.remember("first", people.prints(digests(100, 100)))
    assert people.same_people("new", people.prints(digests(100, 100))) == ("first",)


def test_a_large_lineage_is_sampled_fairly(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 of 2,000 are kept, so about 20 of these 400 fall into the sample; all is fixed."""
    monkeypatch.setattr(module, "MAX_KEPT", 100)
    people.remember("large", people.prints(digests(0, 2000)))
    assert people.same_people("part", people.prints(digests(1640, 400))) == ("large",)
    assert people.same_people("apart", people.prints(digests(2000, 400))) == ()


def test_without_the_key_nobody_is_found_and_no_digest_is_kept(people: People) -> None:
    units = digests(0, 200)
    people.remember("first", people.prints(units))
    stranger = People(folder=people.folder, key=KEY[::-1])
    assert stranger.same_people("second", stranger.prints(units)) == ()
    (path,) = people.folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert not any(unit.tobytes()[:8] in content for unit in units)


def test_a_damaged_file_costs_the_warning_only(people: People) -> None:
    people.remember("first", people.prints(digests(0, 50)))
    (path,) = people.folder.iterdir()
    for content in (b"nothing", b"PK\x03\x04" * 4, b"\x93NUMPY" + bytes(90), b""):
        path.write_bytes(content)
        assert people.same_people("second", people.prints(digests(0, 50))) == ()
    people.remember("first", people.prints(digests(0, 50)))
    assert people.same_people("second", people.prints(digests(0, 50))) == ("first",)


def test_no_people_no_warning(people: People) -> None:
    assert people.same_people("first", people.prints(digests(0, 0))) == ()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = People(folder=tmp_path / "file" / "people", key=KEY)
    with pytest.raises(InputError, match="Fingerprints"):
        blocked.remember("first", blocked.prints(digests(0, 5)))
