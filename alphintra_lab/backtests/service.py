"""Backtests: define, run, list, cancel and delete."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..datasets import service as datasets
from ..datasets.table import DatasetVersionRow
from ..db import Page, new_id, read_page, take_turns
from ..errors import Conflict, NotFound
from ..jobs import service as jobs
from ..jobs.table import JobRow
from ..strategies import service as strategies
from ..strategies.table import StrategyRow, StrategyVersionRow
from .describe import describe
from .schema import Backtest, BacktestCreate
from .settings import complete_settings
from .table import BacktestRow

NUMBERS = 4202180
"""The key under which definitions take turns, so that each gets a number of its own."""


async def create_backtest(session: AsyncSession, create: BacktestCreate) -> BacktestRow:
    """Define a backtest: everything is checked and every default filled in, nothing runs."""
    strategy = await strategies.get_row(session, create.strategy_id)
    _, version = await datasets.get_version_row(session, create.dataset)
    settings = complete_settings(create, strategy.outline, version)
    await take_turns(session, NUMBERS)
    number = (await session.scalar(select(func.max(BacktestRow.number)))) or 0
    row = BacktestRow(
        id=new_id(),
        number=number + 1,
        strategy_id=strategy.id,
        dataset_version_id=version.id,
        family_id=strategy.family_id,
        settings=settings,
        sparkline=[],
    )
    session.add(row)
    await session.flush()
    events.publish(session, "backtest", row.id, "defined")
    return row


async def start_backtest(session: AsyncSession, workspace: Path, backtest_id: str) -> JobRow:
    """Snapshot the code as it stands now and queue the run. It runs once; then it is a record."""
    row = await _lock_row(session, backtest_id)
    if row.job_id is not None:
        await _refuse_second_run(session, row)
    strategy = await strategies.get_row(session, row.strategy_id)
    await refuse_bad_data(session, row)
    snapshot = await strategies.snapshot_strategy(session, workspace, strategy.id)
    return await queue_backtest(session, row, strategy, snapshot)


async def _refuse_second_run(session: AsyncSession, row: BacktestRow) -> None:
    """A run that ended without a result may be tried again; a result, or a run under way, stays."""
    job = await session.get(JobRow, row.job_id)
    if row.verdict is None and job is not None and job.state in ("failed", "cancelled"):
        return
    raise Conflict(
        f"Run {row.number} has been started already. Its result is a record: "
        "define a new backtest to run it again."
    )


async def queue_backtest(
    session: AsyncSession,
    row: BacktestRow,
    strategy: StrategyRow,
    snapshot: StrategyVersionRow,
    decisions: str | None = None,
) -> JobRow:
    """Queue a run of one strategy version.

    `decisions` names a file in the job's folder that already holds them, for a run whose
    decisions were taken in a notebook's kernel.
    """
    trial = _trial(snapshot.sha256, row)
    if row.trial_sha256 not in (None, trial):
        # It failed, and still it was a trial: other code is another one, and both count.
        raise Conflict(
            f"The code has changed since run {row.number} failed. Define a new backtest for it."
        )
    row.strategy_version_id, row.trial_sha256 = snapshot.id, trial
    title = f"run {row.number} · {strategy.name}"
    spec: dict[str, Any] = {"backtest_id": row.id}
    if decisions is not None:
        # The checks run the recorded source again, in which the class need not be the last one.
        spec |= {"decisions": decisions, "class_name": strategy.outline.class_name}
    job = await jobs.create_job(session, "backtest", row.id, title, spec)
    row.job_id = job.id
    await session.flush()
    events.publish(session, "backtest", row.id, "waiting")
    return job


async def queue_execute(session: AsyncSession, workspace: Path, asked: BacktestCreate) -> JobRow:
    """Queue a run of the code as it stands now, over the data as it is now; no backtest."""
    version = await strategies.snapshot_strategy(session, workspace, asked.strategy_id)
    strategy = await strategies.get_row(session, asked.strategy_id)
    dataset, data = await datasets.get_version_row(session, asked.dataset)
    settings = complete_settings(asked, strategy.outline, data)
    spec = {
        "version_id": version.id,
        "dataset_version_id": data.id,
        "settings": msgspec.to_builtins(settings),
    }
    title = f"{strategy.name} on {dataset.name}"
    return await jobs.create_job(session, "execute", strategy.id, title, spec)


async def refuse_bad_data(session: AsyncSession, row: BacktestRow) -> None:
    """Raise Conflict when the data has errors that were not overridden by name."""
    version = await session.get_one(DatasetVersionRow, row.dataset_version_id)
    errors = [f for f in version.report.findings if f.severity == "error"]
    blocking = [f for f in errors if f.check not in row.settings.overrides]
    if blocking:
        names = ", ".join(sorted({f.check for f in blocking}))
        raise Conflict(
            f"The data has errors, so it cannot be backtested: {blocking[0].message} "
            f"Repair the data and add it again, or override by name: {names}.",
            field="overrides",
            code="data_errors",
        )


def _trial(code: str, row: BacktestRow) -> str:
    """What makes a trial distinct: code, parameters, data and costs (QUANT, deflated Sharpe).

    Cash is left out: it changes no ratio. Symbols and dates are part of the data.
    """
    settings = row.settings
    chosen = [
        code,
        row.dataset_version_id,
        settings.parameters,
        [settings.symbols, settings.start, settings.end],
        [settings.commission, settings.slippage_bps],
    ]
    return hashlib.sha256(msgspec.json.encode(chosen, order="deterministic")).hexdigest()


async def get_row(session: AsyncSession, backtest_id: str) -> BacktestRow:
    """The backtest's row, by its id or its number, or NotFound."""
    row = await session.get(BacktestRow, backtest_id)
    if row is None and backtest_id.isdecimal() and len(backtest_id) < 10:
        row = await session.scalar(
            select(BacktestRow).where(BacktestRow.number == int(backtest_id))
        )
    if row is None or row.archived:
        raise _missing(backtest_id)
    return row


def _missing(backtest_id: str) -> NotFound:
    return NotFound(f"There is no backtest {backtest_id!r}.", field="id")


async def _lock_row(session: AsyncSession, backtest_id: str) -> BacktestRow:
    """The row as it stands now, or NotFound; nobody else changes it before the transaction ends."""
    row = await get_row(session, backtest_id)
    await session.refresh(row, with_for_update=True)
    if row.archived:  # deleted since it was found
        raise _missing(backtest_id)
    return row


async def list_backtests(
    session: AsyncSession, limit: int, cursor: str | None, strategy_id: str | None = None
) -> Page[Backtest]:
    """Backtests, the newest first."""
    statement = select(BacktestRow).where(BacktestRow.archived.is_(False))
    if strategy_id is not None:
        statement = statement.where(BacktestRow.strategy_id == strategy_id)
    rows, after = await read_page(session, statement, BacktestRow, limit, cursor)
    return Page(await describe(session, rows), after)


async def get_backtest(session: AsyncSession, backtest_id: str) -> Backtest:
    """The backtest, or NotFound."""
    return (await describe(session, [await get_row(session, backtest_id)]))[0]


async def cancel_backtest(session: AsyncSession, backtest_id: str) -> Backtest:
    """Cancel its job, if it has one that has not ended."""
    row = await get_row(session, backtest_id)
    if row.job_id is not None:
        await jobs.cancel_job(session, row.job_id)
    return await get_backtest(session, row.id)


async def delete_backtest(session: AsyncSession, backtest_id: str) -> str | None:
    """Delete the result; answers the job whose folder may go too. A running one must end first.

    What stays is the number and the trial: luck counts what was tried, also what was thrown away.
    """
    row = await _lock_row(session, backtest_id)
    job = await session.get(JobRow, row.job_id) if row.job_id else None
    if job is not None and job.state in ("waiting", "running"):
        raise Conflict(f"Run {row.number} is {job.state}. Cancel it before you delete it.")
    row.archived, row.job_id = True, None
    row.summary = row.metrics = row.checks = row.verdict = None
    row.sparkline = []
    await session.flush()
    if job is not None:
        await session.delete(job)
    events.publish(session, "backtest", row.id, "deleted")
    return job.id if job else None
