"""The square code of the certificate: what a camera reads is what the attached evidence is."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pikepdf
import pytest
import sample_evidence as sample
import zxingcpp
from dpsynth.reports import charts
from dpsynth.reports.pdf import Rendered
from PIL import Image

from dpsynth.evidence import ReleaseEvidence


def seen(image: Image.Image) -> list[str]:
    """Return the texts of all codes that a reader finds in a picture."""
    return [code.text for code in zxingcpp.read_barcodes(image)]


def drawn(figure: str) -> Image.Image:
    """Return the picture of a code as its path says, with the margin that readers need."""
    side = int(re.search(r'viewBox="0 0 (\d+)', figure)[1])
    modules = np.full((side + 8, side + 8), 255, dtype=np.uint8)
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", figure):
        modules[int(y) + 4, int(x) + 4 : int(x) + 4 + int(width)] = 0
    return Image.fromarray(np.kron(modules, np.ones((5, 5), dtype=np.uint8)))


def first_page(rendered: Rendered, folder: Path) -> Image.Image:
    """Return the first page in grey, as an office printer has it."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm (Debian: poppler-utils) is not installed")
    (folder / "page.pdf").write_bytes(rendered.pdf)
    command = ["pdftoppm", "-r", "200", "-f", "1", "-l", "1", "-gray", "-singlefile"]
    subprocess.run([*command, "page.pdf", "page"], check=True, cwd=folder)
    return Image.open(folder / "page.pgm")


def attached(rendered: Rendered) -> bytes:
    with pikepdf.open(io.BytesIO(rendered.pdf)) as pdf:
        return pdf.attachments["evidence.public.json"].get_file().read_bytes()


def named(number: str, evidence: bytes) -> str:
    digest = hashlib.sha256(evidence).hexdigest().upper()
    return f"DPSYNTH {number} EVIDENCE.PUBLIC.JSON SHA-256 {digest}"


@pytest.mark.parametrize("name", ["adult", "diabetes"])
def test_the_square_code_names_the_certificate_and_its_evidence(
    name: str, documents: dict[str, Rendered], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    evidence: ReleaseEvidence = request.getfixturevalue(name)
    rendered = documents[f"{name}-certificate"]
    expected = named(evidence["release.id"], attached(rendered))
    assert seen(first_page(rendered, tmp_path)) == [expected]
    with pikepdf.open(io.BytesIO(rendered.pdf)) as pdf:
        words = [
            str(x.Alt) for x in pdf.objects if isinstance(x, pikepdf.Dictionary) if "/Alt" in x
        ]
    assert f"Square code (QR) that holds the text: {expected}" in words


def test_other_evidence_has_another_code(adult: ReleaseEvidence, tmp_path: Path) -> None:
    other = sample.build(sample.adult_values() | {"guarantee.epsilon": "2"})
    page = first_page(sample.make(other, "certificate"), tmp_path)
    assert seen(page) == [named(other["release.id"], other.public().to_bytes())]
    assert seen(page) != [named(adult["release.id"], adult.public().to_bytes())]


@pytest.mark.parametrize("text", ["A", "DPSYNTH " + "9F" * 56, "<b>&é" * 30])
def test_what_is_drawn_is_read(text: str) -> None:
    figure = charts.square_code(text)
    assert seen(drawn(figure)) == [text]
    assert charts.square_code(text) == figure


def test_a_number_that_is_no_number_is_cut_and_still_read(tmp_path: Path) -> None:
    values = sample.adult_values() | {"release.id": "</svg>\u202e" * 4000}
    evidence = sample.build(values)
    rendered = sample.make(evidence, "certificate")
    [text] = seen(first_page(rendered, tmp_path))
    assert rendered.pages == 2
    assert text == named("</svg>[U+202E]</svg>[U+202E]</svg>…", attached(rendered))
