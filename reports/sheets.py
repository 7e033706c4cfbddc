"""The plain files that travel with the data: one table of names and makers.

Each is made from public evidence alone. Whoever writes a bundle writes all of them, and whoever
verifies one knows that they belong there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dpsynth.reports.checklist import checklist_markdown
from dpsynth.reports.croissant import croissant_json
from dpsynth.reports.datasheet import datasheet_markdown
from dpsynth.reports.registry import registry_yaml

from dpsynth.evidence import PublicEvidence

SHEETS: Mapping[str, Callable[[PublicEvidence], str]] = {
    "DATASHEET.md": datasheet_markdown,
    "CHECKLIST.md": checklist_markdown,
    "croissant.json": croissant_json,
    "registry.yaml": registry_yaml,
}
