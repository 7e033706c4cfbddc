"""What stops a run before the data is opened costs nothing; after that it costs everything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from steward import Desk

from dpsynth.errors import InputError, SpentError
from dpsynth.pipeline import ReleaseSettings, load_release_signer, prepare, run
from dpsynth.places import read_ledger, write_ledger
from dpsynth.policy import load_policy
from dpsynth.privacy.ledger import Kind, ReleaseState


def attempt(desk: Desk, progress: Callable[[str], None]) -> None:
    plan = prepare(
        ReleaseSettings(
            name="clinic", lineage="clinic", source=desk.folder / "data.csv",
            dictionary=desk.folder / "dictionary.yaml", epsilon=1.0, delta=1e-6,
            passphrase_file=desk.folder / "passphrase", recipient="Univ. X", jurisdiction="CH",
        )
    )  # fmt: skip
    with write_ledger() as book:
        signer = load_release_signer(plan.settings.key, plan.settings.passphrase_file, None)
        run(plan, ledger=book, signer=signer,
            target=desk.folder / "clinic", progress=progress)  # fmt: skip


def stop_at(word: str, error: BaseException) -> Callable[[str], None]:
    def progress(text: str) -> None:
        if text.startswith(word):
            raise error

    return progress


@pytest.mark.parametrize("error", [InputError("stopped"), KeyboardInterrupt(), OSError("stopped")])
def test_before_the_data_is_opened_it_is_given_back(desk: Desk, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        attempt(desk, stop_at("Opening the table", error))
    assert caught.value is error, "no SpentError: nothing is spent"
    with read_ledger() as book:
        status = book.status("clinic")
        assert [e.kind for e in book.entries("clinic")] == [Kind.REGISTER, Kind.RESERVE, Kind.VOID]
    assert status.spent_rho == 0 and status.records[0].state is ReleaseState.VOID


def test_after_the_data_is_opened_it_is_spent(desk: Desk) -> None:
    with pytest.raises(SpentError):
        attempt(desk, stop_at("Encoding", InputError("stopped")))
    with pytest.raises(KeyboardInterrupt):
        attempt(desk, stop_at("Encoding", KeyboardInterrupt()))
    with read_ledger() as book:
        status = book.status("clinic")
    assert [r.state for r in status.records] == [ReleaseState.OPEN] * 2
    assert status.spent_rho > 0


def test_recipient_and_policy_are_in_the_ledger_before_the_data(desk: Desk) -> None:
    with pytest.raises(SpentError):
        attempt(desk, stop_at("Encoding", InputError("stopped")))
    with read_ledger() as book:
        record = book.status("clinic").records[0]
    assert (record.recipient, record.jurisdiction) == ("Univ. X", "CH")
    assert record.policy == {"name": "default", "sha256": load_policy("default").digest}


def test_a_declared_text_that_cannot_be_signed_stops_before_the_budget(desk: Desk) -> None:
    """As bytes of another encoding on the command line are read: a lone surrogate."""
    answer = desk.release("--purpose", "caf\udce9")
    assert answer.code == 2 and "release.purpose" in answer.err, answer.text
    assert not (desk.folder / "clinic").exists()
    checked = desk.run(
        "check", "--data", "data.csv", "--dictionary", "dictionary.yaml", "--epsilon", "1",
        "--delta", "1e-6", "--lineage", "clinic", "--name", "clinic", "--recipient", "caf\udce9",
    )  # fmt: skip
    assert checked.code == 2 and "release.recipient" in checked.err, checked.text
    if desk.ledger.exists():
        with read_ledger() as book:
            assert "clinic" not in book.lineages()
