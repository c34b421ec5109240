"""MLflow is told of finished backtests afterwards: rows and job folders are the truth."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from pathlib import Path

from sqlalchemy import ColumnElement, CursorResult, and_, or_, select, update
from sqlalchemy.exc import DBAPIError

from ..datasets.table import DatasetRow, DatasetVersionRow
from ..db import Database, now
from ..errors import Unavailable
from ..experiments import service as experiments
from ..jobs.table import JobRow
from ..strategies.table import StrategyRow, StrategyVersionRow
from .table import BacktestRow

log = logging.getLogger(__name__)

POLL = 1.0
CLAIM = dt.timedelta(minutes=2)
"""How long one process has for a run; so long, too, one that MLflow refused waits for the next try,
and keeps no other back."""


async def log_backtests(database: Database, jobs: Path, tracking_uri: str) -> None:
    """Write each finished backtest to MLflow, for as long as this runs; retry what failed."""
    pause = POLL
    while True:
        try:
            await log_pending(database, jobs, tracking_uri)
            pause = POLL
        except (experiments.TrackingError, DBAPIError, Unavailable) as error:
            # A tracking server that is away keeps nothing back but its own copy.
            pause = min(pause * 2, 60.0)
            log.warning("MLflow does not take runs, next try in %.0f s: %s", pause, error)
        await asyncio.sleep(pause)


async def log_pending(database: Database, jobs: Path, tracking_uri: str) -> int:
    """Write what MLflow does not have yet; answers how many runs that were."""
    async with database.session(write=False) as session:
        found = await session.execute(
            select(BacktestRow, StrategyRow, StrategyVersionRow, DatasetRow, DatasetVersionRow)
            .join(StrategyRow, StrategyRow.id == BacktestRow.strategy_id)
            .join(StrategyVersionRow, StrategyVersionRow.id == BacktestRow.strategy_version_id)
            .join(DatasetVersionRow, DatasetVersionRow.id == BacktestRow.dataset_version_id)
            .join(DatasetRow, DatasetRow.id == DatasetVersionRow.dataset_id)
            .join(JobRow, JobRow.id == BacktestRow.job_id)
            .where(BacktestRow.verdict.is_not(None), _is_free())
            .where(JobRow.state.not_in(("waiting", "running")))  # its checks may still change it
            .order_by(BacktestRow.id)
            .limit(20)
        )
        rows = found.all()
    for backtest, strategy, code, dataset, data in rows:
        if not await _claim(database, backtest.id):
            continue
        run = _describe(backtest, strategy, code, dataset, data, jobs)
        run_id = await asyncio.to_thread(experiments.write_run, tracking_uri, run)
        async with database.session() as session:
            row = await session.get(BacktestRow, backtest.id)
            if row is not None:
                row.mlflow_run_id = run_id
    return len(rows)


def _is_free() -> ColumnElement[bool]:
    """Not in MLflow, and nobody is writing it, or who did has died or failed."""
    until = BacktestRow.mlflow_claimed_until
    return and_(BacktestRow.mlflow_run_id.is_(None), or_(until.is_(None), until < now()))


async def _claim(database: Database, backtest_id: str) -> bool:
    """Take the run for this process alone; False where another has it."""
    async with database.session() as session:
        claimed = await session.execute(
            update(BacktestRow)
            .where(BacktestRow.id == backtest_id, _is_free())
            .values(mlflow_claimed_until=now() + CLAIM, updated_at=BacktestRow.updated_at)
        )
    return isinstance(claimed, CursorResult) and claimed.rowcount == 1


def _describe(
    backtest: BacktestRow,
    strategy: StrategyRow,
    code: StrategyVersionRow,
    dataset: DatasetRow,
    data: DatasetVersionRow,
    jobs: Path,
) -> experiments.Run:
    settings, verdict = backtest.settings, backtest.verdict
    assert verdict is not None
    parameters = {f"parameter.{name}": value for name, value in settings.parameters.items()}
    return experiments.Run(
        key=backtest.id,
        experiment=strategy.name,
        name=f"run {backtest.number}",
        started=backtest.created_at,
        ended=backtest.updated_at,
        parameters=parameters
        | {
            "dataset": dataset.name,
            "symbols": ",".join(settings.symbols),
            "start": settings.start or "",
            "end": settings.end or "",
            "cash": settings.cash,
            "commission": settings.commission,
            "slippage_bps": settings.slippage_bps,
            "fill": settings.fill,
            "whole_shares": settings.whole_shares,
        },
        metrics=backtest.metrics or {},
        tags={
            "alphintra.code_sha256": code.sha256,
            "alphintra.code_version": str(code.number),
            "alphintra.data_sha256": data.sha256,
            "alphintra.data_version": str(data.number),
            "alphintra.ledger_sha256": backtest.ledger_sha256 or "",
            "alphintra.verdict": f"{verdict.title} {verdict.text}".strip(),
            "alphintra.unsafe_fills": str(settings.fill == "unsafe_same_close").lower(),
            "alphintra.overrides": ",".join(settings.overrides),
            "alphintra.job_folder": str(jobs / str(backtest.job_id)),
        },
    )
