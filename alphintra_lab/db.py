"""The database: one engine, `session()` = one transaction, and the migrations."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import fcntl
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, ClassVar, Generic, TypeVar

import msgspec
import uuid_utils
from sqlalchemy import JSON, DateTime, Dialect, Select, String, TypeDecorator, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .errors import Unavailable

# One user and one workspace until there are accounts. Every row names them from the
# first migration on, so that no row has to be guessed at later.
LOCAL_OWNER = "00000000-0000-7000-8000-000000000001"
LOCAL_WORKSPACE = "00000000-0000-7000-8000-000000000002"


def new_id() -> str:
    """A UUIDv7 as a string: unique, and sorted by the time it was made."""
    return str(uuid_utils.uuid7())


def now() -> dt.datetime:
    """The time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware UTC time. SQLite drops zones, so it is stored naive there and made aware again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the database takes aware times only")
        return value.astimezone(dt.UTC)

    def process_result_value(
        self, value: dt.datetime | None, dialect: Dialect
    ) -> dt.datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=dt.UTC)


class Json(TypeDecorator[Any]):
    """A msgspec type stored as JSON and given back as that type."""

    impl = JSON
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__(none_as_null=True)
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else msgspec.convert(value, self.kind)


class Base(DeclarativeBase):
    """The tables' common columns."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {dt.datetime: UtcDateTime, str: String}

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    owner_id: Mapped[str] = mapped_column(String(36), default=LOCAL_OWNER)
    workspace_id: Mapped[str] = mapped_column(String(36), default=LOCAL_WORKSPACE)
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=now, onupdate=now)


Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """A page of a list. `next` is the cursor of the page after it, or null at the end."""

    items: list[Item]
    next: str | None = None


Row = TypeVar("Row", bound=Base)


async def read_page(
    session: AsyncSession,
    statement: Select[Row],
    table: type[Row],
    limit: int,
    cursor: str | None,
) -> tuple[list[Row], str | None]:
    """The rows of one page, newest first, and the cursor of the next.

    Ids are UUIDv7, so they sort by time, and a page costs the same however far down it is.
    """
    if cursor is not None:
        statement = statement.where(table.id < cursor)
    rows = list(await session.scalars(statement.order_by(table.id.desc()).limit(limit + 1)))
    more = len(rows) > limit
    return rows[:limit], rows[limit - 1].id if more else None


class Database:
    """One engine and the sessions on it. Open it with `connect`, close it with `close`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)

    @contextlib.asynccontextmanager
    async def session(self, *, write: bool = True) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end, rolled back on an error.

        A writer takes SQLite's write lock when it begins. Taking it at the first write
        instead would fail at once, without waiting, whenever another process wrote in between.
        Raises Unavailable when the database cannot be reached.
        """
        async with self._sessions() as session, session.begin():
            try:
                await session.connection(execution_options={"alphintra_write": write})
            except (OSError, DBAPIError) as error:  # asyncpg lets the socket's error through
                raise Unavailable(f"The database does not answer: {error}") from error
            yield session

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


async def take_turns(session: AsyncSession, key: int) -> None:
    """Let one transaction at a time go on from here to its end, over all processes.

    SQLite has one writer anyway; on PostgreSQL two would look at the same state at once.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def connect(url: str) -> Database:
    """The database at `url`: `sqlite:///path` or `postgresql://...`; we name the async driver."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        parsed = parsed.set(drivername="sqlite+aiosqlite")
        engine = create_async_engine(parsed, json_deserializer=_read_json)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return Database(engine)
    if backend == "postgresql":
        parsed = parsed.set(drivername="postgresql+asyncpg")
        engine = create_async_engine(
            parsed,
            pool_size=5,
            max_overflow=15,
            pool_pre_ping=True,
            json_deserializer=_read_json,
        )
        event.listen(engine.sync_engine, "do_connect", _connect_postgres)
        return Database(engine)
    raise ValueError(
        f"DATABASE_URL names {backend!r}; the lab works with sqlite:///PATH and "
        "postgresql://HOST/NAME"
    )


def _connect_postgres(dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
    """Connect; where nobody answers, asyncpg's various errors become the driver's one."""
    asyncpg = dialect.loaded_dbapi.asyncpg
    try:
        return dialect.connect(*arguments, **parameters)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise dialect.loaded_dbapi.OperationalError(str(error) or type(error).__name__) from error


def _read_json(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)  # several times as fast as the standard library's
    except msgspec.DecodeError:
        return json.loads(text)  # it wrote the text, and lets half a character or a NaN pass


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: _begin_sqlite does
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=20000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("alphintra_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def migrations_folder() -> Path:
    """The folder of Alembic's scripts: inside an installed package, or beside it in a checkout."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "migrations"


def _head() -> str:
    """The newest revision, read without importing Alembic: start-up must stay fast."""
    versions = sorted(p.name for p in (migrations_folder() / "versions").glob("[0-9]*.py"))
    return versions[-1].split("_", 1)[0]


async def upgrade(database: Database) -> None:
    """Bring the schema to the newest revision. Safe to call from several processes at once."""
    if await current_revision(database) == _head():
        return
    url = database.engine.url
    with contextlib.ExitStack() as stack:
        if url.get_backend_name() == "sqlite" and url.database:
            lock = await asyncio.to_thread(_lock_file, Path(url.database + ".migrate"))
            stack.callback(lock.close)
        async with database.engine.connect() as connection:
            await connection.run_sync(_migrate, "upgrade", "head")
            await connection.commit()


def _lock_file(path: Path) -> IO[str]:
    """Open the file and wait until this process alone holds its lock; closing lets go of it."""
    file = path.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


async def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision` ("base" for nothing at all)."""
    async with database.engine.connect() as connection:
        await connection.run_sync(_migrate, "downgrade", revision)
        await connection.commit()


async def check(database: Database) -> None:
    """Raise when the tables declared in the code differ from the migrated schema."""
    async with database.engine.connect() as connection:
        await connection.run_sync(_migrate, "check", None)


async def current_revision(database: Database) -> str | None:
    """The schema's revision, or None where there is no schema yet."""
    async with database.engine.connect() as connection:
        exists = await connection.run_sync(
            lambda sync: sync.dialect.has_table(sync, "alembic_version")
        )
        if not exists:
            return None
        row = (await connection.execute(text("SELECT version_num FROM alembic_version"))).first()
    return row[0] if row else None


def _migrate(connection: Any, action: str, revision: str | None) -> None:
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        # Held to the end of the transaction: of several starters one migrates, the others wait.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4202178)")
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    if action == "check":
        command.check(config)
    else:
        getattr(command, action)(config, revision)
