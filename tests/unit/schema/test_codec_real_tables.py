"""The codec on the seven real tables: what their dictionaries miss is what their READMEs say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpsynth.schema.codec import Codec
from dpsynth.schema.dictionary import load_dictionary
from dpsynth.sources.files import open_source

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")

OUTSIDE = {
    "adult": {},
    "acs2018_nd": {},
    "acs_national2019": {},
    "credit_default": {
        "EDUCATION": 345, "MARRIAGE": 54, "PAY_0": 17496, "PAY_2": 19512, "PAY_3": 19849,
        "PAY_4": 20803, "PAY_5": 21493, "PAY_6": 21181, "BILL_AMT3": 1, "PAY_AMT2": 4,
    },
    "diabetes130": {"number_emergency": 4},
    "german_credit": {},
    "heart_disease": {"trestbps": 1, "chol": 172},
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_real_table(name: str) -> None:
    dictionary = load_dictionary(SHARED / name / "dictionary.yaml")
    source = open_source(
        SHARED / name / dictionary.file,
        delimiter=dictionary.delimiter,
        encoding=dictionary.encoding,
    )
    assert source.check_against(dictionary) == ()
    codec = Codec.from_dictionary(dictionary)
    assert len(codec.treatments) == len(dictionary.columns)
    raw = source.read(codec.columns_in(dictionary.privacy_unit.column))
    assert raw.malformed_rows == 0
    codes = codec.encode(raw.columns)
    outside = {
        a.name: int((row == a.out_of_domain).sum())
        for a, row in zip(codec.domain, codes, strict=True)
        if (row == a.out_of_domain).any()
    }
    assert outside == OUTSIDE[name]
    table = codec.decode(np.ascontiguousarray(codes.T), seed=1)
    assert tuple(table.column_names) == codec.columns_out
    again = codec.encode(dict(zip(table.column_names, table.columns, strict=True)))
    for attribute, before, after in zip(codec.domain, codes, again, strict=True):
        kept = before != attribute.out_of_domain
        assert np.array_equal(before[kept], after[kept])
