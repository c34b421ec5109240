"""Jobs that nobody will ask for again go after a day, with their folders."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import shutil
from pathlib import Path

from sqlalchemy import delete, or_, select
from sqlalchemy.exc import DBAPIError

from .. import events
from ..db import Database, now
from ..errors import Unavailable
from ..jobs.table import JobRow
from .table import BacktestRow

log = logging.getLogger(__name__)

KEPT = dt.timedelta(days=1)
EVERY = 3600.0
"""Seconds between two rounds."""


async def keep_clean(database: Database, folder: Path) -> None:
    """Remove old jobs now and every hour, until cancelled."""
    while True:
        try:
            await remove_old_jobs(database, folder)
        except (DBAPIError, Unavailable):
            log.warning("Old jobs could not be removed; trying again later", exc_info=True)
        await asyncio.sleep(EVERY)


async def remove_old_jobs(database: Database, folder: Path) -> int:
    """Remove runs without a backtest, and those that a new try replaced, a day after their end.

    Answers how many. A folder without a row is left alone: it may be another database's.
    """
    used = select(BacktestRow.job_id).where(BacktestRow.job_id.is_not(None))
    old = (
        select(JobRow.id)
        .where(JobRow.ended_at < now() - KEPT)
        .where(or_(JobRow.kind == "execute", JobRow.id.not_in(used)))
    )
    async with database.session() as session:
        ids = (await session.scalars(old)).all()
        if ids:
            await session.execute(delete(JobRow).where(JobRow.id.in_(ids)))
        for job_id in ids:
            events.publish(session, "job", job_id, "deleted")
    for job_id in ids:
        await asyncio.to_thread(shutil.rmtree, folder / job_id, ignore_errors=True)
    return len(ids)
