from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib

from alphintra_lab.sdk import StrategyError, memo, ta
from tests.sdk.market import read_eurusd, read_stocks

BARS = read_eurusd()
CLOSE, HIGH, LOW = BARS["close"], BARS["high"], BARS["low"]
ANY: Any = ta  # to give it what a type checker refuses

ALL: dict[str, Callable[[Any, Any, Any], Any]] = {
    "sma": lambda h, lo, c: ta.sma(c, 20),
    "ema": lambda h, lo, c: ta.ema(c, 20),
    "stdev": lambda h, lo, c: ta.stdev(c, 20),
    "zscore": lambda h, lo, c: ta.zscore(c, 20),
    "highest": lambda h, lo, c: ta.highest(h, 20),
    "lowest": lambda h, lo, c: ta.lowest(lo, 20),
    "roc": lambda h, lo, c: ta.roc(c, 20),
    "rsi": lambda h, lo, c: ta.rsi(c, 14),
    "true_range": lambda h, lo, c: ta.true_range(h, lo, c),
    "atr": lambda h, lo, c: ta.atr(h, lo, c, 14),
    "bbands": lambda h, lo, c: ta.bbands(c, 20).upper,
    "donchian": lambda h, lo, c: ta.donchian(h, lo, 20).middle,
    "macd": lambda h, lo, c: ta.macd(c).histogram,
    "crossed_above": lambda h, lo, c: ta.crossed_above(c, ta.sma(c, 20)),
    "crossed_below": lambda h, lo, c: ta.crossed_below(c, 1.1),
}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    memo.forget()
    yield
    memo.forget()


def exactly(found: pd.Series, expected: Any) -> None:
    """Bit for bit, and on the bars' own index."""
    np.testing.assert_array_equal(found.to_numpy(), np.asarray(expected))
    assert found.index.equals(BARS.index)


def closely(found: pd.Series, expected: Any) -> None:
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("window", [1, 10, 30, 250])
def test_averages_and_channels_equal_pandas_bit_for_bit(window: int) -> None:
    exactly(ta.sma(CLOSE, window), CLOSE.rolling(window).mean())
    exactly(ta.ema(CLOSE, window), CLOSE.ewm(span=window, adjust=False, min_periods=window).mean())
    exactly(ta.highest(HIGH, window), HIGH.rolling(window).max())
    exactly(ta.lowest(LOW, window), LOW.rolling(window).min())
    channel = ta.donchian(HIGH, LOW, window)
    exactly(channel.upper, HIGH.rolling(window).max())
    exactly(channel.lower, LOW.rolling(window).min())
    exactly(channel.middle, (HIGH.rolling(window).max() + LOW.rolling(window).min()) / 2)


def test_deviations_equal_pandas_bit_for_bit() -> None:
    rolling = CLOSE.rolling(20)
    exactly(ta.stdev(CLOSE, 20), rolling.std())
    exactly(ta.zscore(CLOSE, 20), (CLOSE - rolling.mean()) / rolling.std())


def test_averages_equal_talib() -> None:
    closely(ta.sma(CLOSE, 30), talib.SMA(CLOSE.to_numpy(), 30))
    bands = talib.BBANDS(CLOSE.to_numpy(), 20, 2, 2)
    for found, expected in zip(ta.bbands(CLOSE, 20, 2), reversed(bands), strict=True):
        np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-6)  # TA-Lib's variance


def test_wilders_indicators_equal_talib_bit_for_bit() -> None:
    high, low, close = HIGH.to_numpy(), LOW.to_numpy(), CLOSE.to_numpy()
    exactly(ta.rsi(CLOSE, 14), talib.RSI(close, 14))
    exactly(ta.atr(HIGH, LOW, CLOSE, 14), talib.ATR(high, low, close, 14))
    exactly(ta.true_range(HIGH, LOW, CLOSE), talib.TRANGE(high, low, close))


def test_rsi_equals_wilders_rule_by_hand() -> None:
    # Gains 1, 0, 2, losses 0, 1, 0; the first averages are simple, then (2 old + new) / 3.
    close = pd.Series([10.0, 11.0, 10.0, 12.0, 11.0])
    # Bar 3: up 3/3, down 1/3 -> 100 * 1/(1 + 1/3) = 75. Bar 4: up 2/3, down (2/3 + 1)/3 = 5/9.
    expected = [np.nan, np.nan, np.nan, 75.0, 100 * (2 / 3) / (2 / 3 + 5 / 9)]
    np.testing.assert_allclose(ta.rsi(close, 3), expected)


def test_macd_is_the_difference_of_two_averages_and_its_own_average() -> None:
    def ewm(series: pd.Series, span: int) -> pd.Series:
        return series.ewm(span=span, adjust=False, min_periods=span).mean()

    line = ewm(CLOSE, 12) - ewm(CLOSE, 26)
    found = ta.macd(CLOSE)
    closely(found.macd, line)
    closely(found.signal, ewm(line, 9))
    closely(found.histogram, line - ewm(line, 9))
    assert found.signal.first_valid_index() == CLOSE.index[25 + 8]


def test_roc_is_a_fraction() -> None:
    np.testing.assert_allclose(ta.roc(pd.Series([100.0, 110.0, 99.0]), 1), [np.nan, 0.1, -0.1])


def test_zscore_is_nan_where_nothing_moved() -> None:
    assert ta.zscore(pd.Series([5.0] * 6), 3).isna().all()


def test_a_cross_is_true_on_its_bar_only() -> None:
    line, level = pd.Series([1.0, 2.0, 3.0, 3.0, 2.0, 1.0]), pd.Series([2.0] * 6)
    above, below = [False, False, True, False, False, False], [False] * 5 + [True]
    for other in (2, 2.0, level):
        assert ta.crossed_above(line, other).tolist() == above
        assert ta.crossed_below(line, other).tolist() == below
    # Nothing is known of the bar before the first, or of one that is missing.
    assert not ta.crossed_above(pd.Series([3.0, np.nan, 3.0]), 2).any()


@pytest.mark.parametrize("name", ALL)
def test_a_frame_is_its_columns_side_by_side(name: str) -> None:
    stocks = read_stocks()
    high, low, close = (
        pd.DataFrame({s: f[field] for s, f in stocks.items()}) for field in ("high", "low", "close")
    )
    found = ALL[name](high, low, close)
    assert found.index.equals(close.index)
    assert list(found.columns) == list(stocks)
    for symbol in stocks:
        expected = ALL[name](high[symbol], low[symbol], close[symbol])
        np.testing.assert_array_equal(found[symbol].to_numpy(), expected.to_numpy())


@pytest.mark.parametrize("name", ALL)
def test_nothing_looks_ahead(name: str) -> None:
    whole = ALL[name](HIGH, LOW, CLOSE)
    for cut in (15, 21, 300, 2999):
        memo.forget()
        part = ALL[name](HIGH[:cut], LOW[:cut], CLOSE[:cut])
        np.testing.assert_array_equal(part.to_numpy(), whole[:cut].to_numpy())


@pytest.mark.parametrize("name", ALL)
def test_short_and_empty_input_gives_no_value_and_no_error(name: str) -> None:
    for length in (0, 1, 2):
        found = ALL[name](HIGH[:length], LOW[:length], CLOSE[:length])
        assert len(found) == length
        assert found.isna().all() or not found.any() or name == "true_range"


def test_wilders_indicators_skip_bars_that_are_missing_and_keep_their_places() -> None:
    holes = CLOSE.copy()
    holes.iloc[[0, 1, 40, 41, 200]] = np.nan
    found = ta.rsi(holes, 14)
    assert found[holes.isna()].isna().all()
    exact = talib.RSI(holes.dropna().to_numpy(), 14)
    np.testing.assert_array_equal(found[holes.notna()].to_numpy(), exact)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ta.sma(CLOSE, 0), "window is 0; it must be 1 or more"),
        (lambda: ANY.sma(CLOSE, 2.5), "window is 2.5, not a whole number of bars"),
        (lambda: ta.stdev(CLOSE, 1), "window is 1; it must be 2 or more"),
        (lambda: ANY.sma([1.0, 2.0], 2), "takes a Series or a frame, not a list"),
        (lambda: ta.sma(pd.Series(["a", "b"]), 2), "takes numbers"),
        (lambda: ta.atr(HIGH, LOW[1:], CLOSE), "takes prices with one index"),
        (lambda: ANY.bbands(CLOSE, 20, "2"), "width is '2', not a number"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        call()


def test_a_whole_float_is_a_window() -> None:
    exactly(ANY.sma(CLOSE, 20.0), CLOSE.rolling(20).mean())


# What is remembered.


def test_the_same_values_are_computed_once() -> None:
    calls = []

    def compute(column: memo.Column, factor: float) -> memo.Columns:
        calls.append(factor)
        return (column * factor,)

    values = CLOSE.to_numpy()
    for _ in range(3):
        memo.remember(compute, [values.copy()], (2.0,))
    memo.remember(compute, [values], (3.0,))
    assert calls == [2.0, 3.0]


def test_data_changed_in_place_are_other_data() -> None:
    raw = CLOSE.to_numpy().copy()
    series = pd.Series(raw, copy=False)
    before = ta.sma(series, 3)
    raw[100] += 1.0
    after = ta.sma(series, 3)
    assert after[100] != before[100]
    np.testing.assert_array_equal(after, pd.Series(raw).rolling(3).mean())


def test_what_was_handed_out_can_be_changed_without_harm() -> None:
    for data in (CLOSE, BARS[["close"]]):
        first = ANY.sma(data, 5)
        expected = first.copy()
        first.iloc[:] = 0.0
        np.testing.assert_array_equal(ANY.sma(data, 5), expected)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "LIMIT", 10 * CLOSE.to_numpy().nbytes)
    for window in range(1, 40):
        ta.sma(CLOSE, window)
    assert len(memo._kept) == 10
    exactly(ta.sma(CLOSE, 1), CLOSE.rolling(1).mean())
