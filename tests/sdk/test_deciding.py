from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.engine.decisions import (
    SignalDecisions,
    WeightDecisions,
    check,
    signal_arrays,
    weight_array,
)
from alphintra_lab.sdk import Signals, Strategy, StrategyError, load_bars, param
from alphintra_lab.sdk.bars import normalise
from alphintra_lab.sdk.deciding import decide

Answer = Callable[[Any], Any]


def bars(times: list[str], close: list[float]) -> pd.DataFrame:
    return normalise(pd.DataFrame({"close": close}, index=pd.DatetimeIndex(times)))


A = bars(["2020-01-01", "2020-01-02", "2020-01-03"], [1.0, 2.0, 1.0])
B = bars(["2020-01-02", "2020-01-03", "2020-01-04"], [2.0, 1.0, 3.0])


def by_signals(answer: Answer, universe: bool = False) -> type[Strategy]:
    return type("Mine", (Strategy,), {"signals": lambda self, b: answer(b), "universe": universe})


def by_weights(answer: Answer) -> type[Strategy]:
    return type("Mine", (Strategy,), {"weights": lambda self, b: answer(b)})


def signals_of(answer: Answer, frames: dict[str, pd.DataFrame], universe: bool = False) -> Any:
    decisions = decide(by_signals(answer, universe), frames)
    assert isinstance(decisions, SignalDecisions)
    check(decisions, bars=decisions.bars, symbols=list(frames))
    return signal_arrays(decisions)


def weights_of(answer: Answer, frames: dict[str, pd.DataFrame]) -> Any:
    decisions = decide(by_weights(answer), frames)
    assert isinstance(decisions, WeightDecisions)
    check(decisions, bars=decisions.bars, symbols=list(frames))
    return weight_array(decisions)


def test_signals_are_asked_once_per_symbol_and_aligned_to_all_times() -> None:
    seen = []

    def answer(frame: pd.DataFrame) -> Signals:
        seen.append(frame["close"].tolist())
        return Signals(entries=frame["close"] > 1.5, exits=frame["close"] < 1.5)

    found = signals_of(answer, {"A": A, "B": B})
    assert seen == [[1, 2, 1], [2, 1, 3]]
    assert found.entries.tolist() == [[False, False], [True, True], [False, False], [False, True]]
    assert found.exits.tolist() == [[True, False], [False, False], [True, True], [False, False]]


def test_a_symbol_cut_before_its_first_bar_is_not_asked() -> None:
    found = signals_of(
        lambda b: Signals(b["close"] > b["close"].iloc[0], False), {"A": A, "B": B[:0]}
    )
    assert found.entries.tolist() == [[False, False], [True, False], [False, False]]


def test_a_universe_is_asked_once_with_all_symbols() -> None:
    def answer(table: Any) -> Signals:
        best = table["close"].rank(axis=1, ascending=False, method="first") == 1
        return Signals(entries=best[["B", "A"]], exits=~best, size=0.5)

    found = signals_of(answer, {"A": A, "B": B}, universe=True)
    # On the middle bars both close alike, and the first column comes first.
    assert found.entries.tolist() == [[True, False], [True, False], [True, False], [False, True]]
    assert found.exits.tolist() == [[False, True], [False, True], [False, True], [True, False]]
    np.testing.assert_array_equal(found.size[3], [np.nan, 0.5])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, [True, True, True]),
        (np.bool_(False), [False, False, False]),
        (np.array([True, False, True]), [True, False, True]),
        (np.array([1, 0, 1]), [True, False, True]),
        (np.array([1.0, np.nan, 0.0]), [True, False, False]),
        (pd.Series([True, False, True], index=A.index).shift(1), [False, True, False]),
        (pd.Series([True, None, False], index=A.index, dtype="boolean"), [True, False, False]),
        (pd.Series([None, True, np.nan], index=A.index, dtype=object), [False, True, False]),
    ],
)
def test_booleans_come_in_many_forms_and_nan_is_false(given: Any, expected: list[bool]) -> None:
    assert signals_of(lambda b: Signals(given, False), {"A": A}).entries[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda b: None, r"signals returned None \(is a return missing\?\)"),
        (lambda b: b["close"] > 1, "signals returned a Series. Return Signals"),
        (lambda b: Signals(None, False), "entries is None"),
        (lambda b: Signals(b["close"], False), r"entries is 2.0 on the bar 2020-01-02 00:00"),
        (lambda b: Signals(np.array([0, -1, 1]), False), "entries is -1 on the bar 2020-01-02"),
        (lambda b: Signals((b["close"] > 1)[1:], False), "entries has 2 rows where bars has 3"),
        (lambda b: Signals([True, False, True], False), "entries is a list. Expected a Series"),
        (lambda b: Signals(b > 1, False), "entries is a frame with the columns close"),
        (lambda b: Signals("yes", False), "entries is a str"),
        (lambda b: Signals(np.ones((3, 2), bool), False), r"array of shape \(3, 2\)"),
        (
            lambda b: Signals((b["close"] > 1).reset_index(drop=True), False),
            "another index than bars: row 0 is 0 where bars has 2020-01-01 00:00",
        ),
        (
            lambda b: Signals(pd.Series(["a", "b", "c"], index=b.index), False),
            "entries is 'a' on the bar 2020-01-01 00:00",
        ),
        (lambda b: Signals(True, False, size=0), "size is 0.0 on the bar 2020-01-01 00:00"),
        (lambda b: Signals(True, False, size=b["close"]), "size is 2.0 on the bar 2020-01-02"),
        (lambda b: Signals(True, False, size=b["close"] * np.nan), "size is nan on the bar"),
        (lambda b: Signals(True, False, size="all"), "size is a str"),
    ],
)
def test_an_answer_that_is_no_signals_says_what_came_and_what_is_expected(
    answer: Answer, said: str
) -> None:
    with pytest.raises(StrategyError, match=said) as caught:
        decide(by_signals(answer), {"A": A})
    assert caught.value.code == "bad_decisions"


def test_among_several_symbols_the_error_names_the_one() -> None:
    def answer(frame: pd.DataFrame) -> Signals:
        rising = frame["close"] > frame["close"].iloc[0]
        return Signals(rising[1:] if frame["close"].iloc[0] == 2 else rising, False)

    with pytest.raises(StrategyError, match=r"^B: entries has 2 rows"):
        decide(by_signals(answer), {"A": A, "B": B})


def test_a_size_counts_only_where_there_is_an_entry() -> None:
    found = signals_of(
        lambda b: Signals(b["close"] > 1, False, size=(b["close"] - 1) / 2), {"A": A}
    )
    np.testing.assert_array_equal(found.size[:, 0], [np.nan, 0.5, np.nan])


def test_short_entries_of_one_symbol_only_are_false_for_the_other() -> None:
    def answer(frame: pd.DataFrame) -> Signals:
        last = frame["close"].iloc[-1] == 3
        return Signals(False, False, short_entries=frame["close"] < 2 if last else None)

    found = signals_of(answer, {"A": A, "B": B})
    assert found.short_entries.tolist() == [
        [False, False],
        [False, False],
        [False, True],
        [False, False],
    ]


def test_weights_get_field_and_symbol_and_come_back_in_the_bars_order() -> None:
    def answer(table: Any) -> Any:
        assert table.columns.to_list() == [("close", "A"), ("close", "B")]
        weights = table["close"].notna() * 0.5
        return weights[["B", "A"]].where(table["close"].notna())

    found = weights_of(answer, {"A": A, "B": B})
    np.testing.assert_array_equal(found, [[0.5, np.nan], [0.5, 0.5], [0.5, 0.5], [np.nan, 0.5]])


def test_nan_weights_on_the_first_bar_are_kept() -> None:
    found = weights_of(lambda b: b["close"].pct_change() * 0 + 1, {"A": A})
    np.testing.assert_array_equal(found[:, 0], [np.nan, 1.0, 1.0])


def test_weights_may_be_an_array_of_numbers_or_objects() -> None:
    assert weights_of(lambda b: np.array([[1], [0], [1]]), {"A": A})[:, 0].tolist() == [1, 0, 1]
    mixed = np.array([[1], [None], [0.5]], dtype=object)
    np.testing.assert_array_equal(weights_of(lambda b: mixed, {"A": A})[:, 0], [1, np.nan, 0.5])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda b: None, "weights returned None"),
        (lambda b: b["close"]["A"], "weights returned a Series. Return a frame"),
        (lambda b: 1 / (b["close"] - 1), "weights is inf on the bar 2020-01-01 00:00 for A"),
        (lambda b: b["close"].astype(str), "weights is '1.0' on the bar 2020-01-01 00:00 for A"),
        (lambda b: b["close"] > 1, "weights is False on the bar 2020-01-01 00:00 for A"),
        (lambda b: b["close"][["A"]], "weights has the columns A. Expected A, B"),
        (lambda b: b["close"].dropna(), "weights has 2 rows where bars has 4"),
        (lambda b: b, r"weights has the columns \('close', 'A'\)"),
    ],
)
def test_weights_that_cannot_be_used_name_bar_and_symbol(answer: Answer, said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        decide(by_weights(answer), {"A": A, "B": B})


def test_what_a_strategy_does_to_its_bars_stays_with_it() -> None:
    before = A.copy()

    def answer(frame: pd.DataFrame) -> Signals:
        frame["close"] = 0.0
        frame["more"] = 1.0
        return Signals(frame["close"] > 1, False)

    decide(by_signals(answer), {"A": A})
    pd.testing.assert_frame_equal(A, before)


def test_data_cannot_be_loaded_inside_a_strategy() -> None:
    with pytest.raises(StrategyError, match="load_bars cannot be called inside a strategy"):
        decide(by_signals(lambda b: load_bars("eurusd-1h")), {"A": A})


def test_progress_tells_the_share_of_symbols_that_is_done() -> None:
    told: list[float] = []
    decide(by_signals(lambda b: Signals(True, False)), {"A": A, "B": B}, told.append)
    assert told == [0.5, 1.0]


def test_an_instance_decides_with_its_own_parameters() -> None:
    class Above(Strategy):
        level = param(1.5)

        def signals(self, bars: pd.DataFrame) -> Signals:
            return Signals(bars["close"] > self.level, False)

    assert decide(Above(level=5.0), {"A": A}) != decide(Above, {"A": A})
    assert decide(Above(level=1.5), {"A": A}) == decide(Above(), {"A": A})
