from __future__ import annotations

import math
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from alphintra_lab.engine.decisions import (
    BadDecisions,
    Decisions,
    SignalDecisions,
    WeightDecisions,
    decisions_sha256,
    decode,
    encode,
    signal_arrays,
    signal_decisions,
    weight_array,
    weight_decisions,
)

NAN = math.nan
YES = np.array([[True, False], [False, True], [False, False]])
NO = np.zeros_like(YES)


def decoded(
    decisions: Decisions, bars: int = 3, symbols: tuple[str, ...] = ("A", "B")
) -> Decisions:
    return decode(encode(decisions), bars=bars, symbols=symbols)


def test_signals_survive_the_way_out_of_the_sandbox() -> None:
    size = np.array([[0.5, NAN], [NAN, 1.0], [NAN, NAN]])
    given = signal_decisions(["A", "B"], YES, NO, short_exits=YES, size=size)
    arrays = signal_arrays(msgspec.convert(decoded(given), SignalDecisions))
    assert (arrays.entries == YES).all() and not arrays.exits.any()
    assert not arrays.short_entries.any() and (arrays.short_exits == YES).all()
    np.testing.assert_array_equal(arrays.size, size)


def test_weights_survive_the_way_out_of_the_sandbox() -> None:
    weights = np.array([[NAN, 0.5], [0.25, -0.25], [1.0, 0.0]])
    back = decoded(weight_decisions(["A", "B"], weights))
    assert isinstance(back, WeightDecisions)
    np.testing.assert_array_equal(weight_array(back), weights)


def test_one_symbol_may_come_flat_and_one_size_for_all_bars() -> None:
    given = signal_decisions(["A"], [True, False, False], [False] * 3, size=0.25)
    arrays = signal_arrays(given)
    assert arrays.entries.shape == (3, 1)
    assert arrays.size is not None and arrays.size.ravel().tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (b"\x00rubbish", "cannot be read"),
        (msgspec.msgpack.encode({"type": "signals"}), "cannot be read"),
        (msgspec.msgpack.encode({"type": "orders", "symbols": []}), "cannot be read"),
        (msgspec.msgpack.encode([[[]]] * 3), "cannot be read"),
        (b"\x91" * 100_000, "cannot be read"),
        (encode(WeightDecisions(symbols=["A", "B"], bars=3, weights=b"1")), "1 bytes where 48"),
        (encode(WeightDecisions(symbols=["A", "B"], bars=-1, weights=b"")), "-1 rows, the bars 3"),
    ],
)
def test_bytes_that_are_no_decisions_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadDecisions, match=message):
        decode(data, bars=3, symbols=["A", "B"])


def test_a_wrong_number_of_rows_names_both_and_the_way_out() -> None:
    short = weight_decisions(["A", "B"], np.zeros((2, 2)))
    with pytest.raises(BadDecisions, match=r"2 rows, the bars 3.*reindex"):
        decoded(short)


def test_other_symbols_are_named() -> None:
    with pytest.raises(BadDecisions, match=r"for B, A, the bars for A, B"):
        decoded(weight_decisions(["B", "A"], np.zeros((3, 2))))


def test_a_byte_that_is_no_boolean_is_named_with_its_place() -> None:
    bad = SignalDecisions(symbols=["A", "B"], bars=3, entries=b"\0\0\0\7\0\0", exits=bytes(6))
    with pytest.raises(BadDecisions, match=r"entries is 7 on bar 1 \(counted from 0\) of B"):
        decoded(bad)


@pytest.mark.parametrize("size", [0.0, -0.1, 1.5, math.inf])
def test_a_size_that_is_no_share_is_named_with_its_place(size: float) -> None:
    sizes = np.full((3, 2), 0.5)
    sizes[2, 0] = size
    with pytest.raises(BadDecisions, match=rf"size is {size} on bar 2 .* of A"):
        decoded(signal_decisions(["A", "B"], YES, NO, size=sizes))


def test_a_size_may_be_nan_only_where_there_is_no_entry() -> None:
    sizes = np.where(YES, 0.5, NAN)
    decoded(signal_decisions(["A", "B"], YES, NO, size=sizes))
    with pytest.raises(
        BadDecisions, match=r"size is NaN on bar 0 .* of B, where there is an entry"
    ):
        decoded(signal_decisions(["A", "B"], YES, NO, short_entries=~YES, size=sizes))


def test_an_infinite_weight_is_named_with_its_place() -> None:
    weights = np.zeros((3, 2))
    weights[1, 1] = -math.inf
    with pytest.raises(BadDecisions, match=r"weight is -inf on bar 1 .* of B.*division by zero"):
        decoded(weight_decisions(["A", "B"], weights))


def test_signals_that_are_numbers_are_refused_with_the_way_to_convert() -> None:
    with pytest.raises(BadDecisions, match=r"entries holds float64 values.*astype\(bool\)"):
        signal_decisions(["A"], [1.0, 0.0], [False, False])


def test_the_hash_sees_values_and_not_columns_order_bits_of_nan_or_sign_of_zero() -> None:
    weights = np.array([[0.0, NAN], [0.5, 0.25], [0.1, 0.2]])
    base = decisions_sha256(weight_decisions(["A", "B"], weights))
    assert decisions_sha256(weight_decisions(["B", "A"], weights[:, ::-1])) == base
    odd = weights.copy()
    odd[0, 0] = -0.0
    odd[0, 1] = -np.float64(NAN)
    raw = WeightDecisions(symbols=["A", "B"], bars=3, weights=odd.astype("<f8").tobytes())
    assert decisions_sha256(raw) == base
    weights[2, 1] = 0.3
    assert decisions_sha256(weight_decisions(["A", "B"], weights)) != base
    assert decisions_sha256(raw, ["refused"]) != base


def test_signals_and_weights_of_the_same_bytes_hash_differently() -> None:
    signals = SignalDecisions(symbols=["A"], bars=0, entries=b"", exits=b"")
    weights = WeightDecisions(symbols=["A"], bars=0, weights=b"")
    assert decisions_sha256(signals) != decisions_sha256(weights)


def test_decisions_import_neither_pandas_nor_vectorbt_nor_numba() -> None:
    code = (
        "import sys, alphintra_lab.engine.decisions\n"
        "heavy = {'pandas', 'vectorbt', 'vectorbt_rust', 'numba', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
