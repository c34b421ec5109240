"""What every sandbox sees: the system's libraries, Python, the lab's package; an environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

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
    "NUMBA_CACHE_DIR": f"{TMP}/numba",
    "MPLCONFIGDIR": f"{TMP}/matplotlib",
    "IPYTHONDIR": f"{TMP}/ipython",
}
# Set by hand where OpenBLAS takes the processor for one that it is not.
PASSED_ON = ("OPENBLAS_CORETYPE",)


def make_environment() -> dict[str, str]:
    """The environment of every sandbox: nothing of ours but what must be passed on."""
    return ENVIRONMENT | {name: os.environ[name] for name in PASSED_ON if name in os.environ}


Mount = tuple[str, ...]  # options of bubblewrap; the last one is the place inside


def with_parents(mounts: Sequence[Mount]) -> list[str]:
    """The mounts as options, each after its parents, which bubblewrap would make unreadable."""
    options: list[str] = []
    made: set[Path] = set()
    for mount in mounts:
        for parent in list(Path(mount[-1]).parents)[-2::-1]:
            if parent not in made:
                made.add(parent)
                options += ["--perms", "0755", "--dir", str(parent)]
        options += mount
    return options


@cache
def list_mounts() -> list[Mount]:
    """Read-only, the same for every sandbox: the system's libraries, Python, the lab's package."""
    package = Path(__file__).parent.parent
    mounts: list[Mount] = [("--ro-bind", "/usr", "/usr")]
    mounts += [("--ro-bind", str(package), f"{PACKAGE}/{package.name}")]
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
            mounts.append(("--symlink", str(target), str(link)))
        link = link.parent / target
    return mounts


def _show(path: Path) -> list[Mount]:
    """Show a file or folder at its own place, a link as the link that it is."""
    if path.is_symlink():
        return [("--symlink", str(path.readlink()), str(path))]
    return [("--ro-bind", str(path), str(path))] if path.exists() else []
