"""docs/verification.md: every finding with its severity and none invented; every tamper."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tampered import TABLE

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
# Functions that make a finding: the code is the first argument, or named so.
MAKERS = {"fail", "_invalid", "_finding", "Finding"}


def findings(tree: ast.AST, severity: str = "invalid") -> Iterator[tuple[str, str]]:
    """Yield (code, severity) of each finding that a module can make.

    Calls of the makers, pairs of a code and a sentence (unknown where they are appended to
    `unknown`, or returned as a doubt), and notes by code.
    """
    if isinstance(tree, ast.FunctionDef) and tree.name == "_doubt":
        severity = "unknown"
    if isinstance(tree, ast.Call):
        name = getattr(tree.func, "attr", getattr(tree.func, "id", ""))
        owner = getattr(getattr(tree.func, "value", None), "attr", "")
        if name == "append" and owner == "unknown":
            severity = "unknown"
        code = next((k.value for k in tree.keywords if k.arg == "code"), None)
        code = code or next(iter(tree.args), None)
        if name in MAKERS and isinstance(code, ast.Constant):
            named = [n.attr.lower() for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
            said = [n for n in named if n in {"invalid", "unknown", "note"}]
            yield str(code.value), said[0] if said else "invalid"
    elif isinstance(tree, ast.Tuple) and len(tree.elts) == 2:
        code, sentence = tree.elts
        if isinstance(code, ast.Constant) and isinstance(sentence, ast.Constant | ast.JoinedStr):
            text = sentence if isinstance(sentence, ast.JoinedStr) else str(sentence.value)
            if CODE.fullmatch(str(code.value)) and (not isinstance(text, str) or " " in text):
                yield str(code.value), severity
    elif isinstance(tree, ast.Subscript) and getattr(tree.value, "id", "") == "notes":
        yield ast.literal_eval(tree.slice), "note"
    for child in ast.iter_child_nodes(tree):
        yield from findings(child, severity)


def used() -> set[tuple[str, str]]:
    """Return what the verifier can find."""
    modules = sorted((ROOT / "dpsynth" / "verification").glob("*.py"))
    modules.append(ROOT / "dpsynth" / "signing" / "stamps.py")  # tokens beside a manifest
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in modules]
    return {found for tree in trees for found in findings(tree)}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    section = DOCUMENT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_finding_is_documented_and_none_is_invented() -> None:
    documented = [(row[0].strip("`"), row[1]) for row in rows("Findings")]
    assert len(documented) > 60 and len(set(documented)) == len(documented)
    assert set(documented) == used()
    assert all(meaning and advice for _, _, meaning, advice in rows("Findings"))


def test_a_finding_that_nobody_documented_would_be_seen() -> None:
    planted = "found.unknown.append(('pdf_new', 'Some words.'))\npart.fail('new_code', name, 'x')"
    assert set(findings(ast.parse(planted))) == {("pdf_new", "unknown"), ("new_code", "invalid")}


def test_the_table_of_tampers_is_that_of_the_benchmark() -> None:
    assert len(TABLE) >= 40
    assert rows("Tampered bundles") == [
        [each.part, each.name, each.gain, f"`{each.code}`", str(each.exit_code)] for each in TABLE
    ]
    assert {each.code for each in TABLE} - {code for code, _ in used()} == {"LedgerDamagedError"}
