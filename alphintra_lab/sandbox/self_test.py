"""The test that a sandbox holds on this machine, before it is trusted with anything."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ..errors import LabError, Unavailable
from . import cgroup
from .bubblewrap import Prepared, User, explain_failure, prepare
from .limits import MIB, Limits
from .view import PACKAGE, TMP, list_mounts, make_environment
from .zygote import Zygote

FORK_SECONDS = 30.0


class SelfTest(msgspec.Struct, frozen=True):
    """Whether sandboxes can be used here, what holds each limit, and if not, the way out."""

    passed: bool
    message: str
    limits: dict[str, str] = {}
    seconds: float = 0.0

    def describe(self) -> dict[str, object]:
        """The same as plain data, for `/ready`."""
        state = "ready" if self.passed else "failed"
        return {"state": state, "message": self.message, "limits": dict(self.limits)}


class Probe(msgspec.Struct, frozen=True):
    """What probe.py prints."""

    user: int
    capabilities: int
    no_new_privileges: bool
    filter: bool
    network: bool
    seen: list[str]
    environment: list[str]
    processes: int
    writable: list[str]
    memory: bool


def self_test(hidden: Sequence[Path] = ()) -> SelfTest:
    """Start a sandbox and try from inside what must not work. Blocks for about 0.2 s.

    `hidden`: further folders that must not be seen, as the lab's home. Anything unexpected fails.
    """
    started = time.monotonic()
    cgroup.remove_stale()
    limits = Limits(memory_bytes=512 * MIB, seconds=10)
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            script = f"{PACKAGE}/alphintra_lab/sandbox/probe.py"
            arguments = _arguments(listener, limits, hidden)
            prepared = prepare(
                "self-test", [sys.executable, "-I", "-S", script, *arguments], limits=limits
            )
            try:
                found = _probe(prepared)
            finally:
                prepared.close()
    except (LabError, ValueError, OSError, subprocess.TimeoutExpired) as error:
        return SelfTest(False, f"The sandbox could not be tested, so it is not used: {error}")
    if isinstance(found, str):
        return SelfTest(False, explain_failure(found))
    wrong = _find_faults(found, prepared.user)
    if wrong:
        return SelfTest(False, f"The sandbox leaks, so it is not used: {'; '.join(wrong)}.")
    kept = _describe_limits(prepared)
    return SelfTest(
        True,
        f"bubblewrap, with {kept['user']}; memory limit by {kept['memory']}",
        kept,
        time.monotonic() - started,
    )


async def test_forks(zygote: Zygote, hidden: Sequence[Path] = ()) -> None:
    """The same of a sandbox that the zygote forks. Raises Unavailable where anything leaks."""
    limits = Limits(memory_bytes=1024 * MIB, seconds=10)
    reader, writer = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener, os.fdopen(reader, "rb") as pipe:
        arguments = _arguments(listener, limits, hidden)
        try:
            forked = await zygote.fork(
                "self-test", "alphintra_lab.sandbox.probe", arguments, limits=limits, output=writer
            )
        finally:
            os.close(writer)
        try:
            async with asyncio.timeout(FORK_SECONDS):
                said = await asyncio.to_thread(pipe.read)
        except TimeoutError:
            raise Unavailable(f"A forked sandbox did not answer in {FORK_SECONDS:g} s.") from None
        finally:
            await forked.close()
    try:
        wrong = _find_faults(msgspec.json.decode(said, type=Probe), forked.user)
    except msgspec.DecodeError:
        wrong = [f"the probe said {said.decode(errors='replace')[-500:]!r}"]
    if wrong:
        raise Unavailable(f"A forked sandbox leaks, so none is used: {'; '.join(wrong)}.")


def _arguments(listener: socket.socket, limits: Limits, hidden: Sequence[Path]) -> list[str]:
    """What probe.py is told: a port, an amount of memory and paths, none of which it may get."""
    port = str(listener.getsockname()[1])
    return [port, str(limits.memory_bytes), *_forbidden([Path.home(), *hidden])]


def _probe(prepared: Prepared) -> Probe | str:
    """What the probe found, or what was said instead."""
    ended = subprocess.run(
        prepared.command,
        pass_fds=prepared.inherited,
        env=prepared.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=False,
    )
    try:
        return msgspec.json.decode(ended.stdout, type=Probe)
    except msgspec.DecodeError:
        said = ended.stderr.decode(errors="replace").strip()[-500:]
        return said or f"the probe ended with {ended.returncode}"


def _forbidden(folders: Iterable[Path]) -> list[str]:
    """Paths of the host that must not exist inside: what is in the folders, but for the mounts."""
    shown = [Path(mount.inside) for mount in list_mounts()]
    shown += map(Path, ("/proc", "/dev", TMP))  # the sandbox's own, where a home is `/`
    paths = [Path("/etc/shadow"), Path("/home")]
    for folder in folders:
        paths += sorted(folder.iterdir())[:50] if folder.is_dir() else ()
    return [str(path) for path in paths if not any(place.is_relative_to(path) for place in shown)]


def _describe_limits(prepared: Prepared) -> dict[str, str]:
    """What holds each limit here."""
    own = prepared.cgroup is not None
    return {
        "memory": "cgroup, for all its processes together" if own else "rlimit, for each process",
        "processes": "cgroup and rlimit" if own else "rlimit",
        "files": "rlimit, for each file; /tmp by its size",
        "time": "the runner",
        "network": "a namespace without one",
        "system calls": "seccomp",
        "user": "a user of its own" if prepared.user.real else "a user namespace",
    }


def _find_faults(found: Probe, user: User) -> list[str]:
    foreign = set(found.environment) - set(make_environment()) - {"PWD"}
    faults = {
        f"it runs as user {found.user}": found.user != user.user,
        "it has capabilities": found.capabilities != 0,
        "it may gain privileges": not found.no_new_privileges,
        "the system call filter is off": not found.filter,
        "it reaches the network": found.network,
        f"it sees {', '.join(found.seen)}": bool(found.seen),
        f"its environment has {', '.join(sorted(foreign))}": bool(foreign),
        f"it sees {found.processes} processes": found.processes > 2,
        f"it can write {', '.join(found.writable)}": bool(found.writable),
        "the memory limit does not hold": not found.memory,
    }
    return [fault for fault, holds in faults.items() if holds]
