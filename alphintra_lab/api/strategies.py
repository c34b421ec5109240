"""/api/strategies: the strategies of the workspace, their code and its versions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..backtests import describe as results_of
from ..backtests import service as backtests
from ..backtests.schema import BacktestCreate
from ..db import Page
from ..jobs import service as jobs
from ..jobs.schema import Job
from ..strategies import service, templates
from ..strategies.schema import (
    Outline,
    Strategy,
    StrategyCheck,
    StrategyCode,
    StrategyCreate,
    StrategyExecute,
    StrategySource,
    StrategyTemplate,
    StrategyUpdate,
    StrategyVersion,
    VersionDiff,
)
from ..strategies.table import StrategyRow
from .handler import LabHandler, ListQuery, Route, endpoint


class StrategiesQuery(ListQuery, frozen=True):
    """Which strategies."""

    q: str | None = None
    """A part of the name."""


class StrategyHandler(LabHandler):
    """What the handlers of one strategy share."""

    async def describe(self, rows: Sequence[StrategyRow]) -> list[Strategy]:
        """Rows with what their backtests say of them."""
        results = await results_of.strategy_results(self.session, [row.id for row in rows])
        return await service.describe_strategies(self.lab.workspace, rows, results)

    async def describe_one(self, row: StrategyRow) -> Strategy:
        """One row, so."""
        return (await self.describe([row]))[0]


class StrategiesHandler(StrategyHandler):
    """All strategies."""

    @endpoint(session=False)
    async def get(self, query: StrategiesQuery) -> Page[Strategy]:
        """List strategies, the newest first; folders dropped in the workspace join the list."""
        workspace = self.lab.workspace
        async with self.lab.database.session(write=False) as session:
            dropped = await service.find_new_folders(session, workspace)
        if dropped:
            async with self.lab.database.session() as session:
                await service.discover(session, workspace)
        async with self.lab.database.session(write=False) as self.session:
            rows, after = await service.list_strategies(
                self.session, query.limit, query.cursor, query.q
            )
            return Page(await self.describe(rows), after)


class CreateHandler(StrategyHandler):
    """New strategies."""

    @endpoint(status=201)
    async def post(self, body: StrategyCreate) -> Strategy:
        """Create a strategy's folder from a template or from code."""
        return await self.describe_one(
            await service.create_strategy(self.session, self.lab.workspace, body)
        )


class CodeHandler(StrategyHandler):
    """A strategy's code."""

    @endpoint
    async def put(self, id: str, body: StrategyCode) -> Strategy:
        """Write new code, check it by reading it, and keep it as a version."""
        row = await service.update_strategy_code(self.session, self.lab.workspace, id, body.code)
        return await self.describe_one(row)


class ExecuteHandler(StrategyHandler):
    """A run without a backtest."""

    @endpoint(status=202)
    async def post(self, id: str, body: StrategyExecute) -> Job:
        """Run the code over a dataset in the sandbox; the job keeps decisions and log."""
        asked = BacktestCreate(
            strategy_id=id,
            dataset=body.dataset,
            symbols=body.symbols,
            start=body.start,
            end=body.end,
            parameters=body.parameters,
        )
        job = await backtests.queue_execute(self.session, self.lab.workspace, asked)
        return await jobs.get_job(self.session, job.id)


class CheckHandler(LabHandler):
    """The static check."""

    @endpoint(session=False)
    async def post(self, body: StrategyCheck) -> Outline:
        """Check code as it is typed, by reading it; nothing runs and nothing is stored."""
        return await service.check_code(body.code)


class OneHandler(StrategyHandler):
    """One strategy."""

    @endpoint
    async def get(self, id: str) -> Strategy:
        """Get a strategy, with the outline of its files as they stand now."""
        return await self.describe_one(await service.get_row(self.session, id))

    @endpoint
    async def patch(self, id: str, body: StrategyUpdate) -> Strategy:
        """Rename a strategy; its folder keeps its place."""
        return await self.describe_one(await service.rename_strategy(self.session, id, body.name))

    @endpoint
    async def delete(self, id: str) -> None:
        """Delete a strategy: its folder goes to the trash, its runs stay."""
        await service.delete_strategy(self.session, self.lab.workspace, id)


class VersionsHandler(LabHandler):
    """A strategy's versions."""

    @endpoint
    async def get(self, id: str, query: ListQuery) -> Page[StrategyVersion]:
        """List versions, the newest first."""
        return await service.list_versions(self.session, id, query.limit, query.cursor)


class VersionHandler(LabHandler):
    """One version."""

    @endpoint
    async def get(self, id: str, number: int) -> StrategySource:
        """Get a version with the text of its files."""
        return await service.get_version_files(self.session, id, number)


class DiffHandler(LabHandler):
    """Two versions, compared."""

    @endpoint
    async def get(self, id: str, a: int, b: int) -> VersionDiff:
        """Get what changed from one version to another, as unified diffs."""
        return await service.diff_versions(self.session, id, a, b)


class RestoreHandler(StrategyHandler):
    """The way back to a version."""

    @endpoint
    async def post(self, id: str, number: int) -> Strategy:
        """Make the folder's code that of a version; what stood there is kept as one."""
        row = await service.restore_version(self.session, self.lab.workspace, id, number)
        return await self.describe_one(row)


class TemplatesHandler(LabHandler):
    """The templates."""

    @endpoint(session=False)
    async def get(self) -> Page[StrategyTemplate]:
        """List the templates for new strategies."""
        return Page(await asyncio.to_thread(templates.list_templates))


ROUTES = [
    Route("/api/strategies", StrategiesHandler),
    Route("/api/strategies/templates", TemplatesHandler),
    Route("/api/strategies/check", CheckHandler),
    Route("/api/strategies/code/create", CreateHandler),
    Route("/api/strategies/code/{id}", CodeHandler),
    Route("/api/strategies/code/{id}/execute", ExecuteHandler),
    Route("/api/strategies/{id}", OneHandler),
    Route("/api/strategies/{id}/versions", VersionsHandler),
    Route("/api/strategies/{id}/versions/{number}", VersionHandler),
    Route("/api/strategies/{id}/versions/{number}/restore", RestoreHandler),
    Route("/api/strategies/{id}/versions/{a}/diff/{b}", DiffHandler),
]
