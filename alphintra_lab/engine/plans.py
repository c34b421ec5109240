"""From decisions to orders: when a strategy decides, and what it then wants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .broker import Account, Order, Refused
from .decisions import BoolArray, FloatArray, SignalArrays
from .market import Market

WEIGHT_LIMIT = 1.0
"""The most that absolute weights may add up to: 1 / initial margin."""

Decide = Callable[[int, Account], list[Refused]]


class Plan(NamedTuple):
    """The rows that decide, the rows on which an order may fill, and what is decided on a row."""

    decision_rows: list[int]
    fill_rows: list[int]
    decide: Decide
    """Puts orders into the account's `waiting`, where newer replaces older; answers refusals."""


class Edges(NamedTuple):
    """Signals of one symbol after cancelling, True on their rising edge; [rows] each."""

    entries: BoolArray
    exits: BoolArray
    short_entries: BoolArray
    short_exits: BoolArray


def find_edges(signals: SignalArrays, market: Market) -> Edges:
    """Cancel and take rising edges, on the symbol's own bars from the start on.

    Entry and exit on one bar cancel, so do a long and a short entry, judged at once on the signals
    as given. Before the first bar that may trade every signal stands False, also if it was True in
    the warm-up.
    """
    rows = market.start + np.flatnonzero(np.isfinite(market.closes[market.start :, 0]))
    entries, exits, short_entries, short_exits = (array[rows, 0] for array in signals[:4])
    both = entries & short_entries
    clean = (
        entries & ~exits & ~both,
        exits & ~entries,
        short_entries & ~short_exits & ~both,
        short_exits & ~short_entries,
    )
    edges = []
    for signal in clean:
        edge = np.zeros(market.rows, dtype=np.bool_)
        edge[rows] = signal & ~np.concatenate(([False], signal[:-1]))
        edges.append(edge)
    return Edges(*edges)


def plan_signals(signals: SignalArrays, market: Market) -> Plan:
    """The plan of one symbol's account.

    Edges enter, leave and reverse; an entry in a position of its side does nothing.
    """
    edges = find_edges(signals, market)
    size = None if signals.size is None else signals.size[:, 0]
    rows = np.flatnonzero(np.logical_or.reduce(edges))
    next_fill = market.next_fill[:, 0]

    def decide(row: int, account: Account) -> list[Refused]:
        waiting = account.waiting.get(0)
        held = account.positions[0]
        direction = _wanted(edges, row, held if waiting is None else waiting.target)
        if direction is None:
            return []
        account.waiting.pop(0, None)
        if direction == 0 and held == 0:
            return []
        close = float(market.closes[row, 0])
        due = int(next_fill[row])
        if direction == 0 or size is None:
            target = direction * math.inf if direction else 0.0
            account.waiting[0] = Order(0, target, target, close, row, due)
            return []
        if close <= 0:
            side = "buy" if direction > 0 else "sell"
            return [Refused(row, 0, side, 0.0, f"the close is {close:g}: no share can be sized")]
        value = direction * float(size[row]) * account.equity([close])
        account.waiting[0] = Order(0, value / close, value, close, row, due)
        return []

    return Plan(rows.tolist(), next_fill[rows].tolist(), decide)


def _wanted(edges: Edges, row: int, held: float) -> int | None:
    """The direction that the edges of a row ask for, given the one held; None for no change."""
    if held > 0:
        if edges.short_entries[row]:
            return -1
        return 0 if edges.exits[row] else None
    if held < 0:
        if edges.entries[row]:
            return 1
        return 0 if edges.short_exits[row] else None
    if edges.entries[row]:
        return 1
    return -1 if edges.short_entries[row] else None


def plan_weights(weights: FloatArray, market: Market) -> Plan:
    """The plan of one account that holds all symbols at target weights [rows, symbols]."""
    weights = weights.copy()
    weights[: market.start] = np.nan
    given = np.isfinite(weights)
    rows = np.flatnonzero(given.any(axis=1))
    fills = np.unique(market.next_fill[given])

    def decide(row: int, account: Account) -> list[Refused]:
        marks = market.marks[row].tolist()
        equity = account.equity(marks)
        columns = np.flatnonzero(given[row]).tolist()
        targets = weights[row].tolist()
        total = float(np.abs(weights[row, columns]).sum())
        orders, refusals = [], []
        for column in columns:
            close, held = marks[column], account.positions[column]
            value = targets[column] * equity
            if math.isnan(close) or close <= 0:
                if targets[column] != 0:
                    reason = "there is no price yet" if math.isnan(close) else f"close {close:g}"
                    side = "buy" if targets[column] > 0 else "sell"
                    refusals.append(Refused(row, column, side, 0.0, reason))
                continue
            due = int(market.next_fill[row, column])
            orders.append(Order(column, value / close, value, close, row, due))
            if total > WEIGHT_LIMIT + 1e-9 and value / close != held:
                change = value / close - held
                side = "buy" if change > 0 else "sell"
                refusals.append(Refused(row, column, side, abs(change), _too_much(total)))
        if total > WEIGHT_LIMIT + 1e-9:
            return refusals
        account.waiting.update((order.column, order) for order in orders)
        return refusals

    return Plan(rows.tolist(), fills[fills < market.rows].tolist(), decide)


def _too_much(total: float) -> str:
    return (
        f"the absolute weights of this bar add up to {total:.4g}, and at most {WEIGHT_LIMIT:g} "
        "is possible without borrowing: scale them down"
    )
