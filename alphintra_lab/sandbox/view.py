"""What a sandbox sees, as a list of mounts: bubblewrap and the zygote build the same from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from .limits import Limits

PACKAGE = "/lab"
"""Where the lab's own package lies inside, as `/lab/alphintra_lab`."""

TMP = "/tmp"  # noqa: S108  the sandbox's own, not the host's

ENVIRONMENT = {
    "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
    "HOME": TMP,
    "USER": "lab",
    "LOGNAME": "lab",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONPATH": PACKAGE,
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # One thread: results do not depend on the machine's cores, and limits are not spent on pools.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    # Less address space and memory in reserve.
    "MALLOC_ARENA_MAX": "4",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # A thread of an allocator that nobody uses; a process with threads cannot be forked.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "NUMBA_CACHE_DIR": f"{TMP}/numba",
    "MPLCONFIGDIR": f"{TMP}/matplotlib",
    "IPYTHONDIR": f"{TMP}/ipython",
    # The debugger's warning that it cannot stop inside of Python's own frozen modules.
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
# Set by hand where OpenBLAS takes the processor for one that it is not.
PASSED_ON = ("OPENBLAS_CORETYPE",)


def make_environment() -> dict[str, str]:
    """The environment of every sandbox: nothing of ours but what must be passed on."""
    return ENVIRONMENT | {name: os.environ[name] for name in PASSED_ON if name in os.environ}


SHM = "/dev/shm"  # noqa: S108  the sandbox's own
USERS_FILE = "root:x:0:0::/:/bin/false\nlab:x:{user}:{group}::/tmp:/bin/false\n"
GROUPS_FILE = "root:x:0:\nlab:x:{group}:\n"


class Mount(msgspec.Struct, frozen=True):
    """One thing that stands in a sandbox's file system, at the path `inside`.

    `shown` and `writable` are the host's file or folder `source`; `memory` is an empty folder of
    `size` bytes at most; `link` points to `source`; `text` is a file that holds it. `machine` is
    `source` with devices that work, for the zygote alone.
    """

    kind: Literal["folder", "shown", "writable", "machine", "memory", "link", "text", "proc", "dev"]
    inside: str
    source: str = ""
    size: int = 0
    mode: int = 0o755


def make_view(limits: Limits, user: int, group: int) -> list[Mount]:
    """What stands in every sandbox, before it is given anything."""
    ids = {"user": user, "group": group}
    mounts = [Mount("proc", "/proc"), Mount("dev", "/dev")]
    mounts += [Mount("memory", path, "", limits.tmp_bytes, 0o1777) for path in (SHM, TMP)]
    mounts += list_mounts()  # after /tmp, in which an environment may lie
    files = (("/etc/passwd", USERS_FILE), ("/etc/group", GROUPS_FILE))
    mounts += [Mount("text", path, text.format(**ids), 0, 0o444) for path, text in files]
    return mounts


def give(
    readonly: Mapping[str, str] | None = None,
    writable: Mapping[str, str] | None = None,
    masked: Iterable[str] = (),
) -> list[Mount]:
    """What one sandbox is given: paths inside to paths of the host; `masked` ones are empty.

    Where one lies in another, the inner one holds.
    """
    given = {inside: Mount("shown", inside, host) for inside, host in (readonly or {}).items()}
    given |= {inside: Mount("writable", inside, host) for inside, host in (writable or {}).items()}
    given |= {path: _mask(path) for path in masked}
    return [given[inside] for inside in sorted(given)]


def _mask(path: str) -> Mount:
    if Path(path).is_dir():
        return Mount("memory", path, size=4096)
    return Mount("shown", path, os.devnull)


def with_parents(mounts: Sequence[Mount]) -> list[Mount]:
    """The mounts, each after its parents, which bubblewrap would make unreadable."""
    whole: list[Mount] = []
    made: set[Path] = set()
    for mount in mounts:
        for parent in list(Path(mount.inside).parents)[-2::-1]:
            if parent not in made:
                made.add(parent)
                whole.append(Mount("folder", str(parent)))
        whole.append(mount)
    return whole


@cache
def list_mounts() -> list[Mount]:
    """Read-only, the same for every sandbox: the system's libraries, Python, the lab's package."""
    package = Path(__file__).parent.parent
    mounts = [Mount("shown", "/usr", "/usr")]
    mounts += [Mount("shown", f"{PACKAGE}/{package.name}", str(package))]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        mounts += _show(Path("/", name))
    for name in ("ld.so.cache", "alternatives"):
        mounts += _show(Path("/etc", name))
    prefixes = {sys.prefix, sys.base_prefix, *map(os.path.realpath, (sys.prefix, sys.base_prefix))}
    shown = [Path("/usr")]
    for prefix in sorted(map(Path, prefixes)):
        if not prefix.is_relative_to("/usr"):
            shown.append(prefix)
            # Not all of it: etc/jupyter may hold passwords, and the lab's home may lie below.
            for name in ("bin", "lib", "lib64", "share/zoneinfo", "pyvenv.cfg"):
                mounts += _show(prefix / name)
    link = Path(sys.executable)
    while link.is_symlink():
        target = link.readlink()
        if not any(link.is_relative_to(prefix) for prefix in shown):
            mounts.append(Mount("link", str(link), str(target)))
        link = link.parent / target
    return mounts


def _show(path: Path) -> list[Mount]:
    """Show a file or folder at its own place, a link as the link that it is."""
    if path.is_symlink():
        return [Mount("link", str(path), str(path.readlink()))]
    return [Mount("shown", str(path), str(path))] if path.exists() else []
