"""The outline of a strategy's files as they stand now, read again only where they changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..errors import LabError
from .register import unreadable
from .schema import Outline
from .snapshot import ENTRY, is_skipped, read_folder
from .table import StrategyRow
from .versions import has_entry, outline_of
from .workspace import SETTLED_NS, locate

Stamp = tuple[tuple[str, int, int, int], ...]
"""Of each Python file: its name, number, size and when it last changed in any way."""

_KEPT = 10_000
_SMALL = 200
_read: dict[Path, tuple[Stamp, Outline]] = {}


def read_current(row: StrategyRow, workspace: Path) -> tuple[Outline, bool]:
    """The outline of the files as they stand now, and whether they are missing."""
    if row.scratch:
        return row.outline, False
    try:
        folder = locate(workspace, row.folder)
        stamp = _stamp(folder) if row.entry == ENTRY else None
        known = _read.get(folder)
        if stamp is not None and known is not None and known[0] == stamp:
            return known[1], False
        if not has_entry(folder, row.entry):
            return row.outline, True
        outline = outline_of(read_folder(folder, row.entry), row.entry)
    except LabError as error:
        return unreadable(error, row.entry), False
    if stamp is not None:
        _keep(folder, stamp, outline)
    return outline, False


def _stamp(folder: Path) -> Stamp | None:
    """What differs whenever a file of the folder does; None for more than a small, flat folder."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                name = entry.name
                if number == _SMALL or entry.is_symlink():
                    return None
                if entry.is_dir():
                    if not is_skipped(name):
                        return None
                elif name.endswith(".py"):
                    status = entry.stat(follow_symlinks=False)
                    found.append((name, status.st_ino, status.st_size, status.st_ctime_ns))
    except OSError:
        return None
    return tuple(sorted(found))


def _keep(folder: Path, stamp: Stamp, outline: Outline) -> None:
    """Remember what was read, unless a change within the same tick of the clock may follow."""
    if stamp and time.time_ns() - max(changed for *_, changed in stamp) > SETTLED_NS:
        if len(_read) >= _KEPT:
            _read.clear()
        _read[folder] = (stamp, outline)
