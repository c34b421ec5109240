"""From file to store: what identifies a dataset, and how little its file's form matters."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphintra_lab.datasets.ingest import check_again
from alphintra_lab.datasets.prepared import Answer, CheckAgain, Prepared, ReadFile, prepare_file
from alphintra_lab.datasets.store import DamagedStore
from alphintra_lab.errors import Invalid
from tests.datasets.files import HEADER, hours, make_csv, prepare, read_column, rows_of

# The ingest with 40 MB more than it has when everything is imported.
SMALL = """
import resource, sys, msgspec
from alphintra_lab.datasets import ingest
line = next(line for line in open("/proc/self/status") if line.startswith("VmData"))
limit = int(line.split()[1]) * 1024 + 40_000_000
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
request = msgspec.json.decode(sys.stdin.buffer.read(), type=ingest.Request)
sys.stdout.buffer.write(msgspec.json.encode(ingest.answer(request)))
"""
LINES = [
    f"{time},{symbol},{price + n},{price + n + 1},{price + n - 1},{price + n + 0.5},{n}\n"
    for symbol, price in (("A", 10), ("B", 20))
    for n, time in enumerate(hours(8))
]


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(16)))
def test_any_order_of_rows_gives_the_same_version_and_the_same_bars(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    header = "time,symbol,open,high,low,close,volume\n"
    straight = prepare(folder, header + "".join(LINES))
    shuffled = prepare(folder, header + "".join(LINES[n] for n in order))
    assert shuffled.sha256 == straight.sha256
    assert shuffled.files == straight.files
    back = sum(
        1
        for symbol in (0, 1)
        for left, right in zip(
            [n for n in order if n // 8 == symbol],
            [n for n in order if n // 8 == symbol][1:],
            strict=False,
        )
        if right < left
    )
    unsorted = [f.count for f in shuffled.report.findings if f.check == "unsorted_time"]
    assert unsorted == ([back] if back else [])


def test_the_bars_in_the_store_are_those_of_the_file_sorted(tmp_path: Path) -> None:
    text = HEADER + "2024-01-03,3,4,2,3.5,30\n2024-01-01,1,2,0.5,1.5,10\n2024-01-02,2,3,1,2.5,20\n"
    prepared = prepare(tmp_path, text)
    assert read_column(tmp_path, prepared, "close") == [1.5, 2.5, 3.5]
    times = read_column(tmp_path, prepared, "time")
    assert times == [pd.Timestamp(f"2024-01-0{day}", tz="UTC").timestamp() for day in (1, 2, 3)]
    schema = pq.read_schema(tmp_path / "store" / prepared.files["ABC"])
    assert str(schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert {str(schema.field(n).type) for n in prepared.columns} == {"double"}


def test_of_repeats_the_last_row_is_kept(tmp_path: Path) -> None:
    text = (
        HEADER + "2024-01-01,1,2,0.5,1.5,10\n2024-01-01,1,2,0.5,1.6,10\n2024-01-02,1,2,0.5,1.7,1\n"
    )
    prepared = prepare(tmp_path, text)
    assert read_column(tmp_path, prepared, "close") == [1.6, 1.7]
    assert rows_of(prepared) == {"duplicated_time": [1]}


def test_one_other_value_gives_another_version(tmp_path: Path) -> None:
    text = make_csv(hours(5))
    one, other = prepare(tmp_path, text), prepare(tmp_path, text.replace(",104\n", ",105\n"))
    assert one.sha256 != other.sha256
    assert prepare(tmp_path, text, symbol="OTHER").sha256 != one.sha256


def test_what_is_known_of_the_bars_is_described(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, make_csv(hours(24 * 30)))
    assert (prepared.rows, prepared.frequency, prepared.calendar) == (720, "1h", "24/7")
    assert prepared.periods_per_year == 8760
    assert prepared.start.isoformat() == "2024-01-01T00:00:00+00:00"
    assert prepared.end.isoformat() == "2024-01-30T23:00:00+00:00"
    assert prepared.bytes == (tmp_path / "store" / prepared.files["ABC"]).stat().st_size


def check(folder: Path, prepared: Prepared) -> CheckAgain:
    return CheckAgain(
        str(folder / "store"),
        prepared.version_id,
        prepared.files,
        prepared.instruments,
        prepared.report,
    )


def test_checking_again_finds_the_same_in_the_files_own_rows(tmp_path: Path) -> None:
    lines = [line.replace("2024-01-01T03", "2024-01-01T02") for line in LINES[::-1]]
    lines[5] = lines[5].rsplit(",", 1)[0] + ",-1\n"
    lines[9] = lines[9].rsplit(",", 1)[0] + ",some\n"
    prepared = prepare(tmp_path, "time,symbol,open,high,low,close,volume\n" + "".join(lines))
    expected = {"duplicated_time", "unsorted_time", "mistyped_value", "negative_volume", "gap"}
    assert rows_of(prepared).keys() == expected
    assert rows_of(prepared)["negative_volume"] == [5]
    assert check_again(check(tmp_path, prepared)) == prepared.report


def test_checking_again_notices_a_file_that_was_changed(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, make_csv(hours(10)))
    path = tmp_path / "store" / prepared.files["ABC"]
    table = pq.read_table(path)
    changed = table.set_column(4, "close", [[11.5] * 10])
    pq.write_table(changed, path)
    with pytest.raises(DamagedStore, match="ABC in the store are not what was stored"):
        check_again(check(tmp_path, prepared))


async def test_a_file_without_a_name_is_read_by_the_ingests_own_process(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(make_csv(hours(10)))
    with path.open("rb") as file:
        path.unlink()
        prepared = await prepare_file(tmp_path / "store", file, filename="x.csv", symbol="X")
    assert prepared.rows == 10


async def test_an_error_crosses_the_process_with_all_it_says(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(Invalid, match="columns found: a, b") as refused:
        await prepare_file(tmp_path / "store", path, filename="x.csv")
    assert refused.value.field == "file"


async def test_a_cancelled_ingest_leaves_no_process(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(make_csv(hours(10)))
    task = asyncio.create_task(prepare_file(tmp_path / "store", path, filename="x.csv"))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    running = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    assert not [command for command in running if "datasets.ingest" in command]


def test_data_that_needs_too_much_memory_is_refused_not_killed(tmp_path: Path) -> None:
    rows = "".join(f"{1_500_000_000 + 60 * n},1,2,0.5,1.5,10\n" for n in range(600_000))
    (tmp_path / "x.csv").write_text(HEADER + rows)
    request = ReadFile(str(tmp_path / "store"), str(tmp_path / "x.csv"), "x.csv", "X", None)
    done = subprocess.run(
        [sys.executable, "-c", SMALL],
        input=msgspec.json.encode(request),
        capture_output=True,
        check=True,
        timeout=60,
    )
    answer = msgspec.json.decode(done.stdout, type=Answer)
    assert answer.failure is not None
    assert answer.failure.status == 413
    assert "memory" in answer.failure.message
    assert list((tmp_path / "store").glob("*.parquet")) == []


def test_a_symbol_none_of_whose_rows_has_a_time_is_no_symbol(tmp_path: Path) -> None:
    text = "time,symbol,close\n2024-01-01,A,1\n,B,2\n"
    prepared = prepare(tmp_path, text)
    assert prepared.symbols == ["A"]
    assert rows_of(prepared) == {"missing_time": [1]}
    with pytest.raises(Invalid, match="no rows with a time"):
        prepare(tmp_path, "time,close\n,1\n")
