"""Strategies in a real database and a real workspace: made, changed and deleted, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from alphintra_lab.db import Database, new_id
from alphintra_lab.errors import Conflict, Invalid, NotFound, TooLarge, Unavailable
from alphintra_lab.events import EventRow
from alphintra_lab.strategies import service
from alphintra_lab.strategies.schema import Strategy, StrategyCreate
from alphintra_lab.strategies.table import StrategyRow, StrategyVersionRow
from alphintra_lab.strategies.workspace import slug_of
from tests.faults.harness import fill_disk, small_disk


async def create(database: Database, workspace: Path, name: str, code: str) -> Strategy:
    async with database.session() as session:
        row = await service.create_strategy(session, workspace, StrategyCreate(name, code=code))
        return service.describe(row, workspace)


async def names(database: Database) -> list[str]:
    async with database.session(write=False) as session:
        rows, _ = await service.list_strategies(session, 100, None)
        return [row.name for row in rows]


async def test_a_new_strategy_is_a_folder_a_record_and_a_first_version(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "  Sma   Cross 2 ", code)
    assert (made.name, made.folder, made.entry) == (
        "Sma Cross 2",
        "strategies/sma-cross-2",
        "strategy.py",
    )
    assert (workspace / made.folder / "strategy.py").read_text() == code
    assert (made.version, made.missing, made.outline.class_name) == (1, False, "Mine")
    assert [p.name for p in (workspace / "strategies").iterdir()] == ["sma-cross-2"]
    async with database.session(write=False) as session:
        events = list(await session.scalars(select(EventRow)))
    assert {(e.kind, e.subject_id) for e in events} == {("strategy", made.id)}
    assert events[-1].status == "created"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("SmaCross", "sma-cross"),
        ("Стратегия №1", "стратегия-no1"),
        ("a/../../b", "a-b"),
        (".hidden", "hidden"),
        ("é" * 100, "é" * 50),  # 100 bytes: file systems count them
    ],
)
def test_the_folder_is_named_after_the_strategy_and_stays_inside(name: str, folder: str) -> None:
    assert slug_of(name) == folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "needs a name"),
        (" \n ", "needs a name"),
        ("x" * 101, "101 characters"),
        ("a\x07b", "cannot be shown"),
        ("...", "no letter or digit"),
    ],
)
async def test_a_name_that_cannot_be_used_is_refused_by_field(
    database: Database, workspace: Path, code: str, name: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        await create(database, workspace, name, code)
    assert caught.value.field == "name"
    assert not (workspace / "strategies").exists()


async def test_a_taken_folder_is_refused_with_a_free_name(
    database: Database, workspace: Path, code: str
) -> None:
    await create(database, workspace, "Cross", code)
    (workspace / "strategies/cross-2").mkdir()  # on disk, unknown to the database
    with pytest.raises(Conflict, match=r"strategies/cross is taken\. 'cross 3' is free"):
        await create(database, workspace, "cross", code)
    with pytest.raises(Conflict, match="'Cross 3' is free"):
        await create(database, workspace, "Cross 2", code)
    assert list((workspace / "strategies/cross-2").iterdir()) == []


async def test_a_failed_transaction_takes_the_folder_back(
    database: Database, workspace: Path, code: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            await service.create_strategy(session, workspace, StrategyCreate("Cross", code=code))
            async with session.begin_nested():
                pass  # a savepoint that ends well says nothing about the whole
            assert (workspace / "strategies/cross").is_dir()
            1 / 0  # noqa: B018  # the failure
    assert list((workspace / "strategies").iterdir()) == []
    assert await names(database) == []
    await create(database, workspace, "Cross", code)


async def test_a_savepoint_that_fails_leaves_the_folder_alone(
    database: Database, workspace: Path, code: str
) -> None:
    async with database.session() as session:
        await service.create_strategy(session, workspace, StrategyCreate("Cross", code=code))
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                session.add(
                    StrategyRow(
                        name="twice", family_id="f", folder="strategies/cross", entry="strategy.py"
                    )
                )
    assert (workspace / "strategies/cross/strategy.py").is_file()
    assert await names(database) == ["Cross"]


async def test_code_with_errors_is_kept_and_answered_with_its_problems(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    broken = "def f(:\r\n"
    async with database.session() as session:
        row = await service.update_strategy_code(session, workspace, made.id, broken)
        changed = service.describe(row, workspace)
    assert (workspace / "strategies/cross/strategy.py").read_bytes() == broken.encode()
    assert (changed.version, changed.outline.problems[0].code) == (2, "syntax")


async def test_what_was_edited_by_hand_is_a_version_before_new_code_replaces_it(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    by_hand = code.replace("10", "11")
    (workspace / "strategies/cross/strategy.py").write_text(by_hand)
    async with database.session() as session:
        await service.update_strategy_code(session, workspace, made.id, code + "\n")
    async with database.session(write=False) as session:
        kept = await service.get_version_files(session, made.id, 2)
    assert kept.files == {"strategy.py": by_hand}


async def test_a_failed_transaction_puts_the_old_code_back(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            await service.update_strategy_code(session, workspace, made.id, "x = 1\n")
            1 / 0  # noqa: B018  # the failure
    assert (workspace / "strategies/cross/strategy.py").read_text() == code
    assert not [p for p in (workspace / "strategies/cross").iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ("#" * 300_000, TooLarge, "up to 256 KB"),
        ("\ud800", Invalid, "half of a character"),
        ("# coding: latin-1\n", Conflict, "remove its coding line"),
    ],
)
async def test_code_that_could_not_be_kept_truly_changes_nothing(
    database: Database, workspace: Path, code: str, bad: str, error: type[Exception], message: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    with pytest.raises(error, match=message):
        async with database.session() as session:
            await service.update_strategy_code(session, workspace, made.id, bad)
    with pytest.raises(error, match=message):
        await create(database, workspace, "Other", bad)
    assert (workspace / "strategies/cross/strategy.py").read_text() == code
    assert await names(database) == ["Cross"]


async def test_code_is_never_written_through_a_link(
    database: Database, workspace: Path, code: str, tmp_path: Path
) -> None:
    made = await create(database, workspace, "Cross", code)
    outside = tmp_path / "outside.py"
    outside.write_text("precious")
    entry = workspace / "strategies/cross/strategy.py"
    entry.unlink()
    entry.symlink_to(outside)
    with pytest.raises(Conflict, match="is a link"):
        async with database.session() as session:
            await service.update_strategy_code(session, workspace, made.id, "x = 1\n")
    assert outside.read_text() == "precious"


async def test_a_strategy_folder_that_became_a_link_is_refused(
    database: Database, workspace: Path, code: str, tmp_path: Path
) -> None:
    made = await create(database, workspace, "Cross", code)
    folder = workspace / "strategies/cross"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    async with database.session() as session:
        with pytest.raises(Conflict, match="is a link"):
            await service.snapshot_strategy(session, workspace, made.id)
        row = await service.get_row(session, made.id)
        assert service.describe(row, workspace).outline.problems[0].code == "unreadable"


async def test_a_full_disk_is_said_and_the_old_code_stays(database: Database, code: str) -> None:
    with small_disk("1m") as disk:
        made = await create(database, disk, "Cross", code)
        filler = fill_disk(disk)
        with pytest.raises(Unavailable, match=r"the disk is full\. Nothing was changed"):
            async with database.session() as session:
                await service.update_strategy_code(session, disk, made.id, "#" * 20_000)
        with pytest.raises(Unavailable, match="the disk is full"):
            await create(database, disk, "Other", "#" * 20_000)
        assert [p.name for p in (disk / "strategies").iterdir()] == ["cross"]
        assert [p.name for p in (disk / "strategies/cross").iterdir()] == ["strategy.py"]
        assert (disk / "strategies/cross/strategy.py").read_text() == code
        filler.unlink()
        async with database.session() as session:
            row = await service.update_strategy_code(session, disk, made.id, "#" * 20_000)
            assert row.version == 2


async def test_a_rename_keeps_the_folder_and_the_family(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    async with database.session() as session:
        row = await service.rename_strategy(session, made.id, "Better")
        renamed = service.describe(row, workspace)
    assert (renamed.name, renamed.folder, renamed.family_id) == (
        "Better",
        made.folder,
        made.family_id,
    )


async def test_a_deleted_strategy_leaves_the_list_its_folder_is_in_the_trash_its_versions_stay(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    async with database.session() as session:
        await service.delete_strategy(session, workspace, made.id)
    assert await names(database) == []
    async with database.session(write=False) as session:
        with pytest.raises(NotFound):
            await service.get_row(session, made.id)
        versions = list(await session.scalars(select(StrategyVersionRow)))
    assert [v.files for v in versions] == [{"strategy.py": code}]
    [trashed] = (workspace / ".trash").iterdir()
    assert (trashed / "strategy.py").read_text() == code
    again = await create(database, workspace, "Cross", code)
    assert again.id != made.id


async def test_a_strategy_whose_folder_is_gone_can_be_deleted_and_made_again(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    (workspace / "strategies/cross/strategy.py").unlink()
    (workspace / "strategies/cross").rmdir()
    with pytest.raises(Conflict, match="is taken"):
        await create(database, workspace, "Cross", code)
    async with database.session() as session:
        await service.delete_strategy(session, workspace, made.id)
    await create(database, workspace, "Cross", code)


async def test_a_failed_delete_puts_the_folder_back(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            await service.delete_strategy(session, workspace, made.id)
            1 / 0  # noqa: B018  # the failure
    assert (workspace / "strategies/cross/strategy.py").read_text() == code
    assert await names(database) == ["Cross"]


async def test_a_list_is_paged_newest_first_and_filtered_by_a_part_of_the_name(
    database: Database, workspace: Path, code: str
) -> None:
    for name in ("One", "Two", "100%_Three"):
        await create(database, workspace, name, code)
    async with database.session(write=False) as session:
        first, cursor = await service.list_strategies(session, 2, None)
        rest, end = await service.list_strategies(session, 2, cursor)
        assert [r.name for r in [*first, *rest]] == ["100%_Three", "Two", "One"]
        assert end is None
        for q, found in [
            ("tWo", ["Two"]),
            ("%_", ["100%_Three"]),
            ("_w", []),
            ("\0", ["100%_Three", "Two", "One"]),
        ]:
            rows, _ = await service.list_strategies(session, 9, None, q)
            assert [r.name for r in rows] == found
        assert await service.count_strategies(session) == 3


@pytest.mark.parametrize("strategy_id", ["nothing", new_id(), "\0", "x" * 500])
async def test_an_unknown_id_is_not_found(database: Database, strategy_id: str) -> None:
    async with database.session(write=False) as session:
        with pytest.raises(NotFound):
            await service.get_row(session, strategy_id)


async def test_the_outline_is_of_the_files_as_they_stand_now(
    database: Database, workspace: Path, code: str
) -> None:
    made = await create(database, workspace, "Cross", code)
    entry = workspace / "strategies/cross/strategy.py"
    entry.write_text(code.replace("fast", "quick"))
    async with database.session(write=False) as session:
        row = await service.get_row(session, made.id)
        [seen] = await service.describe_strategies(workspace, [row], {made.id: (7, None)})
    assert ([p.name for p in seen.outline.parameters], seen.trials) == (["quick"], 7)
    entry.unlink()
    gone = service.describe(row, workspace)
    assert gone.missing
    assert [p.name for p in gone.outline.parameters] == ["fast"], "the newest version's"
