"""Decisions and bars in; orders, trades, equity and ledger out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .broker import Account, Fill, Order, Refused
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
from .plans import Plan, plan_signals, plan_weights
from .settings import Settings
from .trades import list_trades

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


class _Balance(NamedTuple):
    """What an account holds from a row on."""

    row: int
    cash: float
    positions: list[float]


class _Run(NamedTuple):
    """What one account did. `cash` [rows], `positions` [rows, columns] at each row's close."""

    fills: list[Fill]
    refused: list[Refused]
    waiting: list[Order]
    cash: FloatArray
    positions: FloatArray
    ruined: int | None


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
        runs = [(0, _run(market, plan_weights(weights, market), settings.cash, settings))]
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
) -> _Run:
    alone = market.column(column)
    return _run(alone, plan_signals(_take(arrays, [column]), alone), cash, settings)


def _run(market: Market, plan: Plan, cash: float, settings: Settings) -> _Run:
    """Walk the rows on which something is decided or filled; the others only mark positions."""
    account = Account(cash, market.symbols, settings)
    same_close = settings.fill == "unsafe_same_close"
    opens = _open_marks(market)
    prices = market.marks if same_close else opens
    deciding = set(plan.decision_rows)
    fills: list[Fill] = []
    refused: list[Refused] = []
    balances = [_Balance(0, cash, account.positions.copy())]
    ruined: tuple[int, bool] | None = None
    seen = market.start
    for row in [*sorted(deciding.union(plan.fill_rows)), market.rows]:
        ruined = _first_ruin(account, market, opens, seen, row)
        if ruined is not None or row == market.rows:
            break
        if same_close and row in deciding:
            refused += plan.decide(row, account)
        for order in _due(account, row):
            outcome = account.fill(order, row, prices[row].tolist())
            if isinstance(outcome, Fill):
                fills.append(outcome)
            elif outcome is not None:
                refused.append(outcome)
        balances.append(_Balance(row, account.cash, account.positions.copy()))
        if not same_close and row in deciding:
            refused += plan.decide(row, account)
        seen = row
    if ruined is not None:
        account.waiting.clear()
        for fill in _liquidate(account, market, *ruined):
            fills.append(fill)
            balances.append(_Balance(fill.row, account.cash, account.positions.copy()))
    return _Run(
        fills,
        refused,
        list(account.waiting.values()),
        *_spread(balances, market.rows),
        None if ruined is None else ruined[0],
    )


def _due(account: Account, row: int) -> list[Order]:
    """Take the orders due on a row out of the account: sells first, then buys by ascending value.

    Values are those at the decision's close, ties stand by symbol: vectorbt's call_seq='auto'.
    """
    due = [order for order in account.waiting.values() if order.due == row]
    for order in due:
        del account.waiting[order.column]

    def change(order: Order) -> tuple[float, int]:
        held = account.positions[order.column]
        value = order.value - held * order.close if held else order.value
        return value, order.column

    return sorted(due, key=change)


def _open_marks(market: Market) -> FloatArray:
    """The prices at each row's open: the open, or the last close where a symbol has none."""
    before = np.vstack([np.full((1, len(market.symbols)), np.nan), market.marks[:-1]])
    return np.where(np.isfinite(market.opens), market.opens, before)


def _first_ruin(
    account: Account, market: Market, opens: FloatArray, seen: int, row: int
) -> tuple[int, bool] | None:
    """Where equity is first zero or below, after the row last seen and up to the next row's open.

    Answers the row, and whether it was its open (else its close). Only a short can bring it there.
    """
    if not account.is_short:
        return None
    rows = slice(seen, min(row + 1, market.rows))
    prices = np.stack([opens[rows], market.marks[rows]], axis=1)
    equity = np.full(prices.shape[:2], account.cash)
    for column, held in enumerate(account.positions):
        if held != 0:
            equity += held * prices[:, :, column]
    broke = equity <= 0
    broke[0, 0] = False  # this open lies before the last fills
    if row < market.rows:
        broke[-1, 1] = False  # this close lies after the next fills
    found = np.flatnonzero(broke)
    return (seen + int(found[0]) // 2, bool(found[0] % 2 == 0)) if found.size else None


def _liquidate(account: Account, market: Market, row: int, at_open: bool) -> Iterator[Fill]:
    """Close every position of a ruined account: at that open, or at the next after a close."""
    first = row if at_open else row + 1
    due = []
    for column, held in enumerate(account.positions):
        usable = np.flatnonzero(np.isfinite(market.opens[first:, column]))
        if held != 0 and usable.size:
            due.append((first + int(usable[0]), column))
    for at, column in sorted(due):
        yield account.liquidate(column, at, float(market.opens[at, column]), row)


def _spread(balances: list[_Balance], rows: int) -> tuple[FloatArray, FloatArray]:
    """Cash [rows] and positions [rows, columns] at each close; the last balance of a row counts."""
    at = np.searchsorted([balance.row for balance in balances], np.arange(rows), side="right") - 1
    cash = np.array([balance.cash for balance in balances])
    positions = np.array([balance.positions for balance in balances])
    return cash[at], positions[at]


def _gather(
    market: Market, runs: list[tuple[int, _Run]], decisions: Decisions, counts: dict[str, int]
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


def _pending(run: _Run) -> list[Refused]:
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
    times = iso_times([one.time for one in refusals])
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
