"""Datasets: a name over immutable versions whose bars lie in the store."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sqlalchemy import Select, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..db import Database, Page, new_id, read_page
from ..errors import Conflict, Invalid, NotFound
from .prepared import Prepared, prepare_file
from .schema import Dataset, DatasetDetail, DatasetUpdate, DatasetVersion
from .table import DatasetRow, DatasetVersionRow

Origin = Literal["platform", "custom"]
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


async def add_file(
    database: Database,
    store: Path,
    path: Path,
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
    filename = filename or path.name
    async with database.session(write=False) as session:
        await _refuse_platform_name(session, name)
    prepared = await prepare_file(
        store, path, filename=filename, symbol=symbol, day_first=day_first
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
    """Give prepared bars a name. A known name: the same content answers that version, other adds one."""
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
    version = _version_row(dataset, prepared, source)
    dataset.version = version.number
    session.add(version)
    await session.flush()
    events.publish(session, "dataset", dataset.id, "added")
    return dataset, version


def _version_row(dataset: DatasetRow, prepared: Prepared, source: str) -> DatasetVersionRow:
    return DatasetVersionRow(
        id=new_id(),
        dataset_id=dataset.id,
        number=dataset.version + 1,
        sha256=prepared.sha256,
        source=source,
        columns=prepared.columns,
        files=prepared.files,
        instruments=prepared.instruments,
        rows=prepared.rows,
        start=prepared.start,
        end=prepared.end,
        frequency=prepared.frequency,
        calendar=prepared.calendar,
        periods_per_year=prepared.periods_per_year,
        bytes=prepared.bytes,
        report=prepared.report,
        notes=prepared.notes,
    )


def check_name(name: str) -> None:
    """Raise Invalid for what is no name of a dataset, and suggest one."""
    if NAME.fullmatch(name):
        return
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:64]
    suggestion = f" Try {plain!r}." if plain else ""
    raise Invalid(
        f"name={name[:80]!r} is no name for a dataset: 1 to 64 lower-case letters, digits, '.', '_' "
        f"and '-', beginning with a letter or digit.{suggestion}",
        field="name",
    )


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
            f"There is no dataset {name_or_id[:80]!r}.{_suggest(name_or_id, names)}",
            field="dataset",
        )
    return row


def _suggest(wrong: str, known: list[str]) -> str:
    near = difflib.get_close_matches(wrong.lower(), [name.lower() for name in known], n=1)
    if near:
        return f" Did you mean {next(name for name in known if name.lower() == near[0])!r}?"
    if not known:
        return ""
    more = ", ..." if len(known) > 8 else ""
    return f" There are {', '.join(sorted(known)[:8])}{more}."


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
    return Page([_to_version(version) for version in rows], after)


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
        dataset.name = update.name
    if update.description is not None:
        dataset.description = update.description
    await session.flush()
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


def choose_symbols(version: DatasetVersionRow, symbols: Sequence[str] | None) -> list[str]:
    """The asked symbols, sorted, all where none are named, or Invalid naming the unknown one."""
    if symbols is None:
        return sorted(version.files)
    if not symbols:
        raise Invalid("symbols is empty; name at least one, or leave it out.", field="symbols")
    for symbol in symbols:
        if symbol not in version.files:
            raise Invalid(
                f"The dataset has no symbol {symbol[:80]!r}.{_suggest(symbol, list(version.files))}",
                field="symbols",
            )
    return sorted(set(symbols))


def bars_paths(
    version: DatasetVersionRow, store: Path, symbols: Sequence[str] | None = None
) -> dict[str, Path]:
    """Symbol -> its Parquet file in the store, sorted by symbol."""
    return {symbol: store / version.files[symbol] for symbol in choose_symbols(version, symbols)}


def read_time(text: str | None, field: str) -> dt.datetime | None:
    """An ISO date or time as aware UTC; without a zone it is UTC; None stays None."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{field}={text[:80]!r} is no time. Write 2017-04-03 or 2017-04-03T22:00:00Z.",
            field=field,
        ) from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)


def to_detail(row: DatasetRow, version: DatasetVersionRow) -> DatasetDetail:
    """Rows as the API gives them, with instruments and report."""
    return DatasetDetail(to_dataset(row, version), version.instruments, version.report)


def to_dataset(row: DatasetRow, version: DatasetVersionRow) -> Dataset:
    """Rows as the API gives them."""
    severities = [finding.severity for finding in version.report.findings]
    return Dataset(
        id=row.id,
        name=row.name,
        family_id=row.family_id,
        origin="platform" if row.origin == "platform" else "custom",
        description=row.description,
        source=version.source,
        version=version.number,
        version_id=version.id,
        sha256=version.sha256,
        symbols=sorted(version.files),
        columns=version.columns,
        rows=version.rows,
        start=version.start,
        end=version.end,
        frequency=version.frequency,
        calendar=version.calendar,
        periods_per_year=version.periods_per_year,
        bytes=version.bytes,
        score=version.report.score,
        errors=severities.count("error"),
        warnings=severities.count("warning"),
        notes=version.notes,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _to_version(version: DatasetVersionRow) -> DatasetVersion:
    return DatasetVersion(
        id=version.id,
        dataset_id=version.dataset_id,
        number=version.number,
        sha256=version.sha256,
        symbols=sorted(version.files),
        rows=version.rows,
        start=version.start,
        end=version.end,
        created_at=version.created_at,
    )
