"""A memory and process limit for a whole sandbox, where this machine gives us a cgroup.

Version 1: a leaf under our own group, for root. Version 2: a leaf in the nearest group above us
that we may write and that hands the memory controller down (root, or a delegated systemd user
slice). Elsewhere there is none, and rlimits count for each process instead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

import msgspec

from .limits import Limits

PREFIX = "alphintra-"


class Cgroup(msgspec.Struct, frozen=True):
    """One sandbox's cgroup: a folder under version 2, one a controller under version 1."""

    folders: list[str]

    def entrances(self) -> list[str]:
        """Files to which a process writes 0 to enter."""
        return [f"{folder}/cgroup.procs" for folder in self.folders]

    def count_oom_kills(self) -> int:
        """How many of its processes the kernel killed because the memory was used up."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    lines = Path(folder, name).read_text().splitlines()
                    counts = dict(line.split() for line in lines)
                    return int(counts.get("oom_kill", 0))
        return 0

    def remove(self) -> None:
        """Remove it. Its processes were killed; the last of them may take a moment to be gone."""
        deadline = time.monotonic() + 0.5
        for folder in map(Path, self.folders):
            while folder.exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()
                if time.monotonic() > deadline:
                    break  # remove_stale finds it the next time
                time.sleep(0.002)


def create(limits: Limits) -> Cgroup | None:
    """Make the cgroup of a sandbox, or None where this machine does not let us."""
    name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    memory = limits.memory_bytes + limits.tmp_bytes  # /tmp lies in memory and is counted too
    for group, settings in (
        (_find_unified(), {"memory.max": memory, "memory.swap.max": 0, "memory.oom.group": 1}),
        (_find("memory"), {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}),
    ):
        if group is None:
            continue
        folders = []
        made = _make(group / name, settings | {"pids.max": limits.processes})
        if made is not None:
            folders.append(made)
            pids = _find("pids") if "memory.limit_in_bytes" in settings else None
            if pids is not None:
                made = _make(pids / name, {"pids.max": limits.processes})
                folders += [] if made is None else [made]
            return Cgroup(folders)
    return None


def remove_stale() -> None:
    """Remove the cgroups that a server left behind when it was killed."""
    for group in (_find_unified(), _find("memory"), _find("pids")):
        for folder in group.glob(f"{PREFIX}*") if group is not None else ():
            if not Path("/proc", folder.name.split("-")[1]).exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _make(folder: Path, settings: dict[str, int]) -> str | None:
    try:
        folder.mkdir()
    except OSError:
        return None
    for name, value in settings.items():
        if (folder / name).exists():
            try:
                (folder / name).write_text(str(value))
            except OSError:
                if not name.startswith("memory.memsw"):  # only where swap is accounted for
                    folder.rmdir()
                    return None
    return str(folder)


def _find(controller: str) -> Path | None:
    """Our own group in a version 1 hierarchy."""
    own = _own_groups().get(controller)
    mount = Path("/sys/fs/cgroup", controller)
    if own is None or not (mount / "cgroup.procs").exists():
        return None
    # In a container the path is the host's while the mount shows only our part of it.
    folder = mount / own.lstrip("/")
    return folder if folder.is_dir() else mount


def _find_unified() -> Path | None:
    """The nearest group that hands memory down and lets us make, and enter, groups below it."""
    mount = Path("/sys/fs/cgroup")
    own = _own_groups().get("")
    if own is None or not (mount / "cgroup.controllers").exists():
        return None
    folder = mount / own.lstrip("/")
    while folder.is_relative_to(mount):
        with contextlib.suppress(OSError):
            handed_down = (folder / "cgroup.subtree_control").read_text().split()
            if "memory" in handed_down and os.access(folder / "cgroup.procs", os.W_OK):
                return folder
        folder = folder.parent
    return None


def _own_groups() -> dict[str, str]:
    """Our group in each hierarchy, by controller; version 2 under the empty name."""
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups
