from __future__ import annotations

import math

import pytest

from alphintra_lab.engine.decisions import weight_decisions
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import simulate
from tests.engine.market_data import make_bars

NAN = math.nan


def test_a_partial_exit_closes_its_part_at_average_cost() -> None:
    # 1000 of cash, 1 % a side. Bought 50 at 10 (fee 5). Equity at the next close 1000 + 50 * 2 - 5.
    bars = make_bars({"X": [10, 10, 12, 12, 12]}, {"X": [10, 12, 12, 12, 12]})
    weights = [0.5, NAN, 0.25, NAN, NAN]
    run = simulate(bars, weight_decisions(["X"], weights), Settings(cash=1000, commission=0.01))
    kept = 0.25 * (1000 - 5 + 100) / 12
    sold = 50 - kept
    closed, still = run.trades.iloc[0], run.trades.iloc[1]
    assert (closed["status"], closed["side"], closed["bars"]) == ("closed", "long", 2)
    assert closed["quantity"] == pytest.approx(sold)
    assert closed["costs"] == pytest.approx(5 * sold / 50 + sold * 12 * 0.01)
    assert closed["pnl"] == pytest.approx(2 * sold - closed["costs"])
    assert closed["pnl_fraction"] == pytest.approx(closed["pnl"] / (10 * sold))
    assert (still["status"], still["exit_price"], still["exit_rule"]) == ("open", 12, "")
    assert still["quantity"] == pytest.approx(kept)
    assert still["costs"] == pytest.approx(5 * kept / 50)
    assert run.trades["number"].tolist() == [1, 2]


def test_a_position_built_in_two_orders_has_their_average_as_entry_price() -> None:
    bars = make_bars({"X": [10, 10, 20, 20]}, {"X": [10, 10, 20, 20]})
    run = simulate(bars, weight_decisions(["X"], [0.2, 0.6, NAN, NAN]), Settings(cash=1000))
    # 20 at 10, then 40 more at 20 (0.6 of 1000 at the close of 10 is 60).
    assert run.orders["quantity"].tolist() == [20, 40]
    assert run.trades["entry_price"].tolist() == [pytest.approx((20 * 10 + 40 * 20) / 60)]


def test_no_orders_make_an_empty_frame_with_every_column() -> None:
    run = simulate(make_bars({"X": [10, 10]}), weight_decisions(["X"], [NAN, NAN]), Settings())
    assert run.trades.empty and run.trades["entry_time"].dtype == "datetime64[ns, UTC]"


def test_a_symbols_bars_are_its_own() -> None:
    bars = make_bars({"X": [10, 10, NAN, NAN, 10, 10], "Y": [1.0] * 6})
    weights = [[0.5, NAN], [NAN] * 2, [NAN] * 2, [0.0, NAN], [NAN] * 2, [NAN] * 2]
    run = simulate(bars, weight_decisions(["X", "Y"], weights), Settings())
    assert run.trades["bars"].tolist() == [1]
