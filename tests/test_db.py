"""The database: migrations up and down, transactions, times."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import StatementError

from alphintra_lab import db
from alphintra_lab.events import EventRow, publish


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


async def test_schema_goes_up_to_what_the_code_declares_and_down_to_nothing(empty_url: str) -> None:
    database = db.connect(empty_url)
    assert await db.current_revision(database) is None
    await db.upgrade(database)
    await db.check(database)  # raises when code and migrations differ
    await db.downgrade(database, "base")
    assert await db.current_revision(database) is None
    await db.upgrade(database)
    assert await db.current_revision(database) is not None
    await database.close()


async def test_several_starters_at_once_migrate_once(empty_url: str) -> None:
    databases = [db.connect(empty_url) for _ in range(4)]
    await asyncio.gather(*(db.upgrade(database) for database in databases))
    async with databases[0].session(write=False) as session:
        rows = (await session.execute(text("SELECT version_num FROM alembic_version"))).all()
    assert len(rows) == 1
    for database in databases:
        await database.close()


async def test_an_error_inside_a_session_rolls_everything_back(database: db.Database) -> None:
    with pytest.raises(RuntimeError, match="after the insert"):
        async with database.session() as session:
            publish(session, "job", "x", "waiting")
            await session.flush()
            raise RuntimeError("after the insert")
    async with database.session(write=False) as session:
        assert (await session.scalars(select(EventRow))).all() == []


async def test_writers_wait_for_each_other_instead_of_failing(database: db.Database) -> None:
    async def write(number: int) -> None:
        async with database.session() as session:
            await session.execute(select(EventRow))  # a read first, as services do
            await asyncio.sleep(0.01)
            publish(session, "job", str(number), "waiting")

    await asyncio.gather(*(write(number) for number in range(10)))
    async with database.session(write=False) as session:
        assert len((await session.scalars(select(EventRow))).all()) == 10


async def test_times_come_back_aware_in_utc(database: db.Database) -> None:
    zone = dt.timezone(dt.timedelta(hours=5))
    async with database.session() as session:
        row = EventRow(
            kind="job",
            subject_id="x",
            status="waiting",
            created_at=dt.datetime(2026, 3, 1, 12, tzinfo=zone),
        )
        session.add(row)
    async with database.session(write=False) as session:
        read = (await session.scalars(select(EventRow))).one()
    assert read.created_at == dt.datetime(2026, 3, 1, 7, tzinfo=dt.UTC)
    assert read.created_at.utcoffset() == dt.timedelta(0)


async def test_a_time_without_zone_is_refused(database: db.Database) -> None:
    with pytest.raises(StatementError, match="no time zone"):
        async with database.session() as session:
            row = EventRow(kind="job", subject_id="x", status="waiting")
            row.created_at = dt.datetime(2026, 3, 1, 12)  # noqa: DTZ001  # the very mistake
            session.add(row)


def test_an_unknown_database_is_refused_with_the_ones_that_work() -> None:
    with pytest.raises(ValueError, match=r"'mysql'.*sqlite:///PATH.*postgresql://"):
        db.connect("mysql://localhost/lab")


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [db.new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
