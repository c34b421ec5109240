"""The folders that the server shares with one sandboxed kernel."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from pathlib import Path

from .access import allow_reading, allow_writing
from .bubblewrap import User

PREFIX = "alphintra-"
LONGEST_SOCKET = 107  # bytes, by the kernel
NOSUID, NODEV, NOEXEC, NOSYMFOLLOW, DETACH = 2, 4, 8, 256, 2
_libc = ctypes.CDLL(None, use_errno=True)


class Runtime:
    """A kernel's runtime folder, readable by the server alone; each part is mounted by itself.

    `sockets` is written by the kernel: as root it is a small tmpfs on which no link is followed, so
    the kernel can neither fill the disk nor lead the server elsewhere. For anyone else CurveZMQ
    tells another kernel's socket apart, links cannot be made (seccomp), and each file has a limit.
    """

    def __init__(self, user: User, home: Path | None) -> None:
        """Make it. Grants lie in the lab's home, so that datasets are linked, not copied."""
        self.user = user
        base = Path("/run") if user.real else Path("/run/user", str(user.user))
        if not os.access(base, os.W_OK):
            base = Path(tempfile.gettempdir())
        remove_stale(base, home)
        prefix = f"{PREFIX}{os.getpid()}-"
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        self.sockets = self.folder / "sockets"
        self.line = self.folder / "line"
        self.connection_file = self.folder / "connection.json"
        self.grants = (home / "grants" if home else self.folder) / f"{self.folder.name}.grants"
        self.sockets.mkdir(mode=0o700)
        self.line.mkdir(mode=0o700)
        self.grants.mkdir(mode=0o700, parents=True)
        if user.real and not _mount_small(self.sockets, user):
            allow_writing(user, self.sockets)
        allow_writing(user, self.line)  # to connect is to write; the mount itself is read-only
        allow_reading(user, self.grants)
        longest = len(os.fsencode(self.sockets / "kernel-00000"))
        if longest > LONGEST_SOCKET:
            self.remove()
            raise OSError(
                f"{self.sockets} is too long for a socket: {LONGEST_SOCKET} bytes at most."
            )

    def remove(self) -> None:
        """Remove all of it; the kernel must have ended."""
        _remove(self.folder)
        shutil.rmtree(self.grants, ignore_errors=True)


def remove_stale(base: Path, home: Path | None) -> None:
    """Remove what servers left behind that were killed."""
    for folder in base.glob(f"{PREFIX}*-*"):
        if _is_stale(folder):
            _remove(folder)
    for folder in (home / "grants").glob(f"{PREFIX}*.grants") if home else ():
        if _is_stale(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_stale(folder: Path) -> bool:
    owner = folder.name.split("-")[1]
    own = folder.stat().st_uid == os.geteuid()
    return own and owner.isdigit() and not Path("/proc", owner).exists()


def _remove(folder: Path) -> None:
    _libc.umount2(
        os.fsencode(folder / "sockets"), DETACH
    )  # no mount there: an error, which is fine
    shutil.rmtree(folder, ignore_errors=True)


def _mount_small(folder: Path, user: User) -> bool:
    """Mount a tmpfs of 1 MiB for the kernel's sockets; False where the machine forbids it."""
    options = f"size=1m,nr_inodes=64,mode=0700,uid={user.user},gid={user.group}"
    flags = NOSUID | NODEV | NOEXEC | NOSYMFOLLOW
    return bool(_libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options.encode()) == 0)
