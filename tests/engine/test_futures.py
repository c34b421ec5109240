"""Other futures are possible ones, and leave the past alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphintra_lab.engine.futures import bend, vary
from alphintra_lab.engine.variants import Variant
from tests.engine.rerunning import random_walk

PRICES = ["open", "high", "low", "close"]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 199), st.integers(0, 10_000))
def test_a_bent_future_has_valid_bars_and_the_same_past(kept: int, seed: int) -> None:
    frame = random_walk(200, seed=seed)
    up, down = bend(frame, kept, rise=True), bend(frame, kept, rise=False)
    for bent in (up, down):
        pd.testing.assert_frame_equal(bent.iloc[:kept], frame.iloc[:kept])
        assert bent.index.equals(frame.index)
        assert (bent.dtypes == frame.dtypes).all()
        assert (bent["low"] <= bent[["open", "close"]].min(axis=1)).all()
        assert (bent["high"] >= bent[["open", "close"]].max(axis=1)).all()
        assert (bent[PRICES] > 0).all(axis=None)
        assert (bent["volume"] >= 0).all()
    assert (up["close"].diff().iloc[kept:] > 0).all()
    assert (down["close"].diff().iloc[kept:] < 0).all()
    assert up["open"].iloc[kept] == down["open"].iloc[kept] == frame["close"].iloc[kept - 1]
    for column in (*PRICES[1:], "volume"):
        assert (up[column] != down[column]).iloc[kept:].all()


def test_a_million_bars_neither_overflow_nor_reach_zero() -> None:
    index = pd.date_range("2020-01-01", periods=1_000_000, freq="s", tz="UTC")
    frame = pd.DataFrame({"close": np.full(1_000_000, 1.2)}, index=index)
    up, down = bend(frame, 2, rise=True), bend(frame, 2, rise=False)
    assert np.isfinite(up["close"].iloc[-1])
    assert down["close"].iloc[-1] > 0


def test_missing_values_and_further_columns_stay_what_they_are() -> None:
    frame = random_walk(50)
    frame["spread"] = -0.5
    frame["note"] = "x"
    frame.loc[frame.index[30], ["volume", "close"]] = np.nan
    up = bend(frame, 20, rise=True)
    assert up.isna().equals(frame.isna())
    assert (up["spread"].iloc[20:] > -0.5).all()
    assert up["note"].equals(frame["note"])


def test_prices_below_zero_bend_too() -> None:
    frame = random_walk(50) - 200
    assert (bend(frame, 20, rise=True)["close"].diff().iloc[20:] > 0).all()
    assert (bend(frame, 20, rise=False)["close"].diff().iloc[20:] < 0).all()


def test_only_the_named_column_changes() -> None:
    frame = random_walk(50)
    bent = bend(frame, 20, rise=True, only=["high"])
    changed = [name for name in frame.columns if not bent[name].equals(frame[name])]
    assert changed == ["high"]


@pytest.mark.parametrize("mode", ["rise", "fall", "truncate", "later", "repeat"])
def test_symbols_are_cut_by_time_not_by_row(mode: str) -> None:
    frames = {"A": random_walk(100), "B": random_walk(50, start="2024-01-02")}
    time = frames["A"].index[60]
    variant = Variant(mode, 0, 61, int(time.value))  # type: ignore[arg-type]  # from the list above
    varied = vary(frames, variant)
    for symbol, frame in frames.items():
        now = varied[symbol]
        if mode == "truncate":
            assert now.index.equals(frame.index[frame.index <= time])
        elif mode == "later":
            assert now.index.equals(frame.index[frame.index >= time])
        else:
            same = (now["close"] == frame["close"]).to_numpy()
            past = np.asarray(frame.index <= time)
            assert same[past].all()
            assert same[~past].all() == (mode == "repeat")
