"""The worker runs jobs to an end that is written down, whatever happens to it or to them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from alphintra_lab.db import Database, now
from alphintra_lab.jobs import service, worker
from alphintra_lab.jobs.schema import Job, JobError
from alphintra_lab.jobs.worker import Context, Executor, JobFailed, Outcome, Worker


@contextlib.asynccontextmanager
async def serving(
    database: Database, folder: Path, executor: Executor, cores: int = 4
) -> AsyncIterator[Worker]:
    running = Worker(database, folder, {"backtest": executor}, cores)
    task = asyncio.create_task(running.run())
    try:
        yield running
    finally:
        task.cancel()
        await asyncio.wait({task})


async def queue(database: Database) -> str:
    async with database.session() as session:
        return (await service.create_job(session, "backtest", "subject", "run", {"x": 1})).id


async def ended(database: Database, job_id: str, seconds: float = 10) -> Job:
    async with asyncio.timeout(seconds):
        while True:
            async with database.session(write=False) as session:
                job = await service.get_job(session, job_id)
            if job.state not in ("waiting", "running"):
                return job
            await asyncio.sleep(0.02)


async def test_result_and_record_are_written_in_the_transaction_that_ends_the_job(
    database: Database, tmp_path: Path
) -> None:
    recorded: list[str] = []

    async def run(context: Context) -> Outcome:
        await context.report("decisions", 0.5)

        async def record(session: AsyncSession) -> None:
            state = (await service.get_row(session, context.job.id)).state
            recorded.append(state)

        return Outcome({"answer": context.job.spec["x"]}, record)

    job_id = await queue(database)
    async with serving(database, tmp_path, run):
        job = await ended(database, job_id)
    assert (job.state, job.result) == ("succeeded", {"answer": 1})
    assert recorded == ["succeeded"]
    assert set(job.steps) == {"queued", "decisions"}


async def test_a_failure_of_the_user_keeps_its_error(database: Database, tmp_path: Path) -> None:
    error = JobError("strategy_error", "KeyError: 'volume'", exception="KeyError", line=13)

    async def run(context: Context) -> Outcome:
        raise JobFailed(error)

    job_id = await queue(database)
    async with serving(database, tmp_path, run):
        job = await ended(database, job_id)
    assert (job.state, job.error) == ("failed", error)


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left", "equity.parquet"), "disk_full", "equity.parquet"),
        (ZeroDivisionError("in our own code"), "engine_error", "not the strategy's fault"),
    ],
)
async def test_a_failure_of_the_lab_says_so(
    database: Database, tmp_path: Path, failure: Exception, code: str, words: str
) -> None:
    async def run(context: Context) -> Outcome:
        raise failure

    job_id = await queue(database)
    async with serving(database, tmp_path, run):
        job = await ended(database, job_id)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == code
    assert words in job.error.message


async def test_a_job_whose_end_cannot_be_written_is_told_once_and_runs_again(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(context: Context) -> Outcome:
        async def fail(session: AsyncSession) -> None:
            await session.execute(text("SELECT * FROM no_such_table"))

        return Outcome({}, fail if context.job.attempt == 1 else None)

    job_id = await queue(database)
    async with serving(database, tmp_path, run):
        async with asyncio.timeout(10):
            while "could not be written" not in caplog.text:
                await asyncio.sleep(0.02)
        async with database.session() as session:
            (await service.get_row(session, job_id)).lease_until = now()  # it ran out meanwhile
        job = await ended(database, job_id)
    gc.collect()
    assert (job.state, job.attempt) == ("succeeded", 2)
    assert caplog.text.count("could not be written") == 1
    assert "never retrieved" not in caplog.text


async def test_a_cancelled_job_stops_within_seconds(database: Database, tmp_path: Path) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def run(context: Context) -> Outcome:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return Outcome({})

    job_id = await queue(database)
    async with serving(database, tmp_path, run):
        await begun.wait()
        async with database.session() as session:
            assert (await service.cancel_job(session, job_id)).state == "running"
        job = await ended(database, job_id, seconds=5)
    assert job.state == "cancelled"
    assert stopped.is_set()


async def test_a_stopped_worker_gives_its_jobs_back_and_the_next_one_ends_them(
    database: Database, tmp_path: Path
) -> None:
    begun = asyncio.Event()

    async def hang(context: Context) -> Outcome:
        begun.set()
        await asyncio.sleep(60)
        return Outcome({})

    async def finish(context: Context) -> Outcome:
        return Outcome({"attempt": context.job.attempt})

    job_id = await queue(database)
    async with serving(database, tmp_path, hang), asyncio.timeout(10):
        await begun.wait()
    async with database.session(write=False) as session:
        assert (await service.get_job(session, job_id)).state == "waiting"
    async with serving(database, tmp_path, finish):
        job = await ended(database, job_id)
    assert (job.state, job.result) == ("succeeded", {"attempt": 2})


async def test_no_more_jobs_run_at_once_than_there_are_cores(
    database: Database, tmp_path: Path
) -> None:
    at_once: list[int] = []
    running = 0

    async def run(context: Context) -> Outcome:
        nonlocal running
        running += 1
        at_once.append(running)
        await asyncio.sleep(0.05)
        running -= 1
        return Outcome({})

    jobs = [await queue(database) for _ in range(6)]
    async with serving(database, tmp_path, run, cores=2):
        for job_id in jobs:
            await ended(database, job_id)
    assert max(at_once) == 2


def test_a_worker_is_told_dead_from_alive_by_number_and_start() -> None:
    assert not worker.is_dead(worker.worker_name())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    name = f"{worker.host_name()}:{child.pid}:{started}"
    assert not worker.is_dead(name)
    assert worker.is_dead(f"{worker.host_name()}:{os.getpid()}:1"), "the number was used again"
    child.kill()
    child.wait()
    assert worker.is_dead(name)
