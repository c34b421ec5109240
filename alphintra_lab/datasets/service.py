"""Datasets: a name over immutable versions whose bars lie in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

from sqlalchemy import Select, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..db import Database, Page, new_id, read_page
from ..errors import Conflict, Invalid, NotFound
from .access import bars_paths as bars_paths
from .access import check_name as check_name
from .access import choose_symbols as choose_symbols
from .access import has_bars as has_bars
from .access import read_preview as read_preview
from .access import read_series as read_series
from .access import read_time as read_time
from .access import refuse_damaged_bars as refuse_damaged_bars
from .access import suggest
from .access import write_export as write_export
from .describe import make_version_row, to_dataset, to_detail, to_version
from .prepared import CheckAgain, Prepared, prepare_file, rows_file, run_ingest
from .schema import (
    Dataset,
    DatasetDetail,
    DatasetUpdate,
    DatasetVersion,
    Report,
)
from .store import find_old_files, remove_old_files, write_whole
from .table import DatasetRow, DatasetVersionRow

Origin = Literal["platform", "custom"]


async def add_file(
    database: Database,
    store: Path,
    file: Path | IO[bytes],
    *,
    name: str,
    symbol: str | None = None,
    filename: str | None = None,
    source: str | None = None,
    description: str = "",
    day_first: bool | None = None,
) -> DatasetDetail:
    """Add a CSV or Parquet file under `name`. No session is open while it is read."""
    check_name(name)
    filename = filename or (file.name if isinstance(file, Path) else name)
    async with database.session(write=False) as session:
        await _refuse_platform_name(session, name)
    prepared = await prepare_file(
        store, file, filename=filename, symbol=symbol, day_first=day_first
    )
    async with database.session() as session:
        return await add_prepared(
            session,
            prepared,
            name=name,
            source=source or f"uploaded from {filename}",
            description=description,
        )


async def add_prepared(
    session: AsyncSession,
    prepared: Prepared,
    *,
    name: str,
    source: str,
    origin: Origin = "custom",
    description: str = "",
) -> DatasetDetail:
    """Give prepared bars a name. Under a known one the same content answers that version."""
    check_name(name)
    for _ in range(5):
        try:
            async with session.begin_nested():
                dataset, version = await _add(session, prepared, name, source, origin, description)
            return to_detail(dataset, version)
        except IntegrityError:
            continue  # another process added it in between: PostgreSQL lets two look at once
    raise Conflict(f"The dataset {name!r} is being changed by others. Try again.", field="name")


async def _add(
    session: AsyncSession, prepared: Prepared, name: str, source: str, origin: Origin, text: str
) -> tuple[DatasetRow, DatasetVersionRow]:
    dataset = await session.scalar(select(DatasetRow).where(DatasetRow.name == name))
    if dataset is None:
        dataset = DatasetRow(
            id=new_id(), name=name, family_id=new_id(), origin=origin, description=text, version=0
        )
        session.add(dataset)
        await session.flush()
    elif dataset.origin != origin:
        raise _platform_name(name)
    known = await session.scalar(
        select(DatasetVersionRow)
        .where(DatasetVersionRow.dataset_id == dataset.id)
        .where(DatasetVersionRow.sha256 == prepared.sha256)
    )
    dataset.archived = False  # a deleted name comes back with its history, trials included
    if known is not None:
        return dataset, known
    version = make_version_row(dataset, prepared, source)
    dataset.version = version.number
    session.add(version)
    await session.flush()
    events.publish(session, "dataset", dataset.id, "added")
    return dataset, version


def _platform_name(name: str) -> Conflict:
    return Conflict(
        f"{name!r} is one of the platform's own datasets. Choose another name.", field="name"
    )


async def _refuse_platform_name(session: AsyncSession, name: str) -> None:
    statement = select(DatasetRow.origin).where(DatasetRow.name == name)
    if await session.scalar(statement) == "platform":
        raise _platform_name(name)


async def list_datasets(session: AsyncSession, limit: int, cursor: str | None) -> Page[Dataset]:
    """Datasets, the newest first."""
    statement = select(DatasetRow).where(DatasetRow.archived.is_(False))
    rows, after = await read_page(session, statement, DatasetRow, limit, cursor)
    versions = await session.scalars(_newest_versions([row.id for row in rows]))
    version_of = {version.dataset_id: version for version in versions}
    return Page([to_dataset(row, version_of[row.id]) for row in rows], after)


async def count_datasets(session: AsyncSession) -> int:
    """How many datasets there are."""
    statement = select(func.count()).select_from(DatasetRow).where(DatasetRow.archived.is_(False))
    return (await session.scalar(statement)) or 0


def _newest_versions(ids: Sequence[str]) -> Select[DatasetVersionRow]:
    return (
        select(DatasetVersionRow)
        .join(DatasetRow, DatasetRow.id == DatasetVersionRow.dataset_id)
        .where(DatasetVersionRow.dataset_id.in_(ids))
        .where(DatasetVersionRow.number == DatasetRow.version)
    )


async def get_dataset(session: AsyncSession, name_or_id: str) -> DatasetDetail:
    """The dataset at its newest version, or NotFound."""
    return to_detail(*await get_version_row(session, name_or_id))


async def get_row(session: AsyncSession, name_or_id: str) -> DatasetRow:
    """The dataset's row, by name or id, or NotFound with the nearest name."""
    wanted = or_(DatasetRow.name == name_or_id, DatasetRow.id == name_or_id)
    row = await session.scalar(select(DatasetRow).where(wanted, DatasetRow.archived.is_(False)))
    if row is None:
        names = list(
            await session.scalars(select(DatasetRow.name).where(DatasetRow.archived.is_(False)))
        )
        raise NotFound(
            f"There is no dataset {name_or_id[:80]!r}.{suggest(name_or_id, names)}",
            field="dataset",
        )
    return row


async def get_version_row(
    session: AsyncSession, name_or_id: str, number: int | None = None
) -> tuple[DatasetRow, DatasetVersionRow]:
    """The dataset's row and that of its newest version, or of version `number`."""
    row = await get_row(session, name_or_id)
    version = await session.scalar(
        select(DatasetVersionRow)
        .where(DatasetVersionRow.dataset_id == row.id)
        .where(DatasetVersionRow.number == (number or row.version))
    )
    if version is None:
        raise NotFound(
            f"The dataset {row.name!r} has no version {number}; the newest is {row.version}.",
            field="version",
        )
    return row, version


async def get_name(session: AsyncSession, dataset_id: str) -> str:
    """The dataset's name, also when it was deleted since."""
    return (await session.get_one(DatasetRow, dataset_id)).name


async def list_versions(
    session: AsyncSession, name_or_id: str, limit: int, cursor: str | None
) -> Page[DatasetVersion]:
    """A dataset's versions, the newest first."""
    row = await get_row(session, name_or_id)
    statement = select(DatasetVersionRow).where(DatasetVersionRow.dataset_id == row.id)
    rows, after = await read_page(session, statement, DatasetVersionRow, limit, cursor)
    return Page([to_version(version) for version in rows], after)


async def update_dataset(
    session: AsyncSession, name_or_id: str, update: DatasetUpdate
) -> DatasetDetail:
    """Change a dataset's name or description."""
    dataset, version = await get_version_row(session, name_or_id)
    if update.name is not None and update.name != dataset.name:
        check_name(update.name)
        if dataset.origin == "platform":
            raise Conflict(
                f"{dataset.name!r} is one of the platform's own datasets and keeps its name.",
                field="name",
            )
        taken = await session.scalar(select(DatasetRow).where(DatasetRow.name == update.name))
        if taken is not None:
            gone = ", deleted but still used by runs" if taken.archived else ""
            raise Conflict(
                f"There is a dataset {update.name!r} already{gone}. Choose another name.",
                field="name",
            )
    try:
        async with session.begin_nested():
            dataset.name = update.name or dataset.name
            if update.description is not None:
                dataset.description = update.description
    except IntegrityError:  # PostgreSQL lets two look at once
        raise Conflict(f"The name {update.name!r} was just taken.", field="name") from None
    events.publish(session, "dataset", dataset.id, "changed")
    return to_detail(dataset, version)


async def delete_dataset(session: AsyncSession, name_or_id: str) -> None:
    """Delete a dataset; while runs refer to it, it only leaves the lists."""
    dataset = await get_row(session, name_or_id)
    if dataset.origin == "platform":
        raise Conflict(f"{dataset.name!r} is one of the platform's own datasets and stays.")
    dataset_id = dataset.id
    try:
        async with session.begin_nested():
            await session.delete(dataset)
    except IntegrityError:  # a run's foreign key
        dataset = await session.get_one(DatasetRow, dataset_id, populate_existing=True)
        dataset.archived = True
        await session.flush()
    events.publish(session, "dataset", dataset_id, "deleted")


async def validate_dataset(
    database: Database, store: Path, name_or_id: str, number: int | None = None
) -> Report:
    """Check the bars in the store again, and keep the report when it changed."""
    async with database.session(write=False) as session:
        row, version = await get_version_row(session, name_or_id, number)
    request = CheckAgain(str(store), version.id, version.files, version.instruments, version.report)
    report = (await run_ingest(request)).report
    assert report is not None
    if report != version.report:
        async with database.session() as session:
            stored = await session.get(DatasetVersionRow, version.id)
            if stored is not None:  # else it was deleted in the meantime
                stored.report = report
                events.publish(session, "dataset", row.id, "checked")
    return report


async def export_dataset(database: Database, store: Path, name_or_id: str, out: Path) -> int:
    """Write the newest version to `out`, whole or not at all; answers how many rows."""
    kind = out.suffix.removeprefix(".").lower()
    if kind not in ("csv", "parquet"):
        raise Invalid(f"{str(out)!r}: name a file that ends in .csv or .parquet.", field="out")
    async with database.session(write=False) as session:
        _, version = await get_version_row(session, name_or_id)
    try:
        with write_whole(out, version.bytes) as file:
            return await write_export(bars_paths(version, store), file, kind)
    except OSError as error:
        raise Invalid(f"{str(out)!r} cannot be written: {error.strerror}.", field="out") from None


async def remove_unused_files(database: Database, store: Path) -> int:
    """Remove files that no version names; answers how many.

    Only those untouched for an hour: what an upload elsewhere has just stored has no row yet.
    """
    old = await asyncio.to_thread(find_old_files, store)
    if not old:
        return 0
    async with database.session(write=False) as session:
        columns = select(DatasetVersionRow.id, DatasetVersionRow.files)
        versions = (await session.execute(columns)).all()
    used = {file for _, files in versions for file in files.values()}
    used |= {rows_file(version_id) for version_id, _ in versions}
    return await asyncio.to_thread(remove_old_files, [p for p in old if p.name not in used])
