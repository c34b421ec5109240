"""Files of many kinds in, columns out; what cannot be read is answered with a name and a row."""

from __future__ import annotations

import datetime as dt
import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alphintra_lab.datasets.reading import read_file
from alphintra_lab.errors import Invalid
from tests.datasets.files import HEADER, hours, make_csv, prepare, read_column, rows_of

PLAIN = make_csv(["2024-01-01", "2024-01-02", "2024-01-03"])


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(HEADER, "Date,O,H,L,C,Vol\n"),
        PLAIN.replace(HEADER, "Open Time,OPEN,High,low,Price,Volume\n"),
        PLAIN.replace(HEADER, '"timestamp","open","high","low","adj close","volume"\n'),
        gzip.compress(PLAIN.encode()),
        pa.compress(PLAIN.encode(), codec="zstd", asbytes=True),
    ],
)
def test_the_same_bars_come_out_of_each_form(tmp_path: Path, content: str | bytes) -> None:
    prepared = prepare(tmp_path, content)
    assert prepared.symbols == ["ABC"]
    assert read_column(tmp_path, prepared, "open") == [10, 11, 12]
    assert read_column(tmp_path, prepared, "high") == [12, 13, 14]
    assert read_column(tmp_path, prepared, "low") == [9, 10, 11]
    assert read_column(tmp_path, prepared, "close") == [11, 12, 13]
    assert read_column(tmp_path, prepared, "volume") == [100, 101, 102]
    assert prepared.sha256 == prepare(tmp_path, PLAIN).sha256


def test_decimal_commas_beside_dates_with_dots(tmp_path: Path) -> None:
    text = "Time;Open;High;Low;Close\n02.01.2017 22:00;1,5;2,25;0,5;1,75\n"
    prepared = prepare(tmp_path, text)
    assert [read_column(tmp_path, prepared, n) for n in ("open", "high")] == [[1.5], [2.25]]


def test_a_date_and_a_time_column_become_one_time(tmp_path: Path) -> None:
    text = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<SPREAD>\n"
    text += "2017.01.02\t22:30:00\t1\t2\t0.5\t1.5\t10\t3\n"
    prepared = prepare(tmp_path, text)
    assert prepared.start.isoformat() == "2017-01-02T22:30:00+00:00"
    assert prepared.columns == ["open", "high", "low", "close", "volume", "spread"]
    assert read_column(tmp_path, prepared, "spread") == [3]


def test_further_numbers_stay_and_words_are_left_out_with_a_note(tmp_path: Path) -> None:
    text = "time,open,high,low,close,volume,Trade Count,remark\n2024-01-01,1,2,0.5,1,10,7,fine\n"
    prepared = prepare(tmp_path, text)
    assert prepared.columns[-1] == "trade_count"
    assert read_column(tmp_path, prepared, "trade_count") == [7]
    assert any("remark" in note for note in prepared.notes)


def test_symbols_of_a_long_file_are_told_apart(tmp_path: Path) -> None:
    text = "time,ticker,open,high,low,close,volume\n"
    text += "2024-01-02,B,5,6,4,5,1\n2024-01-01,A,1,2,0.5,1,1\n2024-01-03,B,6,7,5,6,2\n"
    prepared = prepare(tmp_path, text)
    assert prepared.symbols == ["A", "B"]
    assert read_column(tmp_path, prepared, "close", "A") == [1]
    assert read_column(tmp_path, prepared, "close", "B") == [5, 6]
    with pytest.raises(Invalid, match="names its symbols itself"):
        prepare(tmp_path, text, symbol="C")


def test_the_symbol_is_named_or_the_files_stem(tmp_path: Path) -> None:
    assert prepare(tmp_path, PLAIN, "btcusd.csv.gz").symbols == ["BTCUSD"]
    assert prepare(tmp_path, PLAIN, "btcusd.csv", symbol="BTC/USD").symbols == ["BTC/USD"]
    with pytest.raises(Invalid, match="symbol") as refused:
        prepare(tmp_path, PLAIN, "my file.csv")
    assert refused.value.field == "symbol"


def test_a_file_with_closes_only_says_what_was_assumed(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, "date,price\n2024-01-01,5\n2024-01-02,6\n")
    assert read_column(tmp_path, prepared, "open") == [5, 6]
    assert np.isnan(read_column(tmp_path, prepared, "volume")).all()
    assert any("only a close" in note for note in prepared.notes)
    assert any("no volume" in note for note in prepared.notes)
    assert prepared.report.findings == []


def test_an_adjusted_close_alone_marks_the_prices_as_adjusted(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, "date,Adj Close\n2024-01-01,5\n")
    assert prepared.instruments[0].adjusted is True
    both = prepare(tmp_path, "date,close,Adj Close\n2024-01-01,5,4\n")
    assert both.instruments[0].adjusted is False
    assert read_column(tmp_path, both, "close") == [5]
    assert read_column(tmp_path, both, "adj_close") == [4]


def write_parquet(folder: Path, table: pa.Table) -> bytes:
    path = folder / "made.parquet"
    pq.write_table(table, path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["ns", "us", "s", "date", "integer", "text"])
def test_parquet_times_of_each_type(tmp_path: Path, kind: str) -> None:
    days = [dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in (1, 2, 3)]
    kinds: dict[str, pa.Array[Any]] = {
        "ns": pa.array(days, pa.timestamp("ns", "UTC")),
        "us": pa.array(days, pa.timestamp("us")),
        "s": pa.array(days, pa.timestamp("s", "Europe/Berlin")),
        "date": pa.array([day.date() for day in days], pa.date32()),
        "integer": pa.array([int(day.timestamp()) for day in days]),
        "text": pa.array(["2024-01-01", "2024-01-02", "2024-01-03"]),
    }
    time = kinds[kind]
    prices = {n: pa.array([10.0, 11.0, 12.0]) for n in ("open", "high", "low", "close")}
    prepared = prepare(tmp_path, write_parquet(tmp_path, pa.table({"time": time, **prices})))
    assert read_column(tmp_path, prepared, "time") == [day.timestamp() for day in days]


def test_parquet_of_a_pandas_frame_with_its_index_as_time(tmp_path: Path) -> None:
    index = pd.date_range("2024-01-01", periods=2, tz="UTC")
    frame = pd.DataFrame({"open": [1, 2], "high": [2, 3], "low": [1, 1], "close": [1, 2]}, index)
    frame.to_parquet(tmp_path / "frame.parquet")
    prepared = prepare(tmp_path, (tmp_path / "frame.parquet").read_bytes())
    assert (prepared.rows, prepared.start.isoformat()) == (2, "2024-01-01T00:00:00+00:00")


def test_parquet_decimals_and_integers_become_floats(tmp_path: Path) -> None:
    prices = {n: pa.array([Decimal("10.25")]) for n in ("open", "high", "low", "close")}
    table = pa.table({"time": ["2024-01-01"], **prices, "volume": pa.array([7], pa.int32())})
    prepared = prepare(tmp_path, write_parquet(tmp_path, table))
    assert read_column(tmp_path, prepared, "close") == [10.25]
    assert read_column(tmp_path, prepared, "volume") == [7]


def test_a_value_that_is_no_number_is_found_with_its_row(tmp_path: Path) -> None:
    lines = make_csv(hours(6)).splitlines()
    lines[1 + 4] = "2024-01-01T04:00:00,14,oops,13,15,104"
    lines[1 + 2] = "2024-01-01T02:00:00,,14,11,13,102"
    prepared = prepare(tmp_path, "\n".join(lines))
    assert rows_of(prepared) == {"mistyped_value": [4], "non_finite": [2]}
    assert np.isnan(read_column(tmp_path, prepared, "high")[4])


def test_times_with_and_without_a_zone_in_one_file_are_found(tmp_path: Path) -> None:
    days = [f"2024-01-{day:02}T00:00:00+01:00" for day in range(1, 29)]
    days[20:27] = [f"2024-01-{day:02} 00:00:00" for day in range(21, 28)]
    prepared = prepare(tmp_path, make_csv(days))
    [found] = [one for one in prepared.report.findings if one.check == "mixed_zone"]
    assert (found.severity, found.count, found.rows) == ("warning", 7, list(range(20, 27)))
    assert "7 of 28 times had no zone and were read as UTC" in prepared.notes


def test_rows_without_a_time_are_left_out_and_found(tmp_path: Path) -> None:
    lines = make_csv(hours(5)).splitlines()
    lines[1 + 3] = ",13,15,12,14,103"
    prepared = prepare(tmp_path, "\n".join(lines))
    assert prepared.rows == 4
    assert rows_of(prepared)["missing_time"] == [3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "abc.csv is empty"),
        ("\n\n", "no header"),
        (HEADER, "no rows"),
        (HEADER.strip(), "no rows"),
        ("x" * 200_000 + "\n1\n", "header of abc.csv is longer than 131,072 characters"),
        ("x," * 200_000, "header of abc.csv is longer than 131,072 characters"),
        ("2024-01-01,1,2,0.5,1.5\n", "no time column; columns found: 2024-01-01, 1"),
        ("a,b\n1,2\n", "no time column; columns found: a, b"),
        ("time,b\n1,2\n", "no close column; columns found: time, b"),
        ("time,open,close\n1,2,3\n", "no high column"),
        ("time,close,close\n1,2,3\n", "'close' is there twice"),
        (HEADER + "2024-01-01,1,2\n", "row 0 has 3 fields where the header has 6"),
        (HEADER + "2024-01-01,$1,$2,$1,$1,5\n", r"open at row 0 is '\$1', not a number"),
        (b"PK\x03\x04rest", "ZIP archive"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not a CSV"),
        (PLAIN.encode("utf-16"), "not a CSV in UTF-8"),
        (HEADER.encode() + b"2024-01-01,1,2,1,\xe9,5\n", "UTF8"),
        (b"PAR1 and nothing else", "damaged"),
        (gzip.compress(PLAIN.encode())[:-12], "damaged"),
        (b"\x1f\x8b but no gzip", "damaged"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        prepare(tmp_path, content)
    assert not list((tmp_path / "store").glob("*")) if (tmp_path / "store").exists() else True


def test_a_file_that_may_not_be_opened_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="folder cannot be read: Is a directory"):
        read_file(tmp_path, "folder")


def test_a_ragged_row_deep_in_a_large_file_is_named_by_its_number(tmp_path: Path) -> None:
    row = "1500000000,1.23456789,2.3456789,0.123456789,1.3456789,1000\n"
    count = 9 * 1024 * 1024 // len(row)
    path = tmp_path / "large.csv"
    path.write_text(HEADER + row * count + "1500000000,1\n" + row)
    with pytest.raises(Invalid, match=f"row {count} has 2 fields"):
        read_file(path, "large.csv")


def test_a_row_that_no_line_break_ends_is_named_by_its_number(tmp_path: Path) -> None:
    rows = PLAIN + "\n" + "2024-01-04,1,2,0.5,1.5,1" + "0" * 9 * 1024 * 1024 + "\n"
    with pytest.raises(Invalid, match=r"abc.csv cannot be read: row 3 is longer than 4\.2 MB"):
        prepare(tmp_path, rows)
    with pytest.raises(Invalid, match=r"row 3 is longer than 4\.2 MB"):
        prepare(tmp_path, gzip.compress(rows.encode()))


def test_a_bad_time_deep_in_a_large_file_is_named_by_its_number(tmp_path: Path) -> None:
    count = 200_000
    rows = "".join(f"{1_500_000_000 + 60 * n},1,2,0.5,1.5,10\n" for n in range(count))
    path = tmp_path / "large.csv"
    path.write_text(HEADER + rows + "never,1,2,0.5,1.5,10\n")
    with pytest.raises(Invalid, match=f"time at row {count} is 'never'"):
        read_file(path, "large.csv")
