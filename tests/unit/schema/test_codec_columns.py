"""How one declared column is coded: cells, codes, equality, treatment."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.errors import InputError
from dpsynth.schema.codec import OUT_OF_DOMAIN, Codec
from dpsynth.schema.dictionary import (
    CategoryDomain,
    Column,
    DateDomain,
    Dictionary,
    Kind,
    NumericDomain,
    OpenDomain,
    PatternDomain,
    PrivacyUnitSpec,
    Role,
    TextDomain,
)


def column(kind: Kind, domain, name: str = "c", role: Role = Role.OTHER, **more) -> Column:
    return Column(name=name, kind=kind, role=role, meaning="", domain=domain, **more)


def codec_of(*columns: Column) -> Codec:
    return Codec.from_dictionary(
        Dictionary(title="t", columns=columns, privacy_unit=PrivacyUnitSpec(kind="row"))
    )


def codes(codec: Codec, values, type_=None) -> list[int]:
    array = values if isinstance(values, pa.Array) else pa.array(values, type=type_)
    return codec.encode({"c": pa.chunked_array([array])})[0].tolist()


YEARS = NumericDomain(lower=0, upper=10, edges=(0, 5, 11))


def test_small_integers_have_a_cell_each_and_bins_are_coarse() -> None:
    codec = codec_of(column(Kind.INTEGER, YEARS))
    attribute = codec.domain["c"]
    assert (attribute.size, attribute.n_ordered) == (13, 11)
    assert (attribute.blank, attribute.out_of_domain) == (11, 12)
    assert attribute.positions == tuple(float(i) for i in range(11))
    assert codec.coarse["c"].tolist() == [0] * 5 + [1] * 6 + [2, 3]
    assert codec.coarse_domain["c"].size == 4
    assert codec.coarse_domain["c"].positions == (2.0, 7.5)
    assert codec.coarse_domain["c"].out_of_domain == 3
    assert codec.coarse_domain["c"].blank == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("3", 3), ("3.0", 3), (" 3 ", 3), ("+3", 3), ("3e0", 3), ("03", 3), ("-0", 0), ("10", 10),
        ("", 11), ("  ", 11), (None, 11),
        ("3.5", 12), ("11", 12), ("-1", 12), ("nan", 12), ("inf", 12), ("1_0", 12), ("0x3", 12),
        ("٣", 12), ("x", 12), ("3 3", 12), ("1e999", 12), ("0" * 60 + "3", 12), ("\x00", 12),
        (OUT_OF_DOMAIN, 12),
    ],
)  # fmt: skip
def test_whole_numbers_as_text(text: str | None, code: int) -> None:
    codec = codec_of(column(Kind.INTEGER, YEARS))
    assert codes(codec, [text], pa.string()) == [code]


def test_arrow_types_read_alike() -> None:
    codec = codec_of(column(Kind.INTEGER, YEARS))
    expected = [3, 11, 12]
    for array in (
        pa.array([3, None, 77], pa.int8()),
        pa.array([3, None, 77], pa.uint64()),
        pa.array([3.0, float("nan"), float("inf")], pa.float64()),
        pa.array([3.0, None, 3.5], pa.float32()),
        pa.array(["3", None, "x"], pa.large_string()),
        pa.array(["3", None, "x"]).dictionary_encode(),
        pa.array([b"3", None, b"\xff3"], pa.binary()),
        pa.array([b"3", None, b"\xff3"], pa.large_binary()),
        pa.array([Decimal("3.00"), None, Decimal("3.50")]),
    ):
        assert codes(codec, array) == expected, array.type
    assert codes(codec, pa.nulls(2)) == [11, 11]
    assert codes(codec, pa.array([], pa.string())) == []
    chunks = pa.chunked_array([pa.array(["3"]), pa.array([], pa.string()), pa.array(["4", None])])
    assert codec.encode({"c": chunks})[0].tolist() == [3, 4, 11]
    flags = codec_of(column(Kind.CATEGORICAL, CategoryDomain(categories=("True", "False"))))
    assert codes(flags, [True, False, None]) == [0, 1, 2]
    with pytest.raises(InputError, match="not supported"):
        codes(codec, pa.array([[1]]))


def test_missing_codes_merge_by_meaning_and_blanks_follow_the_first() -> None:
    codec = codec_of(
        column(
            Kind.INTEGER,
            YEARS,
            missing={"?": "unknown", "-9": "unknown", "N": "under 15"},
            special={"99": "top", "98": "next"},
        )
    )
    attribute = codec.domain["c"]
    assert attribute.size == 11 + 2 + 2 + 1
    assert attribute.blank is None
    assert codes(codec, ["99", "98", "?", "-9", "-9.0", "N", "", None, "7", "97"]) == [
        11, 12, 13, 13, 13, 14, 13, 13, 7, 15,
    ]  # fmt: skip
    table = codec.decode(np.arange(16).reshape(-1, 1), seed=0)
    assert table.column("c").to_pylist()[11:] == ["99", "98", "?", "N", ""]
    typed = codec.decode(np.arange(16).reshape(-1, 1), seed=0, typed=True).column("c")
    assert typed.type == pa.int64()
    assert typed.to_pylist() == [*range(11), 99, 98, None, None, None]
    assert codec.describe("c", 13) == "missing (unknown)"
    assert codec.describe("c", 11) == "special code 99 (top)"
    assert codec.describe("c", 15) == "outside the declared domain"
    with pytest.raises(IndexError):
        codec.describe("c", 16)


def test_a_code_inside_the_bounds_is_read_as_the_code() -> None:
    wide = NumericDomain(lower=0, upper=99999, edges=(0, 1000, 99999, 100000))
    for domain, kind in ((YEARS, Kind.INTEGER), (wide, Kind.INTEGER), (wide, Kind.FLOAT)):
        codec = codec_of(column(kind, domain, special={"0": "none", "7": "seven"}))
        attribute = codec.domain["c"]
        special = attribute.n_ordered
        assert codes(codec, ["0", "0.0", "7"]) == [special, special, special + 1]
        assert codes(codec, ["1"])[0] < special
        everything = np.arange(attribute.size - 1).reshape(-1, 1)
        for seed in range(20):
            table = codec.decode(everything, seed=seed)
            assert codes(codec, table.column("c").combine_chunks()) == everything[:, 0].tolist()


def test_wide_integers_are_cut_into_about_256_cells_with_spikes() -> None:
    domain = NumericDomain(lower=-20, upper=99999, edges=(-20, 0, 1, 2000, 50000, 99999, 100000))
    codec = codec_of(column(Kind.INTEGER, domain))
    attribute = codec.domain["c"]
    assert 100 <= attribute.n_ordered <= 260
    cell = codes(codec, ["-20", "-19", "-1", "0", "1", "99998", "99999"])
    assert len(set(cell)) == 7
    assert cell == sorted(cell)
    coarse = codec.coarse["c"]
    assert coarse[cell].tolist() == [0, 0, 0, 1, 2, 4, 5]
    assert codec.describe("c", cell[3]) == "0"
    assert " to " in codec.describe("c", cell[5])
    assert np.all(np.diff(attribute.positions) > 0)


def test_real_numbers_have_single_cells_at_the_bounds_and_zero() -> None:
    domain = NumericDomain(lower=-5, upper=10, edges=tuple(-5 + 0.5 * i for i in range(31)))
    codec = codec_of(column(Kind.FLOAT, domain, missing={"?": "u"}))
    attribute = codec.domain["c"]
    cells = codes(codec, ["-5", "-4.999", "-0.001", "0", "-0.0", "0.001", "9.999", "10", "10.01"])
    assert cells[3] == cells[4]
    assert cells[-1] == attribute.out_of_domain
    assert cells[0] == 0
    assert cells[-2] == attribute.n_ordered - 1
    assert [codec.describe("c", cells[i]) for i in (0, 3, 7)] == ["-5", "0", "10"]
    assert cells[2] == cells[3] - 1
    assert cells[5] == cells[3] + 1
    typed = codec.decode(np.arange(attribute.size).reshape(-1, 1), seed=3, typed=True).column("c")
    assert typed.type == pa.float64()
    assert typed.to_pylist()[-2:] == [None, None]
    decimals = {
        len(t.partition(".")[2])
        for t in codec.decode(np.arange(attribute.n_ordered).reshape(-1, 1), seed=3)
        .column("c")
        .to_pylist()
    }
    assert max(decimals) <= 2


@pytest.mark.parametrize(
    ("lower", "upper", "kind"),
    [
        (date(2020, 1, 1), date(2021, 12, 31), "days"),
        (date(2000, 1, 1), date(2015, 6, 15), "weeks"),
        (date(1950, 1, 15), date(2020, 2, 3), "months"),
        (date(1700, 5, 5), date(2030, 12, 31), "years"),
    ],
)
def test_dates(lower: date, upper: date, kind: str) -> None:
    codec = codec_of(column(Kind.DATE, DateDomain(format="%d.%m.%Y", lower=lower, upper=upper)))
    attribute = codec.domain["c"]
    assert attribute.n_ordered <= 1000
    low, high = lower.strftime("%d.%m.%Y"), upper.strftime("%d.%m.%Y")
    cells = codes(codec, [low, high, f" {high} ", "", "31.02.2020", "2020-01-01", "x"])
    assert cells[0] == 0
    assert cells[1] == cells[2] == attribute.n_ordered - 1
    assert cells[3] == attribute.blank
    assert cells[4:] == [attribute.out_of_domain] * 3
    stamp = datetime(2020, 2, 1, 23, 59)
    day = (
        codes(codec, ["01.02.2020"])
        if lower <= date(2020, 2, 1) <= upper
        else [attribute.out_of_domain]
    )
    for array in (
        pa.array([stamp], pa.timestamp("us")),
        pa.array([stamp.date()], pa.date32()),
        pa.array([stamp.date()], pa.date64()),
    ):
        assert codes(codec, array) == day
    typed = codec.decode(np.arange(attribute.size).reshape(-1, 1), seed=1, typed=True).column("c")
    assert typed.type == pa.date32()
    found = typed.to_pylist()
    assert found[-2:] == [None, None]
    assert all(lower <= d <= upper for d in found[:-2])
    assert found[:-2] == sorted(found[:-2])


def test_zoned_times_are_read_in_their_zone() -> None:
    domain = DateDomain(format="%Y-%m-%d", lower=date(2020, 1, 1), upper=date(2020, 12, 31))
    codec = codec_of(column(Kind.DATE, domain))
    late = pa.array([datetime(2020, 5, 1, 23, 0)], pa.timestamp("s", tz="UTC"))
    assert codes(codec, late) == codes(codec, ["2020-05-01"])
    assert codes(codec, late.cast(pa.timestamp("s", tz="Asia/Tokyo"))) == codes(
        codec, ["2020-05-02"]
    )


def test_numeric_equivalence() -> None:
    domain = CategoryDomain(categories=("1", "0", "x"), numeric_equivalence=True)
    codec = codec_of(column(Kind.CATEGORICAL, domain, missing={"-9": "u"}))
    assert codes(codec, ["1", "1.0", "0.00", "x", "-9.0", "2", "X"]) == [0, 0, 1, 2, 3, 4, 4]
    strict = codec_of(column(Kind.CATEGORICAL, CategoryDomain(categories=("1", "0"))))
    assert codes(strict, ["1", "1.0"]) == [0, 3]
    with pytest.raises(InputError, match="two readings"):
        codec_of(
            column(
                Kind.CATEGORICAL,
                CategoryDomain(categories=("1", "1.0"), numeric_equivalence=True),
            )
        )


def test_out_of_domain_category_reads_back() -> None:
    codec = codec_of(column(Kind.ORDINAL, CategoryDomain(categories=("low", " high"))))
    attribute = codec.domain["c"]
    assert attribute.n_ordered == 2
    table = codec.decode(np.array([[3], [2], [1], [0]]), seed=0)
    assert table.column("c").to_pylist() == [OUT_OF_DOMAIN, "", " high", "low"]
    assert codec.encode({"c": table.column("c")})[0].tolist() == [3, 2, 1, 0]


ICD = PatternDomain(
    pattern=r"(\d{1,3}(\.\d{1,2})?|V\d{2}(\.\d{1,2})?|E\d{3}(\.\d)?)",
    public_groups={
        "circulatory": "390-459, 785",
        "diabetes": "250.xx",
        "other": "everything else, V and E codes",
    },
)


def test_public_groups() -> None:
    codec = codec_of(column(Kind.CATEGORICAL, ICD, missing={"?": "not recorded"}))
    assert codec.treatments[0].treatment == "generalised"
    assert codes(
        codec,
        ["390", "459.9", "785", "250", "250.83", "8", "V45", "E909.1", "?", "", "abc", "1234",
         "390x", "diabetes", "other", OUT_OF_DOMAIN, "460"],
    ) == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 1, 2, 4, 2]  # fmt: skip
    assert codec.describe("c", 0) == "circulatory (390-459, 785)"


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"a": "1-9", "b": "5-20"}, "overlap"),
        ({"a": "some", "b": "5-20"}, "cannot be read"),
        ({"a": "9-1"}, "cannot be read"),
        ({"a": "everything else", "b": "everything else"}, "cannot be read"),
        ({"250": "250"}, "matches the pattern"),
    ],
)
def test_bad_public_groups(groups: dict[str, str], words: str) -> None:
    domain = PatternDomain(pattern=ICD.pattern, public_groups=groups)
    with pytest.raises(InputError, match=words):
        codec_of(column(Kind.CATEGORICAL, domain))


def test_groups_need_a_linear_time_pattern() -> None:
    domain = PatternDomain(pattern=r"(?=1)\d+", public_groups={"a": "1-9"})
    with pytest.raises(InputError, match="look-around"):
        codec_of(column(Kind.CATEGORICAL, domain))
    slow = PatternDomain(pattern=r"(\d+)+x", public_groups={"a": "1-9"})
    assert codes(codec_of(column(Kind.CATEGORICAL, slow)), ["1" * 5000]) == [2]


def test_treatments_of_every_kind() -> None:
    codec = codec_of(
        column(Kind.ID, PatternDomain(pattern=r"A\d{4}"), "key", Role.DIRECT_IDENTIFIER),
        column(Kind.ID, PatternDomain(pattern=r"(?<=a)b"), "odd"),
        column(Kind.INTEGER, YEARS, "phone", Role.DIRECT_IDENTIFIER),
        column(Kind.TEXT, TextDomain(), "remark"),
        column(Kind.CATEGORICAL, OpenDomain(known_values=("a",)), "payer"),
        column(Kind.CATEGORICAL, PatternDomain(pattern=r"\d"), "code"),
        column(Kind.CATEGORICAL, ICD, "diag"),
        column(Kind.INTEGER, YEARS, "age"),
    )
    assert {t.column: t.treatment for t in codec.treatments} == {
        "key": "regenerated",
        "odd": "left_out",
        "phone": "left_out",
        "remark": "left_out",
        "payer": "left_out",
        "code": "left_out",
        "diag": "generalised",
        "age": "modelled",
    }
    assert "nothing is declared, and nothing was discovered in the rows" in next(
        t.reason for t in codec.treatments if t.column == "payer"
    )
    assert codec.domain.names == ("diag", "age")
    assert codec.columns_out == ("key", "diag", "age")
    assert codec.columns_in() == ("diag", "age")
    assert codec.columns_in("key") == ("diag", "age", "key")
    assert codec.columns_in("age") == ("diag", "age")
    table = codec.decode(np.zeros((500, 2), dtype=np.uint8), seed=5)
    assert table.column_names == ["key", "diag", "age"]
    keys = table.column("key").to_pylist()
    assert len(set(keys)) == 500
    assert keys == codec.decode(np.zeros((500, 2), dtype=np.uint8), seed=5)["key"].to_pylist()


def test_encode_checks_the_table_not_the_cells() -> None:
    codec = codec_of(column(Kind.INTEGER, YEARS), column(Kind.INTEGER, YEARS, "d"))
    with pytest.raises(InputError, match="'d' is absent"):
        codec.encode({"c": pa.array(["1"])})
    with pytest.raises(InputError, match="different lengths"):
        codec.encode({"c": pa.array(["1"]), "d": pa.array(["1", "2"])})
    with pytest.raises(ValueError, match="shape"):
        codec.decode(np.zeros((2, 3), dtype=np.int64), seed=0)
    assert codec.encode({"c": pa.array(["1"]), "d": pa.array(["2"])}).dtype == np.uint8
    assert codec.decode(np.zeros((0, 2), dtype=np.int64), seed=0, typed=True).num_rows == 0


def test_smallest_code_type() -> None:
    for count, dtype in ((200, np.uint8), (300, np.uint16), (70_000, np.int32)):
        domain = CategoryDomain(categories=tuple(f"k{i}" for i in range(count)))
        codec = codec_of(column(Kind.CATEGORICAL, domain))
        assert codec.encode({"c": pa.array(["k7"])}).dtype == dtype


def test_too_narrow_bins_are_refused() -> None:
    edges = (0, 500, 500.0000000000001, 1e3)
    with pytest.raises(InputError, match="too narrow"):
        codec_of(column(Kind.FLOAT, NumericDomain(lower=0, upper=1e3, edges=edges)))


def test_coarsen() -> None:
    codec = codec_of(column(Kind.INTEGER, YEARS))
    rows = codec.coarsen(np.array([[0], [4], [5], [11], [12]], dtype=np.uint8))
    assert rows.tolist() == [[0], [0], [1], [2], [3]]
