"""What a notebook or a script calls: load_bars, datasets, backtest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, TypeAlias

import pandas as pd

from ..engine.decisions import Decisions, encode
from . import line
from .bars import assemble, cut, read_bars, to_utc
from .deciding import decide, refuse_inside_strategy
from .entry import fresh_class
from .result import BacktestResult
from .source import ENTRY, find_file, read_cell, read_folder
from .strategy import Strategy, StrategyError, suggest

Time: TypeAlias = str | dt.date | None
"""A date or time, as text or as Python's or pandas' own; without a zone it is read as UTC."""


def load_bars(
    name: str,
    symbols: str | Sequence[str] | None = None,
    start: Time = None,
    end: Time = None,
) -> pd.DataFrame:
    """A dataset's bars from `start` (included) to `end` (excluded), index = open time in UTC.

    One symbol: columns open, high, low, close, volume. Several: columns (field, symbol), the union
    of their times, NaN where a symbol has no bar.
    """
    refuse_inside_strategy("load_bars")
    start, end = _read_times(start, end)
    frames = {s: cut(frame, start, end) for s, frame in _fetch(name, symbols).items()}
    return next(iter(frames.values())) if len(frames) == 1 else assemble(frames)


def datasets() -> pd.DataFrame:
    """The datasets that are here: name, symbols, rows, first and last bar, quality score."""
    refuse_inside_strategy("datasets")
    columns = ["name", "description", "symbols", "frequency", "rows", "start", "end", "score"]
    frame = pd.DataFrame(line.get("/datasets"))
    return frame.reindex(columns=columns).set_index("name")


def backtest(
    strategy: Strategy | type[Strategy],
    dataset: str,
    *,
    cash: float = 10_000,
    commission: float | None = None,
    slippage_bps: float | None = None,
    fill: str = "next_open",
    whole_shares: bool = False,
    symbols: str | Sequence[str] | None = None,
    start: Time = None,
    end: Time = None,
    overrides: Sequence[str] = (),
) -> BacktestResult:
    """Run a strategy over a dataset: a recorded run and a counted trial, like any other.

    `commission` is a fraction of the traded value, each side; None takes the instrument's own.
    Trading begins at `start`; earlier bars are readable as warm-up. `end` is excluded. A class from
    a file runs as the file says now, also when it was edited after its import.
    """
    refuse_inside_strategy("backtest")
    start, end = _read_times(start, end)
    if isinstance(strategy, type):
        strategy = strategy()
    if not isinstance(strategy, Strategy):
        raise StrategyError(
            f"backtest takes a Strategy, not a {type(strategy).__name__}: "
            'backtest(SmaCross(fast=5), "eurusd-1h").'
        )
    bars = {s: cut(frame, end=end) for s, frame in _fetch(dataset, symbols).items()}
    source, parameters, decisions = _decide_recorded(strategy, bars)
    body = {
        "source": source,
        "class_name": type(strategy).__name__,
        "parameters": parameters,
        "dataset": dataset,
        "symbols": list(bars),
        "start": start,
        "end": end,
        "cash": float(cash),
        "commission": None if commission is None else float(commission),
        "slippage_bps": None if slippage_bps is None else float(slippage_bps),
        "fill": fill,
        "whole_shares": whole_shares,
        "overrides": list(overrides),
        "decisions": encode(decisions),
    }
    return BacktestResult(line.post("/backtests", body))


def _decide_recorded(
    strategy: Strategy, bars: dict[str, pd.DataFrame]
) -> tuple[dict[str, Any], dict[str, Any], Decisions]:
    """Decisions, with the source and the parameters that gave them."""
    cls = type(strategy)
    file = find_file(cls)
    if file is None:
        files = {ENTRY: read_cell(cls)}
        source = {"files": files, "entry": ENTRY, "folder": None, "scratch": True}
        return source, strategy.values, decide(strategy, bars)
    folder, entry = file.parent, file.name
    # strategy.py owns its folder; any other file stands among strangers, and takes what it imports.
    files = read_folder(folder) if entry == ENTRY else {}
    with fresh_class(folder, entry, cls.__name__) as (fresh, ran):
        now = fresh(**strategy.given)
        decisions = decide(now, bars)
    files |= ran
    source = {"files": files, "entry": entry, "folder": str(folder), "scratch": False}
    return source, now.values, decisions


def _fetch(name: str, symbols: str | Sequence[str] | None) -> dict[str, pd.DataFrame]:
    """Each symbol's whole flat frame, from the files the server grants."""
    query = {"dataset": name}
    if symbols is not None:
        query["symbols"] = symbols if isinstance(symbols, str) else ",".join(symbols)
    try:
        granted = line.get("/bars", **query)
    except line.LineError as error:
        raise _with_near_name(error, name) from None
    return {symbol: read_bars(path) for symbol, path in granted["symbols"].items()}


def _with_near_name(error: line.LineError, name: str) -> line.LineError:
    if error.code != "not_found" or "Did you mean" in str(error):
        return error
    known = [dataset["name"] for dataset in line.get("/datasets")]
    if name in known:
        return error
    near = suggest(name, known) or f" There are {', '.join(known)}."
    return line.LineError(f"{error}{near}", code=error.code, field=error.field)


def _read_times(start: Time, end: Time) -> tuple[str | None, str | None]:
    """Both as text, as they were written; raises ValueError for what is no time, or no span."""
    for name, time in (("start", start), ("end", end)):
        if time is not None:
            try:
                to_utc(time)
            except (TypeError, ValueError):
                raise ValueError(f"{name} is {time!r}. Write a date or time: 2017-03-01.") from None
    if start is not None and end is not None and to_utc(start) >= to_utc(end):
        raise ValueError(f"start {start} is not before end {end}.")
    first, last = (t.isoformat() if isinstance(t, dt.date) else t for t in (start, end))
    return first, last
