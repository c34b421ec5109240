"""The platform's own datasets, made from the files of installed packages.

The packages are found and their files read; they are never imported, which would take seconds.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from ..errors import Unavailable
from .bars import RawBars
from .reading import read_file
from .schema import Instrument

STOCKS = {"aapl-1d": "AAPL", "ibm-1d": "IBM", "msft-1d": "MSFT", "goog-1d": "GOOG"}


def read_platform(names: list[str]) -> list[tuple[RawBars, dict[str, Instrument]]]:
    """Bars and instruments of the named datasets, in that order."""
    stocks = read_stocks() if {*STOCKS, "us-stocks-1d"} & set(names) else None
    found = []
    for name in names:
        if name == "eurusd-1h":
            found.append(read_currency())
        elif name == "sp500-1d":
            found.append(read_index())
        else:
            assert stocks is not None
            found.append(
                choose_stocks(stocks, [STOCKS[name]] if name in STOCKS else [*STOCKS.values()])
            )
    return found


def find_file(package: str, path: str) -> Path:
    """A data file of an installed package."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (file := Path(folder) / path).is_file():
            return file
    raise Unavailable(
        f"The package {package} with {Path(path).name} is missing. Install alphintra-lab again."
    )


def read_stocks() -> RawBars:
    """Four US stocks, daily, adjusted for splits and dividends.

    Open, high, low and close are scaled by adjusted close / close. The volume is divided by the
    same factor, so that price x volume, the money that changed hands, stays what it was.
    """
    raw = read_file(find_file("bokeh_sampledata", "_data/stocks.csv.gz"), "stocks.csv.gz")
    factor = raw.values.pop("adj_close") / raw.values["close"]
    for name in ("open", "high", "low", "close"):
        raw.values[name] = raw.values[name] * factor
    raw.values["volume"] = raw.values["volume"] / factor
    raw.adjusted = True
    raw.notes = [
        "dates stand for their session; the volume is scaled so that price x volume is kept"
    ]
    return raw


def choose_stocks(raw: RawBars, symbols: list[str]) -> tuple[RawBars, dict[str, Instrument]]:
    """The bars of some symbols, their rows numbered anew."""
    codes = [raw.symbols.index(symbol) for symbol in symbols]
    chosen = np.isin(raw.code, codes)
    place = np.full(len(raw.symbols), -1)
    place[codes] = np.arange(len(codes))
    count = int(chosen.sum())
    part = RawBars(
        time=raw.time[chosen],
        code=place[raw.code[chosen]],
        symbols=symbols,
        values={name: column[chosen] for name, column in raw.values.items()},
        rows=np.arange(count),
        total_rows=count,
        notes=[*raw.notes],
        adjusted=True,
    )
    return part, {s: Instrument(symbol=s, calendar="XNYS", adjusted=True) for s in symbols}


def read_currency() -> tuple[RawBars, dict[str, Instrument]]:
    """EUR/USD, hourly, ask side, 2017. Its hours follow New York's week when read as UTC."""
    path = find_file("gym_anytrading", "datasets/data/FOREX_EURUSD_1H_ASK.csv")
    raw = read_file(path, path.name, "EURUSD")
    raw.notes = ["ask prices; times had no zone and were read as UTC"]
    return raw, {"EURUSD": Instrument(symbol="EURUSD", tick=0.00001, calendar="FX")}


def read_index() -> tuple[RawBars, dict[str, Instrument]]:
    """The S&P 500, daily, 1999 to 2018: a price index, so its adjusted close is its close."""
    raw = read_file(find_file("arch", "data/sp500/sp500.csv.gz"), "sp500.csv.gz", "SP500")
    factor = raw.values.pop("adj_close") / raw.values["close"]
    for name in ("open", "high", "low", "close"):
        raw.values[name] = raw.values[name] * factor
    raw.notes = ["dates stand for their session; a price index, without dividends"]
    return raw, {"SP500": Instrument(symbol="SP500", calendar="XNYS")}
