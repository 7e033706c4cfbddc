"""``init``, ``attack`` and ``evaluate``: tables in, drafts or results out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dpsynth.attacks import CONTROLS, PROFILES, Claim
from dpsynth.cli import options as o
from dpsynth.cli.console import emit_json, prompt, say, show_table, steps
from dpsynth.errors import InputError
from dpsynth.newfile import new_bytes
from dpsynth.pipeline.attacked import attack_run, write_attack_report
from dpsynth.pipeline.examine import (
    Tables,
    attack_tables,
    group_rows,
    measure_tables,
    read_coded,
)
from dpsynth.pipeline.prepare import load_release_signer
from dpsynth.results import AttackProfile, AttackResult, AttackVerdict, Result, Status
from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import Dictionary, load_dictionary
from dpsynth.schema.draft import draft_dictionary
from dpsynth.signing.keys import Signer
from dpsynth.sources.files import open_source

_Train = Annotated[Path, typer.Option("--train", help="Rows that the generator was trained on.")]
_Holdout = Annotated[Path, typer.Option("--holdout", help="Real rows that it has not seen.")]
_Synthetic = Annotated[Path, typer.Option("--synthetic", help="Its output.")]
_Dictionary = Annotated[Path, typer.Option("--dictionary", help="dictionary.yaml of the columns.")]
_Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed of the tests (never of noise).")
]
_NUMBER = re.compile(r"[+-]?\d[\d.,:/ -]*")


def init(
    data: Annotated[Path, typer.Argument(help="CSV or Parquet file; only its header is read.")],
    out: Annotated[Path, typer.Option("--out", help="Where the draft goes.")] = Path(
        "dictionary.yaml"
    ),
    delimiter: Annotated[str, typer.Option("--delimiter", help="Of a CSV file.")] = ",",
    encoding: Annotated[
        str, typer.Option("--encoding", help="Of a CSV file, for example latin-1.")
    ] = "utf-8",
    json: o.Json = False,
) -> None:
    """Write a draft dictionary from the header of a file. A person completes and declares it."""
    if out.exists():
        raise InputError("exists already.", where=str(out), fix="Choose another --out.")
    if len(delimiter) != 1:
        raise InputError("must be one character.", where="--delimiter")
    columns = open_source(data, delimiter=delimiter, encoding=encoding).columns()
    _check_header(columns, data)
    text = draft_dictionary(
        columns, title=data.stem, file_name=data.name, delimiter=delimiter, encoding=encoding
    )
    with new_bytes(out) as file:
        file.write(text.encode())
    if json:
        emit_json({"dictionary": str(out), "columns": list(columns)})
        return
    say(f"Wrote a draft with {len(columns)} columns: {out}")
    say("Declare each column from your codebook, never from the rows, then set status: declared.")


def _check_header(columns: Sequence[str], data: Path) -> None:
    """Refuse a first line that looks like data: it would land in a public file."""
    if any("\ufffd" in name for name in columns):
        raise InputError(
            "has a header that is not written in that encoding.",
            where=str(data),
            fix="Name the right one, for example --encoding latin-1.",
        )
    numbers = sum(_NUMBER.fullmatch(name.strip()) is not None for name in columns)
    if numbers * 2 >= len(columns):
        raise InputError(
            "begins with a line of numbers, so it seems to have no header.",
            where=str(data),
            fix="Add a first line with the names of the columns.",
        )


def attack(
    train: _Train,
    holdout: _Holdout,
    synthetic: _Synthetic,
    dictionary: _Dictionary,
    profile: Annotated[
        str, typer.Option("--profile", help="quick (at most 10,000 members) or full (all rows).")
    ] = AttackProfile.QUICK.value,
    epsilon: Annotated[
        float | None,
        typer.Option("--claimed-epsilon", help="What the supplier claims, to be refuted."),
    ] = None,
    delta: Annotated[
        float, typer.Option("--claimed-delta", help="The delta of that claim.")
    ] = 1e-6,
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write the results as a PDF.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="PKCS#12 file that signs the report.")
    ] = None,
    passphrase_file: o.PassphraseFile = None,
    seed: _Seed = None,
    json: o.Json = False,
) -> None:
    """Attack any generator's output. Raw results: keep them inside.

    Exit code 1 if an attack finds a leak, 6 if none of them could say anything.
    """
    signer = _report_signer(report, key, passphrase_file)
    if profile not in PROFILES:
        raise InputError(f"must be one of: {', '.join(PROFILES)}.", where="--profile")
    claim = None if epsilon is None else Claim(epsilon=epsilon, delta=delta)
    described, codec, tables = _read(train, holdout, synthetic, dictionary)
    chosen = _seed(seed)
    with steps(quiet=json) as progress:
        results = attack_tables(
            codec,
            described,
            tables,
            claim=claim,
            generator=None,
            profile=profile,
            seed=chosen,
            progress=progress,
        )
        if report is not None:
            progress("Writing the report")
            run = attack_run(
                described,
                tables,
                {"train": train, "holdout": holdout, "synthetic": synthetic},
                results,
                profile=profile,
                seed=chosen,
                will_be_signed=signer is not None,
                claim=claim,
            )
            write_attack_report(run, report, signer)
    if json:
        emit_json({"seed": chosen, "report": report, "results": [asdict(r) for r in results]})
    else:
        _show(results)
        say("An attack can only refute a claim; none of these results is evidence of privacy.")
        say(f"Seed: {chosen}")
        if report is not None:
            say(f"Wrote the report, for inside only: {report}")
    if code := _exit_code(results):
        raise typer.Exit(code)


def evaluate(
    train: _Train,
    holdout: _Holdout,
    synthetic: _Synthetic,
    dictionary: _Dictionary,
    seed: _Seed = None,
    json: o.Json = False,
) -> None:
    """Measure fidelity and utility of any generator's output. Raw results: keep them inside."""
    described, codec, tables = _read(train, holdout, synthetic, dictionary)
    chosen = _seed(seed)
    with steps(quiet=json) as progress:
        measured = measure_tables(codec, described, tables, seed=chosen, progress=progress)
    groups = group_rows(codec, measured.groups)
    results = [asdict(r) for r in measured.results]
    if json:
        emit_json({"seed": chosen, "results": results, "groups": groups})
        return
    _show(measured.results)
    _show_groups(groups)
    say(f"Seed: {chosen}")


def _exit_code(results: Sequence[AttackResult]) -> int:
    """Return 1 for a leak, 6 where every test was inconclusive or not run, else 0."""
    verdicts = {r.verdict for r in results if r.name not in CONTROLS}
    if AttackVerdict.LEAK_FOUND in verdicts:
        return 1
    return 0 if verdicts & {AttackVerdict.WITHIN_CLAIM, AttackVerdict.NO_LEAK_DETECTED} else 6


def _report_signer(report: Path | None, key: Path | None, passphrase: Path | None) -> Signer | None:
    """Load the key that signs a report, before anything else is done."""
    if report is None:
        if key is not None:
            raise InputError("signs a report.", where="--key", fix="Name the file with --report.")
        return None
    if report.suffix != ".pdf":
        raise InputError("must end in .pdf.", where=str(report))
    if report.exists():
        raise InputError("exists already.", where=str(report), fix="Choose another --report.")
    return None if key is None else load_release_signer(key, passphrase, prompt())


def _read(
    train: Path, holdout: Path, synthetic: Path, dictionary: Path
) -> tuple[Dictionary, Codec, Tables]:
    described = load_dictionary(dictionary)
    codec = Codec.from_dictionary(described)
    coded = [read_coded(path, described, codec) for path in (train, holdout, synthetic)]
    return described, codec, Tables(train=coded[0], holdout=coded[1], synthetic=coded[2])


def _seed(given: int | None) -> int:
    # No more bits than a double keeps: a seed that was told must be read back whole.
    return secrets.randbits(53) if given is None else given


def _show(results: Sequence[Result]) -> None:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    def outcome(result: Result) -> str:
        if isinstance(result, AttackResult):
            return result.verdict.value
        return "" if result.status is Status.OK else result.status.value.replace("_", " ")

    show_table(
        ("test", "value", "interval", "reference", "control", "verdict"),
        [
            (
                r.title,
                *(
                    (
                        number(r.value),
                        f"{r.interval.low:.4f} to {r.interval.high:.4f}" if r.interval else "",
                        number(r.baseline),
                        number(r.control),
                    )
                    if r.status is Status.OK
                    else ("",) * 4
                ),
                outcome(r),
            )
            for r in results
        ],
        right=(1, 2, 3, 4),
    )
    reasons: dict[str, list[str]] = {}
    for r in results:
        if r.status is not Status.OK:
            reasons.setdefault(r.reason, []).append(r.title)
    for reason, titles in reasons.items():
        say(f"{f'{len(titles)} tests' if len(titles) > 1 else titles[0]}: {reason}")


def _show_groups(groups: Sequence[Mapping[str, Any]]) -> None:
    """Show the error within each group of people, where the dictionary names any."""
    if not groups:
        return

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    show_table(
        ("group", "real rows", "share", "synthetic", "error", "floor", "AUC lost", "note"),
        [
            (
                f"{g['column']}: {g['group']}",
                f"{g['train_rows']:,}",
                number(g["real_share"]),
                number(g["synthetic_share"]),
                number(g["error"]),
                number(g["floor"]),
                number(g["auc_gap"]),
                g["reason"],
            )
            for g in groups
        ],
        right=(1, 2, 3, 4, 5, 6),
    )
