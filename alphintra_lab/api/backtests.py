"""/api/backtests: define, run, read, export."""

from __future__ import annotations

import asyncio
import shutil
from typing import Annotated, Literal

import msgspec

from ..backtests import results, service
from ..backtests.schema import Backtest, BacktestCreate, BacktestResults
from ..datasets import service as datasets
from ..datasets.schema import Series
from ..datasets.table import DatasetVersionRow
from ..db import Page
from ..jobs import service as jobs
from ..jobs.schema import Job
from ..strategies import service as strategies
from .handler import LabHandler, ListQuery, Route, endpoint

Points = Annotated[int, msgspec.Meta(ge=10, le=5000)]


class BacktestsQuery(ListQuery, frozen=True):
    """Which backtests."""

    strategy_id: str | None = None


class ResultsQuery(msgspec.Struct, frozen=True):
    """How many points the curve may have."""

    points: Points = 2000


class TradesQuery(msgspec.Struct, frozen=True):
    """Which trades."""

    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    filter: Literal["all", "wins", "losses"] = "all"


class WindowQuery(msgspec.Struct, frozen=True):
    """A symbol and a stretch of time: start included, end excluded."""

    symbol: str | None = None
    start: str | None = None
    end: str | None = None


class BarsQuery(WindowQuery, frozen=True):
    """And how many bars to draw."""

    points: Points = 1000


class ExportQuery(msgspec.Struct, frozen=True):
    """Which table, in which form."""

    table: Literal["orders", "trades", "equity"] = "trades"
    format: Literal["csv", "parquet"] = "csv"


class BacktestsHandler(LabHandler):
    """All backtests."""

    @endpoint
    async def get(self, query: BacktestsQuery) -> Page[Backtest]:
        """List backtests, the newest first."""
        return await service.list_backtests(
            self.session, query.limit, query.cursor, query.strategy_id
        )

    @endpoint(status=201)
    async def post(self, body: BacktestCreate) -> Backtest:
        """Define a backtest; nothing runs yet."""
        # The file may have been edited since it was last read: its parameters count as they are.
        await strategies.snapshot_strategy(self.session, self.lab.workspace, body.strategy_id)
        row = await service.create_backtest(self.session, body)
        return await service.get_backtest(self.session, row.id)


class BacktestHandler(LabHandler):
    """One backtest."""

    @endpoint
    async def get(self, id: str) -> Backtest:
        """Get a backtest and the summary of its result."""
        return await service.get_backtest(self.session, id)

    @endpoint(session=False)
    async def delete(self, id: str) -> None:
        """Delete a backtest that does not run, its record and its files."""
        async with self.lab.database.session() as session:
            job_id = await service.delete_backtest(session, id)
        if job_id is not None:
            await asyncio.to_thread(shutil.rmtree, self.lab.jobs / job_id, ignore_errors=True)


class RunHandler(LabHandler):
    """The start of a run."""

    @endpoint(status=202)
    async def post(self, id: str) -> Job:
        """Snapshot the strategy's code and queue the run; answers at once with its job."""
        job = await service.start_backtest(self.session, self.lab.workspace, id)
        return await jobs.get_job(self.session, job.id)


class ResultsHandler(LabHandler):
    """What a run found."""

    @endpoint
    async def get(self, id: str, query: ResultsQuery) -> BacktestResults:
        """Get metrics, checks and a thinned equity curve."""
        return await results.read_results(self.session, self.lab.jobs, id, query.points)


class TradesHandler(LabHandler):
    """A run's trades."""

    @endpoint
    async def get(self, id: str, query: TradesQuery) -> results.TradePage:
        """List trades in order of entry, some at a time."""
        return await results.read_trades(
            self.session,
            self.lab.jobs,
            id,
            offset=query.offset,
            limit=query.limit,
            filter=query.filter,
        )


class OrdersHandler(LabHandler):
    """A run's orders."""

    @endpoint
    async def get(self, id: str, query: WindowQuery) -> results.OrderPage:
        """List the orders of a window, for the price chart."""
        return await results.read_orders(
            self.session,
            self.lab.jobs,
            id,
            symbol=query.symbol,
            start=datasets.read_time(query.start, "start"),
            end=datasets.read_time(query.end, "end"),
        )


class BarsHandler(LabHandler):
    """The bars a run saw."""

    @endpoint(session=False)
    async def get(self, id: str, query: BarsQuery) -> Series:
        """Get the bars of a window from the dataset version that ran."""
        async with self.lab.database.session(write=False) as session:
            row = await service.get_row(session, id)
            data = await session.get_one(DatasetVersionRow, row.dataset_version_id)
        return await datasets.read_series(
            data,
            self.lab.store,
            symbol=query.symbol or row.settings.symbols[0],
            start=datasets.read_time(query.start, "start"),
            end=datasets.read_time(query.end, "end"),
            points=query.points,
        )


class CancelHandler(LabHandler):
    """The way to stop a run."""

    @endpoint
    async def post(self, id: str) -> Backtest:
        """Cancel a run; one that has ended stays as it is."""
        return await service.cancel_backtest(self.session, id)


class ExportHandler(LabHandler):
    """A run's tables as files."""

    @endpoint
    async def get(self, id: str, query: ExportQuery) -> bytes:
        """Download orders, trades or equity as CSV or Parquet."""
        row = await results.get_finished(self.session, id)
        data = await results.export_table(
            self.session, self.lab.jobs, id, query.table, query.format
        )
        kind = "text/csv; charset=utf-8" if query.format == "csv" else "application/octet-stream"
        name = f"run-{row.number}-{query.table}.{query.format}"
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(data)
        return data


ROUTES = [
    Route("/api/backtests", BacktestsHandler),
    Route("/api/backtests/{id}", BacktestHandler),
    Route("/api/backtests/{id}/run", RunHandler),
    Route("/api/backtests/{id}/results", ResultsHandler),
    Route("/api/backtests/{id}/trades", TradesHandler),
    Route("/api/backtests/{id}/orders", OrdersHandler),
    Route("/api/backtests/{id}/bars", BarsHandler),
    Route("/api/backtests/{id}/cancel", CancelHandler),
    Route("/api/backtests/{id}/export", ExportHandler),
]
