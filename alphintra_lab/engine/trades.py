"""Trades: what each closing order earned against the position's average cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .broker import TOLERANCE, Fill
from .market import Market

COLUMNS: dict[str, str] = {
    "number": "int64",
    "symbol": "str",
    "side": "str",
    "status": "str",
    "quantity": "float64",
    "entry_time": "datetime64[ns, UTC]",
    "entry_price": "float64",
    "exit_time": "datetime64[ns, UTC]",
    "exit_price": "float64",
    "bars": "int64",
    "costs": "float64",
    "pnl": "float64",
    "pnl_fraction": "float64",
    "entry_rule": "str",
    "exit_rule": "str",
}


class _Holding(NamedTuple):
    """A position that is open: signed quantity, its cost, and the entry's commission."""

    quantity: float
    cost: float
    fees: float
    row: int
    rule: str


def list_trades(fills: list[Fill], market: Market) -> pd.DataFrame:
    """Every closed trade and, last, what is open at the last close (no exit cost).

    A trade is the part of a position that one order closed; entries are at average cost, and the
    entry's commission is shared by quantity. PnL is net of commission; `bars` are the symbol's own.
    """
    own_bars = np.cumsum(np.isfinite(market.closes), axis=0)
    found: list[dict[str, Any]] = []
    open_trades: list[dict[str, Any]] = []
    by_column: dict[int, list[Fill]] = {}
    for fill in fills:
        by_column.setdefault(fill.column, []).append(fill)
    last = market.rows - 1
    for column, own in sorted(by_column.items()):
        closed, holding = _walk(own)
        if holding is not None:
            price = float(market.marks[last, column])
            open_trades.append(_trade(holding, abs(holding.quantity), last, price, 0.0, ""))
        for trade in [*closed, *open_trades[-1:]] if holding is not None else closed:
            trade["symbol"] = market.symbols[column]
            trade["bars"] = int(
                own_bars[trade["exit_row"], column] - own_bars[trade["entry_row"], column]
            )
        found += closed
    found.sort(key=lambda trade: (trade["exit_row"], trade["entry_row"], trade["symbol"]))
    return _frame(found + open_trades, market)


def _walk(fills: list[Fill]) -> tuple[list[dict[str, Any]], _Holding | None]:
    """The closed trades of one symbol, and what stays open."""
    closed: list[dict[str, Any]] = []
    holding: _Holding | None = None
    for fill in fills:
        change = fill.quantity if fill.side == "buy" else -fill.quantity
        if holding is not None and (change > 0) != (holding.quantity > 0):
            size = min(abs(holding.quantity), fill.quantity)
            fees = fill.commission * size / fill.quantity
            closed.append(_trade(holding, size, fill.row, fill.price, fees, fill.rule))
            left = abs(holding.quantity) - size
            share = left / abs(holding.quantity)
            rest = fill.quantity - size
            if share > TOLERANCE:
                holding = holding._replace(
                    quantity=holding.quantity * share,
                    cost=holding.cost * share,
                    fees=holding.fees * share,
                )
                continue
            holding = None
            if rest <= TOLERANCE * fill.quantity:
                continue
            change, commission = np.copysign(rest, change), fill.commission - fees
        else:
            commission = fill.commission
        holding = _extend(holding, float(change), commission, fill)
    return closed, holding


def _extend(holding: _Holding | None, change: float, commission: float, fill: Fill) -> _Holding:
    if holding is None:
        return _Holding(change, abs(change) * fill.price, commission, fill.row, fill.rule)
    return holding._replace(
        quantity=holding.quantity + change,
        cost=holding.cost + abs(change) * fill.price,
        fees=holding.fees + commission,
    )


def _trade(
    holding: _Holding, size: float, row: int, price: float, exit_fees: float, rule: str
) -> dict[str, Any]:
    share = size / abs(holding.quantity)
    entry_price = holding.cost / abs(holding.quantity)
    costs = holding.fees * share + exit_fees
    sign = 1 if holding.quantity > 0 else -1
    pnl = sign * (price - entry_price) * size - costs
    return {
        "side": "long" if sign > 0 else "short",
        "status": "closed" if rule else "open",
        "quantity": size,
        "entry_row": holding.row,
        "entry_price": entry_price,
        "exit_row": row,
        "exit_price": price,
        "costs": costs,
        "pnl": pnl,
        "pnl_fraction": pnl / (entry_price * size),
        "entry_rule": holding.rule,
        "exit_rule": rule,
    }


def _frame(trades: list[dict[str, Any]], market: Market) -> pd.DataFrame:
    frame = pd.DataFrame(trades, columns=[*COLUMNS, "entry_row", "exit_row"])
    frame["number"] = np.arange(1, len(trades) + 1)
    for name in ("entry", "exit"):
        rows = [trade[f"{name}_row"] for trade in trades]
        frame[f"{name}_time"] = market.times[rows]
    return frame[list(COLUMNS)].astype(COLUMNS)
