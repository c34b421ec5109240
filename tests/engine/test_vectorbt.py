"""Orders equal plain vectorbt calls made by hand, order by order, on real market data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.engine.decisions import signal_decisions, weight_decisions
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import Simulation, simulate
from tests.engine.market_data import eurusd, us_stocks

pytestmark = pytest.mark.slow  # importing vectorbt takes seconds

COSTS: dict[str, float] = {"fees": 0.0002, "slippage": 0.0001}
SETTINGS = Settings(commission=0.0002, slippage_bps=1)


@pytest.fixture(scope="module")
def vectorbt() -> Any:
    import vectorbt

    vectorbt.settings["engine"] = "rust"
    return vectorbt


@pytest.fixture(scope="module")
def cross() -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    bars = eurusd()
    close = bars["close", "EURUSD"]
    fast, slow = close.rolling(10).mean(), close.rolling(30).mean()
    return bars, fast > slow, fast < slow


def rise(signal: pd.Series) -> pd.Series:
    return signal & ~signal.shift(1, fill_value=False)


def assert_same_orders(run: Simulation, portfolio: Any) -> None:
    records = portfolio.orders.records
    index = portfolio.wrapper.index
    assert len(run.orders) == len(records) > 50
    assert (run.orders["time"].to_numpy() == index[records["idx"]].to_numpy()).all()
    assert (run.orders["side"] == np.where(records["side"] == 0, "buy", "sell")).all()
    for ours, theirs in (("quantity", "size"), ("price", "price"), ("commission", "fees")):
        np.testing.assert_array_equal(run.orders[ours], records[theirs], err_msg=ours)


def assert_same_trades(run: Simulation, portfolio: Any) -> None:
    records = portfolio.exit_trades.records
    closed = run.trades[run.trades["status"] == "closed"]
    theirs = records[records["status"] == 1]
    order = ["exit_idx", "entry_idx", "col"]
    theirs = theirs.sort_values(order, kind="stable")
    assert len(closed) == len(theirs) > 20
    for name, column in (
        ("quantity", "size"),
        ("entry_price", "entry_price"),
        ("exit_price", "exit_price"),
        ("pnl", "pnl"),
        ("pnl_fraction", "return"),
    ):
        np.testing.assert_allclose(closed[name], theirs[column], rtol=1e-9, atol=1e-9)
    assert (closed["side"] == np.where(theirs["direction"] == 0, "long", "short")).all()


def test_a_long_only_cross_equals_from_signals(vectorbt: Any, cross: Any) -> None:
    bars, up, down = cross
    run = simulate(bars, signal_decisions(["EURUSD"], up, down), SETTINGS)
    portfolio = vectorbt.Portfolio.from_signals(
        bars["close", "EURUSD"],
        entries=rise(up).shift(1, fill_value=False),
        exits=rise(down).shift(1, fill_value=False),
        price=bars["open", "EURUSD"],
        init_cash=10_000,
        freq="1h",
        **COSTS,
    )
    assert_same_orders(run, portfolio)
    assert_same_trades(run, portfolio)
    np.testing.assert_allclose(run.equity, portfolio.value(), rtol=1e-12)


def test_a_reversing_cross_equals_from_signals(vectorbt: Any, cross: Any) -> None:
    bars, up, down = cross
    run = simulate(bars, signal_decisions(["EURUSD"], up, down, down, up), SETTINGS)
    portfolio = vectorbt.Portfolio.from_signals(
        bars["close", "EURUSD"],
        entries=rise(up).shift(1, fill_value=False),
        exits=rise(down).shift(1, fill_value=False),
        short_entries=rise(down).shift(1, fill_value=False),
        short_exits=rise(up).shift(1, fill_value=False),
        price=bars["open", "EURUSD"],
        init_cash=10_000,
        freq="1h",
        **COSTS,
    )
    assert_same_orders(run, portfolio)
    assert_same_trades(run, portfolio)
    np.testing.assert_allclose(run.equity, portfolio.value(), rtol=1e-12)


def test_fills_at_the_same_close_equal_from_signals_unshifted(vectorbt: Any, cross: Any) -> None:
    bars, up, down = cross
    settings = Settings(commission=0.0002, slippage_bps=1, fill="unsafe_same_close")
    run = simulate(bars, signal_decisions(["EURUSD"], up, down), settings)
    portfolio = vectorbt.Portfolio.from_signals(
        bars["close", "EURUSD"],
        entries=rise(up),
        exits=rise(down),
        init_cash=10_000,
        freq="1h",
        **COSTS,
    )
    assert_same_orders(run, portfolio)
    assert set(run.orders["rule"]) == {"same_close"}


@pytest.mark.parametrize("short", [False, True])
def test_a_share_of_equity_equals_from_orders(vectorbt: Any, cross: Any, short: bool) -> None:
    bars, up, down = cross
    shorts = {"short_entries": down, "short_exits": up} if short else {}
    run = simulate(bars, signal_decisions(["EURUSD"], up, down, size=0.5, **shorts), SETTINGS)
    target = pd.Series(np.nan, index=bars.index)
    target[rise(down)] = -0.5 if short else 0.0
    target[rise(up)] = 0.5
    portfolio = vectorbt.Portfolio.from_orders(
        bars["close", "EURUSD"],
        size=target.shift(1),
        size_type="targetpercent",
        price=bars["open", "EURUSD"],
        val_price=bars["close", "EURUSD"].shift(1),
        init_cash=10_000,
        freq="1h",
        **COSTS,
    )
    # Sold before anything was bought: by hand that first target of 0 orders nothing either.
    assert_same_orders(run, portfolio)
    assert_same_trades(run, portfolio)
    np.testing.assert_allclose(run.equity, portfolio.value(), rtol=1e-12)


@pytest.mark.parametrize("every", [1, 21])
def test_momentum_weights_equal_from_orders(vectorbt: Any, every: int) -> None:
    bars = us_stocks().loc["2005":]
    close, opens = pd.DataFrame(bars["close"]), pd.DataFrame(bars["open"])
    symbols = sorted(close.columns)
    momentum = close.pct_change(126)
    best = momentum.rank(axis=1, ascending=False) <= 2
    weights = (best * 0.5).where(momentum.notna().all(axis=1), np.nan)
    weights[np.arange(len(weights)) % every != 0] = np.nan
    run = simulate(bars, weight_decisions(list(close.columns), weights), SETTINGS)
    portfolio = vectorbt.Portfolio.from_orders(
        close[symbols],
        size=weights[symbols].shift(1),
        size_type="targetpercent",
        price=opens[symbols],
        val_price=close[symbols].shift(1),
        init_cash=10_000,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1d",
        **COSTS,
    )
    records = portfolio.orders.records
    run_columns = [symbols.index(symbol) for symbol in run.orders["symbol"]]
    assert run_columns == records["col"].tolist()
    assert_same_orders(run, portfolio)
    assert_same_trades(run, portfolio)
    np.testing.assert_allclose(run.equity, portfolio.value(), rtol=1e-12)
    assert "cut_cash" in set(run.orders["rule"])
