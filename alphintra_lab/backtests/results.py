"""What a run stored, read back: nothing here is computed again from code or data."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from ..datasets.table import DatasetVersionRow
from ..errors import Conflict, Invalid, NotFound
from ..strategies.table import StrategyVersionRow
from . import service
from .schema import BacktestResults, Curve, Order, Point, Refusal, Result, Trade
from .table import BacktestRow
from .tables import read_frame, to_records

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("orders", "trades", "equity")
MOST_ORDERS = 5000
"""So many markers a price chart can take."""


class TradePage(msgspec.Struct, frozen=True):
    """Some of a run's trades: `total` counts all that the filter leaves."""

    items: list[Trade]
    total: int
    next: int | None
    """Offset of the next page."""


class OrderPage(msgspec.Struct, frozen=True):
    """The first orders of a window: `total` counts all that are in it."""

    items: list[Order]
    total: int


async def get_finished(session: AsyncSession, backtest_id: str) -> BacktestRow:
    """The backtest's row when it has a result; else Conflict saying where it stands."""
    row = await service.get_row(session, backtest_id)
    if row.verdict is None:
        found = await service.get_backtest(session, backtest_id)
        state = found.job.state if found.job else "defined, but not run"
        reason = f" {found.job.error.message}" if found.job and found.job.error else ""
        raise Conflict(f"Run {row.number} has no result: it is {state}.{reason}", code="no_result")
    return row


async def read_result(session: AsyncSession, jobs: Path, backtest_id: str) -> Result:
    """The whole result: what the command line prints."""
    row = await get_finished(session, backtest_id)
    data = await session.get_one(DatasetVersionRow, row.dataset_version_id)
    code = await session.get_one(StrategyVersionRow, row.strategy_version_id)
    orders, trades, equity, refused = await asyncio.to_thread(
        lambda: [to_records(_read(jobs, row, name)) for name in (*TABLES, "refused")]
    )
    verdict, summary = row.verdict, row.summary or {}
    assert verdict is not None
    return Result(
        id=row.id,
        number=row.number,
        verdict=f"{verdict.title} {verdict.text}".strip(),
        metrics=row.metrics or {},
        orders=msgspec.convert(orders, list[Order]),
        refused=msgspec.convert(refused, list[Refusal]),
        trades=msgspec.convert(trades, list[Trade]),
        equity=[Point(point["time"], point["equity"]) for point in equity],
        final_equity=summary["final_equity"],
        checks=row.checks or {},
        ledger_sha256=row.ledger_sha256 or "",
        decisions_sha256=row.decisions_sha256 or "",
        dataset_sha256=data.sha256,
        strategy_sha256=code.sha256,
        settings=row.settings,
        versions=row.versions or {},
    )


async def read_results(
    session: AsyncSession, jobs: Path, backtest_id: str, points: int
) -> BacktestResults:
    """What the result page draws first: summary, checks and a thinned curve."""
    row = await get_finished(session, backtest_id)
    data = await session.get_one(DatasetVersionRow, row.dataset_version_id)
    code = await session.get_one(StrategyVersionRow, row.strategy_version_id)
    summary = row.summary or {}
    frame = await asyncio.to_thread(_read, jobs, row, "equity")
    return BacktestResults(
        backtest=await service.get_backtest(session, row.id),
        dataset_rows=data.rows,
        first_bar=frame["time"].iloc[0].to_pydatetime(),
        last_bar=frame["time"].iloc[-1].to_pydatetime(),
        currency=summary["currency"],
        checks=row.checks or {},
        benchmark=summary["benchmark"],
        benchmark_label=summary["benchmark_label"],
        curve=thin(frame, points),
        trades_total=summary["trades"],
        trades_closed=summary["closed_trades"],
        refused=msgspec.convert(summary["refused"], list[Refusal]),
        refused_total=summary["evidence"]["refused"],
        pending=msgspec.convert(summary["pending"], list[Refusal]),
        # Runs of the first days kept them all.
        pending_total=summary.get("pending_total", len(summary["pending"])),
        decision_counts=summary["decision_counts"],
        ledger_sha256=row.ledger_sha256 or "",
        dataset_sha256=data.sha256,
        strategy_sha256=code.sha256,
        versions=row.versions or {},
    )


def thin(frame: pd.DataFrame, points: int) -> Curve:
    """A curve of about `points` points that keeps each stretch's extremes.

    Every stretch gives its first bar and the bars of its highest and lowest equity and of its
    deepest drawdown, so that no peak and no trough of the whole is lost.
    """
    import numpy as np

    count = len(frame)
    equity = frame["equity"].to_numpy()
    drawdown = frame["drawdown"].to_numpy()
    if count > points:
        edges = np.linspace(0, count, max(points // 4, 1) + 1).astype(int)
        kept = {0, count - 1}
        for low, high in itertools.pairwise(edges):
            if high > low:
                part = equity[low:high]
                kept |= {
                    int(low),
                    int(low + part.argmax()),
                    int(low + part.argmin()),
                    int(low + drawdown[low:high].argmin()),
                }
        chosen = np.array(sorted(kept))
    else:
        chosen = np.arange(count)
    frame = frame.iloc[chosen]
    time = frame["time"].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[ms]")
    benchmark = frame["benchmark"].astype(object)
    return Curve(
        time=time.astype("int64").tolist(),
        equity=frame["equity"].tolist(),
        benchmark=benchmark.where(frame["benchmark"].notna(), None).tolist(),
        drawdown=frame["drawdown"].tolist(),
    )


async def read_trades(
    session: AsyncSession,
    jobs: Path,
    backtest_id: str,
    *,
    offset: int,
    limit: int,
    filter: Literal["all", "wins", "losses"],
) -> TradePage:
    """A page of trades in order of entry."""
    row = await get_finished(session, backtest_id)
    trades = await asyncio.to_thread(_read, jobs, row, "trades")
    if filter == "wins":
        trades = trades[trades["pnl"] > 0]
    elif filter == "losses":
        trades = trades[trades["pnl"] <= 0]
    page = trades.iloc[offset : offset + limit]
    more = offset + limit < len(trades)
    items = msgspec.convert(to_records(page), list[Trade])
    return TradePage(items, len(trades), offset + limit if more else None)


async def read_orders(
    session: AsyncSession,
    jobs: Path,
    backtest_id: str,
    *,
    symbol: str | None,
    start: dt.datetime | None,
    end: dt.datetime | None,
) -> OrderPage:
    """The first 5,000 orders of one symbol in a window, and how many there are."""
    row = await get_finished(session, backtest_id)
    orders = await asyncio.to_thread(_read, jobs, row, "orders")
    if symbol is not None:
        orders = orders[orders["symbol"] == symbol]
    if start is not None:
        orders = orders[orders["time"] >= start]
    if end is not None:
        orders = orders[orders["time"] < end]
    shown = to_records(orders.head(MOST_ORDERS))
    return OrderPage(msgspec.convert(shown, list[Order]), len(orders))


async def export_table(
    session: AsyncSession, jobs: Path, backtest_id: str, table: str, format: str
) -> bytes:
    """A whole table as a file's bytes: `csv` or `parquet`."""
    row = await get_finished(session, backtest_id)
    if table not in TABLES:
        raise Invalid(f"There is no table {table!r}; there are {', '.join(TABLES)}.", field="table")
    frame = await asyncio.to_thread(_read, jobs, row, table)
    if format == "parquet":
        return await asyncio.to_thread((jobs / str(row.job_id) / f"{table}.parquet").read_bytes)
    text: str = await asyncio.to_thread(frame.to_csv, None, index=False)
    return text.encode()


def _read(jobs: Path, row: BacktestRow, table: str) -> pd.DataFrame:
    """One of the run's tables, or NotFound where the disk has it no more."""
    folder = jobs / str(row.job_id)
    try:
        return read_frame(folder, table)
    except FileNotFoundError:
        reason = f"are gone from {folder}"
    except (OSError, ValueError):  # pyarrow's own errors are both
        reason = f"in {folder} are damaged"
    raise NotFound(
        f"The files of run {row.number} {reason}. Its summary is still here; "
        "run it again to have its orders, trades and equity back."
    )
