"""Folders and code from elsewhere: dropped, copied, renamed, named in a command, or typed."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from alphintra_lab.db import Database
from alphintra_lab.errors import Conflict, Invalid
from alphintra_lab.strategies import service
from alphintra_lab.strategies.schema import Strategy, StrategyCreate


def drop(workspace: Path, name: str, code: str | bytes) -> Path:
    folder = workspace / "strategies" / name
    folder.mkdir(parents=True)
    (folder / "strategy.py").write_bytes(code if isinstance(code, bytes) else code.encode())
    return folder


async def look(database: Database, workspace: Path) -> dict[str, Strategy]:
    """What the list shows, by folder."""
    async with database.session() as session:
        await service.discover(session, workspace)
    async with database.session(write=False) as session:
        rows, _ = await service.list_strategies(session, 100, None)
        return {row.folder: service.describe(row, workspace) for row in rows}


async def test_a_dropped_folder_joins_the_list_once(
    database: Database, workspace: Path, code: str
) -> None:
    folder = drop(workspace, "found", code)
    (folder / "B.ipynb").write_text("{}")
    (folder / "A.ipynb").write_text("{}")
    drop(workspace, ".hidden", code)
    (workspace / "strategies/empty").mkdir()
    (workspace / "strategies/linked").symlink_to(folder)
    [seen] = (await look(database, workspace)).values()
    assert (seen.name, seen.folder, seen.version) == ("found", "strategies/found", 1)
    assert (seen.notebook, seen.outline.class_name) == ("A.ipynb", "Mine")
    [again] = (await look(database, workspace)).values()
    assert again.id == seen.id


async def test_a_folder_that_cannot_be_read_is_listed_with_the_reason(
    database: Database, workspace: Path, code: str
) -> None:
    drop(workspace, "latin", b"name = '\xe9'\n")
    [seen] = (await look(database, workspace)).values()
    assert seen.version is None
    assert "not UTF-8" in seen.outline.problems[0].message


async def test_a_renamed_folder_stays_the_same_strategy(
    database: Database, workspace: Path, code: str
) -> None:
    drop(workspace, "old", code)
    [before] = (await look(database, workspace)).values()
    (workspace / "strategies/old").rename(workspace / "strategies/new")
    [after] = (await look(database, workspace)).values()
    assert (after.id, after.folder, after.missing) == (before.id, "strategies/new", False)


async def test_a_copied_folder_is_another_strategy_of_the_same_family(
    database: Database, workspace: Path, code: str
) -> None:
    drop(workspace, "one", code)
    await look(database, workspace)
    shutil.copytree(workspace / "strategies/one", workspace / "strategies/one-Copy1")
    drop(workspace, "other", code + "# other\n")
    seen = await look(database, workspace)
    one, copy = seen["strategies/one"], seen["strategies/one-Copy1"]
    assert copy.id != one.id
    assert copy.family_id == one.family_id
    assert seen["strategies/other"].family_id != one.family_id


async def test_a_folder_registered_by_many_at_once_is_one_strategy(
    database: Database, workspace: Path, code: str
) -> None:
    drop(workspace, "found", code)

    async def once() -> None:
        async with database.session() as session:
            await service.discover(session, workspace)

    await asyncio.gather(*(once() for _ in range(5)))
    assert list(await look(database, workspace)) == ["strategies/found"]


async def test_a_file_outside_of_the_workspace_is_known_by_its_full_path(
    database: Database, workspace: Path, code: str, tmp_path: Path
) -> None:
    (tmp_path / "cross.py").write_text(code)
    (tmp_path / "other.py").write_text(code)

    async def register(name: str) -> str:
        async with database.session() as session:
            return (await service.register_folder(session, workspace, tmp_path, name)).id

    first = await register("cross.py")
    assert await register("cross.py") == first
    assert await register("other.py") != first
    async with database.session(write=False) as session:
        row = await service.get_row(session, first)
        assert (row.name, row.folder, row.entry) == ("cross", str(tmp_path), "cross.py")
        assert (await service.get_version_files(session, first, 1)).files == {"cross.py": code}


async def test_deleting_a_strategy_outside_leaves_its_files_and_a_run_brings_it_back(
    database: Database, workspace: Path, code: str, tmp_path: Path
) -> None:
    (tmp_path / "cross.py").write_text(code)
    async with database.session() as session:
        row = await service.register_folder(session, workspace, tmp_path, "cross.py")
        await service.delete_strategy(session, workspace, row.id)
    assert (tmp_path / "cross.py").read_text() == code
    async with database.session() as session:
        again = await service.register_folder(session, workspace, tmp_path, "cross.py")
        assert (again.id, again.archived) == (row.id, False)


async def test_deleting_a_single_file_leaves_the_folder_it_shares(
    database: Database, workspace: Path, code: str
) -> None:
    folder = drop(workspace, "shared", code)
    (folder / "other.py").write_text(code)
    async with database.session() as session:
        row = await service.register_folder(session, workspace, folder, "other.py")
        await service.delete_strategy(session, workspace, row.id)
    assert sorted(p.name for p in folder.iterdir()) == ["other.py", "strategy.py"]


async def test_a_workspaces_own_path_may_lead_through_a_link(
    database: Database, workspace: Path, code: str, tmp_path: Path
) -> None:
    drop(workspace, "found", code)
    link = tmp_path / "link"
    link.symlink_to(workspace)
    async with database.session() as session:
        row = await service.register_folder(session, link, link / "strategies/found")
        assert row.folder == "strategies/found"
        await service.snapshot_strategy(session, link, row.id)


async def test_a_missing_file_is_told(database: Database, workspace: Path) -> None:
    with pytest.raises(Conflict, match=r"has no cross\.py"):
        async with database.session() as session:
            await service.register_folder(session, workspace, workspace, "cross.py")


async def test_a_class_typed_in_a_cell_is_a_scratch_strategy_with_versions(
    database: Database, workspace: Path, code: str
) -> None:
    async def record(text: str, class_name: str = "Mine") -> tuple[str, int]:
        async with database.session() as session:
            row, version = await service.register_source(
                session,
                workspace,
                files={"cell.py": text},
                entry="cell.py",
                class_name=class_name,
                folder=None,
            )
            assert row.outline.class_name == class_name
            return row.id, version.number

    first = await record(code)
    assert await record(code) == first
    assert await record(code + "\n") == (first[0], 2)
    other = await record(code.replace("Mine", "Other"), "Other")
    assert other[0] != first[0]
    assert await look(database, workspace) == {}, "no folder, so not in the list"
    async with database.session() as session:
        assert (await service.snapshot_strategy(session, workspace, first[0])).number == 2
        assert not service.describe(await service.get_row(session, first[0]), workspace).missing
        with pytest.raises(Conflict, match="typed in a notebook"):
            await service.update_strategy_code(session, workspace, first[0], "")
        with pytest.raises(Conflict, match="typed in a notebook"):
            await service.restore_version(session, workspace, first[0], 1)
        await service.delete_strategy(session, workspace, first[0])


async def test_what_ran_in_a_notebook_is_the_folders_version_whatever_is_saved_since(
    database: Database, workspace: Path, code: str
) -> None:
    folder = drop(workspace, "found", code)
    [seen] = (await look(database, workspace)).values()
    ran = {"strategy.py": code.replace("10", "11")}
    async with database.session() as session:
        row, version = await service.register_source(
            session, workspace, files=ran, entry="strategy.py", class_name="Mine", folder=folder
        )
        assert (row.id, version.number, version.files) == (seen.id, 2, ran)
        assert row.outline.parameters[0].default == 11


@pytest.mark.parametrize(
    ("files", "entry", "class_name"),
    [
        ({"../../x.py": ""}, "../../x.py", "Mine"),
        ({"/etc/x.py": "", "a.py": ""}, "a.py", "Mine"),
        ({"a.py": ""}, "b.py", "Mine"),
        ({"a.py": ""}, "a.py", "not a name"),
    ],
)
async def test_what_a_kernel_sends_is_not_trusted(
    database: Database, workspace: Path, files: dict[str, str], entry: str, class_name: str
) -> None:
    with pytest.raises(Invalid):
        async with database.session() as session:
            await service.register_source(
                session, workspace, files=files, entry=entry, class_name=class_name, folder=None
            )


async def test_a_copy_made_through_the_api_starts_a_family_of_its_own(
    database: Database, workspace: Path, code: str
) -> None:
    async with database.session() as session:
        one = await service.create_strategy(session, workspace, StrategyCreate("One", code=code))
        two = await service.create_strategy(session, workspace, StrategyCreate("Two", code=code))
    assert one.family_id != two.family_id
