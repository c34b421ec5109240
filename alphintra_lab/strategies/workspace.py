"""The workspace on disk: where a strategy's folder is, how one is made, where deleted ones go."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from ..db import now
from ..errors import Conflict, Invalid, LabError
from .beneath import explain, replace_beneath
from .snapshot import ENTRY

STRATEGIES = "strategies"
TRASH = ".trash"
SETTLED_NS = 2_000_000_000
"""What changed so long ago has its own time: changes within one clock tick have the same."""


def slug_of(name: str) -> str:
    """The folder's name for a strategy's name: `SmaCross 2` is `sma-cross-2`."""
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).lower()
    slug = re.sub(r"[\W_]+", "-", text).strip("-")
    while len(slug.encode()) > 100:
        slug = slug[:-1]
    if not slug:
        raise Invalid(f"name={name!r} has no letter or digit to name its folder by.", field="name")
    return slug.strip("-")


def place_of(workspace: Path, folder: Path) -> str:
    """How a record names a folder: relative to the workspace, or absolute when it lies outside."""
    real, root = folder.resolve(), workspace.resolve()
    return real.relative_to(root).as_posix() if real.is_relative_to(root) else real.as_posix()


def locate(workspace: Path, place: str) -> Path:
    """The folder a record names. A link that leads out of its place is refused."""
    if place.startswith("/"):
        return Path(place)
    # Strings and not paths: this is asked for every row of a list.
    folder = os.path.normpath(f"{_resolve(str(workspace))}/{place}")
    if ".." in place.split("/") or _resolve(folder) != folder:
        raise Conflict(f"{place} is a link, or leads out of the workspace. Put the folder there.")
    return Path(folder)


def _resolve(path: str) -> str:
    """`os.path.realpath`, asked of the kernel, which answers several times as fast."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return os.path.realpath(path)
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  # no path is wanted
    finally:
        os.close(descriptor)


def is_own(place: str, entry: str) -> bool:
    """Whether the whole folder is the strategy's: then deleting the strategy moves it away."""
    return entry == ENTRY and place.startswith(f"{STRATEGIES}/")


def create_folder(workspace: Path, slug: str, files: Mapping[str, bytes]) -> str:
    """Make `strategies/<slug>` with its files, all of them or nothing; Conflict if it is there."""
    parent = locate(workspace, STRATEGIES)
    target, staging = parent / slug, parent / f".{secrets.token_hex(8)}.part"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        target.mkdir()  # from here on the name is ours
        try:
            staging.mkdir()
            for path, content in files.items():
                replace_beneath(staging, path, content)
            staging.rename(target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            target.rmdir()
            raise
    except OSError as error:
        raise explain(error, f"{STRATEGIES}/{slug} cannot be made") from None
    return f"{STRATEGIES}/{slug}"


def move_to_trash(workspace: Path, place: str) -> str:
    """Move one of the lab's own folders to the trash, if it is there; answers its new place."""
    name = f"{Path(place).name}-{now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    source, target = locate(workspace, place), locate(workspace, TRASH) / name
    try:
        target.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            source.rename(target)
    except OSError as error:
        raise explain(error, f"{place} cannot be moved to the trash") from None
    return f"{TRASH}/{name}"


def move_back(workspace: Path, trashed: str, place: str) -> None:
    """Undo `move_to_trash`."""
    with contextlib.suppress(FileNotFoundError):
        locate(workspace, trashed).rename(locate(workspace, place))


def remove_folder(workspace: Path, place: str) -> None:
    """Undo `create_folder`."""
    shutil.rmtree(locate(workspace, place), ignore_errors=True)


@dataclass(frozen=True)
class Scan:
    """What lies in `strategies/`."""

    looked: int
    """When this was, in nanoseconds."""
    changed: int
    """When the folder itself had last changed; -1 where there is none."""
    folders: dict[str, int]
    """Its folders, and each one's number in the file system."""
    own: list[str]
    """Those with a strategy.py."""
    others: list[str]
    """Those without one, so far."""


def scan_folders(workspace: Path) -> Scan:
    """Look through `strategies/`."""
    # The times first: what changes meanwhile is seen the next time.
    looked, changed = time.time_ns(), when_changed(workspace)
    folders = list_folders(workspace)
    own: list[str] = []
    others: list[str] = []
    for place in sorted(folders):
        (own if is_there(workspace, place) else others).append(place)
    return Scan(looked, changed, folders, own, others)


def look_again(workspace: Path, scan: Scan) -> Scan | None:
    """The scan when another one would find the same; None when it has to be made.

    Whatever takes a folder from its record (deleted, renamed) changes `strategies/` too.
    """
    if when_changed(workspace) != scan.changed:
        return None
    if any(is_there(workspace, place) for place in scan.others):
        return None
    if scan.looked - scan.changed > SETTLED_NS:
        return scan
    looked = time.time_ns()
    return replace(scan, looked=looked) if list_folders(workspace) == scan.folders else None


def list_folders(workspace: Path) -> dict[str, int]:
    """The folders in `strategies/` and their numbers; hidden ones and links are left out."""
    try:
        with os.scandir(locate(workspace, STRATEGIES)) as entries:
            return {
                f"{STRATEGIES}/{entry.name}": entry.inode()
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and not entry.name.startswith(".")
                and entry.name.isprintable()
            }
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise explain(error, f"{STRATEGIES} cannot be read") from None


def when_changed(workspace: Path) -> int:
    """When an entry of `strategies/` last came, went or was renamed; -1 where there is none."""
    try:
        return locate(workspace, STRATEGIES).stat().st_mtime_ns
    except OSError:
        return -1


def is_there(workspace: Path, place: str) -> bool:
    """Whether a folder of the workspace has a strategy.py, if only as a link."""
    return os.path.lexists(f"{workspace}/{place}/{ENTRY}")


def find_notebook(folder: Path) -> str | None:
    """The folder's notebook, the first by name; None without one."""
    names = sorted(p.name for p in folder.glob("*.ipynb") if not p.name.startswith("."))
    return next((name for name in names if len(name) <= 255 and name.isprintable()), None)


def on_rollback(session: AsyncSession, undo: Callable[[], None]) -> None:
    """Undo what was done on disk if the transaction fails, so that disk and records agree."""
    sync = session.sync_session
    over = False

    def committed(_: Any) -> None:
        nonlocal over
        over = over or not sync.in_nested_transaction()  # a savepoint's end decides nothing

    def rolled_back(_: Any) -> None:
        nonlocal over
        if over or sync.in_nested_transaction():
            return
        over = True
        try:
            undo()
        except (LabError, OSError):  # the error that rolled back is the one to be told
            logging.getLogger(__name__).exception("The files could not be put back")

    event.listen(sync, "after_commit", committed)
    event.listen(sync, "after_rollback", rolled_back)
