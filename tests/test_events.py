"""Events on both databases: each comes once, in order, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from alphintra_lab import db, events
from tests.emulators.postgres import Postgres
from tests.faults.harness import CutLine


async def publish(database: db.Database, name: str) -> None:
    async with database.session() as session:
        events.publish(session, "job", name, "waiting")


async def next_name(listener: AsyncIterator[events.EventRow]) -> str:
    return (await asyncio.wait_for(anext(listener), 10)).subject_id


async def start_listening(database: db.Database) -> tuple[AsyncIterator[events.EventRow], str]:
    """A listener that has begun, and the name of the first event that it gave."""
    listener = events.listen(database, seconds=0.01)
    waiting = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(0.3)
    await publish(database, "first")
    return listener, (await asyncio.wait_for(waiting, 10)).subject_id


async def test_an_event_after_a_long_silence_is_told(database: db.Database) -> None:
    for number in range(3):
        await publish(database, f"before {number}")
    listener, first = await start_listening(database)
    assert first == "first", "what was before is not told"
    async with database.session() as session:
        long_ago = db.now() - 2 * events.KEEP
        await session.execute(update(events.EventRow).values(created_at=long_ago))
        await events.forget_old(session)
    await publish(database, "after")
    assert await next_name(listener) == "after"


@pytest.mark.postgres
async def test_a_listener_outlives_a_database_that_was_away(
    postgres: Postgres, migrated_postgres: str
) -> None:
    name = postgres.create_database(template=migrated_postgres)
    with CutLine(postgres.port) as line:
        far = db.connect(postgres.url(name).replace(f":{postgres.port}/", f":{line.port}/"))
        near = db.connect(postgres.url(name))
        try:
            listener, _ = await start_listening(far)
            waiting = asyncio.ensure_future(next_name(listener))
            line.cut()
            await asyncio.sleep(0.3)
            await publish(near, "meanwhile")
            line.mend()
            assert await waiting == "meanwhile"
        finally:
            await far.close()
            await near.close()
            postgres.drop_database(name)
