"""What a worker does for a backtest: decisions from the sandbox, numbers from the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..datasets import service as datasets
from ..datasets.table import DatasetVersionRow
from ..db import Database
from ..errors import LabError
from ..jobs.runners import Runner, RunSpec
from ..jobs.schema import JobError
from ..jobs.worker import Context, Executor, JobFailed, Outcome
from ..sandbox.limits import Limits
from ..strategies import snapshot
from ..strategies.table import StrategyVersionRow
from .engine_process import EngineProcess
from .schema import Check, Settings, Verdict
from .table import BacktestRow


def executors(
    database: Database, store: Path, runner: Runner, engine: EngineProcess, limits: Limits
) -> Mapping[str, Executor]:
    """The kinds of jobs that this domain runs, for a worker."""

    async def backtest(context: Context) -> Outcome:
        return await run_backtest(context, store, runner, engine, limits)

    async def execute(context: Context) -> Outcome:
        return await run_strategy(context, store, runner, limits)

    return {"backtest": backtest, "execute": execute}


class Work(msgspec.Struct, frozen=True):
    """What a run needs, read from the database in one go."""

    code: StrategyVersionRow
    data: DatasetVersionRow
    dataset: str
    settings: Settings
    bars: dict[str, str]


async def run_backtest(
    context: Context, store: Path, runner: Runner, engine: EngineProcess, limits: Limits
) -> Outcome:
    """Decisions, unless a notebook took them already; then orders, ledger, metrics, checks."""
    backtest_id = str(context.job.spec["backtest_id"])
    work = await _read_work(context.database, store, backtest_id)
    if "decisions" in context.job.spec:
        decisions = context.folder / str(context.job.spec["decisions"])
    else:
        decisions = await _decide(context, work, runner, limits)
    await context.report("metrics", 0.6)
    answer = await engine.call(
        {
            "folder": str(context.folder),
            "decisions": str(decisions),
            "bars": work.bars,
            "settings": msgspec.to_builtins(work.settings),
            "data": {
                "instruments": msgspec.to_builtins(work.data.instruments),
                "periods_per_year": work.data.periods_per_year,
                "errors_overridden": _overridden(work),
                "dataset": work.dataset,
            },
        }
    )
    if error := answer.get("error"):
        raise JobFailed(msgspec.convert(error, JobError))

    async def record(session: AsyncSession) -> None:
        await _record(session, backtest_id, answer)

    return Outcome({"backtest_id": backtest_id}, record)


async def _read_work(database: Database, store: Path, backtest_id: str) -> Work:
    async with database.session(write=False) as session:
        row = await session.get_one(BacktestRow, backtest_id)
        code = await session.get_one(StrategyVersionRow, row.strategy_version_id)
        data = await session.get_one(DatasetVersionRow, row.dataset_version_id)
        name = await datasets.get_name(session, data.dataset_id)
    bars = datasets.bars_paths(data, store, row.settings.symbols)
    return Work(
        code=code,
        data=data,
        dataset=name,
        settings=row.settings,
        bars={symbol: str(path) for symbol, path in bars.items()},
    )


def _overridden(work: Work) -> list[str]:
    errors = [f for f in work.data.report.findings if f.severity == "error"]
    return [f.message for f in errors if f.check in work.settings.overrides]


async def run_strategy(context: Context, store: Path, runner: Runner, limits: Limits) -> Outcome:
    """Run the strategy's code and keep its decisions and its log; no backtest."""
    spec = context.job.spec
    async with context.database.session(write=False) as session:
        code = await session.get_one(StrategyVersionRow, str(spec["version_id"]))
        dataset, data = await datasets.get_version_row(session, str(spec["dataset"]))
    settings = msgspec.convert(spec["settings"], Settings)
    bars = datasets.bars_paths(data, store, settings.symbols)
    work = Work(
        code=code,
        data=data,
        dataset=dataset.name,
        settings=settings,
        bars={symbol: str(path) for symbol, path in bars.items()},
    )
    path = await _decide(context, work, runner, limits)
    size = path.stat().st_size
    return Outcome({"decisions": path.name, "bytes": size, "version": code.number})


async def _decide(context: Context, work: Work, runner: Runner, limits: Limits) -> Path:
    """Run the user's process to its end; it leaves its decisions in a file, or an error."""
    await context.report("decisions", 0.1)
    strategy = context.folder / "strategy"
    await asyncio.to_thread(snapshot.write_files, work.code.files, strategy)
    spec = RunSpec(
        job_id=context.job.id,
        folder=context.folder,
        strategy_folder=strategy,
        entry=work.code.entry,
        parameters=work.settings.parameters,
        dataset=work.dataset,
        bars={symbol: Path(path) for symbol, path in work.bars.items()},
        end=work.settings.end,
        limits=limits,
    )
    handle = await runner.start(spec)
    try:
        status = await runner.wait(handle)
    finally:
        await runner.stop(handle)
    if status.error is not None:
        raise JobFailed(status.error)
    return spec.decisions


async def _record(session: AsyncSession, backtest_id: str, answer: dict[str, Any]) -> None:
    """Write the summary beside the job's end, in its transaction."""
    row = (
        await session.scalars(
            select(BacktestRow).where(BacktestRow.id == backtest_id).with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise LabError("The backtest was deleted while it ran.")
    row.metrics = answer["metrics"]
    row.summary = answer["summary"]
    row.checks = msgspec.convert(answer["checks"], dict[str, Check])
    row.verdict = msgspec.convert(answer["verdict"], Verdict)
    row.sparkline = answer["sparkline"]
    row.ledger_sha256 = answer["ledger_sha256"]
    row.decisions_sha256 = answer["decisions_sha256"]
    row.versions = answer["versions"]
    events.publish(session, "backtest", row.id, "succeeded", 1.0)
