"""Names, versions, deletion, on both databases; the bars of real small files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from alphintra_lab import db, events
from alphintra_lab.backtests.schema import Settings
from alphintra_lab.backtests.table import BacktestRow
from alphintra_lab.datasets import service
from alphintra_lab.datasets.schema import DatasetDetail, DatasetUpdate
from alphintra_lab.datasets.table import DatasetRow, DatasetVersionRow
from alphintra_lab.errors import Conflict, Invalid, NotFound, Unavailable
from alphintra_lab.strategies.table import StrategyRow
from tests.datasets.files import hours, make_csv, prepare


async def add(
    database: db.Database, folder: Path, rows: int = 10, name: str = "btc", symbol: str = "BTC"
) -> DatasetDetail:
    prepared = prepare(folder, make_csv(hours(rows)), symbol=symbol)
    async with database.session() as session:
        return await service.add_prepared(session, prepared, name=name, source="a test")


async def count_rows(database: db.Database, table: type[db.Base]) -> int:
    async with database.session(write=False) as session:
        return len((await session.scalars(select(table))).all())


async def test_the_same_content_is_one_version_and_other_content_another(
    database: db.Database, tmp_path: Path
) -> None:
    first = await add(database, tmp_path)
    again = await add(database, tmp_path)
    assert again == first
    assert await count_rows(database, DatasetVersionRow) == 1
    longer = await add(database, tmp_path, rows=12)
    assert (longer.dataset.version, longer.dataset.rows) == (2, 12)
    assert longer.dataset.id == first.dataset.id
    assert longer.dataset.family_id == first.dataset.family_id
    shorter = await add(database, tmp_path)
    assert shorter.dataset.version == 1, "the answer is the version that holds this content"
    async with database.session(write=False) as session:
        assert (await service.get_dataset(session, "btc")).dataset.version == 2
        versions = await service.list_versions(session, "btc", 10, None)
        assert [one.number for one in versions.items] == [2, 1]
        _, old = await service.get_version_row(session, "btc", 1)
        assert old.sha256 == first.dataset.sha256
        with pytest.raises(NotFound, match="no version 3; the newest is 2"):
            await service.get_version_row(session, "btc", 3)


async def test_a_dataset_is_found_by_name_and_by_id_or_its_neighbour_is_named(
    database: db.Database, tmp_path: Path
) -> None:
    detail = await add(database, tmp_path, name="btc-1h")
    async with database.session(write=False) as session:
        assert await service.get_dataset(session, "btc-1h") == detail
        assert await service.get_dataset(session, detail.dataset.id) == detail
        with pytest.raises(NotFound, match=r"no dataset 'btc1h'\. Did you mean 'btc-1h'\?"):
            await service.get_dataset(session, "btc1h")
        with pytest.raises(NotFound, match="There are btc-1h"):
            await service.get_dataset(session, "zzz")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("BTC 1h", "btc-1h"), ("-x", "x"), ("a" * 65, "a" * 64), ("a/b", "a-b"), ("ä", None)],
)
async def test_a_bad_name_is_refused_with_a_better_one(name: str, suggestion: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        service.check_name(name)
    assert refused.value.field == "name"
    assert suggestion is None or f"Try {suggestion!r}" in refused.value.message


async def test_the_platforms_names_are_taken(database: db.Database, tmp_path: Path) -> None:
    prepared = prepare(tmp_path, make_csv(hours(10)))
    async with database.session() as session:
        await service.add_prepared(session, prepared, name="aapl-1d", source="", origin="platform")
    with pytest.raises(Conflict, match="platform's own"):
        await add(database, tmp_path, name="aapl-1d")
    async with database.session() as session:
        with pytest.raises(Conflict, match="stays"):
            await service.delete_dataset(session, "aapl-1d")
        with pytest.raises(Conflict, match="keeps its name"):
            await service.update_dataset(session, "aapl-1d", DatasetUpdate(name="mine"))
        detail = await service.update_dataset(session, "aapl-1d", DatasetUpdate(description="x"))
        assert detail.dataset.description == "x"


async def test_lists_are_paged_newest_first(database: db.Database, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        await add(database, tmp_path, name=name)
    async with database.session(write=False) as session:
        first = await service.list_datasets(session, 2, None)
        rest = await service.list_datasets(session, 2, first.next)
        assert await service.count_datasets(session) == 3
    assert [one.name for one in first.items] == ["c", "b"]
    assert [one.name for one in rest.items] == ["a"]
    assert rest.next is None


async def test_a_new_name_has_to_be_free(database: db.Database, tmp_path: Path) -> None:
    await add(database, tmp_path, name="a")
    await add(database, tmp_path, name="b")
    async with database.session() as session:
        with pytest.raises(Conflict, match="dataset 'b' already"):
            await service.update_dataset(session, "a", DatasetUpdate(name="b"))
        with pytest.raises(Invalid, match="no name"):
            await service.update_dataset(session, "a", DatasetUpdate(name="No Name"))
        await service.update_dataset(session, "a", DatasetUpdate(name="c"))
    async with database.session(write=False) as session:
        assert (await service.get_dataset(session, "c")).dataset.name == "c"


async def test_a_deleted_dataset_is_gone_with_its_versions(
    database: db.Database, tmp_path: Path
) -> None:
    await add(database, tmp_path)
    async with database.session() as session:
        await service.delete_dataset(session, "btc")
    assert await count_rows(database, DatasetRow) == 0
    assert await count_rows(database, DatasetVersionRow) == 0
    async with database.session(write=False) as session:
        kinds = [(row.kind, row.status) for row in await session.scalars(select(events.EventRow))]
    assert kinds == [("dataset", "added"), ("dataset", "deleted")]


async def test_a_dataset_that_a_run_used_leaves_the_lists_and_comes_back_by_name(
    database: db.Database, tmp_path: Path
) -> None:
    detail = await add(database, tmp_path)
    await use_in_a_run(database, detail.dataset.version_id)
    async with database.session() as session:
        await service.delete_dataset(session, "btc")
    async with database.session(write=False) as session:
        assert (await service.list_datasets(session, 10, None)).items == []
        with pytest.raises(NotFound):
            await service.get_dataset(session, "btc")
        assert await service.get_name(session, detail.dataset.id) == "btc"
    back = await add(database, tmp_path)
    assert back.dataset.family_id == detail.dataset.family_id, "its trials are counted on"


async def use_in_a_run(database: db.Database, version_id: str) -> None:
    strategy = StrategyRow(
        id=db.new_id(), name="s", family_id=db.new_id(), folder="s", entry="strategy.py"
    )
    settings = Settings(["BTC"], None, None, {}, 1e4, 0.0, 0.0, "next_open", False, [])
    async with database.session() as session:
        session.add(strategy)
        await session.flush()
        session.add(
            BacktestRow(
                number=1,
                strategy_id=strategy.id,
                dataset_version_id=version_id,
                family_id=strategy.id,
                settings=settings,
            )
        )


async def test_symbols_are_chosen_sorted_or_the_unknown_one_is_named(
    database: db.Database, tmp_path: Path
) -> None:
    header = "time,symbol,open,high,low,close\n"
    text = header + "".join(f"2024-01-01,{s},1,2,0.5,1\n" for s in ("ETHUSD", "BTCUSD"))
    async with database.session() as session:
        await service.add_prepared(session, prepare(tmp_path, text), name="two", source="")
        _, version = await service.get_version_row(session, "two")
    assert service.choose_symbols(version, None) == ["BTCUSD", "ETHUSD"]
    assert service.choose_symbols(version, ["ETHUSD", "ETHUSD"]) == ["ETHUSD"]
    with pytest.raises(Invalid, match=r"no symbol 'BTCUSDT'\. Did you mean 'BTCUSD'"):
        service.choose_symbols(version, ["BTCUSDT"])
    with pytest.raises(Invalid, match="symbols is empty"):
        service.choose_symbols(version, [])
    paths = service.bars_paths(version, tmp_path / "store")
    assert list(paths) == ["BTCUSD", "ETHUSD"]
    assert all(path.is_file() for path in paths.values())


def test_times_are_utc_unless_they_say_otherwise() -> None:
    moment = service.read_time("2017-04-03T02:00:00+02:00", "start")
    assert moment is not None and moment.isoformat() == "2017-04-03T00:00:00+00:00"
    assert service.read_time("2017-04-03", "start") == moment
    assert service.read_time(None, "start") is None
    with pytest.raises(Invalid, match=r"end='soon' is no time") as refused:
        service.read_time("soon", "end")
    assert refused.value.field == "end"


@pytest.mark.parametrize(
    "text", ["0001-01-01", "0001-01-01T00:00:00+14:00", "1600-01-01", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_that_no_bar_can_have_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="out of reach: years run from 1678 to 2261"):
        service.read_time(text, "start")


async def test_checking_again_answers_the_report_and_tells_of_damage(
    database: db.Database, tmp_path: Path
) -> None:
    text = make_csv(hours(20)).replace(",105\n", ",-105\n")
    async with database.session() as session:
        detail = await service.add_prepared(session, prepare(tmp_path, text), name="x", source="")
    store = tmp_path / "store"
    assert [one.rows for one in detail.report.findings] == [[5]]
    assert await service.validate_dataset(database, store, "x") == detail.report
    for path in store.glob("*.parquet"):
        path.unlink()
    with pytest.raises(Unavailable, match=r"ABC .* gone from the store") as damaged:
        await service.validate_dataset(database, store, "x")
    assert damaged.value.code == "damaged_store"


async def test_a_file_damaged_within_is_told_whoever_reads_it(
    database: db.Database, tmp_path: Path
) -> None:
    prepared = prepare(tmp_path, make_csv(hours(200)))
    async with database.session() as session:
        await service.add_prepared(session, prepared, name="x", source="")
        _, version = await service.get_version_row(session, "x")
    store = tmp_path / "store"
    path = store / version.files["ABC"]
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    said = r"bars of ABC .* not what was stored"
    with pytest.raises(Unavailable, match=said):
        await service.read_preview(
            version, store, symbol=None, offset=0, limit=10, start=None, end=None, points=100
        )
    with pytest.raises(Unavailable, match=said):
        await service.read_series(version, store, symbol=None, start=None, end=None, points=100)
    with pytest.raises(Unavailable, match=said):
        await service.export_dataset(database, store, "x", tmp_path / "out.csv")


async def test_only_old_files_that_no_version_names_are_removed(
    database: db.Database, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    await add(database, tmp_path, rows=10)
    (used,) = store.glob("*.parquet")
    prepare(tmp_path, make_csv(hours(11)))
    prepare(tmp_path, make_csv(hours(12)))
    old, fresh = sorted(set(store.glob("*.parquet")) - {used})
    for path in (old, used):
        os.utime(path, (time.time() - 7200,) * 2)
    assert await service.remove_unused_files(database, store) == 1
    assert set(store.glob("*.parquet")) == {used, fresh}
