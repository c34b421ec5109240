"""Files that a sandbox's own user may read or write, where the lab runs as root.

Sandboxes share one group. An access control list gives it what it needs, whatever the umask, and
leaves owner and mode alone. What a sandbox can reach at all is decided by its mounts.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from .bubblewrap import User

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
VERSION = 2
OWNER, GROUP_OWNER, GROUP, MASK, OTHERS = 0x01, 0x04, 0x08, 0x10, 0x20
NO_ID = 0xFFFFFFFF
READ, WRITE, SEARCH = 4, 2, 1

Entries = dict[tuple[int, int], int]  # (tag, id) -> permissions


def allow_reading(user: User, *paths: Path) -> None:
    """Let the sandbox read these files and list these folders."""
    _allow(user, paths, READ)


def allow_writing(user: User, folder: Path) -> None:
    """Let the sandbox write a folder and all that is, or will be, in it."""
    _allow(user, [folder, *folder.rglob("*")], READ | WRITE)


def _allow(user: User, paths: Iterable[Path], wanted: int) -> None:
    if not user.real:
        return
    for path in paths:
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            # A link, a socket, or gone meanwhile.
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOENT):
                continue
            raise
        try:
            _allow_file(user.group, file, wanted)
        finally:
            os.close(file)


def _allow_file(group: int, file: int, wanted: int) -> None:
    mode = os.fstat(file).st_mode
    if stat.S_ISDIR(mode) or mode & stat.S_IXUSR:
        wanted |= SEARCH
    if mode & wanted == wanted and not wanted & WRITE:
        return  # everybody may
    try:
        _give(file, ACCESS, group, wanted)
        if stat.S_ISDIR(mode) and wanted & WRITE:
            _give(file, DEFAULT, group, wanted)  # for what is made in it later, by anyone
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        # A file system without lists: the group itself. New files get it from the folder.
        os.fchown(file, -1, group)
        sticky = stat.S_ISGID if stat.S_ISDIR(mode) else 0
        os.fchmod(file, stat.S_IMODE(mode) | wanted << 3 | sticky)


def _give(file: int, kind: str, group: int, wanted: int) -> None:
    entries = _read(file, kind)
    held = entries.get((GROUP, group), 0)
    if held & wanted == wanted:
        return
    entries[GROUP, group] = held | wanted
    named = [value for (tag, _), value in entries.items() if tag in (GROUP_OWNER, GROUP)]
    mask = entries.get((MASK, NO_ID), 0)
    for value in named:
        mask |= value
    entries[MASK, NO_ID] = mask
    data = struct.pack("<I", VERSION)
    for (tag, number), value in sorted(entries.items()):
        data += struct.pack("<HHI", tag, value, number)
    os.setxattr(file, kind, data)


def _read(file: int, kind: str) -> Entries:
    """The list as it is; without one, what the mode says."""
    try:
        data = os.getxattr(file, kind)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        mode = os.fstat(file).st_mode
        return {
            (OWNER, NO_ID): mode >> 6 & 7,
            (GROUP_OWNER, NO_ID): mode >> 3 & 7,
            (OTHERS, NO_ID): mode & 7,
        }
    return {
        (tag, number): value
        for tag, value, number in struct.iter_unpack("<HHI", data[struct.calcsize("<I") :])
    }
