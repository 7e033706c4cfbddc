"""Two releases share one ledger: each document says what the ledger says at its own entry."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from steward import Desk, public_evidence

from dpsynth.pipeline import ReleaseSettings, load_release_signer, prepare, run
from dpsynth.pipeline.steps import reservation_of
from dpsynth.places import read_ledger, write_ledger


def settings_of(desk: Desk) -> ReleaseSettings:
    return ReleaseSettings(
        name="clinic",
        lineage="clinic",
        source=desk.folder / "data.csv",
        dictionary=desk.folder / "dictionary.yaml",
        epsilon=1.0,
        delta=1e-6,
        passphrase_file=desk.folder / "passphrase",
    )


def release_beside(desk: Desk, beside) -> None:
    """Run one release; `beside` gets plan and ledger when it is judged."""
    settings = settings_of(desk)
    plan = prepare(settings)
    with write_ledger(str(desk.ledger)) as book:
        run(
            plan,
            ledger=book,
            signer=load_release_signer(settings.key, settings.passphrase_file, None),
            target=desk.folder / "clinic",
            progress=lambda text: beside(plan, book) if text.startswith("Judging") else None,
        )


def verified(desk: Desk) -> None:
    root = str(desk.folder / "keys" / "root.pem")
    answer = desk.run("verify", "clinic", "--trust", root, "--ledger", str(desk.ledger))
    assert answer.code == 0, answer.text


def test_a_release_beside_another_one_is_verified_against_the_ledger(desk: Desk) -> None:
    release_beside(desk, lambda plan, book: book.register(replace(plan.terms, lineage="another")))
    verified(desk)


def test_what_others_spent_meanwhile_is_in_the_certificate(desk: Desk) -> None:
    """One of the same people was reserved and lost, one was given back, while this one ran."""

    def beside(plan, book) -> None:
        asked = reservation_of(plan)
        book.reserve("clinic", replace(asked, release="lost")).open_data()
        book.reserve("clinic", replace(asked, release="given-back")).void()

    release_beside(desk, beside)
    verified(desk)
    shown = public_evidence(desk.folder / "clinic")
    with read_ledger(str(desk.ledger)) as book:
        status = book.status("clinic")
    lost = next(r for r in status.records if r.release == "lost")
    assert float(shown["budget"]["spent_before_rho"]["value"]) == float(lost.spent_rho) > 0
    left = Fraction(shown["budget"]["remaining_rho"]["value"])
    assert left <= status.remaining_rho < left + Fraction(1, 10**9)
    assert shown["budget"]["release_number"]["value"] == 1
    assert float(shown["budget"]["lineage_epsilon_after"]["value"]) >= status.epsilon_spent > 1.3
