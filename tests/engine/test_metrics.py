from __future__ import annotations

import math
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alphintra_lab.engine.decisions import signal_decisions, weight_decisions
from alphintra_lab.engine.metrics import (
    bar_returns,
    buy_and_hold,
    drawdowns,
    metrics,
    min_track_record,
    probabilistic_sharpe,
)
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import Simulation, simulate
from tests.engine.market_data import eurusd, make_bars

PPY = 6240.0


def measure(run: Simulation, settings: Settings, held: Simulation | None = None) -> dict[str, Any]:
    benchmark = None if held is None else held.equity
    return metrics(run.equity, run.trades, run.orders, run.positions, settings, benchmark)


def measure_equity(
    values: list[float], *, cash: float = 100.0, ppy: float = 252.0
) -> dict[str, Any]:
    """Metrics of a bare equity path, without orders."""
    bars = make_bars({"X": [1.0] * len(values)})
    idle = simulate(bars, weight_decisions(["X"], [math.nan] * len(values)), Settings())
    equity = pd.Series(values, index=bars.index)
    settings = Settings(cash=cash, periods_per_year=ppy)
    return metrics(equity, idle.trades, idle.orders, idle.positions, settings)


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    bars = eurusd()
    close = bars["close", "EURUSD"]
    fast, slow = close.rolling(10).mean(), close.rolling(30).mean()
    settings = Settings(commission=0.0001, periods_per_year=PPY)
    up, down = fast > slow, fast < slow
    run = simulate(bars, signal_decisions(["EURUSD"], up, down, down, up), settings)
    held = buy_and_hold(bars, settings)
    mine = np.asarray(run.equity) / np.concatenate(([10_000.0], run.equity[:-1])) - 1
    other = np.asarray(held.equity) / np.concatenate(([10_000.0], held.equity[:-1])) - 1
    return measure(run, settings, held), mine, other


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("total_return", lambda r, _: empyrical.cum_returns_final(r)),
        ("cagr", lambda r, _: empyrical.cagr(r, annualization=PPY)),
        ("volatility", lambda r, _: empyrical.annual_volatility(r, annualization=PPY)),
        ("sharpe", lambda r, _: empyrical.sharpe_ratio(r, annualization=PPY)),
        ("sortino", lambda r, _: empyrical.sortino_ratio(r, annualization=PPY)),
        ("omega", lambda r, _: empyrical.omega_ratio(r)),
        ("max_drawdown", lambda r, _: empyrical.max_drawdown(r)),
        ("calmar", lambda r, _: empyrical.calmar_ratio(r, annualization=PPY)),
        ("var_95", lambda r, _: empyrical.value_at_risk(r)),
        ("cvar_95", lambda r, _: empyrical.conditional_value_at_risk(r)),
        ("tail_ratio", lambda r, _: empyrical.tail_ratio(r)),
        ("beta", lambda r, b: empyrical.beta(r, b)),
        ("alpha", lambda r, b: empyrical.alpha(r, b, annualization=PPY)),
        ("benchmark_return", lambda _, b: empyrical.cum_returns_final(b)),
        ("skewness", lambda r, _: stats.skew(r)),
        ("kurtosis", lambda r, _: stats.kurtosis(r, fisher=False)),
        ("autocorrelation", lambda r, _: pd.Series(r).autocorr(1)),
    ],
)
def test_a_real_run_has_the_number_of_an_independent_library(
    measured: Any, name: str, function: Any
) -> None:
    numbers, mine, other = measured
    assert numbers[name] == pytest.approx(float(function(mine, other)), rel=1e-9, abs=1e-15)


def test_a_hand_computed_path() -> None:
    # 100 -> 110 -> 99 -> 99 -> 108.9: returns .1, -.1, 0, .1
    numbers = measure_equity([110, 99, 99, 108.9], ppy=4)
    r = [0.1, -0.1, 0.0, 0.1]
    mean = sum(r) / 4
    deviation = math.sqrt(sum((x - mean) ** 2 for x in r) / 3)
    assert numbers["bars"] == 4 and numbers["years"] == 1
    assert numbers["total_return"] == pytest.approx(0.089)
    assert numbers["cagr"] == pytest.approx(0.089)
    assert numbers["volatility"] == pytest.approx(deviation * 2)
    assert numbers["sharpe"] == pytest.approx(mean / deviation * 2)
    assert numbers["sortino"] == pytest.approx(mean * 2 / math.sqrt(0.01 / 4))
    assert numbers["omega"] == pytest.approx(2.0)
    assert numbers["max_drawdown"] == pytest.approx(-0.1)
    assert numbers["max_drawdown_bars"] == 3  # from the peak of bar 1 to the end: 108.9 < 110
    assert numbers["calmar"] == pytest.approx(0.89)
    assert numbers["var_95"] == pytest.approx(-0.1 + 0.15 * 0.1)  # rank 0.05 * 3 between -.1 and 0
    assert numbers["cvar_95"] == pytest.approx(-0.1)


def test_the_first_drawdown_counts_from_starting_cash_and_ends_with_the_recovery() -> None:
    numbers = measure_equity([90, 80, 100, 101])
    assert numbers["max_drawdown"] == pytest.approx(-0.2)
    assert numbers["max_drawdown_bars"] == 3
    np.testing.assert_allclose(
        drawdowns(np.array([90.0, 80, 100, 101]), 100), [-0.1, -0.2, 0, 0], atol=1e-15
    )


def test_constant_returns_have_no_ratio() -> None:
    flat = measure_equity([100, 100, 100])
    for name in ("sharpe", "sortino", "omega", "calmar", "tail_ratio", "skewness", "kurtosis"):
        assert flat[name] is None, name
    for name in ("autocorrelation", "beta", "probabilistic_sharpe", "hit_rate", "cost_share"):
        assert flat[name] is None, name
    assert flat["volatility"] == 0 and flat["max_drawdown"] == 0
    growing = measure_equity([100 * 1.01**n for n in range(1, 50)])
    assert growing["sharpe"] is None and growing["kurtosis"] is None


def test_one_bar_has_a_return_and_no_ratio() -> None:
    numbers = measure_equity([101.0])
    assert numbers["total_return"] == pytest.approx(0.01)
    assert numbers["volatility"] is None and numbers["sharpe"] is None


def test_a_ruined_path_ends_with_the_bar_that_ruined_it() -> None:
    numbers = measure_equity([50, -10, -10, -10])
    assert bar_returns(np.array([50.0, -10, -10, -10]), 100).tolist() == pytest.approx([-0.5, -1.2])
    assert numbers["cagr"] is None and numbers["total_return"] == pytest.approx(-1.1)
    assert numbers["max_drawdown"] == pytest.approx(-1.1)


def test_probabilistic_sharpe_and_track_record_equal_the_papers_example() -> None:
    # Bailey & López de Prado 2012, "The Sharpe ratio efficient frontier": annual SR 1.585 from
    # monthly data is 0.458 a month; 24 months, skewness -2.448, kurtosis 10.164: PSR(0) = 0.913.
    ratio, skewness, kurtosis, months = 0.458, -2.448, 10.164, 24
    returns = with_moments(ratio, skewness, kurtosis, months)
    assert probabilistic_sharpe(returns) == pytest.approx(0.913, abs=0.002)


def with_moments(ratio: float, skewness: float, kurtosis: float, count: int) -> np.ndarray:
    """Numbers with these sample moments (ddof 1 for the ratio), found by least squares."""
    from scipy.optimize import least_squares

    start = -np.sort(np.random.default_rng(1).exponential(size=count))
    start[0] -= 1

    def miss(values: np.ndarray) -> list[float]:
        return [
            values.mean() / values.std(ddof=1) - ratio,
            stats.skew(values) - skewness,
            stats.kurtosis(values, fisher=False) - kurtosis,
        ]

    return np.asarray(least_squares(miss, start, xtol=1e-14, ftol=1e-14).x)


def test_a_record_of_the_minimum_length_is_convincing_with_95_percent() -> None:
    # PSR with n = minTRL is 95 % by definition: the two formulas must agree.
    returns = np.random.default_rng(3).normal(0.001, 0.01, 500)
    needed = min_track_record(returns)
    assert needed is not None
    ratio = returns.mean() / returns.std(ddof=1)
    skewness, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    variance = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    reached = stats.norm.cdf(ratio * math.sqrt(needed - 1) / math.sqrt(variance))
    assert reached == pytest.approx(0.95, abs=1e-12)
    assert min_track_record(-returns) is None


def test_trade_numbers_by_hand() -> None:
    # Opens 10, 12 | 10, 9 | 10, 10: bought and sold with all cash, no costs.
    opens = [10.0, 10, 12, 10, 9, 10, 10]
    entries = [True, False, True, False, True, False, False]
    exits = [False, True, False, True, False, True, False]
    settings = Settings(cash=1000, periods_per_year=252)
    run = simulate(make_bars({"X": opens}), signal_decisions(["X"], entries, exits), settings)
    # 100 at 10 -> 12: +200. 120 at 10 -> 9: -120. 108 at 10 -> 10: 0.
    assert run.trades["pnl"].tolist() == pytest.approx([200, -120, 0])
    numbers = measure(run, settings)
    assert numbers["trades"] == numbers["closed_trades"] == 3
    assert numbers["hit_rate"] == pytest.approx(1 / 3)
    assert numbers["profit_factor"] == pytest.approx(200 / 120)
    mean = 80 / 3
    spread = math.sqrt(((200 - mean) ** 2 + (120 + mean) ** 2 + mean**2) / 2)
    assert numbers["sqn"] == pytest.approx(math.sqrt(3) * mean / spread)
    assert numbers["kelly"] == pytest.approx(1 / 3 - 2 / 3 * 120 / 200)
    assert numbers["exposure"] == pytest.approx(3 / 7)
    traded = 1000 + 1200 + 1200 + 1080 + 1080 + 1080
    mean_equity = run.equity.mean()
    assert numbers["turnover"] == pytest.approx(traded / mean_equity * 252 / 7)


def test_cost_share_is_costs_over_what_was_earned_before_them() -> None:
    settings = Settings(cash=1010, commission=0.01)
    bars = make_bars({"X": [10.0, 10, 20, 20]})
    run = simulate(
        bars, signal_decisions(["X"], [True, *[False] * 3], [False, True, False, False]), settings
    )
    # Fees 10 and 20; gross 1000, net 970.
    numbers = measure(run, settings)
    assert numbers["costs"] == pytest.approx(30)
    assert numbers["cost_share"] == pytest.approx(30 / 1000)


def test_losses_have_no_cost_share_and_only_wins_no_profit_factor() -> None:
    settings = Settings(cash=1000, commission=0.001)
    for last, name in ((5.0, "cost_share"), (20.0, "profit_factor")):
        bars = make_bars({"X": [10.0, 10, last, last]})
        entries, exits = [True, *[False] * 3], [False, True, False, False]
        run = simulate(bars, signal_decisions(["X"], entries, exits), settings)
        assert measure(run, settings)[name] is None


def test_the_benchmark_is_bought_once_at_the_first_open_with_the_same_costs() -> None:
    bars = make_bars({"X": [10.0, 11, 12, 13]})
    held = buy_and_hold(bars, Settings(cash=1100, commission=0.01, slippage_bps=100))
    order = held.orders.iloc[0]
    assert len(held.orders) == 1
    assert order["price"] == pytest.approx(11.11)
    assert order["quantity"] == pytest.approx(1100 / 11.11 / 1.01)
    assert order["time"] == bars.index[1]


def test_the_benchmark_of_several_symbols_has_equal_parts_and_waits_for_a_late_one() -> None:
    bars = make_bars({"B": [10.0] * 4, "A": [math.nan, math.nan, 5.0, 5.0]})
    held = buy_and_hold(bars, Settings(cash=1000))
    assert held.orders["symbol"].tolist() == ["B", "A"]
    assert held.orders["quantity"].tolist() == [50, 100]
    assert held.orders["time"].tolist() == [bars.index[1], bars.index[3]]


def test_the_benchmark_starts_with_the_run() -> None:
    bars = make_bars({"X": [10.0, 11, 12, 13]})
    held = buy_and_hold(bars, Settings(start=bars.index[1].to_pydatetime()))
    assert held.orders["time"].tolist() == [bars.index[2]]
