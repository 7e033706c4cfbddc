"""The claim register: every sentence of the certificate, and that what it names is there."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sample_evidence as sample
import sample_unprotected as bare
from dpsynth.reports import charts, claims, document, text, unprotected_view, views
from dpsynth.reports.claims import RegisteredClaim, code_digest, register_digest

from dpsynth.errors import SelfTestError
from dpsynth.evidence import FIELDS, UNPROTECTED, PublicEvidence
from dpsynth.evidence.shapes import says_something

ROOT = Path(__file__).parents[3]
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


# What is printed


def keys_of(code: str) -> set[str]:
    """Return the keys that Python code hands to ``say`` or ``plain``; ``*`` where one is built."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"say", "plain"}:
            match node.args[0]:
                case ast.Constant(value=str(key)):
                    found.add(key)
                case ast.JoinedStr(values=parts):
                    found.add(
                        "".join(p.value if isinstance(p, ast.Constant) else "*" for p in parts)
                    )
    return found


def called(code: str, start: Iterable[str]) -> str:
    """Return the code of functions of a module and of all that they call in it."""
    functions = {f.name: f for f in ast.parse(code).body if isinstance(f, ast.FunctionDef)}
    todo, seen = list(start), set()
    while todo:
        name = todo.pop()
        if name in functions and name not in seen:
            seen.add(name)
            todo += [n.id for n in ast.walk(functions[name]) if isinstance(n, ast.Name)]
    return "\n".join(ast.unparse(functions[name]) for name in sorted(seen))


def static_keys(template: str, code: str, drawing: str) -> set[str]:
    """Return the keys that the certificate's template, views and charts can print."""
    patterns = set(re.findall(r"\bt\('([\w.]+)'\s*[,)]", template))
    patterns |= {f"{start}*" for start in re.findall(r"\bt\('([\w.]+)'\s*~", template)}
    patterns |= keys_of(code)
    patterns |= keys_of(called(drawing, re.findall(r"\bcharts\.(\w+)", code)))
    known = {f"{section}.{key}" for section, words in text.catalogue().items() for key in words}
    missing = {p for p in patterns if "*" not in p} - known
    assert not missing, f"not in the catalogue: {missing}"
    return {key for key in known if any(fnmatch(key, pattern) for pattern in patterns)}


def source(module: Any) -> str:
    return Path(module.__file__).read_text(encoding="utf-8")


def page_source(name: str) -> str:
    """Return the source of a page with that of the parts that it includes."""
    return re.sub(
        r"\{% include '([\w.]+)' %\}",
        lambda part: page_source(part[1]),
        text.resource("templates", name).decode(),
    )


@cache
def printed_keys() -> frozenset[str]:
    pages = (("certificate.html", views), ("certificate_unprotected.html", unprotected_view))
    return frozenset(
        key
        for page, view in pages
        for key in static_keys(page_source(page), source(view), source(charts))
    )


class Watched(PublicEvidence):
    """Public evidence that remembers which fields were read."""

    read: set[str]

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)


def printed_fields() -> set[str]:
    """Return the fields that the certificate reads and whose values hold sentences."""
    read: set[str] = set()
    for values in (sample.adult_values(), sample.diabetes_values(), sample.trained_values()):
        public = sample.build(values).public()
        watched = Watched({name: public.fact(name) for name in public})
        watched.read = read
        document._render("certificate.html", watched, views.certificate(watched) | {"signers": []})
    public = bare.build().public()
    watched = Watched({name: public.fact(name) for name in public})
    watched.read = read
    view = unprotected_view.unprotected_certificate(watched) | {"signers": []}
    document._render("certificate_unprotected.html", watched, view)
    return {name for name in read if says_something((FIELDS | UNPROTECTED)[name].shape)}


# What the register says


def problems(register: Iterable[RegisteredClaim], labels: Iterable[str]) -> list[str]:
    """Return what is wrong with a register; nothing if it holds together."""
    register, labels, found = list(register), set(labels), []
    said = [key for claim in register for key in claim.sentences]
    values = [name for claim in register for name in claim.values]
    for what, there, needed in (
        ("sentence", {*said, *labels}, printed_keys()),
        ("value", set(values), printed_fields()),
    ):
        found += [f"{what} not registered: {key}" for key in sorted(needed - there)]
        found += [f"{what} not printed: {key}" for key in sorted(there - needed)]
    found += [f"registered twice: {k}" for k in {*said, *labels} if [*said, *labels].count(k) > 1]
    for key in labels & printed_keys():
        section, name = key.split(".")
        if text.catalogue()[section][name].rstrip().endswith("."):
            found.append(f"a sentence among the labels: {key}")
    for claim in register:
        where = (*claim.sentences, *claim.values)[0]
        if bool(claim.because) == bool(claim.fields and claim.code and claim.tests):
            found.append(f"{where}: needs fields, code and tests, or a reason")
        found += [f"{where}: no field {f}" for f in claim.fields if f not in public_fields()]
        found += [f"{where}: no test {t}" for t in claim.tests if not is_test(t)]
        found += [f"{where}: no module {m}" for m in claim.code if not is_module(m)]
    return found


@cache
def public_fields() -> frozenset[str]:
    return frozenset(name for name, field in (FIELDS | UNPROTECTED).items() if field.public)


@cache
def functions(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def is_test(node_id: str) -> bool:
    path, _, name = node_id.partition("::")
    collected = Path(path).name.startswith("test_") and name.startswith("test_")
    return collected and path.startswith("tests/") and name in functions(path)


def is_module(name: str) -> bool:
    try:
        code_digest([name])
    except SelfTestError:
        return False
    return True


def test_every_sentence_printed_on_a_certificate_is_registered() -> None:
    assert problems(claims.claims(), claims.labels()) == []
    assert len(claims.claims()) > 20 and len(printed_keys()) > 90 and len(printed_fields()) > 6


def _without(key: str) -> list[RegisteredClaim]:
    return [
        RegisteredClaim(**{**vars(c), "sentences": tuple(s for s in c.sentences if s != key)})
        for c in claims.claims()
    ]


def _spoilt(**change: tuple[str, ...] | str) -> list[RegisteredClaim]:
    first, *others = claims.claims()
    return [RegisteredClaim(**{**vars(first), **change}), *others]


@pytest.mark.parametrize(
    ("register", "found"),
    [
        (_without("attack.text"), "sentence not registered: attack.text"),
        (_spoilt(sentences=("guarantee.nothing",)), "sentence not printed: guarantee.nothing"),
        (_spoilt(values=("release.rows",)), "value not printed: release.rows"),
        (_spoilt(fields=("release.colour",)), "identity.size_value: no field release.colour"),
        (_spoilt(fields=("attacks.results",)), "identity.size_value: no field attacks.results"),
        (_spoilt(tests=("tests/test_architecture.py::test_nothing",)), "no test tests/"),
        (_spoilt(tests=("tests/test_gone.py::test_layers",)), "no test tests/test_gone.py"),
        (_spoilt(code=("dpsynth.nothing",)), "identity.size_value: no module dpsynth.nothing"),
        (_spoilt(tests=()), "needs fields, code and tests, or a reason"),
        (_spoilt(because="it is so"), "needs fields, code and tests, or a reason"),
    ],
)
def test_a_planted_fault_of_the_register_is_found(
    register: list[RegisteredClaim], found: str
) -> None:
    assert any(found in problem for problem in problems(register, claims.labels()))


def test_a_sentence_among_the_labels_is_found() -> None:
    labels = {*claims.labels(), "attack.text"}
    assert "a sentence among the labels: attack.text" in problems(_without("attack.text"), labels)


def test_a_sentence_that_is_printed_anew_is_found() -> None:
    """In the template, in a view, and in a chart that a view draws."""
    template = page_source("certificate.html")
    new = "glossary.delta"
    assert new not in printed_keys()
    code, drawing = source(views), source(charts)
    for spoilt in (
        (template + "{{ t('glossary.delta') }}", code, drawing),
        (template + "{{ t('glossary.del' ~ x) }}", code, drawing),
        (template, code + "\ny = say('glossary.delta')", drawing),
        (template, code + "\ny = plain(f'glossary.{z}')", drawing),
        (template, code, drawing.replace('plain("chart.limit")', 'plain("glossary.delta")')),
    ):
        assert new in static_keys(*spoilt)


def test_nothing_else_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said while both samples are rendered is among the keys that were read off."""
    said: set[str] = set()

    def watch(module: Any, name: str) -> None:
        kept = getattr(module, name)

        def call(key: str, **values: Any) -> Any:
            said.add(key)
            return kept(key, **values)

        monkeypatch.setattr(module, name, call)

    for module, name in (
        (views, "say"), (views, "plain"), (charts, "plain"), (document, "say"),
        (unprotected_view, "say"), (unprotected_view, "plain"),
    ):  # fmt: skip
        watch(module, name)
    for values in (sample.adult_values(), sample.diabetes_values(), sample.trained_values()):
        document.certificate_html(sample.build(values).public())
    document.certificate_html(bare.build().public())
    assert said <= printed_keys()
    assert len(said) > 70


# The digests


def wheel_files() -> Iterator[tuple[Path, str]]:
    """Yield (file, place in the wheel) of all that setuptools is told to pack."""
    homes: Mapping[str, str] = SETUP["package-dir"]
    for package in SETUP["packages"]:
        root = max((p for p in homes if f"{package}.".startswith(f"{p}.")), key=len)
        folder = ROOT / homes[root] / package[len(root) :].strip(".").replace(".", "/")
        data = SETUP["package-data"].get(package, ())
        for pattern in ("*.py", *data):
            for file in folder.glob(pattern):
                yield file, f"{package.replace('.', '/')}/{file.relative_to(folder)}"


def test_the_digests_do_not_depend_on_how_it_is_installed(tmp_path: Path) -> None:
    """An editable install reads four folders, a wheel has one tree: both say the same."""
    for file, place in wheel_files():
        target = tmp_path / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    probe = (
        "import dpsynth; from dpsynth.reports.claims import code_digest, register_digest;"
        "print(dpsynth.__file__, register_digest(), code_digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    place, register, code = done.stdout.split()
    assert Path(place).is_relative_to(tmp_path)
    assert (register, code) == (register_digest(), code_digest())


def test_nothing_is_imported_to_be_digested() -> None:
    probe = (
        "import sys; from dpsynth.reports.claims import digests; digests();"
        "print(*(m for m in sys.modules if m.startswith('dpsynth.')))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert {name.split(".")[1] for name in done.stdout.split()} <= {
        "errors", "evidence", "policies", "policy", "reports", "results", "yamlfile",
    }  # fmt: skip


def test_the_digest_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "made_up_module.py"
    module.write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_digest(["made_up_module"])
    assert code_digest(["made_up_module"]) == before != code_digest(["made_up_module", "json"])
    module.write_text("x = 2\n")
    assert code_digest(["made_up_module"]) != before
    with pytest.raises(SelfTestError, match="not there: made_up.nothing"):
        code_digest(["made_up.nothing"])
