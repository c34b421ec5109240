"""The platform's own datasets: real market data under open licences, there from the start."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import select

from ..db import Database
from . import service
from .prepared import BuildPlatform, run_ingest
from .table import DatasetRow, DatasetVersionRow

_STOCKS = (
    "bokeh_sampledata: Quandl WIKI Prices, public domain; adjusted for splits and dividends with "
    "its adjusted close"
)
_STOCK = "daily bars from 2000 to 2013, adjusted for splits and dividends"
PLATFORM = {
    "aapl-1d": (f"Apple, {_STOCK}", _STOCKS),
    "ibm-1d": (f"IBM, {_STOCK}", _STOCKS),
    "msft-1d": (f"Microsoft, {_STOCK}", _STOCKS),
    "goog-1d": (
        "Google, daily bars from its listing in 2004 to 2013, adjusted for splits and dividends",
        _STOCKS,
    ),
    "us-stocks-1d": (f"Apple, Google, IBM and Microsoft together, {_STOCK}", _STOCKS),
    "eurusd-1h": (
        "Euro in US dollars, hourly bars of 2017, ask side",
        "gym-anytrading, MIT licence",
    ),
    "sp500-1d": (
        "S&P 500, daily bars from 1999 to 2018, a price index without dividends",
        "arch, NCSA licence",
    ),
}
"""Name -> description and source."""


async def ensure_platform_datasets(database: Database, store: Path) -> None:
    """Add the platform's datasets that are not here yet, or whose files are gone.

    One query when all are here. Several processes may call it at once: one builds, the others
    wait and find the work done.
    """
    if not await _find_missing(database, store):
        return
    async with _hold_lock(store / ".platform.lock"):
        missing = await _find_missing(database, store)
        if not missing:
            return
        prepared = (await run_ingest(BuildPlatform(str(store), missing))).prepared
        async with database.session() as session:
            for name, one in zip(missing, prepared, strict=True):
                description, source = PLATFORM[name]
                await service.add_prepared(
                    session,
                    one,
                    name=name,
                    source=source,
                    origin="platform",
                    description=description,
                )


async def _find_missing(database: Database, store: Path) -> list[str]:
    statement = (
        select(DatasetRow.name, DatasetVersionRow.files)
        .join(DatasetVersionRow, DatasetVersionRow.dataset_id == DatasetRow.id)
        .where(DatasetRow.origin == "platform", DatasetRow.name.in_(PLATFORM))
        .where(DatasetVersionRow.number == DatasetRow.version)
    )
    async with database.session(write=False) as session:
        rows = (await session.execute(statement)).all()
    here = {
        name for name, files in rows if all((store / file).is_file() for file in files.values())
    }
    return [name for name in PLATFORM if name not in here]


@contextlib.asynccontextmanager
async def _hold_lock(path: Path) -> AsyncIterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while True:  # polled: a thread that waits in flock could not be cancelled
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.1)
        yield
