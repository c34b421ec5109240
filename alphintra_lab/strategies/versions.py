"""A strategy's versions: taken from its folder, compared, and written back."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..db import Page, new_id, read_page
from ..errors import Conflict, NotFound
from .beneath import remove_beneath, replace_beneath
from .outline import read_outline
from .rows import get_row
from .schema import FileDiff, Outline, StrategySource, StrategyVersion, VersionDiff
from .snapshot import check_files, read_folder, sha256_of
from .table import StrategyRow, StrategyVersionRow
from .workspace import locate, on_rollback

_KEPT_OUTLINES = 1000
_outlines: dict[str, Outline] = {}


def outline_of(files: Mapping[str, str], entry: str) -> Outline:
    """The outline of these files; the same files are read once only."""
    key = sha256_of(files, entry)
    if key not in _outlines:
        if len(_outlines) >= _KEPT_OUTLINES:
            _outlines.clear()
        _outlines[key] = read_outline(files, entry)
    return _outlines[key]


def is_missing(workspace: Path, row: StrategyRow) -> bool:
    """Whether the working copy is gone. A class typed in a cell never had one."""
    return not row.scratch and not has_entry(locate(workspace, row.folder), row.entry)


def has_entry(folder: Path, entry: str) -> bool:
    """Whether the file with the class is there, if only as a link."""
    return os.path.lexists(folder / entry)


async def snapshot_strategy(
    session: AsyncSession, workspace: Path, strategy_id: str
) -> StrategyVersionRow:
    """The version of the folder as it stands now: a new one, or the one with the same files."""
    row = await get_row(session, strategy_id)
    if row.scratch:
        return await _get_version(session, row, row.version or 0)
    files = await asyncio.to_thread(_read_working, workspace, row)
    return await add_version(session, row, files)


def _read_working(workspace: Path, row: StrategyRow) -> dict[str, str]:
    if is_missing(workspace, row):
        raise Conflict(_explain_missing(row))
    return read_folder(locate(workspace, row.folder), row.entry)


def _explain_missing(row: StrategyRow) -> str:
    gone = f"{row.folder}/{row.entry} is gone from the workspace."
    if row.version is None:
        return f"{gone} Put it back, or delete the strategy."
    return f"{gone} Restore version {row.version}, which is still here, or put the folder back."


async def add_version(
    session: AsyncSession,
    row: StrategyRow,
    files: Mapping[str, str],
    *,
    entry: str | None = None,
    outline: Outline | None = None,
) -> StrategyVersionRow:
    """Keep these files as the strategy's newest version, unless a version has them already."""
    entry = entry or row.entry
    check_files(files, entry)
    # One at a time: the number is counted on from the row.
    await session.refresh(row, with_for_update=True)
    if outline is None:
        outline = await asyncio.to_thread(outline_of, files, entry)
    row.outline = outline
    sha256 = sha256_of(files, entry)
    version = await session.scalar(
        select(StrategyVersionRow).where(
            StrategyVersionRow.strategy_id == row.id, StrategyVersionRow.sha256 == sha256
        )
    )
    if version is None:
        row.version = (row.version or 0) + 1
        version = StrategyVersionRow(
            id=new_id(),
            strategy_id=row.id,
            number=row.version,
            sha256=sha256,
            entry=entry,
            files=dict(files),
        )
        session.add(version)
        events.publish(session, "strategy", row.id, "changed")
    await session.flush()
    return version


async def list_versions(
    session: AsyncSession, strategy_id: str, limit: int, cursor: str | None
) -> Page[StrategyVersion]:
    """A strategy's versions, the newest first."""
    row = await get_row(session, strategy_id)
    statement = select(StrategyVersionRow).where(StrategyVersionRow.strategy_id == row.id)
    rows, after = await read_page(session, statement, StrategyVersionRow, limit, cursor)
    return Page([_describe(version) for version in rows], after)


async def get_version_files(session: AsyncSession, strategy_id: str, number: int) -> StrategySource:
    """A version with the text of its files."""
    row = await get_row(session, strategy_id)
    version = await _get_version(session, row, number)
    return StrategySource(_describe(version), version.entry, version.files)


async def diff_versions(session: AsyncSession, strategy_id: str, a: int, b: int) -> VersionDiff:
    """What changed from version `a` to version `b`, file by file."""
    row = await get_row(session, strategy_id)
    old = (await _get_version(session, row, a)).files
    new = (await _get_version(session, row, b)).files
    return VersionDiff(a, b, await asyncio.to_thread(_diff_files, old, new))


async def restore_version(
    session: AsyncSession, workspace: Path, strategy_id: str, number: int
) -> StrategyRow:
    """Make the folder's Python files those of a version. What stood there is a version, too."""
    row = await get_row(session, strategy_id)
    version = await _get_version(session, row, number)
    if row.scratch:
        raise Conflict(f"{row.name} was typed in a notebook and has no folder to restore to.")
    missing = await asyncio.to_thread(is_missing, workspace, row)
    before = {} if missing else (await snapshot_strategy(session, workspace, row.id)).files
    await add_version(session, row, version.files, entry=version.entry)
    folder = locate(workspace, row.folder)

    def write(files: Mapping[str, str], instead_of: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            if instead_of.get(path) != text:
                replace_beneath(folder, path, text.encode())
        for path in instead_of.keys() - files.keys():
            remove_beneath(folder, path)

    on_rollback(session, lambda: write(before, version.files))
    await asyncio.to_thread(write, version.files, before)
    events.publish(session, "strategy", row.id, "changed")
    return row


async def _get_version(session: AsyncSession, row: StrategyRow, number: int) -> StrategyVersionRow:
    version = None
    if 0 < number < 2**31:
        version = await session.scalar(
            select(StrategyVersionRow).where(
                StrategyVersionRow.strategy_id == row.id, StrategyVersionRow.number == number
            )
        )
    if version is None:
        known = f"it has 1 to {row.version}" if row.version else "it has none yet"
        raise NotFound(f"{row.name} has no version {number}; {known}.", field="number")
    return version


def _describe(row: StrategyVersionRow) -> StrategyVersion:
    return StrategyVersion(
        id=row.id,
        strategy_id=row.strategy_id,
        number=row.number,
        sha256=row.sha256,
        files=sorted(row.files),
        created_at=row.created_at,
    )


def _diff_files(old: Mapping[str, str], new: Mapping[str, str]) -> list[FileDiff]:
    diffs = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path):
            continue
        change = "added" if path not in old else "removed" if path not in new else "changed"
        text = _diff(path, old.get(path), new.get(path))
        diffs.append(FileDiff(path, change, text))  # type: ignore[arg-type]  # one of the three, by the line above
    return diffs


def _diff(path: str, old: str | None, new: str | None) -> str:
    lines = difflib.unified_diff(
        _lines(old or ""),
        _lines(new or ""),
        "/dev/null" if old is None else f"a/{path}",
        "/dev/null" if new is None else f"b/{path}",
    )
    ended = (
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
    return "".join(ended)


def _lines(text: str) -> list[str]:
    """Lines with their ends, split where git splits: form feeds and the like stay inside."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
