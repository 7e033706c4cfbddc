"""Keys, homes, copies, moves, exports and imports: a ledger is one ledger wherever it is."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dpsynth.errors import InputError, LedgerDamagedError
from dpsynth.privacy.ledger import (
    Anchors,
    Head,
    Kind,
    Ledger,
    LedgerKey,
    Place,
    adopt,
    import_lines,
)


@pytest.fixture
def used(ledger: Ledger, reserve) -> Ledger:
    """Five entries: create, register, reserve, open, commit."""
    reservation = reserve("one")
    reservation.open_data()
    reservation.commit({"public": "00"})
    return ledger


def lines_of(path: Path) -> list[str]:
    with Ledger.open(path) as ledger:
        return list(ledger.export_lines())


def test_a_key_is_written_once_and_for_the_owner(tmp_path: Path) -> None:
    file = tmp_path / "new" / "ledger.pem"
    key = LedgerKey.create(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [p.name for p in file.parent.iterdir()] == ["ledger.pem"], "no draft is left"
    content = file.read_bytes()
    with pytest.raises(InputError, match="Nothing is overwritten"):
        LedgerKey.create(file)
    assert file.read_bytes() == content
    assert LedgerKey.load(file).public == key.public and len(key.public) == 64
    assert key.public not in repr(LedgerKey.create(tmp_path / "other.pem"))


def test_a_key_can_have_a_passphrase(tmp_path: Path) -> None:
    file = tmp_path / "ledger.pem"
    key = LedgerKey.create(file, "secret words")
    assert b"ENCRYPTED" in file.read_bytes()
    assert LedgerKey.load(file, b"secret words").public == key.public
    for wrong in (None, "other", ""):
        with pytest.raises(InputError, match="passphrase") as caught:
            LedgerKey.load(file, wrong)
        assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        LedgerKey.load(tmp_path / "nothing.pem")


def test_other_kinds_of_keys_are_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    file = tmp_path / "ec.pem"
    file.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    with pytest.raises(InputError, match="not an Ed25519 key"):
        LedgerKey.load(file)


def test_derived_secrets_differ_by_purpose_and_key(tmp_path: Path, key: LedgerKey) -> None:
    other = LedgerKey.create(tmp_path / "other.pem")
    secrets = {key.derive(b"units"), key.derive(b"more"), other.derive(b"units")}
    assert len(secrets) == 3 and {len(s) for s in secrets} == {32}
    assert key.derive(b"units") == key.derive(b"units")


def test_without_a_key_nothing_is_written(used: Ledger, path: Path, terms, reserve) -> None:
    with Ledger.open(path) as reader:
        for write in (
            lambda: reader.register(terms),
            lambda: reserve("r", book=reader),
            reader.move,
            lambda: reader.void("people", 3),
        ):
            with pytest.raises(InputError, match="reading only"):
                write()
        assert reader.verify().entries == 5


def test_without_a_key_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no ledger"):
        Ledger.open(tmp_path / "folder" / "ledger.sqlite")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="empty"):
        Ledger.open(tmp_path / "empty")
    assert (tmp_path / "empty").stat().st_size == 0


READ = """
import os, sys
from pathlib import Path
import dpsynth.privacy.cross_check, dpsynth.privacy.ledger.sqlite
from dpsynth.privacy.ledger import Ledger
os.setuid(65534)
with Ledger.open(Path(sys.argv[1])) as ledger:
    print(ledger.verify().entries)
"""


def test_a_copy_that_nobody_may_write_can_be_read(used: Ledger, path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    copy = folder / "copy.sqlite"
    shutil.copy(path, copy)
    copy.chmod(0o444)
    folder.chmod(0o555)
    if os.geteuid() != 0:
        with Ledger.open(copy) as reader:
            assert reader.verify().entries == 5
        return
    for parent in (tmp_path, *tmp_path.parents):  # root may write anything: read as somebody else
        parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", READ, str(copy)], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.stdout == "5\n", done.stderr


def test_rotation_hands_over_to_a_new_key(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, reserve
) -> None:
    new = LedgerKey.create(tmp_path / "new.pem")
    used.rotate(new)
    assert used.public_key == new.public
    reserve("two", rho=0.001)
    assert used.verify().entries == 7
    with pytest.raises(InputError, match="rotated; this is an earlier one"):
        Ledger.open(path, key=key)
    with pytest.raises(InputError, match="has or had this key"):
        used.rotate(key)
    with Ledger.open(path, key=new) as again:
        assert again.verify().public_key == new.public


def test_a_handle_with_the_old_key_stops_at_a_rotation(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, reserve
) -> None:
    with Ledger.open(path, key=key) as other:
        other.rotate(LedgerKey.create(tmp_path / "new.pem"))
    with pytest.raises(InputError, match="rotated"):
        reserve("two", rho=0.001)


def test_a_copy_is_no_second_budget(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, reserve
) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy2(path, copy)
    with pytest.raises(InputError, match="This is a copy.*export --move") as caught:
        Ledger.open(copy, key=key)
    assert "import" in str(caught.value)
    with Ledger.open(copy) as reader:
        assert reader.verify().entries == 5 and not reader.at_home()
    assert used.at_home()
    reserve("two", rho=0.001)


def test_a_renamed_ledger_is_the_same_ledger(used: Ledger, path: Path, key: LedgerKey) -> None:
    used.close()
    moved = path.rename(path.with_name("renamed.sqlite"))
    with Ledger.open(moved, key=key) as again:
        assert again.at_home()


def test_a_move_closes_here_and_goes_on_there(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, terms, reserve
) -> None:
    used.move()
    lines = list(used.export_lines())
    assert used.moved
    with pytest.raises(InputError, match="closed here for ever"):
        reserve("two", rho=0.001)
    with pytest.raises(InputError, match="closed here for ever"):
        used.move()
    with Ledger.open(path, key=key) as old:
        assert old.verify().entries == 6
        with pytest.raises(InputError, match="closed here"):
            old.register(terms)
    there = tmp_path / "there" / "ledger.sqlite"
    head = import_lines(lines, there, key)
    with Ledger.open(there, key=key) as new:
        assert new.head() == head and not new.moved
        assert [e.kind for e in new.entries()[5:]] == [Kind.MOVE, Kind.ADOPT]
        assert new.status("people") == used.status("people")
        reserve("two", book=new, rho=0.001)
        assert new.verify().entries == 8


def test_what_was_closed_is_not_adopted_at_the_same_place(
    used: Ledger, path: Path, key: LedgerKey
) -> None:
    used.move()
    lines = list(used.export_lines())
    for reason in (None, "changed my mind"):
        with pytest.raises(InputError, match="closed at this very place"):
            import_lines(lines, path, key, reason=reason)
    with pytest.raises(InputError, match="closed at this very place"):
        adopt(path, key, reason="changed my mind")


def test_a_ledger_can_come_back(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, reserve
) -> None:
    there = tmp_path / "there.sqlite"
    used.move()
    import_lines(list(used.export_lines()), there, key)
    with Ledger.open(there, key=key) as new:
        reserve("two", book=new, rho=0.001)
        new.move()
    import_lines(lines_of(there), path, key)  # the place holds a prefix: it is fast-forwarded
    assert [e.kind for e in used.entries()[5:]] == [
        Kind.MOVE, Kind.ADOPT, Kind.RESERVE, Kind.MOVE, Kind.ADOPT,
    ]  # fmt: skip
    reserve("three", rho=0.001)
    assert used.verify().entries == 11


def test_an_open_ledger_is_continued_from_a_copy_only_with_a_reason(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey
) -> None:
    there = tmp_path / "there.sqlite"
    for reason in (None, "", "  "):
        with pytest.raises(InputError, match="still open where it was exported"):
            import_lines(lines_of(path), there, key, reason=reason)
    assert not there.exists()
    import_lines(lines_of(path), there, key, reason="the disk died")
    with Ledger.open(there, key=key) as new:
        assert new.entries()[-1].payload["reason"] == "the disk died"
        assert new.verify().entries == 6


def test_a_restored_machine_adopts_its_copy(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, anchors: Anchors, reserve
) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy(path, copy)
    with pytest.raises(InputError, match="no ledger"):
        adopt(tmp_path / "nothing.sqlite", key, reason="restored")
    with pytest.raises(InputError, match="still open"):
        adopt(copy, key, reason=" ")
    adopt(copy, key, reason="restored", anchors=anchors)
    with Ledger.open(copy, key=key, anchors=anchors) as again:
        reserve("two", book=again, rho=0.001)
    adopt(copy, key, reason="nothing to do")
    with Ledger.open(copy) as again:
        assert again.verify().entries == 7, "a ledger at home is left as it is"


def test_forks_and_foreign_ledgers_are_not_overwritten(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, terms, reserve
) -> None:
    lines = lines_of(path)
    fork = tmp_path / "fork.sqlite"
    import_lines(lines, fork, key, reason="to make a fork")
    reserve("two", rho=0.001)
    before = lines_of(fork)
    with pytest.raises(LedgerDamagedError, match="Entry 6 at this place .* is a fork"):
        import_lines(lines_of(path), fork, key, reason="again")
    other = tmp_path / "other.sqlite"
    with Ledger.open(other, key=key):
        pass
    with pytest.raises(LedgerDamagedError, match="Entry 1 at this place .* another ledger stands"):
        import_lines(lines, other, key, reason="again")
    with pytest.raises(InputError, match="ahead of the export"):
        import_lines(lines, fork, key, reason="again")
    assert lines_of(fork) == before


def test_an_import_older_than_its_anchor_is_refused(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, anchors: Anchors, reserve
) -> None:
    lines = lines_of(path)
    reserve("two", rho=0.001)
    with Ledger.open(path, anchors=anchors):
        pass
    with pytest.raises(LedgerDamagedError, match="rolled back"):
        import_lines(lines, tmp_path / "there.sqlite", key, reason="backup", anchors=anchors)


def test_the_key_of_an_import_must_be_the_ledgers(used: Ledger, path: Path, tmp_path: Path) -> None:
    other = LedgerKey.create(tmp_path / "other.pem")
    with pytest.raises(LedgerDamagedError, match="foreign key"):
        import_lines(lines_of(path), tmp_path / "there.sqlite", other, reason="theft")
    assert not (tmp_path / "there.sqlite").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: lines[:-1], "truncated"),
        (lambda lines: [lines[0], *lines[2:]], "truncated"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "Entry 1 is missing"),
        (lambda lines: [*lines[:3], lines[3].replace("one", "two"), *lines[4:]],
         "Entry 3 was edited"),
        (lambda lines: lines[1:], "not a ledger that was exported"),
        (lambda lines: [], "not a line"),
        (lambda lines: ["[]", *lines[1:]], "not a line"),
        (lambda lines: [*lines[:2], "{}", *lines[3:]], "not an entry"),
        (lambda lines: [lines[0].replace('"ledger":"', '"ledger":"0'), *lines[1:]],
         "names another ledger"),
        (lambda lines: [*lines[:4], lines[4].replace('"signature":"', '"signature":"00'),
                        *lines[5:]], "not signed"),
        (lambda lines: [*lines[:3], lines[3].replace('"max_rows":2', '"max_rows":2.5'),
                        *lines[4:]], "texts and whole numbers"),
    ],
)  # fmt: skip
def test_lines_that_do_not_hold_are_refused_before_anything_is_written(
    used: Ledger, path: Path, tmp_path: Path, key: LedgerKey, spoil, words: str
) -> None:
    there = tmp_path / "there.sqlite"
    with pytest.raises((LedgerDamagedError, InputError), match=words):
        import_lines(spoil(lines_of(path)), there, key, reason="test")
    assert not there.exists()


def test_lines_are_json_that_others_can_check(used: Ledger, path: Path) -> None:
    """The digest is SHA-256 of the line without digest and signature, as RFC 8785 writes it."""
    import hashlib

    import rfc8785
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    header, *lines = [json.loads(line) for line in lines_of(path)]
    assert header["entries"] == len(lines) == 5
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(lines[0]["payload"]["public_key"]))
    for line in lines:
        digest, signature = line.pop("digest"), line.pop("signature")
        found = hashlib.sha256(rfc8785.dumps(line)).digest()
        assert found.hex() == digest
        public.verify(bytes.fromhex(signature), b"dpsynth ledger entry 2\n" + found)


def test_void_frees_what_a_kill_left_unopened(used: Ledger, reserve) -> None:
    lost = reserve("lost")
    opened = reserve("opened")
    opened.open_data()
    used.void("people", lost.seq)
    assert used.status("people").records[1].state == "void"
    for seq in (lost.seq, opened.seq):
        with pytest.raises(InputError):
            used.void("people", seq)
    with pytest.raises(InputError, match="no reservation"):
        used.void("people", 1)
    with pytest.raises(InputError, match="void"):
        lost.open_data()
    assert not opened.void_unopened()


def test_anchors_remember_the_newest_head(anchors: Anchors, key: LedgerKey, tmp_path: Path) -> None:
    name, other = "ab" * 16, "cd" * 16
    assert anchors.newest(name) is None
    late, early = Head(seq=7, digest="1" * 64), Head(seq=5, digest="2" * 64)
    anchors.meet(name, key.public, late, place="/a")
    anchors.meet(name, key.public, early)
    anchors.meet(name, key.public, late, place="/b")
    again = Anchors(anchors.folder)
    found = again.newest(name)
    assert found is not None and (found.head, found.keys) == (late, (key.public,))
    assert (again.at("/a"), again.at("/b"), again.at("/c")) == (name, name, None)
    with pytest.raises(LedgerDamagedError, match="forked"):
        again.meet(name, key.public, Head(seq=7, digest="3" * 64))
    with pytest.raises(LedgerDamagedError, match="another public key"):
        again.meet(name, "4" * 64, Head(seq=8, digest="3" * 64))
    with pytest.raises(LedgerDamagedError, match="Another ledger"):
        again.meet(other, key.public, late, place="/a")
    for bad in ("../x", "", "AB" * 16):
        with pytest.raises(InputError):
            again.meet(bad, key.public, late)
    with pytest.raises(InputError, match="not the head"):
        again.meet(name, key.public, Head(seq=0, digest="0" * 64))
    assert sorted(p.name for p in anchors.folder.iterdir()) == [
        ".lock", f"{name}.json", "places.json",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ledger": "x"}'])
def test_a_spoilt_anchor_is_not_taken_for_none(
    used: Ledger, path: Path, anchors: Anchors, text: str
) -> None:
    anchors.folder.mkdir()
    (anchors.folder / f"{used.ledger_id}.json").write_text(text)
    with pytest.raises(InputError, match="not a file of anchors"):
        Ledger.open(path, anchors=anchors)


def test_anchors_are_kept_on_open_commit_and_close(
    path: Path, key: LedgerKey, anchors: Anchors, terms, reserve
) -> None:
    def seq() -> int:
        found = anchors.newest(book.ledger_id)
        assert found is not None
        return found.head.seq

    with Ledger.open(path.with_name("b.sqlite"), key=key, anchors=anchors) as book:
        assert seq() == 1
        book.register(terms)
        reservation = reserve("r", book=book)
        assert seq() == 1
        reservation.open_data()
        assert seq() == 4
        reservation.commit({})
        assert seq() == 5
        reserve("s", book=book)
        assert seq() == 5
    with Ledger.open(path.with_name("b.sqlite")) as book:
        assert seq() == 6


def test_a_rotation_is_proved_to_the_anchors_by_the_ledger(
    used: Ledger, path: Path, tmp_path: Path, anchors: Anchors, key: LedgerKey
) -> None:
    with Ledger.open(path, anchors=anchors):
        pass
    new = LedgerKey.create(tmp_path / "new.pem")
    head = used.rotate(new)
    with pytest.raises(LedgerDamagedError, match="another public key"):
        anchors.meet(used.ledger_id, new.public, head)
    with Ledger.open(path, anchors=anchors):
        pass
    anchors.meet(used.ledger_id, new.public, head)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@host:5433/db", "postgresql://me@host:5433/db"),
        ("postgresql+psycopg://me:secret@host/db", "postgresql://me@host/db"),
        (
            "postgresql://host/db?password=secret&host=/run/pg",
            "postgresql://host/db?host=%2Frun%2Fpg",
        ),
    ],
)
def test_no_password_is_shown(text: str, shown: str) -> None:
    place = Place.of(text)
    assert place.text == str(place) == shown
    assert "secret" not in repr(place)


def test_places_are_paths_or_urls(tmp_path: Path) -> None:
    file = tmp_path / "l.sqlite"
    assert Place.of(f"sqlite:///{file}").text == Place.of(str(file)).text == str(file.resolve())
    assert Place.of("relative.sqlite").path == Path("relative.sqlite")
    for bad in (
        "mysql://secret@h/d",
        "sqlite://secret",
        "postgresql://h:secret:1/d",
        "postgres://h/d",
    ):
        with pytest.raises(InputError) as caught:
            Place.of(bad)
        assert "secret" not in str(caught.value)
