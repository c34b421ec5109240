"""One account's way through the bars: decide, wait, fill, and be ruined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .broker import Account, Fill, Order, Refused
from .decisions import FloatArray
from .market import Market
from .plans import Plan
from .settings import Settings


class _Balance(NamedTuple):
    """What an account holds from a row on."""

    row: int
    cash: float
    positions: list[float]


class Run(NamedTuple):
    """What one account did. `cash` [rows], `positions` [rows, columns] at each row's close."""

    fills: list[Fill]
    refused: list[Refused]
    waiting: list[Order]
    cash: FloatArray
    positions: FloatArray
    ruined: int | None


def walk(market: Market, plan: Plan, cash: float, settings: Settings) -> Run:
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
        now = prices[row].tolist()
        for order in _due(account, row):
            outcome = account.fill(order, row, now)
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
    return Run(
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
