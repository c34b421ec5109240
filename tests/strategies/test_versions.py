"""Versions: one for each state of the code, never changed, compared and restored."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from alphintra_lab.db import Database
from alphintra_lab.errors import Conflict, NotFound
from alphintra_lab.strategies import service
from alphintra_lab.strategies.schema import StrategyCreate
from alphintra_lab.strategies.snapshot import sha256_of


async def create(database: Database, workspace: Path, code: str) -> tuple[str, Path]:
    async with database.session() as session:
        row = await service.create_strategy(session, workspace, StrategyCreate("Cross", code=code))
        return row.id, workspace / row.folder


async def snapshot(database: Database, workspace: Path, strategy_id: str) -> tuple[int, str]:
    async with database.session() as session:
        row = await service.snapshot_strategy(session, workspace, strategy_id)
        return row.number, row.sha256


async def test_a_snapshot_is_new_only_if_something_changed(
    database: Database, workspace: Path, code: str
) -> None:
    strategy_id, folder = await create(database, workspace, code)
    assert await snapshot(database, workspace, strategy_id) == (
        1,
        sha256_of({"strategy.py": code}, "strategy.py"),
    )
    (folder / "helper.py").write_text("x = 1")
    (folder / "notes.txt").write_text("no code")
    assert (await snapshot(database, workspace, strategy_id))[0] == 2
    (folder / "helper.py").unlink()
    assert (await snapshot(database, workspace, strategy_id))[0] == 1, "the same files again"
    (folder / "helper.py").write_text("x = 2")
    assert (await snapshot(database, workspace, strategy_id))[0] == 3


async def test_many_snapshots_at_once_make_one_version(
    database: Database, workspace: Path, code: str
) -> None:
    strategy_id, folder = await create(database, workspace, code)
    (folder / "helper.py").write_text("x = 1")
    taken = await asyncio.gather(*(snapshot(database, workspace, strategy_id) for _ in range(6)))
    assert {number for number, _ in taken} == {2}


async def test_versions_are_listed_newest_first_in_pages(
    database: Database, workspace: Path, code: str
) -> None:
    strategy_id, folder = await create(database, workspace, code)
    for number in range(3):
        (folder / f"helper{number}.py").write_text("")
        await snapshot(database, workspace, strategy_id)
    async with database.session(write=False) as session:
        first = await service.list_versions(session, strategy_id, 3, None)
        rest = await service.list_versions(session, strategy_id, 3, first.next)
    assert [v.number for v in [*first.items, *rest.items]] == [4, 3, 2, 1]
    assert first.items[0].files == ["helper0.py", "helper1.py", "helper2.py", "strategy.py"]
    assert rest.next is None


async def test_a_diff_is_what_git_would_show(
    database: Database, workspace: Path, code: str
) -> None:
    strategy_id, folder = await create(database, workspace, "a\nb\nc")
    (folder / "new.py").write_text("x\x0cy\n")
    await snapshot(database, workspace, strategy_id)
    (folder / "strategy.py").write_text("a\nB\nc")
    await snapshot(database, workspace, strategy_id)
    async with database.session(write=False) as session:
        diff = await service.diff_versions(session, strategy_id, 1, 3)
        back = await service.diff_versions(session, strategy_id, 3, 1)
        same = await service.diff_versions(session, strategy_id, 2, 2)
    assert [(f.path, f.change) for f in diff.files] == [
        ("new.py", "added"),
        ("strategy.py", "changed"),
    ]
    assert diff.files[0].diff == "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x\x0cy\n"
    assert diff.files[1].diff == (
        "--- a/strategy.py\n+++ b/strategy.py\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n"
        " c\n\\ No newline at end of file\n"
    )
    assert [(f.path, f.change) for f in back.files] == [
        ("new.py", "removed"),
        ("strategy.py", "changed"),
    ]
    assert same.files == []


async def test_a_restore_brings_back_the_files_and_loses_nothing(
    database: Database, workspace: Path, code: str
) -> None:
    strategy_id, folder = await create(database, workspace, code)
    (folder / "strategy.py").write_text("edited = True\n")
    (folder / "lib").mkdir()
    (folder / "lib/helper.py").write_text("x = 1")
    (folder / "notes.txt").write_text("mine")
    async with database.session() as session:
        row = await service.restore_version(session, workspace, strategy_id, 1)
        assert service.describe(row, workspace).outline.class_name == "Mine"
    assert (folder / "strategy.py").read_text() == code
    assert not (folder / "lib/helper.py").exists()
    assert (folder / "notes.txt").read_text() == "mine"
    async with database.session() as session:
        await service.restore_version(session, workspace, strategy_id, 2)
    assert (folder / "strategy.py").read_text() == "edited = True\n"
    assert (folder / "lib/helper.py").read_text() == "x = 1"


async def test_a_deleted_folder_says_which_version_to_restore_and_comes_back(
    database: Database, workspace: Path, code: str
) -> None:
    strategy_id, folder = await create(database, workspace, code)
    shutil.rmtree(folder)
    with pytest.raises(Conflict, match=r"is gone from the workspace\. Restore version 1"):
        await snapshot(database, workspace, strategy_id)
    async with database.session() as session:
        row = await service.restore_version(session, workspace, strategy_id, 1)
        assert not service.describe(row, workspace).missing
    assert (folder / "strategy.py").read_text() == code


async def test_a_failed_restore_puts_everything_back(
    database: Database, workspace: Path, code: str
) -> None:
    strategy_id, folder = await create(database, workspace, code)
    (folder / "strategy.py").write_text("edited = True\n")
    (folder / "helper.py").write_text("x = 1")
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            await service.restore_version(session, workspace, strategy_id, 1)
            1 / 0  # noqa: B018  # the failure
    assert (folder / "strategy.py").read_text() == "edited = True\n"
    assert (folder / "helper.py").read_text() == "x = 1"


async def test_a_restore_never_writes_through_a_link(
    database: Database, workspace: Path, code: str, tmp_path: Path
) -> None:
    strategy_id, folder = await create(database, workspace, code)
    (folder / "lib").mkdir()
    (folder / "lib/helper.py").write_text("x = 1")
    await snapshot(database, workspace, strategy_id)
    shutil.rmtree(folder)
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    (folder / "lib").symlink_to(tmp_path / "outside")
    with pytest.raises(Conflict, match=r"lib/helper\.py is a link"):
        async with database.session() as session:
            await service.restore_version(session, workspace, strategy_id, 2)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("number", [0, -1, 2, 2**31, 10**30])
async def test_a_version_that_is_not_there_is_not_found(
    database: Database, workspace: Path, code: str, number: int
) -> None:
    strategy_id, _ = await create(database, workspace, code)
    async with database.session(write=False) as session:
        with pytest.raises(NotFound, match="it has 1 to 1"):
            await service.get_version_files(session, strategy_id, number)
