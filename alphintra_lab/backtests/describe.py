"""Backtests as the API gives them, and what they tell of their strategies."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ..datasets.table import DatasetRow, DatasetVersionRow
from ..jobs import service as jobs
from ..jobs.schema import Job
from ..jobs.table import JobRow
from ..strategies.schema import LastResult
from ..strategies.table import StrategyRow, StrategyVersionRow
from .judging import UNFINISHED, show_verdict
from .schema import Backtest, Verdict
from .table import BacktestRow


async def describe(session: AsyncSession, rows: list[BacktestRow]) -> list[Backtest]:
    """Rows as the API gives them; what belongs to all of them is read in one query."""
    found = {}
    jobs_of_rows: list[JobRow] = []
    for one, job, *names in await session.execute(_names(), {"ids": [row.id for row in rows]}):
        found[one] = Names(*names)
        jobs_of_rows += [job] if job is not None else []
    job_of = {job.id: job for job in await jobs.describe_jobs(session, jobs_of_rows)}
    return [_describe(row, found[row.id], job_of.get(row.job_id or "")) for row in rows]


class Names(NamedTuple):
    """What a backtest's strategy and data are called."""

    strategy: str
    strategy_version: int | None
    dataset_id: str
    dataset: str
    dataset_version: int


@functools.cache  # built once: building it takes longer than running it
def _names() -> Select[*tuple[Any, ...]]:
    return (
        select(
            BacktestRow.id,
            JobRow,
            StrategyRow.name,
            StrategyVersionRow.number,
            DatasetRow.id,
            DatasetRow.name,
            DatasetVersionRow.number,
        )
        .join(StrategyRow, StrategyRow.id == BacktestRow.strategy_id)
        .outerjoin(StrategyVersionRow, StrategyVersionRow.id == BacktestRow.strategy_version_id)
        .join(DatasetVersionRow, DatasetVersionRow.id == BacktestRow.dataset_version_id)
        .join(DatasetRow, DatasetRow.id == DatasetVersionRow.dataset_id)
        .outerjoin(JobRow, JobRow.id == BacktestRow.job_id)
        .where(BacktestRow.id.in_(bindparam("ids", expanding=True)))
    )


def _describe(row: BacktestRow, names: Names, job: Job | None) -> Backtest:
    return Backtest(
        id=row.id,
        number=row.number,
        strategy_id=row.strategy_id,
        strategy_name=names.strategy,
        strategy_version=names.strategy_version,
        dataset_id=names.dataset_id,
        dataset_name=names.dataset,
        dataset_version=names.dataset_version,
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
    statement = select(func.count()).where(BacktestRow.archived.is_(False))
    return await session.scalar(statement) or 0


async def count_trials(session: AsyncSession, family_id: str | None = None) -> int:
    """Distinct trials, of one family or of all: reruns do not count, deleted runs do."""
    trials = select(BacktestRow.family_id, BacktestRow.trial_sha256).where(
        BacktestRow.trial_sha256.is_not(None)
    )
    if family_id is not None:
        trials = trials.where(BacktestRow.family_id == family_id)
    statement = select(func.count()).select_from(trials.distinct().subquery())
    return await session.scalar(statement) or 0


async def strategy_results(
    session: AsyncSession, strategy_ids: list[str]
) -> dict[str, tuple[int, LastResult | None]]:
    """For each strategy: its family's distinct trials, and its newest finished result."""
    found = await session.execute(_newest_runs(), {"ids": strategy_ids})
    return {
        strategy_id: (trials, None if run.backtest_id is None else await _last_result(session, run))
        for strategy_id, trials, *columns in found
        for run in [NewestRun(*columns)]
    }


class NewestRun(NamedTuple):
    """What is read of a strategy's newest finished run; of none, where there is none."""

    backtest_id: str | None
    number: int
    updated_at: dt.datetime
    verdict: Verdict
    metrics: dict[str, float | None] | None
    sparkline: list[float]
    dataset: str
    job_state: str | None
    ended_at: dt.datetime | None


@functools.cache
def _newest_runs() -> Select[*tuple[Any, ...]]:
    """Each strategy's newest finished run: found from the newest backwards, not among all."""
    own, earlier = aliased(BacktestRow), aliased(BacktestRow)
    trials = (
        select(func.count(distinct(own.trial_sha256)))
        .where(own.family_id == StrategyRow.family_id)
        .scalar_subquery()
    )
    newest = (
        select(earlier.id)
        .where(earlier.strategy_id == StrategyRow.id, earlier.verdict.is_not(None))
        .order_by(earlier.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    # Columns, not records: a list's page would spend most of its time on making those.
    return (
        select(
            StrategyRow.id,
            trials,
            BacktestRow.id,
            BacktestRow.number,
            BacktestRow.updated_at,
            BacktestRow.verdict,
            BacktestRow.metrics,
            BacktestRow.sparkline,
            DatasetRow.name,
            JobRow.state,
            JobRow.ended_at,
        )
        .select_from(StrategyRow)
        .outerjoin(BacktestRow, BacktestRow.id == newest)
        .outerjoin(DatasetVersionRow, DatasetVersionRow.id == BacktestRow.dataset_version_id)
        .outerjoin(DatasetRow, DatasetRow.id == DatasetVersionRow.dataset_id)
        .outerjoin(JobRow, JobRow.id == BacktestRow.job_id)
        .where(StrategyRow.id.in_(bindparam("ids", expanding=True)))
    )


async def _last_result(session: AsyncSession, run: NewestRun) -> LastResult:
    assert run.backtest_id is not None
    verdict, metrics = run.verdict, run.metrics or {}
    if run.job_state in UNFINISHED:
        row = await session.get_one(BacktestRow, run.backtest_id)
        verdict = show_verdict(row, await session.get(JobRow, row.job_id)) or verdict
    return LastResult(
        backtest_id=run.backtest_id,
        number=run.number,
        dataset=run.dataset,
        ended_at=run.ended_at or run.updated_at,
        icon=verdict.icon,
        verdict=verdict.short,
        total_return=metrics.get("total_return"),
        sharpe=metrics.get("sharpe"),
        max_drawdown=metrics.get("max_drawdown"),
        sparkline=run.sparkline,
    )
