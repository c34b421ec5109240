"""A workspace nothing changed in is not looked through again; whatever changes is still seen."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from sqlalchemy import event

from alphintra_lab import db
from alphintra_lab.db import Database
from alphintra_lab.strategies import service

STRATEGIES = "strategies"


def drop(workspace: Path, name: str, code: str) -> None:
    folder = workspace / STRATEGIES / name
    folder.mkdir(parents=True)
    (folder / "strategy.py").write_text(code)


def settle(workspace: Path) -> None:
    """Let the folder's last change be long ago, as after a quiet minute."""
    before = time.time_ns() - 60_000_000_000
    os.utime(workspace / STRATEGIES, ns=(before, before))


async def find(database: Database, workspace: Path) -> list[str]:
    async with database.session(write=False) as session:
        return await service.find_new_folders(session, workspace)


async def know_all(database: Database, workspace: Path) -> None:
    """Make known what is there, then look once more when all is quiet."""
    async with database.session() as session:
        await service.discover(session, workspace)
    settle(workspace)
    assert await find(database, workspace) == []


@pytest.fixture
def first(workspace: Path, code: str) -> Path:
    drop(workspace, "first", code)
    return workspace


async def test_a_quiet_workspace_is_not_looked_up_again(database: Database, first: Path) -> None:
    await know_all(database, first)
    asked: list[str] = []
    event.listen(
        database.engine.sync_engine, "before_cursor_execute", lambda *a: asked.append(a[2])
    )
    assert await find(database, first) == []
    assert [statement for statement in asked if "strategies" in statement] == []


async def test_a_folder_that_comes_later_is_found(
    database: Database, first: Path, code: str
) -> None:
    await know_all(database, first)
    drop(first, "second", code)
    assert await find(database, first) == ["strategies/second"]


async def test_a_file_put_into_a_folder_that_was_there_is_found(
    database: Database, first: Path, code: str
) -> None:
    (first / STRATEGIES / "later").mkdir()
    await know_all(database, first)
    (first / STRATEGIES / "later/strategy.py").write_text(code)
    assert await find(database, first) == ["strategies/later"]


async def test_a_place_whose_strategy_was_deleted_is_found_again(
    database: Database, first: Path, code: str
) -> None:
    await know_all(database, first)
    async with database.session() as session:
        rows, _ = await service.list_strategies(session, 10, None)
        await service.delete_strategy(session, first, rows[0].id)
    drop(first, "first", code)
    assert await find(database, first) == ["strategies/first"]


async def test_a_folder_that_changed_a_moment_ago_is_not_trusted(
    database: Database, first: Path, code: str
) -> None:
    async with database.session() as session:
        await service.discover(session, first)
    assert await find(database, first) == []
    changed = (first / STRATEGIES).stat().st_mtime_ns
    drop(first, "second", code)
    os.utime(first / STRATEGIES, ns=(changed, changed))  # within the same tick of the clock
    assert await find(database, first) == ["strategies/second"]


async def test_a_folder_that_took_anothers_place_a_moment_ago_is_found(
    database: Database, first: Path, code: str
) -> None:
    async with database.session() as session:
        await service.discover(session, first)
    assert await find(database, first) == []
    changed = (first / STRATEGIES).stat().st_mtime_ns
    async with database.session() as session:
        rows, _ = await service.list_strategies(session, 10, None)
        await service.delete_strategy(session, first, rows[0].id)
    drop(first, "first", code)
    os.utime(first / STRATEGIES, ns=(changed, changed))
    assert await find(database, first) == ["strategies/first"]


async def test_two_databases_over_one_workspace_each_look(
    database: Database, first: Path, tmp_path: Path
) -> None:
    await know_all(database, first)
    other = db.connect(f"sqlite:///{tmp_path / 'other.db'}")
    await db.upgrade(other)
    assert await find(other, first) == ["strategies/first"]
    await other.close()


async def test_a_workspace_without_the_folder_is_empty(database: Database, first: Path) -> None:
    shutil.rmtree(first / STRATEGIES)
    assert await find(database, first) == []
