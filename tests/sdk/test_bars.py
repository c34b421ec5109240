from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.sdk.bars import assemble, cut, normalise, read_bars


def frame(times: list[str], **columns: list[float]) -> pd.DataFrame:
    return normalise(pd.DataFrame(columns, index=pd.DatetimeIndex(times)))


A = frame(["2020-01-01", "2020-01-03"], close=[1.0, 3.0], volume=[10.0, 30.0])
B = frame(["2020-01-02", "2020-01-03"], close=[20.0, 21.0])


def test_a_file_comes_back_with_utc_nanoseconds_and_floats(tmp_path: Path) -> None:
    times = pd.DatetimeIndex(["2020-01-01 09:00", "2020-01-01 10:00"], tz="Europe/Paris")
    stored = pd.DataFrame(
        {"close": [1.0, 2.0], "volume": [5, 6], "open_now": [True, False]},
        index=times.as_unit("ms").rename("time"),
    )
    for name, written in (("index", stored), ("column", stored.reset_index())):
        path = tmp_path / f"{name}.parquet"
        written.to_parquet(path, index=name == "index")
        found = read_bars(str(path))
        assert str(found.index.dtype) == "datetime64[ns, UTC]"
        assert [f"{time:%H}" for time in found.index] == ["08", "09"]
        assert found["volume"].dtype == np.float64
        assert found["open_now"].dtype == np.bool_


def test_what_was_read_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    A.to_parquet(path)
    found = read_bars(str(path))
    found.loc[found.index[0], "close"] = 9.0
    assert found["close"].tolist() == [9.0, 3.0]
    assert read_bars(str(path))["close"].tolist() == [1.0, 3.0]


def test_symbols_stand_side_by_side_over_the_union_of_their_times() -> None:
    table: Any = assemble({"A": A, "B": B})
    assert [*table.columns] == [
        ("close", "A"),
        ("close", "B"),
        ("volume", "A"),
        ("volume", "B"),
    ]
    assert table.columns.names == ["field", "symbol"]
    assert [f"{t:%d}" for t in table.index] == ["01", "02", "03"]
    np.testing.assert_array_equal(table["close"].to_numpy(), [[1, np.nan], [np.nan, 20], [3, 21]])
    np.testing.assert_array_equal(table["volume"]["A"], [10, np.nan, 30])
    assert table["volume"]["B"].isna().all()


def test_symbols_keep_the_order_they_were_named_in() -> None:
    assert list(assemble({"B": B, "A": A})["close"].columns) == ["B", "A"]


def test_one_symbol_has_field_and_symbol_too_and_keeps_its_times() -> None:
    table: Any = assemble({"A": A})
    assert [*table.columns] == [("close", "A"), ("volume", "A")]
    assert table.index.equals(A.index)


def test_a_repeated_time_cannot_be_aligned_and_is_named() -> None:
    twice = frame(["2020-01-03", "2020-01-03"], close=[1.0, 2.0])
    assert len(assemble({"A": twice})) == 2
    with pytest.raises(ValueError, match="B has two bars at 2020-01-03"):
        assemble({"A": A, "B": twice})


def test_no_symbol_is_refused() -> None:
    with pytest.raises(ValueError, match="name at least one symbol"):
        assemble({})


def test_a_cut_includes_its_start_and_excludes_its_end() -> None:
    assert cut(A, start="2020-01-01", end="2020-01-03")["close"].tolist() == [1.0]
    assert cut(A, start="2020-01-01T01:00:00+01:00")["close"].tolist() == [1.0, 3.0]
    assert cut(A, start="2020-01-01 00:00:01")["close"].tolist() == [3.0]


def test_bars_without_times_are_refused() -> None:
    with pytest.raises(ValueError, match="RangeIndex, not times"):
        normalise(pd.DataFrame({"close": [1.0]}))
