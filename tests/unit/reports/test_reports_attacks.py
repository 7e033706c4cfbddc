"""Attack pages: who knows what, numbers or why there are none, curves under a ceiling, breaks."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest
import sample_evidence as sample
from dpsynth.attacks.probe import UniqueCategory
from dpsynth.attacks.sizes import TwoSizes
from dpsynth.reports import attack_sections
from dpsynth.reports.attack_sections import CONTROL
from dpsynth.reports.attack_view import AttackedFile, AttackRun, StatedClaim
from dpsynth.reports.document import attack_report_html
from dpsynth.reports.pdf import render_pdf
from dpsynth.reports.roc import Panel, roc_chart
from dpsynth.reports.text import plain, say

from dpsynth import attacks
from dpsynth.results import FALSE_POSITIVE_RATES

CLAIM = StatedClaim(
    epsilon=1.0,
    delta=1e-6,
    ceiling=[
        [rate, attacks.Claim(epsilon=1.0, delta=1e-6).highest_tpr(rate)]
        for rate in FALSE_POSITIVE_RATES
    ],
)
CEILING = {rate: most for rate, most in CLAIM.ceiling}


def run(results: list[dict[str, Any]], claim: StatedClaim | None = None) -> AttackRun:
    return AttackRun(
        title="A table of a supplier",
        dictionary=sample.digest("dictionary"),
        columns=12,
        files=[
            AttackedFile(role=role, name=f"{role}.csv", sha256=sample.digest(role), rows=5000)
            for role in ("train", "holdout", "synthetic")
        ],
        profile="quick",
        seed=7,
        created=sample.CREATED,
        version="0.1.0",
        signed=False,
        claim=claim,
        results=results,
    )


def sections(*results: dict[str, Any], ceiling: dict[float, float] = CEILING) -> dict[str, Any]:
    return attack_sections.attack_sections(results, ceiling=ceiling, claim=say("roc.claim_release"))


def membership(title: str = "Membership by some score", **more: Any) -> dict[str, Any]:
    given = next(r for r in sample.attacks() if r["roc"] is not None)
    return given | {"title": title} | more


def not_run(name: str, title: str, **more: Any) -> dict[str, Any]:
    silent = {"status": "not_run", "reason": "None.", "verdict": "not run"}
    return sample.attack(name, title, None, "", **silent, **more)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.S))


def panel(mu: float, title: str = "An attack", band: float = 0.5) -> Panel:
    roc = sample.roc(mu, band=band)
    return Panel(title=title, points=roc["points"], members=5000, non_members=5000)


# Curves


def test_only_a_whole_band_above_the_ceiling_is_a_finding() -> None:
    above, inside = panel(3.0), panel(0.0)
    curve_alone = panel(1.2, band=1.1)
    assert any(y > CEILING[x] for x, y, _, _ in curve_alone.points)
    assert above.above(CEILING) and not inside.above(CEILING) and not curve_alone.above(CEILING)
    finding = f">{plain('roc.above')}<"
    assert roc_chart([inside, curve_alone], CEILING, level=0.999).count(finding) == 0
    assert roc_chart([inside, above, above], CEILING, level=0.999).count(finding) == 2


def test_without_a_claim_there_is_no_ceiling_and_no_finding() -> None:
    drawn = roc_chart([panel(3.0)], {}, level=0.999)
    assert plain("roc.ceiling") not in drawn and plain("roc.above") not in drawn
    assert "ceiling" not in re.search(r"<title>(.*?)</title>", drawn, re.S)[1]


def test_the_chart_in_words_holds_its_numbers() -> None:
    drawn = roc_chart([panel(3.0, "First & <second>")], CEILING, level=0.999)
    told = re.search(r"<title>(.*?)</title>", drawn, re.S)[1]
    assert "First &amp; &lt;second&gt;, 5,000 members, 5,000 others" in told
    for rate in (0.001, 0.01, 0.1):
        _, y, low, high = next(p for p in sample.roc(3.0)["points"] if p[0] == rate)
        assert f"at {100 * rate:g} false alarms per 100 {100 * y:.3g}"[:28] in told
        assert f"ceiling {100 * CEILING[rate]:.3g}"[:11] in told
        assert low < y < high
    assert "Above the claim: finding." in told
    assert "<second>" not in drawn


def test_lines_differ_by_pattern_and_not_by_colour_alone() -> None:
    drawn = roc_chart([panel(1.0)], CEILING, level=0.999)
    lines = re.findall(r"<(?:path|line)[^>]*stroke=\"#(?:b4501e|0b4a7d|566573)\"[^>]*>", drawn)
    styles = {
        (
            re.search(r'stroke-width="([^"]*)"', found)[1],
            "".join(re.findall(r'array="(.*?)"', found)),
        )
        for found in lines
    }
    assert len({dash for _, dash in styles}) == 4  # curve, edge of its band, ceiling, guessing


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_panels_stand_three_in_a_row_inside_the_figure(count: int) -> None:
    drawn = roc_chart([panel(0.5, f"Attack {i}") for i in range(count)], CEILING, level=0.999)
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', drawn).groups())
    assert width == 640 and height == 20 + 209 * -(-count // 3)
    xs = [float(x) for x in re.findall(r"[ML](\d+\.\d+) ", drawn)]
    assert 0 <= min(xs) and max(xs) <= width
    assert all(f">Attack {i}<" in drawn for i in range(count))


# Sections


def test_a_curve_that_was_not_drawn_says_why() -> None:
    few = {"points": [], "level": 0.999, "members": 60, "non_members": 60, "reason": "Too few."}
    found = sections(membership("Small attack", roc=few))
    assert found["roc_chart"] is None and found["roc_text"] is None
    assert found["roc_missing"] == ["No curve of “Small attack”: Too few."]
    both = attack_report_html(run([membership("Small attack", roc=few), membership()], CLAIM))
    assert "No curve of “Small attack”: Too few." in words(both)
    assert "Hits at few false alarms" in words(both)


def test_the_caption_names_the_claim_or_that_there_is_none() -> None:
    claimed = words(attack_report_html(run([membership()], CLAIM)))
    assert "share of hits that ε = 1, δ = 1.0 × 10 −6 allows" in claimed
    assert "at most one curve in 2,000" in claimed
    silent = words(attack_report_html(run([membership()])))
    assert "No epsilon was claimed, so no ceiling is drawn" in silent
    assert "Claim of the supplier, for one row none stated" in silent
    within = words(attack_report_html(run([])))
    assert "Hits at few false alarms" not in within


def every_attack() -> list[attacks.Attack]:
    """Return all attacks of the program, also those that no suite runs."""

    def generate(rows: Any, seed: int) -> Any:
        raise NotImplementedError

    generator = attacks.Generator(whole=generate, part=generate, columns=())
    return [
        *attacks.output_attacks(),
        *attacks.generator_attacks(generator, profile="full"),
        UniqueCategory(generate=generate),
        TwoSizes(keep=generate),
    ]


def test_what_reports_say_of_attacks_by_name_is_said_of_each_and_of_no_other() -> None:
    names = {attack.name for attack in every_attack()}
    assert len(names) == len(every_attack())
    shadows = {name for name in names if name.startswith(attack_sections._SHADOW)}
    assert len(shadows) == 4
    assert set(attack_sections._KNOWLEDGE) == (names - shadows) | {attack_sections._SHADOW}
    assert set(attack_sections._DIAGNOSTICS) < names
    assert {n for n in names | attacks.CONTROLS if n.startswith(CONTROL)} == attacks.CONTROLS
    for known in attack_sections._KNOWLEDGE.values():
        assert plain(f"knowledge.{known}")


def test_every_attack_of_the_program_says_what_its_attacker_knows() -> None:
    every = every_attack()
    found = sections(*(not_run(a.name, a.title) for a in every))
    known = [str(text) for _, text in found["knowledge"]]
    assert plain("knowledge.unstated") not in known and len(set(known)) == len(known) == 8
    titles = "; ".join(titles for titles, _ in found["knowledge"])
    assert all(attack.title in titles for attack in every)
    (unknown,) = sections(not_run("of_a_guest", "Of a guest"))["knowledge"]
    assert unknown == ("Of a guest", plain("knowledge.unstated"))


def test_exact_matches_and_distances_are_diagnostics() -> None:
    found = sections(*sample.attacks())
    assert [r["name"] for r in found["diagnostics"]] == [
        "exact_copies",
        "distance_to_closest_record",
        "nearest_neighbour_ratio",
    ]
    assert not {r["name"] for r in found["attacks"]} & {r["name"] for r in found["diagnostics"]}


def test_numbers_of_a_membership_attack() -> None:
    details = membership()["details"] | {
        "targets": 20,
        "mean_auc_of_targets": 0.51,
        "highest_auc_of_targets": 0.71,
        "epsilon_lower_bound_worst_target": 0.4,
        "one_run_epsilon": 0.2,
        "one_run_guesses": 500,
        "one_run_correct": 290,
        "one_run_epsilon_if_all_guesses_were_right": 4.4,
    }
    (told,) = sections(membership(details=details))["memberships"]
    assert told["rates"] == [("0.0108", "(0.00810 to 0.0141)"), ("not estimable", "")]
    assert (told["auc"], told["advantage"], told["claimed"]) == ("0.503", "0.00680", "1.00")
    assert "20 targets: average AUC 0.510, highest 0.710" in told["more"]
    assert "290 of 500 guesses right: an ε of at least 0.200" in told["more"]
    html = words(attack_report_html(run([membership(details=details)], CLAIM)))
    assert "not estimable" in html and told["more"] in html


def test_residual_risk_and_the_worst_secret_are_told() -> None:
    result = sample.attack(
        "inference",
        "Guessing a secret",
        0.6,
        "share",
        details={
            "residual_risk": -0.01,
            "residual_risk_low": -0.1,
            "residual_risk_high": 0.07,
            "worst_secret": "a<b>",
            "secrets": 6,
            "average_members": 0.71,
            "average_non_members": 0.72,
            "p_holm": 0.5,
        },
    )
    html = attack_report_html(run([result]))
    assert "a&lt;b&gt;" in html and "<b>}" not in html
    assert "Residual risk, what members lose beyond others: −0.0100 (−0.100 to 0.0700)." in words(
        html
    )
    assert "on average over them 0.710 of members and 0.720 of others" in words(html)


# Pages


@pytest.mark.parametrize("lines", [0, 6])
def test_an_attack_is_not_parted_from_its_details_by_a_page(lines: int) -> None:
    """With six files more, the first attack begins on the last lines of its page."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (Debian: poppler-utils) is not installed")
    results = [
        not_run(f"guest_{i}", f"Guest {i}", note=f"Note {i}. " + "x " * 300, members=4200 + i)
        for i in range(10)
    ]
    given = run(results)
    given = replace(given, files=[*given.files, *[given.files[0]] * lines])
    pdf = render_pdf(
        attack_report_html(given),
        attachments=[],
        title="Attack report",
        created=sample.CREATED,
        identifier=b"x",
    ).pdf
    told = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True)
    pages = told.stdout.decode().split("\f")
    for i in range(10):
        (detail,) = (page for page in pages if f"Note {i}." in page)
        assert f"4,20{i}" in detail
