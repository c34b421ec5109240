from __future__ import annotations

import hashlib

import pandas as pd

from alphintra_lab.engine.ledger import iso_times, ledger_sha256, ledger_text, number_text


def orders(**changes: object) -> pd.DataFrame:
    row = {
        "time": pd.Timestamp("2017-11-30 01:00", tz="UTC"),
        "symbol": "EURUSD",
        "side": "buy",
        "quantity": 9304.5,
        "price": 1.17745,
        "commission": 1.1,
        "rule": "next_open",
    }
    return pd.DataFrame([{**row, **changes}])


def test_a_line_is_written_to_the_letter() -> None:
    expected = (
        "alphintra-ledger/1\n"
        "2017-11-30T01:00:00.000000000Z|EURUSD|buy|9304.5|1.17745|1.1|next_open\n"
    )
    assert ledger_text(orders()) == expected
    assert ledger_sha256(expected) == hashlib.sha256(expected.encode()).hexdigest()


def test_symbols_are_percent_encoded_so_that_no_line_can_be_forged() -> None:
    text = ledger_text(orders(symbol="BRK/B|x\n€"))
    assert "|BRK%2FB%7Cx%0A%E2%82%AC|" in text
    assert text.count("\n") == 2


def test_numbers_are_pythons_floats_and_zero_has_no_sign() -> None:
    assert [number_text(value) for value in (0.1 + 0.2, -0.0, 1e22, 97)] == [
        "0.30000000000000004",
        "0.0",
        "1e+22",
        "97.0",
    ]


def test_times_are_utc_with_nanoseconds_whatever_their_zone_and_resolution() -> None:
    berlin = pd.Timestamp("2024-07-01 12:00:00.123456789", tz="Europe/Berlin")
    assert iso_times(pd.DatetimeIndex([berlin])) == ["2024-07-01T10:00:00.123456789Z"]
    seconds = pd.DatetimeIndex(["2024-07-01"], tz="UTC").as_unit("s")
    assert iso_times(seconds) == ["2024-07-01T00:00:00.000000000Z"]


def test_no_orders_leave_the_header_alone() -> None:
    assert ledger_text(orders().iloc[:0]) == "alphintra-ledger/1\n"
