"""What every test can use: Jupyter's own fixtures, and real databases built by the migrations."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from alphintra_lab import db
from tests.emulators.postgres import Postgres, start_postgres

UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

pytest_plugins = ["pytest_jupyter.jupyter_server"]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Values that say nothing, or differ from run to run, are named by their argument."""
    if isinstance(val, bytes) or (isinstance(val, str) and (len(val) > 60 or UUID.fullmatch(val))):
        return argname
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the PostgreSQL fixtures is marked, so that no test forgets to."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the whole run."""
    with start_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """An empty PostgreSQL database of the test's own."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema and no rows, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """The name of a database with the newest schema and no rows, to be copied."""
    name = postgres.create_database()
    asyncio.run(_migrate(postgres.url(name)))
    return name


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of the test's own."""
    path = tmp_path / "lab.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database of the test's own, on each back end in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.create_database(template=request.getfixturevalue("migrated_postgres"))
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def database(
    database_url: str, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[db.Database]:
    """The same, opened; for async tests, which run on the same loop."""
    opened = db.connect(database_url)
    yield opened
    jp_asyncio_loop.run_until_complete(opened.close())


async def _migrate(url: str) -> None:
    database = db.connect(url)
    await db.upgrade(database)
    await database.close()
