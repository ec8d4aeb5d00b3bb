"""Tables: dates onto a grid, gaps told, and every other character of the file kept."""

from __future__ import annotations

import csv
import io
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.data import table_columns, table_text, tables, tables_out
from wavewright.data.tables import TableSettings
from wavewright.errors import DataError, SettingsError


def written(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_a_wide_table_with_gaps_words_and_a_counter(tmp_path: Path) -> None:
    path = written(tmp_path, "No,date,wind,load,place\n1,2020-01-01 00:00,NA,1.5,x\n2,2020-01-01 01:00,3,,y\n")
    table = tables.read(path)
    assert table.names == ("wind", "load")
    np.testing.assert_array_equal(table.values, [[np.nan, 3.0], [1.5, np.nan]])
    assert table.seconds == 3600


def test_dates_in_any_order_and_with_rows_missing(tmp_path: Path) -> None:
    begin = datetime(2021, 3, 1)
    hours = [5, 0, 1, 4, 2, 7, 8]  # 3 and 6 are missing
    rows = "".join(f"{begin + timedelta(hours=hour)},{hour}\n" for hour in hours)
    table = tables.read(written(tmp_path, f"ds,y\n{rows}"))
    wanted = np.arange(9.0)
    wanted[[3, 6]] = np.nan
    np.testing.assert_array_equal(table.values[0], wanted)
    assert table.told == ("2 of 9 times have no row: gaps",)
    assert [hours[row] if row >= 0 else None for row in table.row[0]] == [0, 1, 2, None, 4, 5, None, 7, 8]


def test_dates_beside_the_grid_are_put_on_it(tmp_path: Path) -> None:
    table = tables.read(written(tmp_path, "time,y\n0,1\n60,2\n121,3\n180,4\n240,5\n"))
    assert table.values.tolist() == [[1, 2, 3, 4, 5]]
    assert "1 dates moved" in table.told[0]


def test_dates_in_parts(tmp_path: Path) -> None:
    text = "year,month,day,hour,y\n2010,1,1,22,1\n2010,1,1,23,2\n2010,1,2,0,3\n"
    table = tables.read(written(tmp_path, text))
    assert table.names == ("y",)
    assert (table.seconds, table.values.tolist()) == (3600.0, [[1, 2, 3]])


def test_a_long_table(tmp_path: Path) -> None:
    text = (
        "date,store,item,sold\n2017-01-01,1,a,5\n2017-01-01,2,a,7\n"
        "2017-01-02,1,a,\n2017-01-03,1,a,6\n2017-01-02,2,a,8\n"
    )
    settings = TableSettings(keys=("store", "item"), value="sold")
    table = tables.read(written(tmp_path, text), settings)
    assert table.names == ("1/a", "2/a")
    np.testing.assert_array_equal(table.values, [[5, np.nan, 6], [7, 8, np.nan]])
    lines = "".join(tables_out.filled_lines(table, np.full((2, 3), 5.5)))
    assert lines == text.replace("2017-01-02,1,a,\n", "2017-01-02,1,a,5.5\n")


cells = st.one_of(
    st.sampled_from(["", "NA", "nan", " 7 ", "1e3", "-0.50"]), st.floats(-1e6, 1e6, allow_nan=False).map(repr)
)


@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=12),
    quote=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@trials(deadline=None, max_examples=60)
def test_filling_changes_gaps_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], quote: bool, end: str
) -> None:
    mark = '"' if quote else ""
    rows = [*rows, ("1", "2")]  # something is given in each
    text = f"a,note,b{end}" + "".join(f"{one},{mark}x, y{mark},{two}{end}" for one, two in rows)
    if not quote:
        text = text.replace("x, y", "x")
    table = tables.read(written(tmp_path_factory.mktemp("t"), text), TableSettings(columns=("a", "b")))
    lines = "".join(tables_out.filled_lines(table, np.full(table.values.shape, 42.0)))
    before, after = (list(csv.reader(io.StringIO(one, newline=""))) for one in (text, lines))
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        for column, (was, is_) in enumerate(zip(old, new, strict=True)):
            gap = row > 0 and column != 1 and was.strip().lower() in table_columns.NOTHING
            assert is_ == ("42" if gap else was)
    if not np.isnan(table.values).any():
        assert lines == text


@given(line=st.text(alphabet='ab ;"', max_size=20))
@trials(deadline=None, max_examples=60)
def test_spans_cover_a_line(line: str) -> None:
    places = table_text.spans(line, ";")
    assert ";".join(line[begin:end] for begin, end in places) == line


@given(text=st.text(alphabet='ab,"\n', max_size=30))
@trials(deadline=None, max_examples=300)
def test_records_and_cells_are_those_of_the_csv_reader(text: str) -> None:
    try:
        wanted = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return
    found = []
    for record in table_text.records(io.StringIO(text, newline=""), ","):
        body = record.rstrip("\n")
        cells = [body[begin:end] for begin, end in table_text.spans(body, ",")]
        found.append([cell[1:-1].replace('""', '"') if cell.startswith('"') else cell for cell in cells])
    assert [row for row in found if row != [""]] == [row for row in wanted if row != [""]]


def test_a_quote_inside_a_cell_moves_nothing(tmp_path: Path) -> None:
    table = tables.read(written(tmp_path, 'note,a,b\n5" pipe,1,2\nx,,3\n"y\n5"" z",4,\n'))
    lines = "".join(tables_out.filled_lines(table, np.full((2, 3), 42.0)))
    assert lines == 'note,a,b\n5" pipe,1,2\nx,42,3\n"y\n5"" z",4,42\n'


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("a,b\n1,2\n3,-2e200\n", {}, r"series 'b' holds 2e\+200, and numbers beyond 1e\+100"),
        ("date,a\n2020-01-01,1\n", {"before": "2019-01-01"}, "has no rows before 2019-01-01"),
        ("date,a\n0,1\n1,1\n2,1\n1e300,1\n", {}, "4 dates on a grid of 1 s would leave"),
    ],
)
def test_what_no_machine_can_hold_is_told(tmp_path: Path, text: str, settings: dict[str, Any], words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=words):
        tables.read(path, TableSettings(**settings))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows"),
        ("a,b\nx,y\n", "no column of numbers"),
        ("a,a\n1,2\n", "two columns named 'a'"),
        ("a,b\n1,2\n3\n", "row 3 has 1 cells, the first has 2"),
        ("date,y\n2020-01-01,1\n2020-01-01,2\n2020-01-02,3\n", "rows 2 and 3 have the same date, 2020-01-01"),
        ("date,y\nyesterday,1\n", "'yesterday' in date is no date"),
        ("date,y,z\n2020-01-01,1,\n2020-01-02,2,NA\n", "series 'z' is all gaps"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        tables.read(written(tmp_path, text))


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    path = written(tmp_path, "date,load\n2020-01-01,1\n")
    with pytest.raises(SettingsError, match="'laod': did you mean 'load'"):
        tables.read(path, TableSettings(columns=("laod",)))
    with pytest.raises(DataError, match="No such file"):
        tables.read(tmp_path / "none.csv")


def test_real_tables(shared: Path) -> None:
    table = tables.read(shared / "tables" / "ETTh1.csv")
    assert (len(table.names), table.values.shape[1], table.seconds) == (7, 17_420, 3600.0)
    assert not np.isnan(table.values).any()
    pollution = tables.read(shared / "tables" / "pollution.csv")
    assert pollution.names[0] == "pm2.5"
    assert np.isnan(pollution.values[0]).sum() == 2067
    assert not np.isnan(pollution.values[1:]).any()


# ── how files are written, and dates kept ─────────────────────────────────────────────────────────────────────────


def test_semicolons_decimal_commas_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeffzeit;last;wind\r\n1;1,5;\r\n2;;2,25\r\n3;4;3,0\r\n"
    path = written(tmp_path, text)
    table = tables.read(path, TableSettings(date="zeit"))
    np.testing.assert_array_equal(table.values, [[1.5, np.nan, 4], [np.nan, 2.25, 3]])
    lines = "".join(tables_out.filled_lines(table, np.full((2, 3), 7.5)))
    assert lines == text.replace("1,5;\r", "1,5;7,5\r").replace("2;;", "2;7,5;")


def test_a_cell_with_a_line_break_is_one_cell(tmp_path: Path) -> None:
    text = 'a,"no\nte",b\n1,"x\ny, z",\n\n,"""q""",2\n'
    table = tables.read(written(tmp_path, text), TableSettings(columns=("a", "b")))
    lines = "".join(tables_out.filled_lines(table, np.full((2, 2), 9.0)))
    assert lines == 'a,"no\nte",b\n1,"x\ny, z",9\n\n9,"""q""",2\n'


def test_what_means_nothing(tmp_path: Path) -> None:
    text = "a,b\n-999,1\n-999.0,x\n3,inf\nNULL,4\n"
    table = tables.read(written(tmp_path, text), TableSettings(sentinels=("-999", "X")))
    np.testing.assert_array_equal(table.values, [[np.nan, np.nan, 3, np.nan], [1, np.nan, np.nan, 4]])
    assert "1 infinite values count as gaps" in table.told


def test_columns_of_text_are_left_out_and_told(tmp_path: Path) -> None:
    table = tables.read(written(tmp_path, "a,b,c\n1,x,2\n2,y,1_000\n"))
    assert table.names == ("a",)
    assert any("'b' is left out: it holds 'x'" in line for line in table.told)
    assert any("'c' is left out: it holds '1_000'" in line for line in table.told)


@pytest.mark.parametrize(
    ("dates", "count", "gaps"),
    [
        (["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01", "2025-12-01"], 72, 67),
        (["2019-01-01", "2020-01-01", "2021-01-01", "2023-01-01"], 5, 1),
        (["2020-01-01T00:00+01:00", "2020-01-01T00:00+00:00", "2020-01-01 01:00", "2020/01/01 02:00"], 4, 0),
        (["0", "59.2", "121", "180", "239.5", "300.4"], 6, 0),
    ],
)
def test_months_years_zones_and_times_that_waver(tmp_path: Path, dates: list[str], count: int, gaps: int) -> None:
    text = "date,y\n" + "".join(f"{date},{place}\n" for place, date in enumerate(dates))
    table = tables.read(written(tmp_path, text))
    assert table.values.shape[1] == count
    assert np.isnan(table.values).sum() == gaps
    assert table.values[0][~np.isnan(table.values[0])].tolist() == list(range(len(dates)))


def test_a_step_that_is_given(tmp_path: Path) -> None:
    path = written(tmp_path, "date,y\n2020-01-01 00:00,1\n2020-01-01 03:00,2\n")
    assert tables.read(path, TableSettings(every=3600)).values.shape == (1, 4)


def test_rows_before_a_date_alone(tmp_path: Path) -> None:
    text = "date,y\n2020-01-03,3\n2020-01-01,1\n2020-01-02,\n2020-01-05,9\n"
    table = tables.read(written(tmp_path, text), TableSettings(before="2020-01-04"))
    np.testing.assert_array_equal(table.values, [[1, np.nan, 3]])
    lines = "".join(tables_out.filled_lines(table, np.full((1, 3), 2.0)))
    assert lines == text.replace("-02,\n", "-02,2\n")


@pytest.mark.parametrize("combine", ["mean", "sum"])
def test_rows_combined_as_pandas_does(tmp_path: Path, combine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr(tables, "PENDING", 50)
    monkeypatch.setattr(table_columns, "ROWS", 37)
    dice = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "day": dice.integers(0, 20, 400),
            "shop": dice.integers(0, 3, 400),
            "item": dice.choice(["x", "y"], 400),
            "sold": np.where(dice.random(400) < 0.1, np.nan, dice.random(400)),
        }
    )
    path = tmp_path / "long.csv"
    frame.to_csv(path, index=False)
    wanted = getattr(frame.dropna().groupby(["shop", "item", "day"]).sold, combine)().unstack("day")
    told = TableSettings(date="day", keys=("shop", "item"), value="sold", combine=combine)
    table = tables.read(path, told)
    for name, row in zip(table.names, table.values, strict=True):
        shop, item = name.split("/")
        np.testing.assert_allclose(row, wanted.loc[(int(shop), item)].reindex(range(20)).to_numpy())


@given(
    cells=st.lists(st.one_of(st.none(), st.floats(allow_infinity=False, width=32)), min_size=2, max_size=20),
    kind=st.sampled_from(["float64", "float32", "Int64"]),
)
@trials(deadline=None, max_examples=25)
def test_parquet_keeps_every_given_bit(
    tmp_path_factory: pytest.TempPathFactory, cells: list[float | None], kind: str
) -> None:
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    path = tmp_path_factory.mktemp("p") / "t.parquet"
    given_ = [
        None if cell is None or np.isnan(cell) else (int(cell) % 1000 if kind == "Int64" else cell) for cell in cells
    ]
    frame = pandas.DataFrame(
        {
            "date": pandas.date_range("2024-01-01", periods=len(cells) + 1, freq="h"),
            "y": pandas.array([*given_, 5], dtype=kind),
            "note": ["x"] * (len(cells) + 1),
        }
    )
    frame.to_parquet(path)
    table = tables.read(path)
    assert (table.names, table.seconds) == (("y",), 3600.0)
    before = parquet.read_table(path)
    tables_out.write(table, np.full(table.values.shape, 42.4), path.with_name("f.parquet"))
    after = parquet.read_table(path.with_name("f.parquet"))
    assert after.schema.equals(before.schema)
    assert after.column("date").equals(before.column("date"))
    filled = 42 if kind == "Int64" else float(np.float32(42.4)) if kind == "float32" else 42.4
    for was, is_ in zip(before.column("y").to_pylist(), after.column("y").to_pylist(), strict=True):
        assert is_ == (filled if was is None or was != was else was)
    assert isinstance(pyarrow.__version__, str)


@pytest.mark.parametrize("kind", ["float", "uint8", "decimal128(9, 2)", "string", "string_view", "dictionary"])
def test_parquet_columns_of_any_kind_keep_it(tmp_path: Path, kind: str) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = arrow.array(["1", None, "3", "4"])
    types = {"decimal128(9, 2)": arrow.decimal128(9, 2), "dictionary": arrow.dictionary(arrow.int32(), arrow.string())}
    column = values.cast(types.get(kind) or arrow.type_for_alias(kind))
    moved = arrow.array([datetime(2020, 1, day) for day in (3, 1, 2, 4)])  # a date that is not the rows' own
    path, filled = tmp_path / "t.parquet", tmp_path / "f.parquet"
    dates = arrow.array([datetime(2020, 1, day) for day in (1, 2, 3, 4)])
    parquet.write_table(arrow.table({"date": dates, "a": column, "moved": moved}), path)
    table = tables.read(path)
    assert table.names == ("a",)
    assert "column 'moved' is left out" in table.told[0]
    tables_out.write(table, np.full((1, 4), 2.0), filled)
    after = parquet.read_table(filled)
    assert after.schema == parquet.read_table(path).schema
    assert [float(cell) for cell in after.column("a").to_pylist()] == [1, 2, 3, 4]
    assert after.column("moved").to_pylist() == moved.to_pylist()


def test_parquet_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "PAR1", "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'wavewright\[tables\]'"):
        tables.read(path)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"is no \.parquet file"):
        tables.read(written(tmp_path, "date,y\n", "t.parquet"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1,2,3\n4,5,6\n", "holds values and no names"),
        (b"2020-01-01,2\n2020-01-02,3\n", "holds values and no names"),
        ("a,b\n1,2\n3,ü\n".encode("latin-1"), "not UTF-8 text throughout \\(bytes fc"),
        (b"a,b\x00\n1,2\n", "it holds zero bytes"),
        (b"a;b\n1,5;2.5\n", "decimal comma and numbers with a decimal point"),
        (b'a,b\n1,"2\n', "mend its quotes"),
        (b"date,y\n2020-01-01,1\n,2\n", "row 3: '' in date is no date"),
        (b"date,y\n01/02/2020,1\n", "'01/02/2020' in date is no date"),
        (b"date,y\n0,1\n1,1\n2,1\n1e12,2\n", "would leave .* gaps between"),
        (b"date,y\n0,1\n60,2\n119.9,3\n120,4\n180,5\n240,6\n", "have the same date, .* on a grid of 60 s"),
        (b"date,item,y\n0,a,1\n0,a,2\n1,a,3\n", "the same date"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        tables.read(path)


def test_long_tables_whose_keys_repeat(tmp_path: Path) -> None:
    path = written(tmp_path, "date,item,y\n2020-01-01,a,1\n2020-01-01,b,2\n2020-01-02,a,3\n2020-01-02,a,4\n")
    with pytest.raises(DataError, match=r"rows 4 and 5 have the same date and the same keys, .*--combine mean"):
        tables.read(path, TableSettings(keys=("item",), value="y"))
    with pytest.raises(SettingsError, match="name its column of values by --value"):
        tables.read(path, TableSettings(keys=("item",)))
    with pytest.raises(DataError, match="no series has 9 values, the most is 2"):
        tables.read(path, TableSettings(keys=("item",), value="y", combine="mean", least_given=9))


def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST", 100)
    path = written(tmp_path, "a,b\n" + "1,2\n" * 60)
    with pytest.raises(DataError, match="2 series of 60 times are 120 values, at most 100"):
        tables.read(path)
    wide = written(tmp_path, "date,y\n" + "".join(f"{place * 40},1\n" for place in range(5)) + "161,1\n", "w.csv")
    with pytest.raises(DataError, match="1 series of 162 times are 162 values"):
        tables.read(wide, TableSettings(every=1))
