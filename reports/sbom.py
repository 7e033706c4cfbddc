"""The bill of materials of one release as CycloneDX 1.6 (ECMA-424), from its evidence alone.

It names what was installed of the packages that dpsynth rests on, and which needs which, so that a
later advisory on one of them can be held against old releases. It stays inside: a list of exact
versions helps an intruder more than a recipient, who has its digest.

Never true here: that a component was loaded, or a licence that was looked up.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from dpsynth.evidence import ReleaseEvidence

_SYSTEM = ("pango", "harfbuzz")  #: libraries of the system that lay out the documents


def sbom_json(e: ReleaseEvidence) -> str:
    """Return the bill of materials; dpsynth itself is its subject."""
    versions, packages = e["environment.versions"], e["environment.packages"]
    reference = {p["name"]: f"{p['name']}=={p['version']}" for p in packages}
    others = [_part(p, reference) for p in packages if p["name"] != "dpsynth"]
    system = [_system("library", name, versions[name]) for name in _SYSTEM if name in versions]
    tree = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": e["release.created"],
            "component": _system("application", "dpsynth", e["release.dpsynth_version"]),
            "properties": [
                {"name": "dpsynth:release", "value": e["release.id"]},
                {"name": "dpsynth:lock-sha256", "value": e["environment.lock"]},
            ],
        },
        "components": [*others, _system("platform", "python", versions["python"]), *system],
        "dependencies": [
            {"ref": reference[p["name"]], "dependsOn": [reference[need] for need in p["needs"]]}
            for p in packages
        ],
    }
    return json.dumps(tree, ensure_ascii=False, indent=1) + "\n"


def _part(package: dict[str, Any], reference: dict[str, str]) -> dict[str, str]:
    """Return a distribution as a component, with its package URL."""
    name, version = package["name"], package["version"]
    return {
        "type": "library",
        "bom-ref": reference[name],
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{quote(name, safe='')}@{quote(version, safe='')}",
    }


def _system(kind: str, name: str, version: str) -> dict[str, str]:
    """Return a component that no package index serves."""
    return {"type": kind, "bom-ref": f"{name}=={version}", "name": name, "version": version}
