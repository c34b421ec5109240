"""What a strategy returned, checked and turned into arrays with the shape of its bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .strategy import Signals, StrategyError

Array: TypeAlias = NDArray[Any]
Fields: TypeAlias = dict[str, Any]
"""A Signals' fields by name, each an array or None."""


def read_signals(signals: Any, index: pd.Index, symbols: Sequence[str] | None) -> Fields:
    """Signals' fields as arrays [bars], or [bars, symbols] when symbols are given; or None.

    `size` is NaN on bars without an entry.
    """
    if not isinstance(signals, Signals):
        raise _unusable(
            f"signals returned {_describe(signals)}. Return Signals(entries=..., exits=...)."
        )
    fields: Fields = {}
    for name in Signals.FIELDS[:-1]:
        value = getattr(signals, name)
        if value is None and name in ("entries", "exits"):
            raise _unusable(f"{name} is None. Give a boolean for every bar, or False for none.")
        fields[name] = None if value is None else _booleans(name, value, index, symbols)
    fields["size"] = _sizes(signals.size, fields, index, symbols)
    return fields


def read_weights(weights: Any, index: pd.Index, symbols: Sequence[str]) -> Array:
    """Target weights as float64 [bars, symbols], in the order of the symbols; NaN is kept."""
    if not isinstance(weights, pd.DataFrame | np.ndarray):
        raise _unusable(
            f"weights returned {_describe(weights)}. "
            f"Return a frame with the index of bars and the columns {_list(symbols)}."
        )
    return _numbers("weights", weights, index, symbols)


def _booleans(name: str, value: Any, index: pd.Index, symbols: Sequence[str] | None) -> Array:
    """Booleans, or 0 and 1. NaN counts as False: it is what `.shift(1)` leaves on the first bar."""
    array = _shape(name, value, index, symbols)
    if array.dtype == np.bool_:
        return array
    missing = np.asarray(pd.isna(array))
    true = np.zeros(array.shape, dtype=np.bool_)
    for cell in zip(*np.nonzero(~missing), strict=True):
        found = array[cell]
        if not isinstance(found, bool | np.bool_ | int | float | np.number) or found not in (0, 1):
            raise _unusable(
                f"{name} is {_show(found)} {_place(index, symbols, cell)}. "
                "Expected True or False: compare (fast > slow), do not return the values."
            )
        true[cell] = bool(found)
    return true


def _sizes(
    value: Any, fields: Fields, index: pd.Index, symbols: Sequence[str] | None
) -> Array | None:
    if value is None:
        return None
    size = _numbers("size", value, index, symbols)
    entry = np.zeros(size.shape, dtype=np.bool_)
    for name in ("entries", "short_entries"):
        side = fields[name]
        if side is not None:
            entry |= side
    size = np.where(entry, size, np.nan)
    with np.errstate(invalid="ignore"):
        bad = entry & ~((size > 0) & (size <= 1))
    if bad.any():
        cell = tuple(np.argwhere(bad)[0])
        raise _unusable(
            f"size is {_show(size[cell])} {_place(index, symbols, cell)}, where there is an entry. "
            "A size is a share of equity, above 0 and up to 1."
        )
    return size


def _numbers(name: str, value: Any, index: pd.Index, symbols: Sequence[str] | None) -> Array:
    array = _shape(name, value, index, symbols)
    if array.dtype.kind not in "iuf":
        array = _floats(name, array, index, symbols)
    array = array.astype(np.float64)
    infinite = np.argwhere(np.isinf(array))
    if len(infinite) and name == "weights":
        cell = tuple(infinite[0])
        raise _unusable(
            f"weights is {_show(array[cell])} {_place(index, symbols, cell)}. A weight is a finite "
            "number, or NaN to leave the position as it is: look for a division by zero."
        )
    return array


def _floats(name: str, array: Array, index: pd.Index, symbols: Sequence[str] | None) -> Array:
    numbers = np.full(array.shape, np.nan)
    for cell in np.ndindex(array.shape):
        found = array[cell]
        if isinstance(found, int | float | np.number) and not isinstance(found, bool):
            numbers[cell] = float(found)
        elif not pd.isna(found):
            raise _unusable(
                f"{name} is {_show(found)} {_place(index, symbols, cell)}. "
                "Expected a number or NaN."
            )
    return numbers


def _shape(name: str, value: Any, index: pd.Index, symbols: Sequence[str] | None) -> Array:
    """The values as an array of the right shape; one value stands for all bars."""
    shape = (len(index),) if symbols is None else (len(index), len(symbols))
    array: Array
    if isinstance(value, pd.Series | pd.DataFrame):
        array = _align(name, value, index, symbols)
    elif isinstance(value, bool | int | float | np.bool_ | np.number):
        return np.broadcast_to(np.asarray(value), shape)
    elif isinstance(value, np.ndarray):
        array = value
    else:
        raise _unusable(f"{name} is {_describe(value)}. Expected {_expected(index, symbols)}.")
    if array.shape != shape:
        raise _unusable(
            f"{name} is an array of shape {array.shape}. Expected {_expected(index, symbols)}."
        )
    return array


def _align(
    name: str, value: pd.Series | pd.DataFrame, index: pd.Index, symbols: Sequence[str] | None
) -> Array:
    if isinstance(value, pd.DataFrame) != (symbols is not None):
        raise _unusable(f"{name} is {_describe(value)}. Expected {_expected(index, symbols)}.")
    if len(value) != len(index):
        raise _unusable(
            f"{name} has {len(value):,} rows where bars has {len(index):,}. "
            "Return a value for every bar (NaN is fine): do not use dropna()."
        )
    if not value.index.equals(index):
        row = next(i for i, (a, b) in enumerate(zip(value.index, index, strict=True)) if a != b)
        raise _unusable(
            f"{name} has another index than bars: row {row} is {_show(value.index[row])} "
            f"where bars has {_show(index[row])}. Keep the index of bars."
        )
    if isinstance(value, pd.Series):
        column: Array = np.asarray(value)
        return column
    assert symbols is not None
    if not value.columns.is_unique or set(value.columns) != set(symbols):
        raise _unusable(
            f"{name} has the columns {_list(list(value.columns))}. Expected {_list(symbols)}."
        )
    ordered: Array = np.asarray(value[list(symbols)])
    return ordered


def _unusable(message: str) -> StrategyError:
    return StrategyError(message, code="bad_decisions")


def _expected(index: pd.Index, symbols: Sequence[str] | None) -> str:
    if symbols is None:
        return f"a Series with the index of bars, or an array of {len(index):,} values"
    return (
        f"a frame with the index of bars and the columns {_list(symbols)}, "
        f"or an array of shape {(len(index), len(symbols))}"
    )


def _describe(value: Any) -> str:
    if value is None:
        return "None (is a return missing?)"
    if isinstance(value, pd.DataFrame):
        return f"a frame with the columns {_list(list(value.columns))}"
    return f"a {type(value).__name__}"


def _place(index: pd.Index, symbols: Sequence[str] | None, cell: tuple[int, ...]) -> str:
    place = f"on the bar {_show(index[cell[0]])}"
    return place if symbols is None else f"{place} for {symbols[cell[1]]}"


def _show(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M}"
    return repr(value.item() if isinstance(value, np.generic) else value)


def _list(names: Sequence[Any]) -> str:
    shown = ", ".join(str(name) for name in names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > 6 else shown
