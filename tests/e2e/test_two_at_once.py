"""Two releases share one ledger: the entries of one stand between those of the other."""

from __future__ import annotations

from dataclasses import replace

from steward import Desk

from dpsynth.pipeline import ReleaseSettings, load_release_signer, prepare, run
from dpsynth.places import write_ledger


def test_a_release_beside_another_one_is_verified_against_the_ledger(desk: Desk) -> None:
    settings = ReleaseSettings(
        name="clinic",
        lineage="clinic",
        source=desk.folder / "data.csv",
        dictionary=desk.folder / "dictionary.yaml",
        epsilon=1.0,
        delta=1e-6,
        passphrase_file=desk.folder / "passphrase",
    )
    plan = prepare(settings)
    with write_ledger(str(desk.ledger)) as book:

        def beside(text: str) -> None:
            if text.startswith("Judging"):
                book.register(replace(plan.terms, lineage="another"))

        run(
            plan,
            ledger=book,
            signer=load_release_signer(settings, None),
            target=desk.folder / "clinic",
            progress=beside,
        )
    root = str(desk.folder / "keys" / "root.pem")
    answer = desk.run("verify", "clinic", "--trust", root, "--ledger", str(desk.ledger))
    assert answer.code == 0, answer.text
