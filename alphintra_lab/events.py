"""The events table: what changed, told to every process on the database, then to the page."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Select, String, delete, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from .db import Base, Database, now
from .errors import Unavailable

log = logging.getLogger(__name__)

SCHEMA_ID = "https://alphintra.dev/events/change/v1"
SCHEMA = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "Something in Alphintra Lab changed",
    "description": "Tells what to fetch again; carries no content, since every subscriber sees it.",
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["job", "backtest", "strategy", "dataset", "debug"]},
        "id": {"type": "string"},
        "status": {"type": "string"},
        "progress": {"type": "number"},
    },
    "required": ["kind", "id", "status", "progress"],
}

# PostgreSQL gives out sequence numbers before a transaction commits, so a lower number may
# appear after a higher one. Looking back this far finds it; whoever listens gets it once.
LOOK_BACK = 200
KEEP = dt.timedelta(hours=1)


class EventRow(Base):
    """One change. `id` grows; the text columns say what to fetch again."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)  # type: ignore[assignment]  # a counter, not a UUID: listeners read on from it
    kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[str] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(40))
    progress: Mapped[float] = mapped_column(default=0.0)


def publish(
    session: AsyncSession, kind: str, subject_id: str, status: str, progress: float = 0.0
) -> None:
    """Tell everybody, when the transaction commits, that something changed."""
    session.add(EventRow(kind=kind, subject_id=subject_id, status=status, progress=progress))


async def listen(database: Database, *, seconds: float = 0.3) -> AsyncIterator[EventRow]:
    """Every change from now on, of every process on this database, in order."""
    last = (await _read(database, select(func.max(EventRow.id))))[0] or 0
    seen: set[int] = set(range(max(0, last - LOOK_BACK), last + 1))
    while True:
        newest = select(EventRow).where(EventRow.id > last - LOOK_BACK).order_by(EventRow.id)
        for row in await _read(database, newest):
            if row.id not in seen:
                seen.add(row.id)
                last = max(last, row.id)
                yield row
        seen = {number for number in seen if number > last - LOOK_BACK}
        await asyncio.sleep(seconds)


async def _read(database: Database, statement: Select[Any]) -> list[Any]:
    """What the statement finds; while the database is away this waits for it."""
    while True:
        try:
            async with database.session(write=False) as session:
                return list(await session.scalars(statement))
        except (DBAPIError, Unavailable):
            log.warning("The database does not answer; listening goes on", exc_info=True)
            await asyncio.sleep(1)


async def forget_old(session: AsyncSession) -> None:
    """Drop events that every listener has long seen.

    The newest stays, however old: SQLite counts on from the highest number that is there, and
    from an empty table it would give out again numbers that listeners have seen.
    """
    newest = select(func.max(EventRow.id)).scalar_subquery()
    old = (EventRow.created_at < now() - KEEP) & (EventRow.id < newest)
    await session.execute(delete(EventRow).where(old))
