"""Files in a folder that others write to, reached without following any link below it.

Kernels write into a strategy's folder while the server reads and writes with its own rights.
Looking first and opening afterwards would let a link be put in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..errors import Conflict, Unavailable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(folder: Path, path: str) -> int:
    """A descriptor to read `path` from, or Conflict where it is a link or cannot be read."""
    with _reaching(path, "read"), _parent(folder, path) as (parent, name):
        # Not blocking: a pipe named x.py must not hold the server.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=parent)


def replace_beneath(folder: Path, path: str, content: bytes) -> None:
    """Write `path` in one step: whoever reads sees the old content or the new, never a part."""
    part = f".{secrets.token_hex(8)}.part"
    with _reaching(path, "written"), _parent(folder, path, create=True) as (parent, name):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(part, flags, 0o644, dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(part, dir_fd=parent)
            raise


def remove_beneath(folder: Path, path: str) -> None:
    """Remove `path`, if it is there."""
    with _reaching(path, "removed"), _parent(folder, path) as (parent, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)


@contextlib.contextmanager
def _parent(folder: Path, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    *folders, name = path.split("/")
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=here)
            inner = os.open(part, _FOLDER, dir_fd=here)
            os.close(here)
            here = inner
        yield here, name
    finally:
        os.close(here)


@contextlib.contextmanager
def _reaching(path: str, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Conflict(refuse_link(path)) from None
        raise explain(error, f"{path} cannot be {verb}") from None


def explain(error: OSError, what: str) -> Conflict | Unavailable:
    """What the operating system refused, as an error that a user can act on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            f"{what}: the disk is full. Nothing was changed. Free some space and try again.",
            code="disk_full",
        )
    reason = (error.strerror or type(error).__name__).lower()
    return Conflict(f"{what}: {reason}.")


def refuse_link(path: str) -> str:
    """The sentence for a link in a strategy's folder."""
    return f"{path} is a link, and a version keeps true files only. Put the file itself there."
