"""Which column of a file is what."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import Invalid

NAMES = {
    "time": "timestamp datetime opentime time date ts t dateandtime gmttime timeutc utctime utc "
    "unix unixtime unixtimestamp epoch bartime",
    "symbol": "symbol ticker instrument asset sym name",
    "open": "open o openprice",
    "high": "high h highprice",
    "low": "low l lowprice",
    "close": "close c closeprice last price",
    "volume": "volume vol v tickvolume tickvol",
}
"""What we call it -> what files call it, letters only, the first that is there wins."""

ADJUSTED = ("adjclose", "adjustedclose", "closeadj")


@dataclass(frozen=True)
class Roles:
    """The file's column for each of ours; `clock` is a time of day beside a date."""

    time: str
    close: str
    clock: str | None = None
    symbol: str | None = None
    open: str | None = None
    high: str | None = None
    low: str | None = None
    volume: str | None = None
    adjusted: bool = False
    """The close is the file's adjusted close."""
    further: tuple[tuple[str, str], ...] = ()
    """Other columns: ours and the file's name. They stay when they hold numbers."""

    @property
    def numbers(self) -> dict[str, str]:
        """Our name -> the file's, of the columns that must hold numbers."""
        found = {name: getattr(self, name) for name in ("open", "high", "low", "close", "volume")}
        return {name: column for name, column in found.items() if column is not None}


def recognise_columns(names: list[str]) -> Roles:
    """Find time, symbol, prices and volume by their usual names; Invalid says what is missing."""
    plain = {re.sub(r"[\W_]", "", name.lower()): name for name in reversed(names)}
    listed = ", ".join(names[:30]) or "none"
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Invalid(f"The column {repeated[0]!r} is there twice. Name each once.", field="file")
    found = {
        role: next((plain[name] for name in known.split() if name in plain), None)
        for role, known in NAMES.items()
    }
    if found["time"] is None:
        raise Invalid(
            f"There is no time column; columns found: {listed}. Name one of them time, date, "
            "datetime or timestamp.",
            field="file",
        )
    adjusted = next((plain[name] for name in ADJUSTED if name in plain), None)
    close = found["close"] or adjusted
    if close is None:
        raise Invalid(
            f"There is no close column; columns found: {listed}. Name one of them close or price.",
            field="file",
        )
    _refuse_some_of_three(found, listed)
    clock = None
    if "date" in plain and "time" in plain:
        found["time"], clock = plain["date"], plain["time"]
    used = {*found.values(), close, clock}
    return Roles(
        time=found["time"] or "",
        close=close,
        clock=clock,
        symbol=found["symbol"],
        open=found["open"],
        high=found["high"],
        low=found["low"],
        volume=found["volume"],
        adjusted=close == adjusted,
        further=_name_further([name for name in names if name not in used]),
    )


def _refuse_some_of_three(found: dict[str, str | None], listed: str) -> None:
    """All of open, high and low, or none: a made-up one among true ones would mislead."""
    missing = [name for name in ("open", "high", "low") if found[name] is None]
    if 0 < len(missing) < 3:
        raise Invalid(
            f"There is no {missing[0]} column; columns found: {listed}. A file has open, high, "
            "low and close, or the close alone.",
            field="file",
        )


def _name_further(names: list[str]) -> tuple[tuple[str, str], ...]:
    taken = {*NAMES, "row"}
    named = []
    for name in names:
        plain = re.sub(r"\W+", "_", name.lower()).strip("_") or "column"
        while plain in taken:
            plain += "_"
        taken.add(plain)
        named.append((plain, name))
    return tuple(named)
