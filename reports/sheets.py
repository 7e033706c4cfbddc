"""The plain files beside the documents: one table of names and makers for each folder.

Those that travel with the data are made from public evidence alone, those that stay inside from all
of it. Whoever writes a bundle writes all of them, and whoever verifies one knows that they belong
there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dpsynth.reports.checklist import checklist_markdown
from dpsynth.reports.croissant import croissant_json
from dpsynth.reports.datasheet import datasheet_markdown
from dpsynth.reports.registry import registry_yaml
from dpsynth.reports.sbom import sbom_json

from dpsynth.evidence import PublicEvidence, ReleaseEvidence

SHEETS: Mapping[str, Callable[[PublicEvidence], str]] = {
    "DATASHEET.md": datasheet_markdown,
    "CHECKLIST.md": checklist_markdown,
    "croissant.json": croissant_json,
    "registry.yaml": registry_yaml,
}

INTERNAL_SHEETS: Mapping[str, Callable[[ReleaseEvidence], str]] = {"sbom.cdx.json": sbom_json}
