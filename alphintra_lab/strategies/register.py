"""Folders and code that come from elsewhere: dropped in the workspace, named on the command line,
typed in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..db import LOCAL_WORKSPACE, new_id
from ..errors import Invalid, LabError
from .outline import read_outline
from .schema import Outline, Problem
from .snapshot import ENTRY, check_files, read_folder, sha256_of
from .table import StrategyRow, StrategyVersionRow
from .versions import add_version, is_missing
from .workspace import (
    Scan,
    find_notebook,
    locate,
    look_again,
    place_of,
    scan_folders,
)

_AT_ONCE = 500
_scans: dict[tuple[str, Path], Scan] = {}
"""By database and workspace: the last look at `strategies/`, when all in it was known."""


async def register_folder(
    session: AsyncSession, workspace: Path, folder: Path, entry: str = ENTRY
) -> StrategyRow:
    """The strategy of `folder/entry`, made known if it is not, with the files as its version."""
    place = await asyncio.to_thread(place_of, workspace, folder)
    files = await asyncio.to_thread(read_folder, locate(workspace, place), entry)
    return await _register(session, workspace, place, entry, files)


async def register_source(
    session: AsyncSession,
    workspace: Path,
    *,
    files: Mapping[str, str],
    entry: str,
    class_name: str,
    folder: Path | None,
) -> tuple[StrategyRow, StrategyVersionRow]:
    """The strategy and the version of code that already ran, in a notebook.

    With a folder it is that folder's strategy; without one it is the class typed in a cell,
    known by its name.
    """
    check_files(files, entry)
    if not class_name.isidentifier() or len(class_name) > 200:
        raise Invalid(f"class_name={class_name!r} is not a class's name.", field="class_name")
    outline = await asyncio.to_thread(read_outline, files, entry, class_name)
    if folder is None:
        row = await _find(session, "", f"{class_name}.py") or await _insert(
            session, StrategyRow(name=class_name, folder="", entry=f"{class_name}.py", scratch=True)
        )
        await _revive(session, row)
    else:
        place = await asyncio.to_thread(place_of, workspace, folder)
        row = await _register(session, workspace, place, entry, files)
    return row, await add_version(session, row, files, entry=entry, outline=outline)


async def find_new_folders(session: AsyncSession, workspace: Path) -> list[str]:
    """Folders in `strategies/` that no record names yet.

    Asked for with every list: what was looked through without finding any is not looked through
    again until something in it changes.
    """
    key = (str(session.get_bind().engine.url), workspace)
    last = _scans.get(key)
    again = None if last is None else await asyncio.to_thread(look_again, workspace, last)
    if again is not None:
        _scans[key] = again
        return []
    scan = await asyncio.to_thread(scan_folders, workspace)
    known: set[str] = set()
    for first in range(0, len(scan.own), _AT_ONCE):
        some = scan.own[first : first + _AT_ONCE]
        known.update(
            await session.scalars(
                select(StrategyRow.folder).where(
                    StrategyRow.workspace_id == LOCAL_WORKSPACE,
                    StrategyRow.folder.in_(some),
                    StrategyRow.entry == ENTRY,
                )
            )
        )
    new = [place for place in scan.own if place not in known]
    if not new:
        _scans[key] = scan
    return new


async def discover(session: AsyncSession, workspace: Path) -> list[StrategyRow]:
    """Make every folder known that was dropped into `strategies/`; answers the new ones."""
    rows = []
    for place in await find_new_folders(session, workspace):
        try:
            files = await asyncio.to_thread(read_folder, locate(workspace, place), ENTRY)
        except LabError as error:
            # It is listed all the same, and its problem says why it cannot run.
            row = StrategyRow(name=Path(place).name[:200], folder=place, entry=ENTRY)
            row.outline = unreadable(error, ENTRY)
            rows.append(await _insert(session, row))
        else:
            rows.append(await _register(session, workspace, place, ENTRY, files))
    return rows


def unreadable(error: LabError, entry: str) -> Outline:
    """The outline of files that cannot be read."""
    return Outline(problems=[Problem("error", "unreadable", error.message, entry, 1, 1, 1, 1)])


async def _register(
    session: AsyncSession, workspace: Path, place: str, entry: str, files: Mapping[str, str]
) -> StrategyRow:
    row = await _find(session, place, entry)
    if row is None:
        row = await _follow_move(session, workspace, place, entry, files)
    await _revive(session, row)
    await add_version(session, row, files)
    return row


async def _revive(session: AsyncSession, row: StrategyRow) -> None:
    """A deleted strategy whose code runs again is there again."""
    if row.archived:
        row.archived = False
        await session.flush()
        events.publish(session, "strategy", row.id, "created")


async def _follow_move(
    session: AsyncSession, workspace: Path, place: str, entry: str, files: Mapping[str, str]
) -> StrategyRow:
    """Known files at a new place: a folder that was renamed, or copied. Its trials count on."""
    known = await session.scalars(
        select(StrategyRow)
        .join(StrategyVersionRow, StrategyVersionRow.strategy_id == StrategyRow.id)
        .where(
            StrategyRow.workspace_id == LOCAL_WORKSPACE,
            StrategyVersionRow.sha256 == sha256_of(files, entry),
        )
        .order_by(StrategyRow.id.desc())
    )
    same = list(known)
    for row in same:
        if not row.archived and row.entry == entry and is_missing(workspace, row):
            row.folder = place
            events.publish(session, "strategy", row.id, "changed")
            await session.flush()
            return row
    row = StrategyRow(name=_name(place, entry), folder=place, entry=entry)
    row.notebook = find_notebook(locate(workspace, place)) if entry == ENTRY else None
    if same:
        row.family_id = same[0].family_id
    return await _insert(session, row)


def _name(place: str, entry: str) -> str:
    return (Path(place).name if entry == ENTRY else Path(entry).stem)[:200] or entry


async def _find(session: AsyncSession, place: str, entry: str) -> StrategyRow | None:
    found: StrategyRow | None = await session.scalar(
        select(StrategyRow).where(
            StrategyRow.workspace_id == LOCAL_WORKSPACE,
            StrategyRow.folder == place,
            StrategyRow.entry == entry,
        )
    )
    return found


async def _insert(session: AsyncSession, row: StrategyRow) -> StrategyRow:
    """Add the row; if another process was quicker, answer its row."""
    row.id = new_id()
    row.family_id = row.family_id or row.id
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        other = await _find(session, row.folder, row.entry)
        assert other is not None  # the constraint says that it is there
        return other
    events.publish(session, "strategy", row.id, "created")
    return row
