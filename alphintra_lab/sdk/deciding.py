"""A strategy over bars gives decisions: the same code in a job's sandbox and in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import pandas as pd

from ..engine.decisions import Decisions, signal_decisions, weight_decisions
from .bars import assemble, union
from .outputs import Fields, read_signals, read_weights
from .strategy import Signals, Strategy, StrategyError, find_kind

_running: ContextVar[bool] = ContextVar("alphintra_strategy_running", default=False)


@contextmanager
def strategy_code() -> Iterator[None]:
    """Mark that a strategy's own code runs, in which no further data may be loaded."""
    token = _running.set(True)
    try:
        yield
    finally:
        _running.reset(token)


def refuse_inside_strategy(name: str) -> None:
    """Raise StrategyError when a strategy's own code calls `name`."""
    if _running.get():
        raise StrategyError(
            f"{name} cannot be called inside a strategy: it decides from the bars it is given. "
            f"Call {name} in a notebook."
        )


def decide(
    strategy: Strategy | type[Strategy],
    bars: Mapping[str, pd.DataFrame],
    progress: Callable[[float], None] | None = None,
) -> Decisions:
    """Ask a strategy for its decisions over every bar of every symbol (flat frames by symbol).

    `signals` is called once per symbol, with `universe` once for all; `weights` once. The arrays
    span the union of the symbols' times; where a symbol has no bar it decides nothing.
    Raises StrategyError for an answer that cannot be used.
    """
    strategy = strategy() if isinstance(strategy, type) else strategy
    kind = find_kind(type(strategy))
    symbols = list(bars)
    if kind == "weights":
        table = assemble(bars)
        answer = _call(strategy, kind, table)
        return weight_decisions(symbols, read_weights(answer, table.index, symbols))
    if strategy.universe:
        table = assemble(bars)
        fields = read_signals(_call(strategy, kind, table), table.index, symbols)
        return signal_decisions(symbols, **fields)
    index = union([frame.index for frame in bars.values()])
    columns: list[Fields] = []
    for symbol, frame in bars.items():
        # Cut before its first bar, a symbol has nothing to decide on.
        answer = _call(strategy, kind, frame) if len(frame) else Signals(False, False)
        columns.append(_spread(_read_symbol(answer, frame, symbol, len(bars)), frame.index, index))
        if progress is not None:
            progress(len(columns) / len(symbols))
    silent = [not len(frame) for frame in bars.values()]
    return signal_decisions(symbols, **_stack(columns, silent))


def _call(strategy: Strategy, method: str, frame: pd.DataFrame) -> Any:
    # A shallow copy: under copy-on-write nothing that user code assigns reaches the caller's bars.
    with strategy_code():
        return getattr(strategy, method)(frame.copy(deep=False))


def _read_symbol(answer: Any, frame: pd.DataFrame, symbol: str, count: int) -> Fields:
    try:
        return read_signals(answer, frame.index, None)
    except StrategyError as error:
        if count == 1:
            raise
        raise StrategyError(f"{symbol}: {error}", code=error.code) from None


def _spread(fields: Fields, own: pd.Index, index: pd.Index) -> Fields:
    """Put one symbol's arrays on the union of all times; False, or NaN, where it has no bar."""
    if own.equals(index):
        return fields
    rows = index.get_indexer(own)
    spread: Fields = {}
    for name, array in fields.items():
        if array is None:
            spread[name] = None
            continue
        wide = np.full(len(index), np.nan if name == "size" else False, dtype=array.dtype)
        wide[rows] = array
        spread[name] = wide
    return spread


def _stack(columns: list[Fields], silent: list[bool]) -> Fields:
    """Symbols side by side; a side that only some symbols gave is False for the others.

    `silent`: symbols without a bar, which were not asked.
    """
    stacked: Fields = {}
    for name in Signals.FIELDS:
        given = [fields[name] for fields in columns]
        present = [array for array in given if array is not None]
        if not present:
            stacked[name] = None
        elif len(present) + sum(silent) < len(given) and name == "size":
            raise StrategyError(
                "size was given for some symbols and not for others. Give it for all, or for none.",
                code="bad_decisions",
            )
        else:
            blank = np.full_like(present[0], np.nan if name == "size" else False)
            stacked[name] = np.column_stack([blank if a is None else a for a in given])
    return stacked
