"""Known leaks are found and told; honest strategies, of whatever memory, are never accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphintra_lab.sdk import Signals, Strategy, ta
from tests.engine.rerunning import check, random_walk

Rule = Callable[[pd.DataFrame], Any]


def by(rule: Rule) -> Strategy:
    """A strategy that is long while the rule holds."""

    class Ruled(Strategy):
        def signals(self, bars: pd.DataFrame) -> Signals:
            held = rule(bars)
            return Signals(held, ~held)

    return Ruled()


def next_close(bars: pd.DataFrame) -> Any:
    return bars["close"].shift(-1) > bars["close"]


def centred(bars: pd.DataFrame) -> Any:
    return bars["close"] < bars["close"].rolling(11, center=True).mean()


def normalised(bars: pd.DataFrame) -> Any:
    return bars["close"] - bars["close"].mean() < 0


def back_filled(bars: pd.DataFrame) -> Any:
    rises = bars["close"].where(bars["close"].diff() > 0.5).bfill()
    return rises > bars["close"]


def next_volume(bars: pd.DataFrame) -> Any:
    return bars["volume"].shift(-1) > bars["volume"]


def next_day_of_the_index(bars: pd.DataFrame) -> Any:
    days = bars.index.to_series().dt.day
    return days.shift(-1) > days


def whole_sample_quantile(bars: pd.DataFrame) -> Any:
    return bars["close"] > bars["close"].quantile(0.5)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (next_close, "column close"),
        (centred, "column close"),
        (normalised, "column close"),
        (back_filled, "column close"),
        (next_volume, "column volume"),
        (whole_sample_quantile, "column close"),
        (next_day_of_the_index, "knows where its history ends"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_known_leak_fails_and_is_told(rule: Rule, words: str) -> None:
    found = check(by(rule))["look_ahead"]
    assert found.passed is False
    assert words in found.findings[0], found.findings[0]
    assert "changed a decision already made. First at" in found.findings[0]


def test_the_finding_names_bar_column_and_line() -> None:
    frames = {"X": random_walk()}
    rises = np.flatnonzero(frames["X"]["close"].diff().shift(-1) > 0)
    bar = int(rises[rises > 300][0])

    def rule(bars: pd.DataFrame) -> Any:
        return (bars["close"].shift(-1) > bars["close"]) & (np.arange(len(bars)) == bar)

    found = check(by(rule), frames, suspects=["strategy.py line 14"])["look_ahead"]
    time = frames["X"].index[bar]
    assert found.findings[0].endswith(
        f"First at {time.day} {time:%b %Y %H:%M}, column close, through strategy.py line 14."
    )
    two = check(by(rule), frames, suspects=["strategy.py line 14", "other.py line 2"])
    assert (
        "probably through strategy.py line 14 or other.py line 2" in two["look_ahead"].findings[0]
    )


def test_a_leak_on_three_late_bars_is_found_because_decisions_are_cut_first() -> None:
    def rule(bars: pd.DataFrame) -> Any:
        late = np.isin(np.arange(len(bars)), [350, 370, 390])
        return late & (bars["close"].iloc[::-1].cummax().iloc[::-1] > bars["close"] * 1.02)

    assert check(by(rule))["look_ahead"].passed is False


def test_weights_that_know_the_next_return_are_a_leak_and_name_the_symbol() -> None:
    class Weights(Strategy):
        def weights(self, bars: pd.DataFrame) -> pd.DataFrame:
            ahead = pd.DataFrame(bars["close"]).pct_change().shift(-1)
            return (ahead.rank(axis=1, ascending=False) == 1).astype(float)

    frames = {"A": random_walk(seed=1), "B": random_walk(seed=2)}
    found = check(Weights(), frames)["look_ahead"]
    assert found.passed is False
    assert " in A, column" in found.findings[0] or " in B, column" in found.findings[0]


def test_a_symbol_that_begins_late_is_cut_before_its_first_bar_without_harm() -> None:
    class Sized(Strategy):
        def signals(self, bars: pd.DataFrame) -> Signals:
            up = bars["close"] > bars["close"].rolling(5).mean()
            return Signals(up, ~up, size=0.5)

    frames = {"A": random_walk(), "B": random_walk(300, seed=2, start="2024-01-06")}
    found = check(Sized(), frames)["look_ahead"]
    assert (found.passed, found.findings) == (True, [])


@pytest.mark.parametrize(
    "rule",
    [
        lambda bars: bars["close"] > bars["close"].ewm(span=50).mean(),
        lambda bars: bars["close"] > bars["close"].expanding().mean(),
        lambda bars: ta.rsi(bars["close"], 14) < 30,
        lambda bars: bars["close"] > bars["close"].rolling(20).median(),
        lambda bars: bars["close"].expanding().rank(pct=True) > 0.5,
        lambda bars: bars["volume"] > bars["volume"].shift(1).cummax(),
        lambda bars: pd.Series(False, index=bars.index),
    ],
    ids=["ema", "expanding", "rsi", "median", "rank", "cummax", "nothing"],
)
def test_long_memory_is_not_look_ahead(rule: Rule) -> None:
    found = check(by(rule))["look_ahead"]
    assert (found.passed, found.findings) == (True, [])


def test_the_power_is_printed() -> None:
    found = check(by(lambda bars: bars["close"] > bars["close"].rolling(5).mean()))["look_ahead"]
    assert found.power.startswith("64 histories cut, ")
    assert "; 64 with the future perturbed. Nothing already decided changed." in found.power
    # 1 - 0.05^(1/64) = 4.57 %
    assert "missed with (1−f)^64: 64 cuts find f ≥ 4.6 % with 95 %" in found.power
    assert "Not covered: leaks inside the data, the researcher's own choices." in found.power
    few = check(by(lambda bars: bars["close"] > 100), count=20)["look_ahead"]
    assert "20 cuts find f ≥ 13.9 % with 95 %" in few.power


def test_a_window_that_depends_on_the_length_is_a_warning_not_an_accusation() -> None:
    def rule(bars: pd.DataFrame) -> Any:
        return bars["close"] > bars["close"].shift(1 + len(bars) // 150)

    found = check(by(rule))["look_ahead"]
    assert found.passed is True
    assert found.findings[0].startswith("length_dependent: at ")


def test_a_strategy_that_fails_on_other_futures_fails_no_run_and_is_told() -> None:
    def rule(bars: pd.DataFrame) -> Any:
        if bars["close"].max() > 2 * bars["close"].iloc[0]:
            raise ValueError("the price has doubled")
        return bars["close"] > bars["close"].shift(5)

    found = check(by(rule))["look_ahead"]
    assert found.passed is True
    assert "the price has doubled" in found.findings[0]


def test_where_hardly_a_cut_could_be_run_nothing_is_said() -> None:
    frames = {"X": random_walk()}

    def rule(bars: pd.DataFrame) -> Any:
        if bars["close"].iloc[-1] != frames["X"]["close"].iloc[-1]:
            raise ValueError("I know only this")
        return bars["close"] > 100

    found = check(by(rule), frames)["look_ahead"]
    assert found.passed is None
    assert "I know only this" in found.findings[0]


def test_where_every_shorter_history_fails_other_futures_alone_prove_nothing() -> None:
    signals = np.arange(400) % 7 < 3

    found = check(by(lambda bars: pd.Series(signals, index=bars.index)))["look_ahead"]
    assert found.passed is None
    assert "failed on every shorter history" in found.findings[0]
    assert "400" in found.findings[0], "and why: the array's length"
    assert found.power.startswith("0 histories cut, ")
    assert "64 with the future perturbed. Nothing already decided changed." in found.power


def test_a_leak_is_told_also_where_every_shorter_history_fails() -> None:
    def rule(bars: pd.DataFrame) -> Any:
        return pd.Series(bars["close"].shift(-1).to_numpy() > np.full(400, 100.0), bars.index)

    assert check(by(rule))["look_ahead"].passed is False


def test_one_bar_cannot_be_cut() -> None:
    found = check(by(lambda bars: bars["close"] > 0), {"X": random_walk(1)})
    assert found["look_ahead"].passed is None
    assert found["warm_up"].passed is None


WINDOWS = st.integers(2, 60)
CAUSAL: list[Callable[[pd.Series, int], pd.Series]] = [
    lambda x, n: x.rolling(n).mean(),
    lambda x, n: x.rolling(n).max(),
    lambda x, n: x.rolling(n).std(),
    lambda x, n: x.ewm(span=n).mean(),
    lambda x, n: x.shift(n),
    lambda x, n: x.diff(n),
    lambda x, n: x.expanding(n).mean(),
    lambda x, n: x.cummax(),
    lambda x, n: x.ffill(),
    lambda x, n: x.pct_change(n),
    lambda x, n: ta.ema(x, n),
    lambda x, n: ta.rsi(x, n),
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(CAUSAL), WINDOWS), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from(CAUSAL), WINDOWS), min_size=1, max_size=3),
    st.sampled_from(["open", "high", "low", "close", "volume"]),
    st.integers(0, 1000),
)
def test_causal_strategies_are_never_accused(
    left: list[tuple[Any, int]], right: list[tuple[Any, int]], column: str, seed: int
) -> None:
    def rule(bars: pd.DataFrame) -> Any:
        one, other = bars[column], bars["close"]
        for step, window in left:
            one = step(one, window)
        for step, window in right:
            other = step(other, window)
        return one > other

    found = check(by(rule), {"X": random_walk(250, seed=seed)}, count=16, seed=seed)["look_ahead"]
    assert found.passed is True, found.findings
    assert found.findings == []
