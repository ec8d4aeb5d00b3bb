"""Tables: dates onto a grid, gaps told, and every other character of the file kept."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

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
