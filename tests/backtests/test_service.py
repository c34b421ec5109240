"""Runs defined, started and deleted by many at once, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from sqlalchemy import func, select

from alphintra_lab.backtests import service
from alphintra_lab.backtests.describe import count_backtests, count_trials, strategy_results
from alphintra_lab.backtests.mlflow_log import log_pending
from alphintra_lab.backtests.schema import BacktestCreate, Verdict
from alphintra_lab.datasets import service as datasets
from alphintra_lab.db import Database
from alphintra_lab.errors import Conflict, NotFound
from alphintra_lab.jobs import service as jobs
from alphintra_lab.jobs.table import JobRow
from alphintra_lab.strategies import service as strategies
from alphintra_lab.strategies.schema import StrategyCreate

BARS = "time,open,high,low,close,volume\n" + "".join(
    f"2017-01-{day:02d},1,2,1,1.5,10\n" for day in range(2, 20)
)


async def prepare(database: Database, folder: Path) -> BacktestCreate:
    """What a backtest needs: a strategy in `folder/workspace`, and a dataset."""
    (folder / "store").mkdir()
    (folder / "workspace").mkdir()
    (folder / "bars.csv").write_text(BARS)
    await datasets.add_file(
        database, folder / "store", folder / "bars.csv", name="bars", symbol="A"
    )
    async with database.session() as session:
        create = StrategyCreate(name="Cross", template="sma_cross")
        row = await strategies.create_strategy(session, folder / "workspace", create)
    return BacktestCreate(strategy_id=row.id, dataset="bars")


async def define(database: Database, create: BacktestCreate) -> tuple[str, int]:
    async with database.session() as session:
        row = await service.create_backtest(session, create)
        return row.id, row.number


async def start(database: Database, folder: Path, backtest_id: str) -> str:
    async with database.session() as session:
        return (await service.start_backtest(session, folder / "workspace", backtest_id)).id


async def delete(database: Database, backtest_id: str) -> str | None:
    async with database.session() as session:
        return await service.delete_backtest(session, backtest_id)


async def at_once(*work: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*work, return_exceptions=True))


async def test_many_that_define_at_once_get_numbers_of_their_own(
    database: Database, tmp_path: Path
) -> None:
    create = await prepare(database, tmp_path)
    defined = await at_once(*(define(database, create) for _ in range(12)))
    assert sorted(number for _, number in defined) == list(range(1, 13))


async def test_a_run_started_by_many_at_once_runs_once(database: Database, tmp_path: Path) -> None:
    backtest_id, _ = await define(database, await prepare(database, tmp_path))
    started = await at_once(*(start(database, tmp_path, backtest_id) for _ in range(6)))
    assert [type(one) for one in started if not isinstance(one, str)] == [Conflict] * 5
    async with database.session(write=False) as session:
        assert await session.scalar(select(func.count()).select_from(JobRow)) == 1


async def test_a_run_started_and_deleted_at_once_is_there_or_gone(
    database: Database, tmp_path: Path
) -> None:
    create = await prepare(database, tmp_path)
    for _ in range(4):
        backtest_id, _ = await define(database, create)
        started, deleted = await at_once(
            start(database, tmp_path, backtest_id), delete(database, backtest_id)
        )
        if deleted is None:
            assert isinstance(started, NotFound)
        else:
            assert (type(started), type(deleted)) == (str, Conflict)


async def test_a_deleted_run_is_gone_but_stays_a_trial_with_its_number(
    database: Database, tmp_path: Path
) -> None:
    create = await prepare(database, tmp_path)
    backtest_id, number = await define(database, create)
    job_id = await start(database, tmp_path, backtest_id)
    async with database.session() as session:
        await jobs.cancel_job(session, job_id)
    assert await delete(database, backtest_id) == job_id
    async with database.session(write=False) as session:
        assert (await service.list_backtests(session, 10, None)).items == []
        for name in (backtest_id, str(number)):
            with pytest.raises(NotFound):
                await service.get_backtest(session, name)
        assert await count_backtests(session) == 0
        assert await count_trials(session) == 1
        results = await strategy_results(session, [create.strategy_id])
        assert results == {create.strategy_id: (1, None)}
    _, next_number = await define(database, create)
    assert next_number == number + 1


async def test_a_run_is_written_to_mlflow_by_one_process_alone(
    database: Database, tmp_path: Path
) -> None:
    backtest_id, _ = await define(database, await prepare(database, tmp_path))
    job_id = await start(database, tmp_path, backtest_id)
    async with database.session() as session:
        await jobs.cancel_job(session, job_id)
        row = await service.get_row(session, backtest_id)
        row.verdict = Verdict("circle", "none", "Fine.", "", "Fine")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    logging = (log_pending(database, tmp_path / "jobs", uri) for _ in range(2))
    await asyncio.gather(*logging)
    client = MlflowClient(uri)
    [experiment] = client.search_experiments(filter_string="name = 'Cross'")
    assert len(client.search_runs([experiment.experiment_id])) == 1
