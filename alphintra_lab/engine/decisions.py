"""What leaves the sandbox: a strategy's decisions, trusted only after `decode`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

BoolArray: TypeAlias = NDArray[np.bool_]
FloatArray: TypeAlias = NDArray[np.float64]


class BadDecisions(ValueError):
    """Decisions that cannot be used. The message names the value, its place and the way out."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SignalDecisions(msgspec.Struct, frozen=True, tag="signals", forbid_unknown_fields=True):
    """Signals as the strategy gave them, before edges; C-order arrays [bars, symbols] of uint8.

    `size` is little-endian float64: a share of equity in (0, 1], NaN where there is no entry.
    """

    symbols: list[str]
    bars: int
    entries: bytes
    exits: bytes
    short_entries: bytes | None = None
    short_exits: bytes | None = None
    size: bytes | None = None


class WeightDecisions(msgspec.Struct, frozen=True, tag="weights", forbid_unknown_fields=True):
    """Target weights, C-order [bars, symbols] of little-endian float64.

    NaN leaves a position as it is.
    """

    symbols: list[str]
    bars: int
    weights: bytes


Decisions: TypeAlias = SignalDecisions | WeightDecisions
"""Whatever a strategy decided."""


class SignalArrays(NamedTuple):
    """Signals as arrays [bars, symbols]; absent short sides are all False."""

    entries: BoolArray
    exits: BoolArray
    short_entries: BoolArray
    short_exits: BoolArray
    size: FloatArray | None


def signal_decisions(
    symbols: Sequence[str],
    entries: ArrayLike,
    exits: ArrayLike,
    short_entries: ArrayLike | None = None,
    short_exits: ArrayLike | None = None,
    size: ArrayLike | None = None,
) -> SignalDecisions:
    """Pack boolean arrays [bars, symbols] (and sizes that broadcast to them) into decisions."""
    names = list(symbols)
    first = np.asarray(entries)
    shape = (first.shape[0] if first.ndim else 0, len(names))
    return SignalDecisions(
        symbols=names,
        bars=shape[0],
        entries=_pack_booleans("entries", entries, shape),
        exits=_pack_booleans("exits", exits, shape),
        short_entries=_pack_booleans("short_entries", short_entries, shape)
        if short_entries is not None
        else None,
        short_exits=_pack_booleans("short_exits", short_exits, shape)
        if short_exits is not None
        else None,
        size=_pack_floats("size", size, shape) if size is not None else None,
    )


def weight_decisions(symbols: Sequence[str], weights: ArrayLike) -> WeightDecisions:
    """Pack target weights [bars, symbols] into decisions; NaN leaves a position as it is."""
    names = list(symbols)
    array = np.asarray(weights)
    shape = (array.shape[0] if array.ndim else 0, len(names))
    return WeightDecisions(
        symbols=names, bars=shape[0], weights=_pack_floats("weights", weights, shape)
    )


def encode(decisions: Decisions) -> bytes:
    """Decisions as MessagePack."""
    return msgspec.msgpack.encode(decisions)


def decode(data: bytes, *, bars: int, symbols: Sequence[str]) -> Decisions:
    """Read decisions that came out of a sandbox and check every value; raises BadDecisions.

    `bars` and `symbols` are what the strategy was given: shape and order must be the same.
    """
    try:
        decisions: Decisions = msgspec.msgpack.decode(data, type=Decisions)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadDecisions(
            f"The decisions cannot be read: {error}. "
            "Return Signals(...) from signals(bars), or a frame from weights(bars)."
        ) from None
    check(decisions, bars=bars, symbols=symbols)
    return decisions


def check(decisions: Decisions, *, bars: int, symbols: Sequence[str]) -> None:
    """Raise BadDecisions unless shape and every value are usable."""
    expected = list(symbols)
    if decisions.symbols != expected:
        raise BadDecisions(
            f"The decisions are for {_names(decisions.symbols)}, the bars for {_names(expected)}. "
            "Return the same columns, in the same order, as bars has."
        )
    if decisions.bars != bars:
        raise BadDecisions(
            f"The decisions have {decisions.bars:,} rows, the bars {bars:,}. "
            "Return one row for each bar, with the index of bars: reindex instead of dropping rows."
        )
    cells = bars * len(expected)
    if isinstance(decisions, WeightDecisions):
        _check_length("weights", decisions.weights, cells * 8)
        _check_weights(decisions)
        return
    for name in ("entries", "exits", "short_entries", "short_exits"):
        data = getattr(decisions, name)
        if data is not None:
            _check_length(name, data, cells)
            _check_booleans(name, data, decisions)
    if decisions.size is not None:
        _check_length("size", decisions.size, cells * 8)
        _check_size(decisions)


def signal_arrays(decisions: SignalDecisions) -> SignalArrays:
    """The signals as arrays [bars, symbols]."""
    shape = (decisions.bars, len(decisions.symbols))

    def booleans(data: bytes | None) -> BoolArray:
        if data is None:
            return np.zeros(shape, dtype=np.bool_)
        return np.frombuffer(data, dtype=np.uint8).reshape(shape).astype(np.bool_)

    return SignalArrays(
        booleans(decisions.entries),
        booleans(decisions.exits),
        booleans(decisions.short_entries),
        booleans(decisions.short_exits),
        None if decisions.size is None else _floats(decisions.size, shape),
    )


def weight_array(decisions: WeightDecisions) -> FloatArray:
    """The target weights as an array [bars, symbols]."""
    return _floats(decisions.weights, (decisions.bars, len(decisions.symbols)))


def decisions_sha256(decisions: Decisions, rejections: Sequence[str] = ()) -> str:
    """SHA-256 over the decisions and the lines of the orders that were refused.

    Equal decisions hash alike whatever the order of their columns, the bits of a NaN or the sign
    of a zero.
    """
    order = sorted(range(len(decisions.symbols)), key=lambda column: decisions.symbols[column])
    kind = "weights" if isinstance(decisions, WeightDecisions) else "signals"
    header = ["alphintra-decisions/1", kind, str(decisions.bars)]
    header += [decisions.symbols[column] for column in order]
    digest = hashlib.sha256(msgspec.msgpack.encode(header))
    for name, array in _named_arrays(decisions):
        digest.update(f"\n{name}\n".encode())
        digest.update(_canonical(array[:, order]))
    for line in rejections:
        digest.update(f"\n{line}".encode())
    return digest.hexdigest()


def _named_arrays(decisions: Decisions) -> list[tuple[str, NDArray[Any]]]:
    if isinstance(decisions, WeightDecisions):
        return [("weights", weight_array(decisions))]
    arrays = signal_arrays(decisions)._asdict()
    return [(name, array) for name, array in arrays.items() if array is not None]


def _canonical(array: NDArray[Any]) -> bytes:
    if array.dtype == np.bool_:
        return array.astype(np.uint8).tobytes()
    clean = np.where(np.isnan(array), np.nan, array + 0.0)
    return clean.astype("<f8").tobytes()


def _floats(data: bytes, shape: tuple[int, int]) -> FloatArray:
    return np.frombuffer(data, dtype="<f8").reshape(shape).astype(np.float64)


def _pack_booleans(name: str, values: ArrayLike, shape: tuple[int, int]) -> bytes:
    array = np.asarray(values)
    if array.dtype != np.bool_:
        raise BadDecisions(
            f"{name} holds {array.dtype} values, not booleans. "
            "Compare (fast > slow) or convert: values.fillna(False).astype(bool)."
        )
    return _shaped(name, array, shape).astype(np.uint8).tobytes()


def _pack_floats(name: str, values: ArrayLike, shape: tuple[int, int]) -> bytes:
    array = np.asarray(values)
    try:
        numbers = array.astype("<f8")
    except (TypeError, ValueError):
        raise BadDecisions(
            f"{name} holds {array.dtype} values, not numbers. Convert with values.astype(float)."
        ) from None
    if name == "size" and numbers.ndim < 2:
        numbers = np.broadcast_to(numbers[:, None] if numbers.ndim else numbers, shape)
    numbers = _shaped(name, numbers, shape)
    return np.where(np.isnan(numbers), np.nan, numbers + 0.0).astype("<f8").tobytes()


def _shaped(name: str, array: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    if array.ndim == 1 and shape[1] == 1:
        array = array[:, None]
    if array.shape != shape:
        raise BadDecisions(
            f"{name} has the shape {array.shape}, not {shape} (bars, symbols). "
            "Return one value for each bar and symbol."
        )
    return array


def _check_length(name: str, data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise BadDecisions(
            f"{name} has {len(data):,} bytes where {expected:,} were expected. "
            "Return one value for each bar and symbol."
        )


def _check_booleans(name: str, data: bytes, decisions: SignalDecisions) -> None:
    values = np.frombuffer(data, dtype=np.uint8)
    bad = np.flatnonzero(values > 1)
    if bad.size:
        where = _place(int(bad[0]), decisions)
        raise BadDecisions(f"{name} is {values[bad[0]]} {where}. Return True or False.")


def _check_size(decisions: SignalDecisions) -> None:
    arrays = signal_arrays(decisions)
    assert arrays.size is not None
    size = arrays.size.ravel()
    entry = (arrays.entries | arrays.short_entries).ravel()
    usable = (size > 0) & (size <= 1)
    bad = np.flatnonzero(~usable & ~(np.isnan(size) & ~entry))
    if bad.size:
        value = float(size[bad[0]])
        where = _place(int(bad[0]), decisions)
        if math.isnan(value):
            raise BadDecisions(
                f"size is NaN {where}, where there is an entry. "
                "Give a share of equity above 0 and up to 1, or no entry there."
            )
        raise BadDecisions(
            f"size is {value!r} {where}. A size is a share of equity above 0 and up to 1; "
            "leave size out to use all that is available."
        )


def _check_weights(decisions: WeightDecisions) -> None:
    weights = weight_array(decisions).ravel()
    bad = np.flatnonzero(np.isinf(weights))
    if bad.size:
        raise BadDecisions(
            f"The weight is {float(weights[bad[0]])!r} {_place(int(bad[0]), decisions)}. "
            "A weight is a finite number, or NaN to leave the position as it is: "
            "look for a division by zero."
        )


def _place(cell: int, decisions: Decisions) -> str:
    bar, column = divmod(cell, len(decisions.symbols))
    return f"on bar {bar} (counted from 0) of {decisions.symbols[column]}"


def _names(symbols: Sequence[str]) -> str:
    shown = ", ".join(symbols[:5])
    return f"{shown} and {len(symbols) - 5} more" if len(symbols) > 5 else shown or "no symbol"
