"""The ledger: one line for each fill, and the hash that two equal runs share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

HEADER = "alphintra-ledger/1"
_FIELDS = ("symbol", "side", "quantity", "price", "commission", "rule")


def ledger_text(orders: pd.DataFrame) -> str:
    """The ledger of orders in execution order, one line each after the header.

    `time|symbol|side|quantity|price|commission|rule`, every line ended by LF.
    """
    columns = [
        iso_times(pd.DatetimeIndex(orders["time"])),
        *(orders[name].tolist() for name in _FIELDS),
    ]
    return "".join(f"{line}\n" for line in [HEADER, *map(_line, zip(*columns, strict=True))])


def ledger_sha256(text: str) -> str:
    """SHA-256 of a ledger, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def iso_times(times: pd.DatetimeIndex) -> list[str]:
    """Times as ISO 8601 in UTC with nanoseconds: `2017-11-30T01:00:00.000000000Z`."""
    utc = times.tz_localize("UTC") if times.tz is None else times.tz_convert("UTC")
    stamps = np.asarray(utc.tz_localize(None).as_unit("ns"), dtype="datetime64[ns]")
    return [f"{text}Z" for text in np.datetime_as_string(stamps, unit="ns")]


def number_text(value: float) -> str:
    """A Python float by repr, negative zero as 0.0."""
    return repr(float(value) + 0.0)


def symbol_text(symbol: str) -> str:
    """A symbol, percent-encoded, so that it holds neither `|` nor a line's end."""
    return quote(symbol, safe="")


def _line(event: Sequence[Any]) -> str:
    time, symbol, side, quantity, price, commission, rule = event
    numbers = [number_text(value) for value in (quantity, price, commission)]
    return "|".join([time, symbol_text(symbol), side, *numbers, rule])
