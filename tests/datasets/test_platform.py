"""The platform's own datasets. Truth: numbers copied by eye from the packages' files."""

from __future__ import annotations

import asyncio
import csv
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from alphintra_lab import db, events
from alphintra_lab.datasets import service
from alphintra_lab.datasets.ingest import prepare_bars
from alphintra_lab.datasets.platform import PLATFORM, ensure_platform_datasets
from alphintra_lab.datasets.schema import DatasetDetail
from alphintra_lab.datasets.sources import find_file, read_platform


async def get_all(database: db.Database) -> dict[str, DatasetDetail]:
    async with database.session(write=False) as session:
        return {name: await service.get_dataset(session, name) for name in PLATFORM}


def read(folder: Path, name: str, symbol: str) -> pd.DataFrame:
    """A symbol's bars as the ingest's process puts them into the store."""
    ((raw, instruments),) = read_platform([name])
    prepared = prepare_bars(folder / "store", raw, instruments)
    frame = pq.read_table(folder / "store" / prepared.files[symbol]).to_pandas()
    return frame.set_index("time")


def bar(frame: pd.DataFrame, time: str) -> list[float]:
    """One bar: open, high, low, close, volume."""
    values: list[float] = frame.loc[[pd.Timestamp(time, tz="UTC")]].to_numpy()[0].tolist()
    return values


async def test_what_is_there_after_the_first_start(database: db.Database, tmp_path: Path) -> None:
    await ensure_platform_datasets(database, tmp_path / "store")
    found = await get_all(database)
    rows = {name: one.dataset.rows for name, one in found.items()}
    assert rows == {
        "aapl-1d": 3270,
        "ibm-1d": 3270,
        "msft-1d": 3270,
        "goog-1d": 2148,
        "us-stocks-1d": 3 * 3270 + 2148,
        "eurusd-1h": 6225,
        "sp500-1d": 5031,
    }
    for name, one in found.items():
        assert one.report.findings == [], name
        assert one.dataset.score == 1.0
        assert one.dataset.origin == "platform"
        assert one.dataset.description and one.dataset.source
        assert one.dataset.columns == ["open", "high", "low", "close", "volume"]
        daily = name != "eurusd-1h"
        assert (one.dataset.frequency, one.dataset.periods_per_year) == (
            ("1d", 252) if daily else ("1h", 6240)
        )
        assert one.dataset.calendar == ("XNYS" if daily else "FX")
    assert found["us-stocks-1d"].dataset.symbols == ["AAPL", "GOOG", "IBM", "MSFT"]
    (euro,) = found["eurusd-1h"].instruments
    assert (euro.symbol, euro.tick, euro.currency, euro.adjusted) == (
        "EURUSD",
        0.00001,
        "USD",
        False,
    )
    assert all(one.adjusted for one in found["us-stocks-1d"].instruments)


def test_stocks_are_scaled_by_adjusted_close_over_close(tmp_path: Path) -> None:
    apple = read(tmp_path, "aapl-1d", "AAPL")
    # AAPL,2000-03-01,118.56,132.06,118.5,130.31,9616100,4.186662803811
    open_, high, low, close, volume = bar(apple, "2000-03-01")
    assert close == pytest.approx(4.186662803811, rel=1e-12)
    for adjusted, raw in ((open_, 118.56), (high, 132.06), (low, 118.5)):
        assert adjusted == pytest.approx(raw * 4.186662803811 / 130.31, rel=1e-12)
    assert volume * close == pytest.approx(9616100 * 130.31, rel=1e-12)
    with gzip.open(find_file("bokeh_sampledata", "_data/stocks.csv.gz"), "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["Ticker"] == "AAPL"]
    closes = [float(row["Adj Close"]) for row in rows]
    np.testing.assert_allclose(apple["close"], closes, rtol=1e-14)
    assert [str(day)[:10] for day in apple.index] == [row["Date"] for row in rows]
    together = read(tmp_path, "us-stocks-1d", "AAPL")
    pd.testing.assert_frame_equal(together, apple)


def test_eurusd_is_the_file_as_it_is_in_utc(tmp_path: Path) -> None:
    euro = read(tmp_path, "eurusd-1h", "EURUSD")
    # The first and the last line of FOREX_EURUSD_1H_ASK.csv.
    first = [1.05236, 1.05253, 1.05221, 1.05227, 143539993.3]
    assert bar(euro, "2017-01-01 22:00") == first
    assert bar(euro, "2017-12-29 21:00") == [1.19984, 1.2013, 1.19931, 1.20075, 4885529785]


def test_sp500_days_are_read_month_first(tmp_path: Path) -> None:
    index = read(tmp_path, "sp500-1d", "SP500")
    # 1/4/1999,1229.22998,1248.810059,1219.099976,1228.099976,1228.099976,877000000
    expected = [1229.22998, 1248.810059, 1219.099976, 1228.099976, 877000000]
    assert bar(index, "1999-01-04") == expected
    assert str(index.index[-1]) == "2018-12-31 00:00:00+00:00"


async def test_several_starters_at_once_add_each_dataset_once(
    database: db.Database, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    await asyncio.gather(*(ensure_platform_datasets(database, store) for _ in range(3)))
    async with database.session(write=False) as session:
        page = await service.list_datasets(session, 100, None)
        added = (await session.scalars(select(events.EventRow))).all()
    assert sorted(one.name for one in page.items) == sorted(PLATFORM)
    assert {one.version for one in page.items} == {1}
    assert [event.status for event in added] == ["added"] * 7


async def test_files_that_are_gone_are_made_again_without_a_new_version(
    sqlite_url: str, tmp_path: Path
) -> None:
    store, database = tmp_path / "store", db.connect(sqlite_url)
    await ensure_platform_datasets(database, store)
    before, files = await get_all(database), set(store.glob("*.parquet"))
    for path in files:
        path.unlink()
    await ensure_platform_datasets(database, store)
    assert await get_all(database) == before
    assert files <= set(store.glob("*.parquet"))
    await database.close()


def test_the_server_imports_none_of_what_reads_data() -> None:
    code = (
        "import sys; from alphintra_lab.datasets import platform, service; from alphintra_lab.api "
        "import datasets; heavy = {'pandas', 'pyarrow', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
