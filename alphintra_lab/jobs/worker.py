"""The worker: takes jobs from the queue, runs them, renews their leases, ends them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..db import Database
from ..errors import Unavailable
from . import service
from .schema import JobError
from .table import JobRow

log = logging.getLogger(__name__)

POLL = 0.15
HEARTBEAT = 1.0


class JobFailed(Exception):
    """A job ended with an error that its owner can read."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True)
class Outcome:
    """What a job made: its result, and what to write in the transaction that ends it."""

    result: dict[str, Any]
    record: Callable[[AsyncSession], Awaitable[None]] | None = None


@dataclass
class Context:
    """A running job, as its executor sees it."""

    job: JobRow
    database: Database
    folder: Path
    worker: str
    steps: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)
    _step: str = "queued"

    async def report(self, step: str, progress: float, detail: str = "") -> None:
        """Begin a step, or tell how far it is; how long the one before took is kept."""
        if step != self._step:
            self.finish_step()
            self._step = step
        said = f"{step}, {detail}" if detail else step
        async with self.database.session() as session:
            await service.report_progress(
                session, self.job.id, self.worker, said, progress, self.steps
            )

    async def save(self, record: Callable[[AsyncSession], Awaitable[None]]) -> None:
        """Write what is known before the job's end, if the job is still this worker's."""
        async with self.database.session() as session:
            if await service.holds_job(session, self.job.id, self.worker):
                await record(session)

    def finish_step(self) -> None:
        """Note how long the present step took."""
        moment = time.monotonic()
        self.steps[self._step] = round(moment - self._since, 3)
        self._since = moment


Executor = Callable[[Context], Awaitable[Outcome]]


def host_name() -> str:
    """This machine, boot and PID namespace: only there does a process number mean anything."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"


def worker_name() -> str:
    """This process, told apart from a later one with the same number by its start time."""
    return f"{host_name()}:{os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rsplit(")", 1)[1].split()
    return None if fields[0] == "Z" else fields[19]


def is_dead(worker: str) -> bool:
    """Whether a worker of this host is gone."""
    _, pid, started = worker.rsplit(":", 2)
    return _started(int(pid)) != started


class Worker:
    """Runs jobs from the queue, at most `cores` at a time on this host over all its workers."""

    def __init__(
        self, database: Database, folder: Path, executors: Mapping[str, Executor], cores: int
    ) -> None:
        self.database, self.folder, self.executors, self.cores = database, folder, executors, cores
        self.name, self.host = worker_name(), host_name()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve the queue until cancelled; then stop what runs and give it back."""
        last_reclaim = 0.0
        try:
            while True:
                try:
                    if time.monotonic() - last_reclaim > 2:
                        await self.reclaim()
                        last_reclaim = time.monotonic()
                    claimed = await self.claim()
                except (DBAPIError, Unavailable):
                    # The database is away or full for a while. The jobs in it wait.
                    log.warning("The database does not answer; trying again", exc_info=True)
                    claimed = None
                    await asyncio.sleep(1)
                if claimed is None:
                    await asyncio.sleep(POLL)
                    continue
                task = asyncio.create_task(self.execute(claimed))
                self._tasks.add(task)
                task.add_done_callback(self._forget)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            async with self.database.session() as session:
                await service.reclaim_jobs(session, [self.name])

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning(
                "A job's end could not be written; it runs again when its lease is over",
                exc_info=error,
            )

    async def claim(self, job_id: str | None = None) -> JobRow | None:
        """Take the next job, or the named one, if a core is free."""
        if len(self._tasks) >= self.cores:
            return None
        async with self.database.session() as session:
            return await service.claim_job(session, self.name, self.host, self.cores, job_id)

    async def reclaim(self) -> None:
        """Take back the jobs of workers that are gone."""
        async with self.database.session(write=False) as session:
            dead = [w for w in await service.list_workers(session, self.host) if is_dead(w)]
        async with self.database.session() as session:
            await service.reclaim_jobs(session, dead)
            await events.forget_old(session)

    async def execute(self, job: JobRow) -> None:
        """Run one claimed job to its end, renewing the lease meanwhile."""
        context = Context(job, self.database, self.folder / job.id, self.name)
        work = asyncio.create_task(self._work(context))
        cancelled = lost = False
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=HEARTBEAT)
                if work.done():
                    break
                with contextlib.suppress(
                    DBAPIError, Unavailable
                ):  # the lease outlasts a few lost beats
                    async with self.database.session() as session:
                        asked = await service.renew_lease(session, job.id, self.name)
                    if asked is not False:
                        cancelled, lost = asked is True, asked is None
                        break
        finally:
            if not work.done():
                work.cancel()
            await asyncio.wait({work})
        if not lost:
            await self._end(context, work, cancelled)

    async def _work(self, context: Context) -> Outcome:
        context.folder.mkdir(parents=True, exist_ok=True)
        return await self.executors[context.job.kind](context)

    async def _end(self, context: Context, work: asyncio.Task[Outcome], cancelled: bool) -> None:
        context.finish_step()
        error = None if cancelled else _error_of(work)
        async with self.database.session() as session:
            held = await service.end_job(
                session,
                context.job.id,
                self.name,
                error=error,
                result=None if error or cancelled else work.result().result,
                cancelled=cancelled,
                steps=context.steps,
            )
            if held and not error and not cancelled:
                record = work.result().record
                if record is not None:
                    await record(session)


def _error_of(work: asyncio.Task[Outcome]) -> JobError | None:
    if work.cancelled():
        return JobError("worker_lost", "The worker was stopped while the job ran. Run it again.")
    failure = work.exception()
    if failure is None:
        return None
    if isinstance(failure, JobFailed):
        return failure.error
    if isinstance(failure, OSError) and failure.errno == errno.ENOSPC:
        return JobError(
            "disk_full",
            f"The disk is full: {failure.filename or 'the lab home'} could not be written. "
            "Free some space and run it again; nothing else was lost.",
        )
    # The process boundary: whatever else went wrong is the lab's fault, and the job says so.
    log.error("A job failed inside the lab", exc_info=failure)
    return JobError(
        "engine_error",
        f"The lab itself failed: {type(failure).__name__}: {failure}. "
        "This is not the strategy's fault; the server's log has the details.",
    )
