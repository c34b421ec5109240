from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.engine.checks import sanity
from alphintra_lab.engine.decisions import (
    BadDecisions,
    SignalDecisions,
    signal_decisions,
    weight_decisions,
)
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import Simulation, simulate
from tests.engine.market_data import make_bars

NAN = math.nan


def flags(text: str) -> np.ndarray:
    """`..x.` as booleans."""
    return np.array([letter == "x" for letter in text])


def signals(**given: Any) -> SignalDecisions:
    """Signals of one symbol X, named, as strings of `.` and `x`; `size` as it is."""
    bars = len(given["entries"])
    arrays = {name: flags(value) for name, value in given.items() if isinstance(value, str)}
    arrays.setdefault("exits", np.zeros(bars, dtype=bool))
    return signal_decisions(["X"], **arrays, size=given.get("size"))


def fills(run: Simulation) -> list[tuple[int, str, str, float, float, str]]:
    """Orders as (day of January from 0, symbol, side, quantity, price, rule)."""
    rows: list[Any] = run.orders.to_dict("records")
    return [
        (
            row["time"].day - 1,
            row["symbol"],
            row["side"],
            round(row["quantity"], 6),
            round(row["price"], 6),
            row["rule"],
        )
        for row in rows
    ]


def test_golden_table_a() -> None:
    bars = make_bars({"X": [100, 102, 105, 110, 111]})
    decisions = signals(entries="xxx..", exits="..xx.")
    settings = Settings(commission=0.001, slippage_bps=10, whole_shares=True)
    run = simulate(bars, decisions, settings)
    assert fills(run) == [
        (1, "X", "buy", 97, 102.102, "next_open"),
        (4, "X", "sell", 97, 110.889, "next_open"),
    ]
    assert run.orders["commission"].round(6).tolist() == [9.903894, 10.756233]
    assert run.cash.round(6).tolist() == [10_000, 86.202106, 86.202106, 86.202106, 10_831.678873]
    assert run.orders["decided"].dt.day.tolist() == [1, 4]


def test_golden_table_c() -> None:
    bars = make_bars(
        {"A": [10, 11, 11.5], "B": [20, 20, 21]}, {"A": [10, 12, 12], "B": [20, 21, 21]}
    )
    weights = [[0.6, 0.4], [0, NAN], [NAN, NAN]]
    settings = Settings(commission=0.001, whole_shares=True)
    run = simulate(bars, weight_decisions(["A", "B"], weights), settings)
    assert fills(run) == [
        (1, "B", "buy", 200, 20, "next_open"),
        (1, "A", "buy", 544, 11, "cut_cash"),
        (2, "A", "sell", 544, 11.5, "next_open"),
    ]
    assert run.orders["commission"].round(6).tolist() == [4.0, 5.984, 6.256]
    assert run.cash.round(6).tolist() == [10_000, 6.016, 6_255.76]


def test_entry_and_exit_on_one_bar_cancel() -> None:
    bars = make_bars({"X": [10, 10, 10, 10, 10]})
    assert fills(simulate(bars, signals(entries=".x...", exits=".x..."), Settings())) == []


def test_long_and_short_entry_together_cancel() -> None:
    bars = make_bars({"X": [10, 10, 10, 10]})
    assert fills(simulate(bars, signals(entries=".x..", short_entries=".x.."), Settings())) == []


def test_a_signal_that_stays_true_enters_once_and_does_not_enter_again_after_the_exit() -> None:
    bars = make_bars({"X": [10] * 8})
    run = simulate(bars, signals(entries="xxxxxx..", exits="...x...."), Settings())
    # The exit cancels bar 3, so that bar 4 is a new rising edge: in, still in (no exit was left).
    assert [fill[:3] for fill in fills(run)] == [(1, "X", "buy")]
    run = simulate(bars, signals(entries="xx......", exits="..x....."), Settings())
    assert [fill[:3] for fill in fills(run)] == [(1, "X", "buy"), (3, "X", "sell")]


def test_an_opposite_entry_reverses_in_one_order_with_one_commission() -> None:
    bars = make_bars({"X": [10, 10, 10, 10, 10]})
    decisions = signals(entries="x....", short_entries="..x..")
    run = simulate(bars, decisions, Settings(commission=0.01, cash=1010))
    # 1010 buys 100 at 10 with 10 of fees; 100 are sold and as many shorted as equity bears:
    # s * 10 * 1.01 = 100 * 10 * 0.99, so s = 98.019802.
    assert fills(run) == [
        (1, "X", "buy", 100, 10, "next_open"),
        (3, "X", "sell", 198.019802, 10, "next_open"),
    ]
    assert run.orders["commission"].iloc[1] == pytest.approx(19.8019802)
    assert run.trades[["side", "status"]].to_numpy().tolist() == [
        ["long", "closed"],
        ["short", "open"],
    ]


def test_an_exit_of_the_other_side_does_nothing() -> None:
    bars = make_bars({"X": [10] * 5})
    run = simulate(bars, signals(entries="x....", short_exits="..x.."), Settings())
    assert [fill[2] for fill in fills(run)] == ["buy"]


def test_a_second_entry_in_a_position_changes_nothing_even_with_another_size() -> None:
    bars = make_bars({"X": [10] * 6})
    decisions = signals(entries="x..x..", size=np.array([0.5, NAN, NAN, 0.9, NAN, NAN]))
    assert fills(simulate(bars, decisions, Settings())) == [(1, "X", "buy", 500, 10, "next_open")]


def test_a_share_is_sized_at_the_close_it_was_decided_on() -> None:
    bars = make_bars({"X": [10, 12, 12]}, {"X": [10, 12, 12]})
    run = simulate(bars, signals(entries="x..", size=0.5), Settings(cash=1000))
    assert fills(run) == [(1, "X", "buy", 50, 12, "next_open")]


def test_a_decision_waits_for_the_symbols_next_open_and_a_newer_one_replaces_it() -> None:
    opens = {"A": [10.0, NAN, NAN, 13, 14], "B": [20.0] * 5}
    weights = [[0.5, NAN], [0.2, NAN], [NAN, NAN], [NAN, NAN], [NAN, NAN]]
    run = simulate(make_bars(opens), weight_decisions(["A", "B"], weights), Settings(cash=1000))
    # The second decision (0.2 of 1000 at the last known close of 10) replaces the first.
    assert fills(run) == [(3, "A", "buy", 20, 13, "next_open")]
    assert run.orders["decided"].dt.day.tolist() == [2]


def test_an_exit_that_comes_while_an_entry_waits_takes_its_place() -> None:
    bars = make_bars({"X": [10, NAN, 10, 10]}, {"X": [10, 10, 10, 10]})
    run = simulate(bars, signals(entries="x...", exits=".x.."), Settings())
    assert fills(run) == [] and run.pending == []


def test_decisions_on_the_last_bar_are_pending_and_outside_the_ledger() -> None:
    bars = make_bars({"X": [10, 10]})
    run = simulate(bars, signals(entries=".x"), Settings(cash=1000))
    assert run.ledger == "alphintra-ledger/1\n"
    assert [(one.time.day, one.symbol, one.side, one.quantity) for one in run.pending] == [
        (2, "X", "buy", 100)
    ]


def test_same_close_fills_on_the_bar_that_decided() -> None:
    bars = make_bars({"X": [10, 20]}, {"X": [11, 21]})
    settings = Settings(cash=1100, fill="unsafe_same_close")
    run = simulate(bars, signals(entries="x.", exits=".x"), settings)
    assert fills(run) == [
        (0, "X", "buy", 100, 11, "same_close"),
        (1, "X", "sell", 100, 21, "same_close"),
    ]
    assert run.pending == []


def test_nothing_is_decided_before_the_start_and_the_first_bar_is_an_edge() -> None:
    bars = make_bars({"X": [10, 11, 12, 13]})
    start = pd.Timestamp("2024-01-02", tz="UTC").to_pydatetime()
    run = simulate(bars, signals(entries="xxxx"), Settings(start=start, cash=120))
    assert fills(run) == [(2, "X", "buy", 10, 12, "next_open")]
    assert run.equity.index[0] == bars.index[1] and len(run.equity) == 3
    assert run.decision_counts["entries"] == 3


def test_a_start_after_the_data_is_refused_with_the_way_out() -> None:
    bars = make_bars({"X": [10, 11]})
    start = pd.Timestamp("2025-01-01", tz="UTC").to_pydatetime()
    with pytest.raises(ValueError, match=r"no bar at or after 2025-01-01.*earlier start"):
        simulate(bars, signals(entries="x."), Settings(start=start))


def test_signals_of_several_symbols_get_equal_parts_of_the_cash() -> None:
    bars = make_bars({"A": [10, 10, 10], "B": [20, 20, 40]})
    entries = np.array([[True, False], [False, True], [False, False]])
    decisions = signal_decisions(["A", "B"], entries, np.zeros_like(entries))
    run = simulate(bars, decisions, Settings(cash=1000))
    assert fills(run) == [
        (1, "A", "buy", 50, 10, "next_open"),
        (2, "B", "buy", 12.5, 40, "next_open"),
    ]
    assert run.equity.tolist() == [1000, 1000, 1000]


def test_edges_are_taken_on_a_symbols_own_bars() -> None:
    # X has no bar on day 1: its signal stays True over the gap, and is no new edge on day 2.
    bars = make_bars({"X": [10, NAN, 10, 10, 10, 10], "Y": [1] * 6})
    entries = np.zeros((6, 2), dtype=bool)
    entries[:, 0] = flags("x.xx..")
    exits = np.zeros((6, 2), dtype=bool)
    run = simulate(bars, signal_decisions(["X", "Y"], entries, exits), Settings())
    assert [fill[:3] for fill in fills(run)] == [(2, "X", "buy")]
    exits[0, 0] = False
    entries[:, 0], exits[:, 0] = flags("x.x..x"), flags("...x..")
    run = simulate(bars, signal_decisions(["X", "Y"], entries, exits), Settings())
    assert [fill[:3] for fill in fills(run)] == [(2, "X", "buy"), (4, "X", "sell")]


def test_weights_that_add_up_to_more_than_one_are_rejected_and_the_position_stays() -> None:
    bars = make_bars({"A": [10] * 3, "B": [10] * 3})
    weights = [[0.5, 0.0], [0.8, -0.4], [NAN, NAN]]
    run = simulate(bars, weight_decisions(["A", "B"], weights), Settings(cash=1000))
    assert fills(run) == [(1, "A", "buy", 50, 10, "next_open")]
    assert [(one.symbol, one.side, one.quantity) for one in run.refused] == [
        ("A", "buy", 30),
        ("B", "sell", 40),
    ]
    assert "add up to 1.2" in run.refused[0].reason


def test_weights_that_add_up_to_one_but_for_rounding_are_taken() -> None:
    symbols = [f"S{number}" for number in range(10)]
    bars = make_bars({symbol: [10.0] * 3 for symbol in symbols})
    weights = np.full((3, 10), NAN)
    weights[0] = np.array([0.1] * 10) * (1 + 1e-15)
    run = simulate(bars, weight_decisions(symbols, weights), Settings())
    assert len(run.orders) == 10 and run.refused == []


def test_nan_weights_on_the_first_bar_leave_no_position() -> None:
    bars = make_bars({"A": [10] * 3})
    run = simulate(bars, weight_decisions(["A"], [NAN, NAN, NAN]), Settings())
    assert fills(run) == [] and run.equity.tolist() == [10_000] * 3


def test_a_symbol_without_a_price_yet_is_refused_and_the_others_are_bought() -> None:
    bars = make_bars({"A": [NAN, NAN, 10], "B": [10, 10, 10]})
    run = simulate(
        bars, weight_decisions(["A", "B"], [[0.5, 0.5], [NAN] * 2, [NAN] * 2]), Settings()
    )
    assert [fill[:4] for fill in fills(run)] == [(1, "B", "buy", 500)]
    assert [(one.symbol, one.reason) for one in run.refused] == [("A", "there is no price yet")]


def test_sells_come_before_buys_whatever_leaves_a_position_alone() -> None:
    # M (NaN) stands between the symbols: it must not keep the sell of Z behind the buy of A.
    bars = make_bars({"A": [10] * 4, "M": [10] * 4, "Z": [10] * 4})
    weights = [[0, 0, 1.0], [1.0, NAN, 0.0], [NAN] * 3, [NAN] * 3]
    run = simulate(bars, weight_decisions(["A", "M", "Z"], weights), Settings(cash=1000))
    assert [fill[1:4] for fill in fills(run)] == [
        ("Z", "buy", 100),
        ("Z", "sell", 100),
        ("A", "buy", 100),
    ]


def test_a_short_that_would_pass_equity_at_the_fill_is_cut() -> None:
    # -1 of 1000 at 10 is 100; at 12.5 only 80 stay within equity: 80 * 12.5 = 1000.
    bars = make_bars({"A": [10, 12.5, 12.5]})
    run = simulate(bars, weight_decisions(["A"], [-1.0, NAN, NAN]), Settings(cash=1000))
    assert fills(run) == [(1, "A", "sell", 80, 12.5, "cut_margin")]


def test_proceeds_of_a_short_do_not_pay_for_a_long() -> None:
    # Short 0.5 of B, then B doubles: equity 500, gross 1000. The long of A is refused.
    bars = make_bars({"A": [10, 10, 10, 10], "B": [10, 10, 20, 20]})
    weights = [[0.0, -0.5], [0.4, NAN], [NAN] * 2, [NAN] * 2]
    run = simulate(bars, weight_decisions(["A", "B"], weights), Settings(cash=1000))
    assert [fill[1:3] for fill in fills(run)] == [("B", "sell")]
    assert [one.symbol for one in run.refused] == ["A"]
    assert "gross exposure" in run.refused[0].reason


def test_a_short_that_loses_everything_ends_the_run() -> None:
    # 100 short at 10, cash 2000. At the close of day 2 equity is 2000 - 2100 = -100;
    # covered at the open of day 3: 2000 - 100 * 22 = -200. The later entry is not taken.
    bars = make_bars({"X": [10, 10, 15, 22, 5, 5]}, {"X": [10, 10, 21, 22, 5, 5]})
    run = simulate(bars, signals(entries="....x.", short_entries="x....."), Settings(cash=1000))
    assert fills(run) == [
        (1, "X", "sell", 100, 10, "next_open"),
        (3, "X", "buy", 100, 22, "ruined"),
    ]
    assert run.ruined == bars.index[2]
    assert run.equity.tolist() == [1000, 1000, -100, -200, -200, -200]
    assert run.orders["decided"].iloc[1] == bars.index[2]


def test_a_short_ruined_at_an_open_is_closed_at_that_open() -> None:
    bars = make_bars({"X": [10, 10, 25, 5]}, {"X": [10, 10, 5, 5]})
    run = simulate(bars, signals(entries="....", short_entries="x..."), Settings(cash=1000))
    assert fills(run)[1] == (2, "X", "buy", 100, 25, "ruined")
    assert run.equity.tolist() == [1000, 1000, -500, -500]


def test_an_entry_too_small_for_a_lot_is_refused_with_its_reason() -> None:
    bars = make_bars({"X": [100, 100, 100]})
    run = simulate(bars, signals(entries="x.."), Settings(cash=50, whole_shares=True))
    assert fills(run) == []
    assert run.refused[0].reason == "0.5 is less than one lot of 1"


def test_lots_are_floored_with_tolerance_and_closed_without_rest() -> None:
    # 0.3 of 10 at 10 is 0.3 as a float just below three lots of 0.1, which // would make two.
    bars = make_bars({"X": [10.0] * 5})
    decisions = signals(entries="x....", exits="..x..", size=0.3)
    run = simulate(bars, decisions, Settings(cash=10, lots={"X": 0.1}))
    assert [fill[2:4] for fill in fills(run)] == [("buy", 0.3), ("sell", 0.3)]
    assert run.positions["X"].iloc[-1] == 0


def test_whole_shares_that_cost_just_the_cash_are_bought() -> None:
    bars = make_bars({"X": [33.3, 33.3, 33.3]})
    settings = Settings(cash=33.3 * 3 * 1.001, commission=0.001, whole_shares=True)
    assert fills(simulate(bars, signals(entries="x.."), settings))[0][3] == 3


def test_a_short_that_cash_cannot_cover_whole_is_covered_in_whole_lots() -> None:
    # Long 50 A and short 50 B leave 1000 of cash; at 21 it covers 47 of the 50.
    bars = make_bars({"A": [10.0] * 4, "B": [10, 10, 21, 21]}, {"A": [10.0] * 4, "B": [10.0] * 4})
    weights = [[0.5, -0.5], [NAN, 0.0], [NAN] * 2, [NAN] * 2]
    settings = Settings(cash=1000, whole_shares=True)
    run = simulate(bars, weight_decisions(["A", "B"], weights), settings)
    assert fills(run)[-1] == (2, "B", "buy", 47, 21, "cut_cash")


def test_a_board_lot_stays_when_shares_are_whole_and_a_fraction_becomes_one() -> None:
    settings = Settings(whole_shares=True, lots={"A": 100.0, "B": 0.01})
    assert (settings.lot("A"), settings.lot("B"), settings.lot("C")) == (100, 1, 1)


def test_raw_prices_round_to_the_tick_against_you() -> None:
    bars = make_bars({"X": [10.0, 10.0, 10.0, 10.0]})
    decisions = signals(entries="x...", exits=".x..")
    settings = Settings(slippage_bps=12, ticks={"X": 0.01})
    # 10 * 1.0012 = 10.012 -> 10.02; 10 * 0.9988 = 9.988 -> 9.98.
    assert [fill[4] for fill in fills(simulate(bars, decisions, settings))] == [10.02, 9.98]
    adjusted = Settings(slippage_bps=12, ticks={"X": 0.01}, adjusted=True)
    assert [fill[4] for fill in fills(simulate(bars, decisions, adjusted))] == [10.012, 9.988]


def test_an_order_too_small_to_be_kept_is_refused_and_costs_nothing() -> None:
    # 1e-13 units at 1e13: vectorbt would take the cash and forget the position.
    bars = make_bars({"X": [1e13, 1e13, 1e13, 1e13]})
    run = simulate(bars, signals(entries=".x.."), Settings(cash=1.0))
    assert fills(run) == []
    assert [refused.reason for refused in run.refused] == [
        "1e-13 is less than the smallest quantity, 1e-12"
    ]
    assert run.equity.tolist() == [1.0] * 4
    assert sanity(run, Settings(cash=1.0)).passed


def test_a_symbol_whose_bars_end_while_held_is_stale_and_marked_at_its_last_close() -> None:
    bars = make_bars({"A": [10, 10, 12, NAN], "B": [1.0] * 4})
    run = simulate(
        bars, weight_decisions(["A", "B"], [[0.5, 0]] + [[NAN] * 2] * 3), Settings(cash=1000)
    )
    assert run.stale == {"A": bars.index[2]}
    assert run.equity.iloc[-1] == 1100
    assert run.trades["status"].tolist() == ["open"]


def test_an_open_of_zero_does_not_fill() -> None:
    bars = make_bars({"X": [10, 0, 10]}, {"X": [10, 10, 10]})
    assert [fill[0] for fill in fills(simulate(bars, signals(entries="x.."), Settings()))] == [2]


def test_decisions_for_other_columns_are_refused() -> None:
    bars = make_bars({"X": [10, 10]})
    with pytest.raises(BadDecisions, match="Y, the bars for X"):
        simulate(bars, weight_decisions(["Y"], [0.1, 0.1]), Settings())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda bars: bars["close"], "columns"),
        (lambda bars: bars.tz_localize(None), "zone"),
        (lambda bars: bars.iloc[::-1], "rising"),
        (lambda bars: bars.drop(columns="open", level=0), "'open'"),
    ],
)
def test_unusable_bars_are_refused_with_the_way_out(broken: Any, message: str) -> None:
    bars = broken(make_bars({"X": [10, 10]}))
    with pytest.raises(ValueError, match=message):
        simulate(bars, signals(entries="x."), Settings())
