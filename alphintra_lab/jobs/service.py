"""The queue: one state machine over rows, leased to workers, fair between owners."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from sqlalchemy import CursorResult, Select, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..db import Page, new_id, now, read_page, take_turns
from ..errors import NotFound
from .schema import Job, JobError, JobLog, Kind
from .table import JobRow

LEASE = dt.timedelta(seconds=20)
ATTEMPTS = 3
LOG_BYTES = 1024 * 1024
CLAIMS = 4202179
"""The key under which claims take turns."""


async def create_job(
    session: AsyncSession, kind: Kind, subject_id: str, title: str, spec: dict[str, Any]
) -> JobRow:
    """Put a job into the queue."""
    row = JobRow(
        id=new_id(), kind=kind, subject_id=subject_id, title=title, spec=spec, state="waiting"
    )
    session.add(row)
    await session.flush()
    events.publish(session, "job", row.id, "waiting")
    return row


async def list_jobs(
    session: AsyncSession, limit: int, cursor: str | None, state: str | None = None
) -> Page[Job]:
    """Jobs, the newest first."""
    statement = select(JobRow)
    if state is not None:
        statement = statement.where(JobRow.state == state)
    rows, after = await read_page(session, statement, JobRow, limit, cursor)
    return Page(await describe_jobs(session, rows), after)


async def get_job(session: AsyncSession, job_id: str) -> Job:
    """The job, or NotFound."""
    return (await describe_jobs(session, [await get_row(session, job_id)]))[0]


async def get_row(session: AsyncSession, job_id: str) -> JobRow:
    """The job's row, or NotFound."""
    row = await session.get(JobRow, job_id)
    if row is None:
        raise _missing(job_id)
    return row


def _missing(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id!r}.", field="id")


async def _lock_row(session: AsyncSession, job_id: str) -> JobRow | None:
    """The row as it stands now; nobody else changes it before this transaction ends."""
    return await session.get(JobRow, job_id, populate_existing=True, with_for_update=True)


async def count_states(session: AsyncSession) -> dict[str, int]:
    """How many jobs are in each state."""
    rows = await session.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
    return dict(rows.all())


async def describe_jobs(session: AsyncSession, rows: list[JobRow]) -> list[Job]:
    """Rows as the API gives them, with each waiting job's place in the queue."""
    places: dict[str, int] = {}
    if any(row.state == "waiting" for row in rows):
        queue = (await session.scalars(_queue())).all()
        places = {job_id: place for place, job_id in enumerate(queue, 1)}
    return [_describe(row, places.get(row.id)) for row in rows]


def _describe(row: JobRow, place: int | None) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,  # type: ignore[arg-type]  # written by create_job only, whose argument is a Kind
        subject_id=row.subject_id,
        title=row.title,
        state=row.state,  # type: ignore[arg-type]  # written in this file only
        progress=row.progress,
        step=row.step,
        steps=row.steps,
        place=place,
        attempt=row.attempt,
        error=row.error,
        result=row.result,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


async def cancel_job(session: AsyncSession, job_id: str) -> Job:
    """Ask for an end: a waiting job ends now, a running one when its worker hears of it."""
    row = await _lock_row(session, job_id)
    if row is None:
        raise _missing(job_id)
    if row.state == "waiting":
        _end(row, "cancelled")
        events.publish(session, "job", row.id, "cancelled")
    elif row.state == "running":
        row.cancel_requested = True
    await session.flush()
    return await get_job(session, job_id)


async def read_log(session: AsyncSession, folder: Path, job_id: str) -> JobLog:
    """What the user's code printed; empty when it printed nothing or has not begun."""
    await get_row(session, job_id)
    path = folder / job_id / "log.txt"
    if not path.exists():
        return JobLog("", False)
    with path.open("rb") as file:
        data = file.read(LOG_BYTES + 1)
    return JobLog(data[:LOG_BYTES].decode("utf-8", "replace"), len(data) > LOG_BYTES)


def _queue() -> Select[str]:
    """Waiting jobs in the order in which they will start.

    A job's turn is the number of its owner's jobs that run or stand before it. So owners take
    turns, and nobody waits for all of another's jobs.
    """
    running = (
        select(JobRow.owner_id, func.count().label("count"))
        .where(JobRow.state == "running")
        .group_by(JobRow.owner_id)
        .subquery()
    )
    rank = func.row_number().over(partition_by=JobRow.owner_id, order_by=JobRow.id)
    turn = rank + func.coalesce(running.c.count, 0)
    return (
        select(JobRow.id)
        .outerjoin(running, running.c.owner_id == JobRow.owner_id)
        .where(JobRow.state == "waiting")
        .order_by(turn, JobRow.id)
    )


async def claim_job(
    session: AsyncSession, worker: str, host: str, cores: int, job_id: str | None = None
) -> JobRow | None:
    """Take the next job (or the named one) while fewer than `cores` run on this host; else None."""
    await take_turns(session, CLAIMS)  # two workers of a host must not both take its last core
    busy = await session.scalar(
        select(func.count()).where(JobRow.state == "running", JobRow.host == host)
    )
    if (busy or 0) >= cores:
        return None
    chosen = job_id or await session.scalar(_queue().limit(1))
    row = await _lock_row(session, chosen) if chosen else None
    if row is None or row.state != "waiting":
        return None
    row.state, row.worker, row.host = "running", worker, host
    row.lease_until, row.attempt = now() + LEASE, row.attempt + 1
    row.started_at, row.progress, row.step, row.steps = now(), 0.0, "", {}
    events.publish(session, "job", row.id, "running")
    return row


async def renew_lease(session: AsyncSession, job_id: str, worker: str) -> bool | None:
    """Keep the lease. True: somebody asked to cancel. None: the lease is another's now."""
    row = await _lock_row(session, job_id)
    if row is None or row.worker != worker or row.state != "running":
        return None
    row.lease_until = now() + LEASE
    return row.cancel_requested


async def holds_job(session: AsyncSession, job_id: str, worker: str) -> bool:
    """Whether it runs and its lease is this worker's; both stay so to the transaction's end."""
    row = await _lock_row(session, job_id)
    return row is not None and row.worker == worker and row.state == "running"


async def report_progress(
    session: AsyncSession,
    job_id: str,
    worker: str,
    step: str,
    progress: float,
    steps: dict[str, float],
) -> None:
    """Tell how far a running job is; says nothing for a job that is another's now."""
    changed = await session.execute(
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.worker == worker, JobRow.state == "running")
        .values(step=step, progress=progress, steps=steps, updated_at=now())
    )
    if isinstance(changed, CursorResult) and changed.rowcount:
        events.publish(session, "job", job_id, "running", progress)


async def end_job(
    session: AsyncSession,
    job_id: str,
    worker: str,
    *,
    error: JobError | None = None,
    result: dict[str, Any] | None = None,
    cancelled: bool = False,
    steps: dict[str, float] | None = None,
) -> bool:
    """End a job whose lease `worker` holds. False: it is another's now, and nothing was written."""
    row = await _lock_row(session, job_id)
    if row is None or row.worker != worker or row.state != "running":
        return False
    row.steps = steps or row.steps
    row.result, row.error = result, error
    _end(row, "cancelled" if cancelled else "failed" if error else "succeeded")
    events.publish(session, "job", row.id, row.state, 1.0)
    return True


def _end(row: JobRow, state: str) -> None:
    row.state, row.ended_at, row.lease_until = state, now(), None
    row.progress = 1.0 if state == "succeeded" else row.progress


async def reclaim_jobs(session: AsyncSession, dead: list[str]) -> list[str]:
    """Take back jobs whose lease ran out, or whose worker is known to be dead.

    They go back to the queue; after `ATTEMPTS` starts they fail, honestly, since a job that
    kills every worker would otherwise run for ever.
    """
    lost = or_(JobRow.lease_until < now(), JobRow.worker.in_(dead))
    found = select(JobRow).where(JobRow.state == "running", lost).with_for_update()
    rows = (await session.scalars(found)).all()
    for row in rows:
        row.worker = row.host = None
        if row.cancel_requested:
            _end(row, "cancelled")
        elif row.attempt >= ATTEMPTS:
            row.error = JobError(
                "worker_lost",
                f"The worker that ran this job died {row.attempt} times. The job is not tried "
                "again by itself; run it again, and look at the server's log if it dies again.",
            )
            _end(row, "failed")
        else:
            row.state, row.lease_until = "waiting", None
        events.publish(session, "job", row.id, row.state)
    return [row.id for row in rows]


async def list_workers(session: AsyncSession, host: str) -> list[str]:
    """The workers that hold leases on this host."""
    found = select(JobRow.worker).where(JobRow.state == "running", JobRow.host == host).distinct()
    return [worker for worker in await session.scalars(found) if worker]
