"""The lab without a server: opened over the environment's configuration, with a worker here."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import itertools
import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from .config import LabConfig, load_environment
from .errors import Unavailable

if TYPE_CHECKING:
    from .api.lab import Lab
    from .db import Database
    from .jobs.schema import Job
    from .jobs.worker import Worker

POLL = 0.1
RECLAIM_TURNS = 20
"""Dead workers' jobs are taken back every so many polls: one of them may be the awaited one."""


@contextlib.asynccontextmanager
async def open_lab(config: LabConfig) -> AsyncIterator[Lab]:
    """The lab, migrated, with the platform's datasets. `.env` in this folder counts."""
    from sqlalchemy.exc import DBAPIError

    from .datasets.platform import ensure_platform_datasets
    from .db import upgrade

    load_environment(Path.cwd())
    lab = config.open_lab(Path.cwd())
    try:
        await upgrade(lab.database)
        await ensure_platform_datasets(lab.database, lab.store)
        lab.opened.set()
        yield lab
    except DBAPIError as error:
        raise Unavailable(
            f"The database fails: {error.orig}. Look at DATABASE_URL, or at lab.db in {lab.home}."
        ) from error
    finally:
        await lab.database.close()


@contextlib.asynccontextmanager
async def running_worker(
    lab: Lab, config: LabConfig, *, stays: bool = False
) -> AsyncIterator[Worker]:
    """A worker in this process, with an engine that warms up while other things happen.

    For one that `stays`, so does a zygote: a single run would end before it is ready.
    """
    from .backtests.engine_process import EngineProcess
    from .backtests.execute import executors
    from .jobs.runners.local import LocalRunner
    from .jobs.worker import Worker
    from .sandbox.self_test import self_test, test_forks
    from .sandbox.zygote import Zygote

    engine, zygote = EngineProcess(), Zygote()
    warming: asyncio.Task[None] | None = None
    await engine.start()
    try:
        tested = await asyncio.to_thread(self_test, [lab.home])
        if tested.passed and stays and config.zygote:
            warming = asyncio.create_task(zygote.run(lambda it: test_forks(it, [lab.home])))
        runner = LocalRunner(None if tested.passed else tested.message, zygote)
        run = executors(lab.database, lab.store, runner, engine, config.limits)
        yield Worker(lab.database, lab.jobs, run, lab.cores)
    finally:
        if warming is not None:
            warming.cancel()
            await asyncio.wait({warming})
        await engine.stop()


async def run_job(worker: Worker, database: Database, job_id: str) -> Job:
    """Run the job here, or wait for the worker elsewhere that took it first; the ended job.

    When this is cancelled, so is the job: nobody waits for it any more.
    """
    from .jobs import service as jobs

    try:
        for turn in itertools.count():
            if turn % RECLAIM_TURNS == 0:
                await worker.reclaim()
            claimed = await worker.claim(job_id)
            if claimed is not None:
                await worker.execute(claimed)
            async with database.session(write=False) as session:
                job = await jobs.get_job(session, job_id)
            if job.state not in ("waiting", "running"):
                return job
            await asyncio.sleep(POLL)
    except asyncio.CancelledError:
        async with database.session() as session:
            if not await jobs.end_job(session, job_id, worker.name, cancelled=True):
                await jobs.cancel_job(session, job_id)
        raise
    raise AssertionError("the loop has no other end")


async def log_runs(lab: Lab, config: LabConfig) -> None:
    """Write to MLflow what it does not have yet. It may be away: the next command tries again."""
    from .backtests.mlflow_log import log_pending
    from .experiments.service import TrackingError

    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # it tells of tables that it makes
    with contextlib.suppress(TrackingError):
        await log_pending(lab.database, lab.jobs, config.mlflow_tracking_uri)


def load_ahead() -> None:
    """Import what reads a result, while its run is in other processes."""

    def load() -> None:
        for name in ("pandas", "pyarrow.parquet"):
            importlib.import_module(name)

    threading.Thread(target=load).start()


async def run_worker(config: LabConfig) -> None:
    """The server's worker: serves the queue until the server ends."""
    from .backtests.cleaning import keep_clean
    from .backtests.mlflow_log import log_backtests
    from .processes import die_with_parent

    die_with_parent()
    lab = config.open_lab(Path.cwd())
    async with running_worker(lab, config, stays=True) as worker, asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        group.create_task(log_backtests(lab.database, lab.jobs, config.mlflow_tracking_uri))
        group.create_task(keep_clean(lab.database, lab.jobs))


async def run_line(config: LabConfig, socket: Path) -> None:
    """What a plain script's `backtest()` talks to: the kernels' socket, served by this process.

    It runs its script's jobs only: it ends with the script, and would take others' jobs along.
    """
    from .api.line import serve_line
    from .backtests.mlflow_log import log_backtests

    ended = _when_stdin_ends()
    async with open_lab(config) as lab, running_worker(lab, config) as worker:
        run = functools.partial(run_job, worker, lab.database)
        close = await serve_line(lab, socket, Path.cwd(), grants=None, run=run)
        log = asyncio.create_task(log_backtests(lab.database, lab.jobs, config.mlflow_tracking_uri))
        try:
            await ended
        finally:
            log.cancel()
            await close()


def _when_stdin_ends() -> asyncio.Future[None]:
    """Done when the script is gone: it holds the other end, and the system closes it for it.

    Not the signal for a parent's end: that comes when the thread ends that started this process.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def watch() -> None:
        sys.stdin.buffer.read()
        with contextlib.suppress(RuntimeError):  # the loop is closed: it ended otherwise
            loop.call_soon_threadsafe(ended.set_result, None)

    threading.Thread(target=watch, daemon=True).start()
    return ended
