"""Whether the command line's orders equal the same calls of vectorbt made by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import Row
from tests.engine.market_data import eurusd, us_stocks

COSTS = ("--commission", "0.0002", "--slippage-bps", "1")
BY_HAND: dict[str, Any] = {"fees": 0.0002, "init_cash": 10_000}
SLIPPAGE = 0.0001
TICK = 1e-5
"""EURUSD's. The lab rounds a market price after slippage to the tick, against the trader."""
TEMPLATES = Path(__file__).parent.parent / "templates"
TOLERANCE = 1e-9
FIELDS = ["time", "symbol", "side", "quantity", "price", "commission"]


def measure(repeats: int, say: Callable[[str], None]) -> list[Row]:
    """Both strategies, order by order."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="alphintra-bench-") as name:
        for what, pair in (
            ("SMA 10/30 cross on EURUSD", cross_orders),
            ("Momentum weights on four stocks", momentum_orders),
        ):
            ours, theirs = pair(Path(name))
            worst = compare_orders(ours, theirs)
            say(f"  {what}: {len(ours)} and {len(theirs)} orders, largest difference {worst:.1e}")
            rows.append(
                Row(
                    f"{what}: orders equal to vectorbt by hand",
                    f"{len(ours)} orders",
                    f"{len(theirs)} orders, largest relative difference {worst:.1e}",
                    "",
                    f"≤ {TOLERANCE:g}",
                    worst <= TOLERANCE,
                )
            )
    return rows


def cross_orders(home: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The template's orders, and those of `from_signals` on averages by pandas."""
    import vectorbt

    ours = run_backtest(home, "sma_cross", "eurusd-1h", "--set", "fast=10", "--set", "slow=30")
    bars = eurusd(sys.maxsize)
    close = bars["close", "EURUSD"]
    fast, slow = close.rolling(10).mean(), close.rolling(30).mean()
    entries, exits = _act_next_bar(fast > slow), _act_next_bar(fast < slow)
    dearer = np.ceil(bars["open", "EURUSD"] * (1 + SLIPPAGE) / TICK) * TICK
    cheaper = np.floor(bars["open", "EURUSD"] * (1 - SLIPPAGE) / TICK) * TICK
    portfolio = vectorbt.Portfolio.from_signals(
        close,
        entries=entries,
        exits=exits,
        price=dearer.where(entries, cheaper),
        freq="1h",
        **BY_HAND,
    )
    return ours, read_orders(portfolio, ["EURUSD"])


def momentum_orders(home: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The template's orders, and those of `from_orders` on weights by pandas."""
    import vectorbt

    ours = run_backtest(home, "momentum", "us-stocks-1d", "--set", "hold=2")
    bars = us_stocks()
    close, opens = pd.DataFrame(bars["close"]), pd.DataFrame(bars["open"])
    rise = close.shift(21) / close.shift(252) - 1
    order = (-rise).rank(axis=1, method="first")
    weights = 0.5 * ((order <= 2) & (rise > 0))
    months = close.index.year * 12 + close.index.month  # type: ignore[attr-defined]  # pandas-stubs: Index
    weights[np.diff(months, prepend=months[0]) == 0] = np.nan
    portfolio = vectorbt.Portfolio.from_orders(
        close,
        size=weights.shift(1),
        size_type="targetpercent",
        price=opens,
        val_price=close.shift(1),
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1d",
        slippage=SLIPPAGE,
        **BY_HAND,
    )
    return ours, read_orders(portfolio, list(close.columns))


def _act_next_bar(signal: pd.Series) -> pd.Series:
    """A signal acts where it becomes true, on the bar after."""
    return (signal & ~signal.shift(1, fill_value=False)).shift(1, fill_value=False)


def run_backtest(home: Path, template: str, dataset: str, *options: str) -> pd.DataFrame:
    """The orders that `alphintra-lab backtest --json` prints."""
    command = [sys.executable, "-m", "alphintra_lab", "backtest", str(TEMPLATES / template)]
    done = subprocess.run(
        [*command, "--dataset", dataset, *options, *COSTS, "--json"],
        capture_output=True,
        text=True,
        cwd=home,
        env=os.environ | {"ALPHINTRA_HOME": str(home / "home")},
    )
    assert done.returncode == 0, done.stderr
    frame = pd.DataFrame(json.loads(done.stdout)["orders"])
    frame["time"] = pd.to_datetime(frame["time"], utc=True).dt.as_unit("ns")
    return frame[FIELDS]


def read_orders(portfolio: Any, symbols: Sequence[str]) -> pd.DataFrame:
    """vectorbt's order records under the lab's names."""
    records = portfolio.orders.records
    times = pd.DatetimeIndex(portfolio.wrapper.index).as_unit("ns")
    return pd.DataFrame(
        {
            "time": times[records["idx"]],
            "symbol": np.array(symbols)[records["col"]],
            "side": np.where(records["side"] == 0, "buy", "sell"),
            "quantity": records["size"].to_numpy(),
            "price": records["price"].to_numpy(),
            "commission": records["fees"].to_numpy(),
        }
    )


def compare_orders(ours: pd.DataFrame, theirs: pd.DataFrame) -> float:
    """The largest relative difference of a number; infinite where orders do not match at all."""
    if len(ours) != len(theirs):
        return float("inf")
    same = all((ours[name].to_numpy() == theirs[name].to_numpy()).all() for name in FIELDS[:3])
    if not same:
        return float("inf")
    numbers, by_hand = (frame[FIELDS[3:]].to_numpy(float) for frame in (ours, theirs))
    scale = np.maximum(np.abs(by_hand), np.finfo(float).tiny)
    return float(np.max(np.abs(numbers - by_hand) / scale))
