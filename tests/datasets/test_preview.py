"""What the page shows of a dataset, worked out by hand or by pandas."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.datasets import store
from alphintra_lab.datasets.preview import make_preview, make_series, read_rows
from alphintra_lab.datasets.schema import Series

ALL = (None, None)
NAN = float("nan")


def write(folder: Path, **columns: list[float]) -> Path:
    """Hourly bars from 2024 on, with these columns."""
    count = len(columns["open"])
    time = pd.date_range("2024-01-01", periods=count, freq="h").as_unit("ns").asi8
    values = {name: np.array(column, dtype=float) for name, column in columns.items()}
    name, _ = store.write_bars(folder, store.make_table(time, values))
    return folder / name


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        open=[1, 2, 3, 4, 5],
        high=[10, 20, 5, 40, 50],
        low=[0.5, 0.4, 0.3, NAN, 0.1],
        close=[1.5, 2.5, 3.5, 4.5, NAN],
        volume=[1, 2, NAN, NAN, 5],
    )


def test_bars_are_merged_by_two_as_by_hand(small: Path) -> None:
    hour = 3_600_000
    start = 1_704_067_200_000  # 2024-01-01
    assert make_series(small, "X", ALL, 3) == Series(
        symbol="X",
        merged=2,
        time=[start, start + 2 * hour, start + 4 * hour],
        open=[1, 3, 5],
        high=[20, 40, 50],
        low=[0.4, 0.3, 0.1],
        close=[2.5, 4.5, None],
        volume=[3, None, 5],
    )


def test_few_bars_are_shown_as_they_are(small: Path) -> None:
    series = make_series(small, "X", ALL, 5)
    assert (series.merged, series.low) == (1, [0.5, 0.4, 0.3, None, 0.1])


def test_a_window_includes_its_start_and_excludes_its_end(small: Path) -> None:
    window = (
        dt.datetime(2024, 1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 1, 3, tzinfo=dt.UTC),
    )
    assert make_series(small, "X", window, 100).open == [2, 3]
    assert make_series(small, "X", (window[1], window[1]), 100).time == []


def test_merged_bars_equal_pandas_over_many_row_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    count = 150_000
    columns = {name: rng.normal(100, 10, count) for name in store.BAR_COLUMNS}
    for column in columns.values():
        column[rng.integers(0, count, 30_000)] = NAN
    path = write(tmp_path, **{name: column.tolist() for name, column in columns.items()})
    series = make_series(path, "X", ALL, 1000)
    assert series.merged == 150
    groups = pd.DataFrame(columns).groupby(np.arange(count) // 150)
    expected = groups.agg({"open": "first", "high": "max", "low": "min", "close": "last"})
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(series, name), expected[name])
    np.testing.assert_allclose(
        np.array(series.volume, float), groups["volume"].sum(min_count=1), rtol=1e-12
    )


def test_a_page_of_rows_and_statistics(small: Path) -> None:
    preview = make_preview(small, "X", 3, 10, ALL, 100)
    assert (preview.total_rows, preview.offset) == (5, 3)
    assert preview.columns == ["time", "open", "high", "low", "close", "volume"]
    assert preview.rows == [
        ["2024-01-01T03:00:00Z", 4, 40, None, 4.5, None],
        ["2024-01-01T04:00:00Z", 5, 50, 0.1, None, 5],
    ]
    by_name = {one.name: one for one in preview.statistics}
    low = by_name["low"]
    assert (low.empty, low.minimum, low.maximum) == (1, 0.1, 0.5)
    assert low.mean == pytest.approx((0.5 + 0.4 + 0.3 + 0.1) / 4)
    assert by_name["time"].minimum == 1_704_067_200_000


def test_rows_are_found_across_row_groups(tmp_path: Path) -> None:
    count = 150_000
    numbers = [float(n) for n in range(count)]
    path = write(tmp_path, **dict.fromkeys(store.BAR_COLUMNS, numbers))
    file = store.open_bars(path, "X")
    assert file.num_row_groups == 3
    for offset in (0, 65_530, 131_070, 149_995):
        rows = read_rows(file, offset, 10)["open"].to_pylist()
        assert rows == list(range(offset, min(offset + 10, count)))
    assert read_rows(file, 200_000, 10).num_rows == 0
    assert read_rows(file, 0, 0).num_rows == 0


def test_a_column_without_a_number_has_no_statistics(tmp_path: Path) -> None:
    path = write(tmp_path, **{name: [NAN, NAN] for name in store.BAR_COLUMNS})
    volume = make_preview(path, "X", 0, 10, ALL, 10).statistics[-1]
    assert (volume.empty, volume.minimum, volume.mean) == (2, None, None)
