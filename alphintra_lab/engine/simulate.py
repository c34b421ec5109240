"""Decisions and bars in; orders, trades, equity and ledger out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .broker import Fill, Refused
from .decisions import (
    Decisions,
    FloatArray,
    SignalArrays,
    SignalDecisions,
    check,
    decisions_sha256,
    signal_arrays,
    weight_array,
)
from .ledger import iso_times, ledger_sha256, ledger_text, number_text, symbol_text
from .market import Market, column_symbols, read_market
from .plans import plan_signals, plan_weights
from .settings import Settings
from .trades import list_trades
from .walk import Run, walk

ORDER_COLUMNS = {
    "time": "datetime64[ns, UTC]",
    "symbol": "str",
    "side": "str",
    "quantity": "float64",
    "price": "float64",
    "commission": "float64",
    "rule": "str",
    "decided": "datetime64[ns, UTC]",
}


class Refusal(NamedTuple):
    """An order that was not placed, and why. `time` is the open of the bar that refused it."""

    time: pd.Timestamp
    symbol: str
    side: str
    quantity: float
    reason: str


@dataclass(frozen=True)
class Simulation:
    """A run's orders and what became of the cash; series are indexed by the bars' open times."""

    orders: pd.DataFrame
    """In execution order: time, symbol, side, quantity, price, commission, rule, decided."""
    refused: list[Refusal]
    pending: list[Refusal]
    """Orders that found no bar to fill on, outside the ledger; quantities as at the decision."""
    trades: pd.DataFrame
    equity: pd.Series[float]
    """At each bar's close, from the start on."""
    cash: pd.Series[float]
    positions: pd.DataFrame
    """Signed quantities [times, symbols] at each close, from the start on."""
    last_prices: dict[str, float]
    """Each symbol's last close; NaN when it had none."""
    stale: dict[str, pd.Timestamp]
    """Symbols still held whose bars ended before the run's, and their last bar."""
    ruined: pd.Timestamp | None
    """The bar on which equity fell to zero or below, and an account's run ended."""
    decision_counts: dict[str, int]
    """On how many (bar, symbol) pairs from the start on each kind of decision was taken."""
    ledger: str
    ledger_sha256: str
    decisions_sha256: str


def simulate(bars: pd.DataFrame, decisions: Decisions, settings: Settings) -> Simulation:
    """Run decisions over bars: columns (field, symbol), zoned times, warm-up included.

    Signals run once per symbol, each with an equal part of the cash; weights share one account.
    """
    check(decisions, bars=len(bars), symbols=column_symbols(bars))
    market = read_market(bars, settings)
    order = [decisions.symbols.index(symbol) for symbol in market.symbols]
    if isinstance(decisions, SignalDecisions):
        arrays = _take(signal_arrays(decisions), order)
        counts = _count_signals(arrays, market.start)
        cash = settings.cash / len(market.symbols)
        runs = [
            (column, _run_signals(arrays, market, column, cash, settings))
            for column in range(len(market.symbols))
        ]
    else:
        weights = weight_array(decisions)[:, order]
        counts = {"weights": int(np.isfinite(weights[market.start :]).sum())}
        runs = [(0, walk(market, plan_weights(weights, market), settings.cash, settings))]
    return _gather(market, runs, decisions, counts)


def _take(arrays: SignalArrays, columns: list[int]) -> SignalArrays:
    return SignalArrays(
        entries=arrays.entries[:, columns],
        exits=arrays.exits[:, columns],
        short_entries=arrays.short_entries[:, columns],
        short_exits=arrays.short_exits[:, columns],
        size=None if arrays.size is None else arrays.size[:, columns],
    )


def _count_signals(arrays: SignalArrays, start: int) -> dict[str, int]:
    return {name: int(getattr(arrays, name)[start:].sum()) for name in arrays._fields[:4]}


def _run_signals(
    arrays: SignalArrays, market: Market, column: int, cash: float, settings: Settings
) -> Run:
    alone = market.column(column)
    return walk(alone, plan_signals(_take(arrays, [column]), alone), cash, settings)


def _gather(
    market: Market, runs: list[tuple[int, Run]], decisions: Decisions, counts: dict[str, int]
) -> Simulation:
    """Put the accounts together; `runs` names the first column of each."""
    fills = [fill._replace(column=first + fill.column) for first, run in runs for fill in run.fills]
    fills.sort(key=lambda fill: fill.row)
    refused = [
        one._replace(column=first + one.column) for first, run in runs for one in run.refused
    ]
    refused.sort(key=lambda one: one.row)
    refusals = [_refusal(one, market) for one in refused]
    pending = [
        _refusal(one._replace(column=first + one.column), market)
        for first, run in runs
        for one in _pending(run)
    ]
    equity, cash = np.zeros(market.rows), np.zeros(market.rows)
    for first, run in runs:
        cash += run.cash
        equity += run.cash
        for column in range(run.positions.shape[1]):
            held = run.positions[:, column]
            marks = market.marks[:, first + column]
            equity += np.where(held == 0, 0.0, held * marks)
    positions = np.hstack([run.positions for _, run in runs])
    orders = _orders_frame(fills, market)
    ledger = ledger_text(orders)
    since = slice(market.start, None)
    times = market.times[since]
    ruins = [run.ruined for _, run in runs if run.ruined is not None]
    return Simulation(
        orders=orders,
        refused=refusals,
        pending=pending,
        trades=list_trades(fills, market),
        equity=pd.Series(equity[since], index=times, name="equity"),
        cash=pd.Series(cash[since], index=times, name="cash"),
        positions=pd.DataFrame(positions[since], index=times, columns=market.symbols),
        last_prices=dict(zip(market.symbols, market.marks[-1].tolist(), strict=True)),
        stale=_stale(market, positions[-1]),
        ruined=market.times[min(ruins)] if ruins else None,
        decision_counts=counts,
        ledger=ledger,
        ledger_sha256=ledger_sha256(ledger),
        decisions_sha256=decisions_sha256(decisions, _refusal_lines(refusals)),
    )


def _pending(run: Run) -> list[Refused]:
    found = []
    held_last = run.positions[-1]
    for order in sorted(run.waiting, key=lambda order: order.column):
        held = float(held_last[order.column])
        change = order.target - held
        if change == 0:
            continue
        quantity = abs(change)
        if not math.isfinite(quantity):
            quantity = abs(held) + max(float(run.cash[-1]), 0.0) / order.close
        side = "buy" if change > 0 else "sell"
        found.append(
            Refused(order.decided, order.column, side, quantity, "no later bar to fill on")
        )
    return found


def _refusal(refused: Refused, market: Market) -> Refusal:
    return Refusal(
        market.times[refused.row],
        market.symbols[refused.column],
        refused.side,
        refused.quantity,
        refused.reason,
    )


def _refusal_lines(refusals: list[Refusal]) -> list[str]:
    times = iso_times(pd.DatetimeIndex([one.time for one in refusals]))
    return [
        "|".join([time, symbol_text(one.symbol), one.side, number_text(one.quantity), one.reason])
        for time, one in zip(times, refusals, strict=True)
    ]


def _stale(market: Market, held: FloatArray) -> dict[str, pd.Timestamp]:
    found = {}
    for column in np.flatnonzero(held).tolist():
        last = int(np.flatnonzero(np.isfinite(market.closes[:, column]))[-1])
        if last < market.rows - 1:
            found[market.symbols[column]] = market.times[last]
    return found


def _orders_frame(fills: list[Fill], market: Market) -> pd.DataFrame:
    rows = [fill.row for fill in fills]
    columns: dict[str, Any] = {
        "time": market.times[rows],
        "symbol": [market.symbols[fill.column] for fill in fills],
        "side": [fill.side for fill in fills],
        "quantity": [fill.quantity for fill in fills],
        "price": [fill.price for fill in fills],
        "commission": [fill.commission for fill in fills],
        "rule": [fill.rule for fill in fills],
        "decided": market.times[[fill.decided for fill in fills]],
    }
    return pd.DataFrame(columns).astype(ORDER_COLUMNS)
