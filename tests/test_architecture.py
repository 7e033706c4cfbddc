"""The layers of docs/architecture.md, enforced on the syntax tree: nothing needs to be installed.

Every import counts, also one inside a function. A unit may import itself and what its row names.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"dpsynth": ROOT / "dpsynth"} | {
    f"dpsynth.{name}": ROOT / name for name in ("attacks", "reports", "policies")
}
STANDARD = sys.stdlib_module_names

BASE = {"arrays", "errors", "exact", "newfile", "results", "yamlfile"}
# unit -> (units of dpsynth that it may import, third-party packages that it may import)
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "arrays": (set(), {"numpy"}),
    "errors": (set(), set()),
    "results": ({"errors"}, set()),
    # scipy: imported on first use, so that a search loads nothing.
    "exact": ({"results"}, {"scipy"}),
    "newfile": ({"errors"}, set()),
    "yamlfile": ({"errors"}, {"yaml"}),
    "schema": (BASE, {"numpy", "pyarrow"}),
    "sources": (BASE | {"schema"}, {"numpy", "numba", "pyarrow"}),
    "privacy": (
        BASE | {"schema", "sources"},
        # numba: only in `privacy/integer_noise.py`; torch: only in `privacy/training.py`.
        {"numpy", "opendp", "dp_accounting", "scipy", "sqlalchemy", "cryptography", "torch"}
        | {"numba"},
    ),
    # The places of ledger, keys and anchors: apart from `pipeline`, which loads everything.
    "places": ({"errors", "privacy"}, {"platformdirs"}),
    # torch: only in `synth/neural`, see below.
    "synth": (
        BASE | {"schema", "sources", "privacy"},
        # Programs of third parties and the frames they take: in dpsynth/synth/adapters alone.
        {"numpy", "numba", "scipy", "threadpoolctl", "safetensors", "torch"}
        | {"pandas", "snsynth", "mbi"},
    ),
    "fidelity": (
        BASE | {"schema", "sources"},
        {"numpy", "numba", "scipy", "sklearn", "pandas", "threadpoolctl"},
    ),
    "attacks": (BASE | {"schema", "sources"}, {"numpy", "numba", "scipy", "sklearn"}),
    "policies": (set(), set()),
    "policy": (BASE | {"policies"}, {"rfc8785"}),
    "evidence": (BASE | {"policy"}, {"rfc8785"}),
    # pyHanko and asn1crypto: RFC 3161 time stamps of a ledger's head. pkcs11: keys on devices.
    "signing": (
        BASE | {"policy", "evidence"},
        {"cryptography", "rfc8785", "pyhanko", "pyhanko_certvalidator", "asn1crypto", "pkcs11"},
    ),
    "reports": (
        BASE | {"policy", "evidence", "signing"},
        {"jinja2", "markupsafe", "weasyprint", "pydyf", "pyhanko", "pyhanko_certvalidator"}
        | {"asn1crypto", "cryptography", "fontTools", "segno"},
    ),
}
EVERYTHING = set(ALLOWED)
ALLOWED["verification"] = (
    EVERYTHING,
    {"cryptography", "rfc8785", "pyhanko", "pyhanko_certvalidator", "asn1crypto"},
)
ALLOWED["pipeline"] = (
    EVERYTHING | {"verification"},
    {"numpy", "packaging", "pyarrow", "rfc8785"},
)
ALLOWED["preflight"] = (EVERYTHING | {"pipeline"}, {"numpy", "pyarrow"})
ALLOWED["auditing"] = (
    BASE | {"schema", "sources", "privacy", "synth"},
    # torch: only in `auditing/trainer.py`.
    {"numpy", "pyarrow", "scipy", "torch"},
)
ALLOWED["cli"] = (
    EVERYTHING | {"verification", "pipeline", "preflight", "auditing"},
    {"numpy", "rich", "typer", "statsmodels"},
)
ALLOWED["__init__"] = (EVERYTHING | {"verification", "pipeline"}, set())


def unit_of(module: str) -> str:
    """Return the unit of a dotted module name inside dpsynth."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def modules() -> list[tuple[str, Path]]:
    """Return (dotted name, path) of every module of the product."""
    found = []
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *(p for p in parts if p != "__init__")))
            found.append((name, path))
    return found


def imports(tree: ast.AST, module: str, path: Path) -> list[str]:
    """Return every absolute module name that a file imports, at any depth."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module or "")
            if node.module == "dpsynth":
                names += [f"dpsynth.{alias.name}" for alias in node.names]
    return names


def violations(module: str, tree: ast.AST, path: Path) -> list[str]:
    """Return the imports of one module that its layer does not allow."""
    unit = unit_of(module)
    units, packages = ALLOWED[unit]
    found = []
    for name in imports(tree, module, path):
        top = name.split(".")[0]
        if top == "dpsynth":
            target = unit_of(name)
            if target not in units | {unit, "__init__"}:
                found.append(f"{module} imports {name}")
        elif top not in STANDARD and top not in packages:
            found.append(f"{module} imports {name}")
    return found


@pytest.mark.parametrize(
    ("module", "path"), modules(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_layers(module: str, path: Path) -> None:
    assert unit_of(module) in ALLOWED, f"{module} belongs to no declared unit"
    assert not violations(module, ast.parse(path.read_text()), path)


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("dpsynth.attacks.x", "import dpsynth.privacy.ledger"),
        ("dpsynth.synth.x", "def f():\n    from dpsynth.pipeline import run"),
        ("dpsynth.reports.x", "import pandas"),
        ("dpsynth.results", "from dpsynth.schema import domain"),
    ],
)
def test_a_planted_violation_is_caught(module: str, code: str) -> None:
    assert violations(module, ast.parse(code), Path("x.py"))


def edges(module: str, tree: ast.AST, known: Collection[str]) -> set[str]:
    """Return what a module imports of its own unit: at any depth, for types alone, too.

    ``from package import module`` is an import of the module.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else str(node.module))
    return {name for name in found if name in known and unit_of(name) == unit_of(module)} - {module}


def cycles(graph: Mapping[str, Collection[str]]) -> list[str]:
    """Return what is left when modules that import nothing, or are not imported, are taken away."""
    left = {module: set(targets) for module, targets in graph.items()}
    while True:
        imported = set().union(*left.values())
        kept = {
            module: targets & set(left)
            for module, targets in left.items()
            if targets & set(left) and module in imported
        }
        if kept == left:
            return sorted(kept)
        left = kept


@cache
def room_graph() -> Mapping[str, set[str]]:
    """Return what each module imports of its own unit."""
    known = dict(modules())
    return {name: edges(name, ast.parse(path.read_text()), known) for name, path in known.items()}


def test_no_room_has_a_cycle() -> None:
    assert cycles(room_graph()) == []


@pytest.mark.parametrize(
    "line",
    [
        "from dpsynth.privacy.ledger.postgres import has_ledger",
        "def f():\n    from dpsynth.privacy.ledger import Kind, postgres",
        "if TYPE_CHECKING:\n    import dpsynth.privacy.ledger.postgres",
    ],
)
def test_a_planted_cycle_is_caught(line: str) -> None:
    graph, place = dict(room_graph()), "dpsynth.privacy.ledger.place"
    graph[place] = graph[place] | edges(place, ast.parse(line), graph)
    found = cycles(graph)
    assert {place, "dpsynth.privacy.ledger.postgres"} <= set(found)


def test_only_the_curator_meets_rows_and_noise() -> None:
    for drawn, holder in (
        ("dpsynth.privacy.noise", "dpsynth.privacy.curator"),
        ("dpsynth.privacy.integer_noise", "dpsynth.privacy.noise"),
    ):
        holders = [
            module
            for module, path in modules()
            if drawn in imports(ast.parse(path.read_text()), module, path)
        ]
        assert holders == [holder]


def users(package: str) -> set[str]:
    """Return the modules that import a package."""
    return {
        module
        for module, path in modules()
        if any(
            name.split(".")[0] == package
            for name in imports(ast.parse(path.read_text()), module, path)
        )
    }


def test_torch_has_three_homes() -> None:
    """The networks, the trainer that holds the rows, and its audit; all imported on first use."""
    homes = {
        module.rpartition(".")[0] if module.startswith("dpsynth.synth") else module
        for module in users("torch")
    }
    audit = "dpsynth.auditing.trainer"
    assert homes == {"dpsynth.synth.neural", "dpsynth.privacy.training", audit}


def test_of_what_meets_privacy_only_the_sampler_is_compiled() -> None:
    """It is imported at the first noise on sums: a ledger that is read compiles nothing."""
    compiled = {module for module in users("numba") if module.startswith("dpsynth.privacy")}
    assert compiled == {"dpsynth.privacy.integer_noise"}


def test_the_wheel_lists_every_package() -> None:
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    present = {
        ".".join((package, *path.parent.relative_to(folder).parts))
        for package, folder in FOLDERS.items()
        for path in folder.rglob("__init__.py")
    }
    assert listed == present


def test_no_file_is_two_things() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for _, path in modules()
        if (count := len(path.read_text().splitlines())) > 400
    }
    assert not long
