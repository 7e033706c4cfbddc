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
from dpsynth.reports.unprotected_view import unprotected_datasheet

from dpsynth.evidence import PublicEvidence, ReleaseEvidence

SHEETS: Mapping[str, Callable[[PublicEvidence], str]] = {
    "DATASHEET.md": datasheet_markdown,
    "CHECKLIST.md": checklist_markdown,
    "croissant.json": croissant_json,
    "registry.yaml": registry_yaml,
}

INTERNAL_SHEETS: Mapping[str, Callable[[ReleaseEvidence], str]] = {"sbom.cdx.json": sbom_json}
#: Those of a release without a guarantee: there is nothing to register and nothing to check off.
UNPROTECTED_SHEETS: Mapping[str, Callable[[PublicEvidence], str]] = {
    "DATASHEET.md": unprotected_datasheet,
    "croissant.json": croissant_json,
}


def sheets_of(*, protected: bool) -> Mapping[str, Callable[[PublicEvidence], str]]:
    """Return the plain files of a release with or without a guarantee."""
    return SHEETS if protected else UNPROTECTED_SHEETS
