"""The store: what names a file, and what is left when writing fails."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alphintra_lab.datasets import store
from tests.faults.harness import small_disk

TIME = np.array([1_500_000_000, 1_500_003_600]) * 10**9


def make_table(close: list[float], time: np.ndarray = TIME) -> pa.Table:
    values = {name: np.array(close) for name in store.BAR_COLUMNS}
    return store.make_table(time, values)


def test_the_hash_is_that_of_schema_and_values_written_out_by_hand() -> None:
    table = make_table([1.5, 2.5])
    schema = [["time", "timestamp[ns, tz=UTC]"]]
    schema += [[name, "double"] for name in ("open", "high", "low", "close", "volume")]
    digest = hashlib.sha256(b"alphintra-bars/1\n")
    digest.update(json.dumps([schema, 2]).encode() + b"\n")
    digest.update(b"".join(int(t).to_bytes(8, "little") for t in TIME))
    digest.update(np.array([1.5, 2.5]).tobytes() * 5)
    assert store.hash_bars(table) == digest.hexdigest()


def test_the_hash_stays_the_same_for_ever() -> None:
    """Written down on 24 November 2026: a change would orphan every dataset there is."""
    expected = "b514fe9f08f7323e271b353d042d4599e0fffd560fc93a135905c18bd318f61a"
    assert store.hash_bars(make_table([1.5, float("nan")])) == expected
    assert (
        store.hash_version({"A": f"{expected}.parquet"}, ["open"])
        == "84f0056f6f4849a586e09aa3a8472ad6c190a830e63fa5656966e1798f2dded2"
    )


def test_the_hash_does_not_depend_on_how_parquet_stores_it(tmp_path: Path) -> None:
    table = make_table([1.5, 2.5])
    ways: list[dict[str, Any]] = [
        {"compression": "snappy"},
        {"row_group_size": 1},
        {"version": "1.0"},
    ]
    for number, options in enumerate(ways):
        pq.write_table(table, tmp_path / f"{number}.parquet", **options)
        read = pq.read_table(tmp_path / f"{number}.parquet")
        read = read.set_column(0, "time", read["time"].cast(pa.timestamp("ns", "UTC")))
        assert store.hash_bars(read) == store.hash_bars(table)


def test_equal_numbers_hash_alike_and_others_do_not() -> None:
    other_nan = np.frombuffer(np.array([0x7FF8000000000001], "<u8").tobytes())[0]
    assert store.hash_bars(make_table([1.5, other_nan])) == store.hash_bars(
        make_table([1.5, float("nan")])
    )
    assert store.hash_bars(make_table([0.0, 1])) == store.hash_bars(make_table([-0.0, 1]))
    one = store.hash_bars(make_table([1.5, 2.5]))
    assert one != store.hash_bars(make_table([1.5, np.nextafter(2.5, 3)]))
    assert one != store.hash_bars(make_table([1.5, 2.5], TIME + 1))
    assert one != store.hash_bars(make_table([1.5, 2.5]).rename_columns(["time", *"ohlcv"]))


def test_a_file_is_written_once_and_touched_again(tmp_path: Path) -> None:
    name, size = store.write_bars(tmp_path, make_table([1.5, 2.5]))
    path = tmp_path / name
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert size == path.stat().st_size
    os.utime(path, (1, 1))
    inode = path.stat().st_ino
    assert store.write_bars(tmp_path, make_table([1.5, 2.5])) == (name, size)
    assert path.stat().st_ino == inode
    assert path.stat().st_mtime > 1


def test_a_damaged_file_is_mended_by_adding_its_content_again(tmp_path: Path) -> None:
    name, _ = store.write_bars(tmp_path, make_table([1.5, 2.5]))
    whole = (tmp_path / name).read_bytes()
    other, _ = store.write_bars(tmp_path, make_table([3.5, 4.5]))
    for damaged in (b"", whole[:-5], (tmp_path / other).read_bytes()):
        (tmp_path / name).write_bytes(damaged)
        store.write_bars(tmp_path, make_table([1.5, 2.5]))
        assert (tmp_path / name).read_bytes() == whole


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), store.write_whole(tmp_path / "x.csv", 10) as file:
        file.write(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_says_how_much_is_needed_and_leaves_nothing() -> None:
    rng = np.random.default_rng(1)
    table = make_table(rng.normal(size=200_000).tolist(), np.arange(200_000) * 10**9)
    with small_disk("1m") as disk:
        with pytest.raises(store.DiskFull, match=r"9\.6 MB are needed.*ALPHINTRA_HOME") as full:
            store.write_bars(disk / "store", table)
        assert full.value.code == "disk_full"
        assert full.value.status == 503
        assert list((disk / "store").iterdir()) == []


def test_a_missing_or_damaged_file_is_named_by_its_symbol(tmp_path: Path) -> None:
    with pytest.raises(store.DamagedStore, match=r"bars of AAPL .* is gone"):
        store.open_bars(tmp_path / "none.parquet", "AAPL")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(store.DamagedStore, match=r"bars of AAPL .* is damaged"):
        store.open_bars(tmp_path / "bad.parquet", "AAPL")
