"""What goes after a day, and what stays."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sqlalchemy import select

from alphintra_lab.backtests.cleaning import remove_old_jobs
from alphintra_lab.db import Database, now
from alphintra_lab.jobs import service as jobs
from alphintra_lab.jobs.table import JobRow
from tests.backtests.test_execute import queue_execute
from tests.backtests.test_service import define, prepare, start


async def end(database: Database, folder: Path, job_id: str, hours: float) -> None:
    """Let a job have ended so long ago, with a folder."""
    async with database.session() as session:
        await jobs.cancel_job(session, job_id)
        (await jobs.get_row(session, job_id)).ended_at = now() - dt.timedelta(hours=hours)
    (folder / job_id).mkdir(parents=True)
    (folder / job_id / "log.txt").write_text("printed")


async def test_a_day_later_only_what_a_backtest_needs_is_left(
    database: Database, tmp_path: Path
) -> None:
    create, folder = await prepare(database, tmp_path), tmp_path / "jobs"
    backtest_id, _ = await define(database, create)
    replaced = await start(database, tmp_path, backtest_id)
    await end(database, folder, replaced, 30)
    retried = await start(database, tmp_path, backtest_id)
    await end(database, folder, retried, 30)
    old, fresh, waiting = [(await queue_execute(database, tmp_path, create)).id for _ in range(3)]
    await end(database, folder, old, 25)
    await end(database, folder, fresh, 23)
    (folder / "anothers").mkdir()

    assert await remove_old_jobs(database, folder) == 2
    async with database.session(write=False) as session:
        assert set(await session.scalars(select(JobRow.id))) == {retried, fresh, waiting}
    assert {path.name for path in folder.iterdir()} == {retried, fresh, "anothers"}
    assert await remove_old_jobs(database, folder) == 0
