"""Backtests as the API gives them, and what they tell of their strategies."""

from __future__ import annotations

from typing import Any

from sqlalchemy import distinct, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..datasets.table import DatasetRow, DatasetVersionRow
from ..jobs import service as jobs
from ..jobs.schema import Job
from ..jobs.table import JobRow
from ..strategies.schema import LastResult
from ..strategies.table import StrategyRow, StrategyVersionRow
from .judging import show_verdict
from .schema import Backtest
from .table import BacktestRow


async def describe(session: AsyncSession, rows: list[BacktestRow]) -> list[Backtest]:
    """Rows as the API gives them; what belongs to them is read in four queries, not one each."""
    strategy_of = await _by_id(session, StrategyRow, {r.strategy_id for r in rows})
    version_of = await _by_id(session, DatasetVersionRow, {r.dataset_version_id for r in rows})
    dataset_of = await _by_id(session, DatasetRow, {v.dataset_id for v in version_of.values()})
    code_ids = {r.strategy_version_id for r in rows if r.strategy_version_id}
    numbers = await session.execute(
        select(StrategyVersionRow.id, StrategyVersionRow.number).where(
            StrategyVersionRow.id.in_(code_ids)
        )
    )
    code_of: dict[str, int] = dict(numbers.all())
    job_rows = await _by_id(session, JobRow, {r.job_id for r in rows if r.job_id})
    described = await jobs.describe_jobs(session, list(job_rows.values()))
    job_of = {job.id: job for job in described}
    return [_describe(row, strategy_of, version_of, dataset_of, code_of, job_of) for row in rows]


async def _by_id(session: AsyncSession, table: Any, ids: set[str]) -> dict[str, Any]:
    if not ids:
        return {}
    return {row.id: row for row in await session.scalars(select(table).where(table.id.in_(ids)))}


def _describe(
    row: BacktestRow,
    strategy_of: dict[str, StrategyRow],
    version_of: dict[str, DatasetVersionRow],
    dataset_of: dict[str, DatasetRow],
    code_of: dict[str, int],
    job_of: dict[str, Job],
) -> Backtest:
    version = version_of[row.dataset_version_id]
    dataset = dataset_of[version.dataset_id]
    job = job_of.get(row.job_id or "")
    return Backtest(
        id=row.id,
        number=row.number,
        strategy_id=row.strategy_id,
        strategy_name=strategy_of[row.strategy_id].name,
        strategy_version=code_of.get(row.strategy_version_id or ""),
        dataset_id=dataset.id,
        dataset_name=dataset.name,
        dataset_version=version.number,
        settings=row.settings,
        job=job,
        verdict=show_verdict(row, job),
        metrics=row.metrics,
        sparkline=row.sparkline,
        mlflow_run_id=row.mlflow_run_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def count_backtests(session: AsyncSession) -> int:
    """How many backtests are here."""
    return await session.scalar(select(func.count()).select_from(BacktestRow)) or 0


async def count_trials(session: AsyncSession, family_id: str | None = None) -> int:
    """Distinct trials, of one family or of all: reruns of the same thing do not count."""
    statement = select(func.count(distinct(BacktestRow.family_id + "/" + BacktestRow.trial_sha256)))
    if family_id is not None:
        statement = statement.where(BacktestRow.family_id == family_id)
    return await session.scalar(statement) or 0


async def strategy_results(
    session: AsyncSession, strategy_ids: list[str]
) -> dict[str, tuple[int, LastResult | None]]:
    """For each strategy: its family's distinct trials, and its newest finished result."""
    if not strategy_ids:
        return {}
    newest = (
        select(func.max(BacktestRow.id))
        .where(BacktestRow.strategy_id.in_(strategy_ids), BacktestRow.verdict.is_not(None))
        .group_by(BacktestRow.strategy_id)
    )
    rows = list(await session.scalars(select(BacktestRow).where(BacktestRow.id.in_(newest))))
    last = {b.strategy_id: _last_result(b) for b in await describe(session, rows)}
    counts = await session.execute(
        select(StrategyRow.id, func.count(distinct(BacktestRow.trial_sha256)))
        .join(BacktestRow, BacktestRow.family_id == StrategyRow.family_id)
        .where(StrategyRow.id.in_(strategy_ids))
        .group_by(StrategyRow.id)
    )
    trials: dict[str, int] = dict(counts.all())
    return {one: (trials.get(one, 0), last.get(one)) for one in strategy_ids}


def _last_result(backtest: Backtest) -> LastResult:
    metrics = backtest.metrics or {}
    assert backtest.verdict is not None
    return LastResult(
        backtest_id=backtest.id,
        number=backtest.number,
        dataset=backtest.dataset_name,
        ended_at=(backtest.job and backtest.job.ended_at) or backtest.updated_at,
        icon=backtest.verdict.icon,
        verdict=backtest.verdict.short,
        total_return=metrics.get("total_return"),
        sharpe=metrics.get("sharpe"),
        max_drawdown=metrics.get("max_drawdown"),
        sparkline=backtest.sparkline,
    )
