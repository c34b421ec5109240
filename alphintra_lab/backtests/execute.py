"""What a worker does for a backtest: decisions from the sandbox, numbers from the engine."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..datasets import service as datasets
from ..datasets.schema import Finding
from ..datasets.table import DatasetVersionRow
from ..db import Database
from ..errors import LabError
from ..jobs.runners import Runner, RunSpec
from ..jobs.schema import JobError
from ..jobs.worker import Context, Executor, JobFailed, Outcome
from ..sandbox.limits import Limits
from ..strategies import snapshot
from ..strategies.table import StrategyVersionRow
from .checking import BEGUN, find_suspects, run_checks
from .engine_process import EngineProcess
from .judging import judge
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
    recorded: bool = False
    """An earlier attempt got as far as the result: its decisions stand."""


async def run_backtest(
    context: Context, store: Path, runner: Runner, engine: EngineProcess, limits: Limits
) -> Outcome:
    """Decisions, unless a notebook took them already; then orders, ledger, metrics, checks."""
    backtest_id = str(context.job.spec["backtest_id"])
    work = await _read_work(context.database, store, backtest_id)
    spec = await _lay_out(context, work, limits)
    decisions = spec.decisions
    if "decisions" in context.job.spec:
        decisions = context.folder / str(context.job.spec["decisions"])
    elif not (work.recorded and decisions.exists()):
        await _decide(context, spec, runner)
    await context.report("metrics", 0.6)
    request = {
        "do": "run",
        "folder": str(context.folder),
        "decisions": str(decisions),
        "bars": work.bars,
        "settings": msgspec.to_builtins(work.settings),
        "seed": zlib.crc32(backtest_id.encode()),
        "suspects": await asyncio.to_thread(find_suspects, work.code.files, work.code.entry),
        "data": {
            "instruments": msgspec.to_builtins(work.data.instruments),
            "periods_per_year": work.data.periods_per_year,
            "errors_overridden": _overridden(work),
            "dataset": work.dataset,
        },
    }
    answer = await engine.call(request)
    if error := answer.get("error"):
        raise JobFailed(msgspec.convert(error, JobError))
    # The numbers first: they are there, and stay, whatever becomes of the checks.
    await context.save(lambda session: _record(session, backtest_id, answer))
    checks = await run_checks(context, spec, runner, engine, request, answer)

    async def record(session: AsyncSession) -> None:
        await _record_checks(session, backtest_id, checks)

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
        recorded=row.verdict is not None,
    )


def _overridden(work: Work) -> list[str]:
    errors = [f for f in work.data.report.findings if f.severity == "error"]
    return [_name(f) for f in errors if f.check in work.settings.overrides]


def _name(finding: Finding) -> str:
    """As the verdict's sentence names it: `"High below low" in BNB`."""
    quoted = f'"{finding.check.replace("_", " ").capitalize()}"'
    return quoted if finding.symbol is None else f"{quoted} in {finding.symbol}"


async def run_strategy(context: Context, store: Path, runner: Runner, limits: Limits) -> Outcome:
    """Run the strategy's code and keep its decisions and its log; no backtest."""
    spec = context.job.spec
    async with context.database.session(write=False) as session:
        code = await session.get_one(StrategyVersionRow, str(spec["version_id"]))
        data = await session.get(DatasetVersionRow, str(spec["dataset_version_id"]))
        if data is None:
            raise JobFailed(
                JobError("data_deleted", "The dataset was deleted before this run's turn came.")
            )
        dataset = await datasets.get_name(session, data.dataset_id)
    settings = msgspec.convert(spec["settings"], Settings)
    bars = datasets.bars_paths(data, store, settings.symbols)
    work = Work(
        code=code,
        data=data,
        dataset=dataset,
        settings=settings,
        bars={symbol: str(path) for symbol, path in bars.items()},
    )
    run = await _lay_out(context, work, limits)
    await _decide(context, run, runner)
    path = run.decisions
    size = path.stat().st_size
    return Outcome({"decisions": path.name, "bytes": size, "version": code.number})


async def _lay_out(context: Context, work: Work, limits: Limits) -> RunSpec:
    """Write the version's files into the job's folder; what a runner needs to run them."""
    await _refuse_damaged_bars(work)
    await _refuse_empty_window(work)
    strategy = context.folder / "strategy"
    await asyncio.to_thread(snapshot.write_files, work.code.files, strategy)
    return RunSpec(
        job_id=context.job.id,
        folder=context.folder,
        strategy_folder=strategy,
        entry=work.code.entry,
        class_name=context.job.spec.get("class_name"),
        parameters=work.settings.parameters,
        dataset=work.dataset,
        bars={symbol: Path(path) for symbol, path in work.bars.items()},
        end=work.settings.end,
        limits=limits,
    )


async def _refuse_damaged_bars(work: Work) -> None:
    """The record will name the data by its hash, so the data has to have it."""
    try:
        await datasets.refuse_damaged_bars({s: Path(path) for s, path in work.bars.items()})
    except LabError as error:
        raise JobFailed(JobError(error.code, error.message)) from None


async def _refuse_empty_window(work: Work) -> None:
    """Code that was given no bars would be blamed for whatever it does then."""
    wanted = work.settings
    start, end = (
        datasets.read_time(wanted.start, "start"),
        datasets.read_time(wanted.end, "end"),
    )
    if start is None and end is None:
        return
    paths = {symbol: Path(path) for symbol, path in work.bars.items()}
    if not await datasets.has_bars(paths, start, end):
        since = f" from {wanted.start}" if start else ""
        until = f" until {wanted.end}" if end else ""
        raise JobFailed(
            JobError(
                "bad_window",
                f"{work.dataset} has no bars of {', '.join(wanted.symbols[:5])}{since}{until}. "
                "Choose another start or end.",
            )
        )


async def _decide(context: Context, spec: RunSpec, runner: Runner) -> None:
    """Run the user's process to its end; it leaves its decisions in a file, or an error."""
    await context.report("decisions", 0.1)
    handle = await runner.start(spec)
    try:
        status = await runner.wait(handle)
    finally:
        await runner.stop(handle)
    if status.error is not None:
        raise JobFailed(status.error)


async def _record(session: AsyncSession, backtest_id: str, answer: dict[str, Any]) -> None:
    """Write the result, with the verdict that holds if the checks never end."""
    row = await _lock_row(session, backtest_id)
    row.metrics = answer["metrics"]
    row.summary = answer["summary"]
    row.checks = msgspec.convert(answer["checks"], dict[str, Check])
    row.verdict = msgspec.convert(answer["verdict"], Verdict)
    row.sparkline = answer["sparkline"]
    row.ledger_sha256 = answer["ledger_sha256"]
    row.decisions_sha256 = answer["decisions_sha256"]
    row.versions = answer["versions"]
    events.publish(session, "backtest", row.id, "running", BEGUN)


async def _record_checks(session: AsyncSession, backtest_id: str, checks: dict[str, Check]) -> None:
    """Write the checks, and the verdict that they make, beside the job's end."""
    row = await _lock_row(session, backtest_id)
    row.checks = (row.checks or {}) | checks
    row.verdict = judge(row, row.checks)
    events.publish(session, "backtest", row.id, "succeeded", 1.0)


async def _lock_row(session: AsyncSession, backtest_id: str) -> BacktestRow:
    row = await session.scalar(
        select(BacktestRow).where(BacktestRow.id == backtest_id).with_for_update()
    )
    if row is None:
        raise LabError("The backtest was deleted while it ran.")
    return row
