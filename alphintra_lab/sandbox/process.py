"""A running sandbox: forked from the zygote where one is ready, else a child of this process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import Unavailable
from .bubblewrap import Prepared, kill_group, prepare
from .limits import Limits
from .zygote import Forked, Zygote


class Sandbox(Protocol):
    """A running sandbox; stdout and stderr are one stream."""

    @property
    def stdout(self) -> asyncio.StreamReader:
        """What it prints."""

    @property
    def returncode(self) -> int | None:
        """Its exit code once it has ended: 128 + n for a signal."""

    async def wait(self) -> int:
        """The exit code; waits for the end."""

    def kill(self) -> None:
        """Kill all of it at once."""

    def was_launched(self) -> bool:
        """Whether the program inside was reached; else the sandbox could not be built."""

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed something inside because the memory was used up."""

    def was_lost(self) -> bool:
        """Whether it ended only because what it was forked from did: it can be run again."""

    async def close(self) -> None:
        """Free what the sandbox held, after its end."""


@dataclass
class ColdSandbox:
    """One that bubblewrap built. `process` is its monitor, which passes the exit code on."""

    process: asyncio.subprocess.Process
    prepared: Prepared

    @property
    def stdout(self) -> asyncio.StreamReader:
        """As `Sandbox`."""
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def returncode(self) -> int | None:
        """As `Sandbox`."""
        return self.process.returncode

    async def wait(self) -> int:
        """As `Sandbox`."""
        return await self.process.wait()

    def kill(self) -> None:
        """Kill all of it at once: with the monitor dies its PID namespace."""
        kill_group(self.process.pid)

    def was_launched(self) -> bool:
        """As `Sandbox`."""
        self.prepared.lifeline.setblocking(False)
        try:
            return self.prepared.lifeline.recv(1) == b"1"
        except BlockingIOError:
            return False

    def ran_out_of_memory(self) -> bool:
        """As `Sandbox`."""
        group = self.prepared.cgroup
        return group is not None and group.count_oom_kills() > 0

    def was_lost(self) -> bool:
        """Never: it was forked from nothing."""
        return False

    async def close(self) -> None:
        """As `Sandbox`."""
        await self.stdout.read()  # to the pipe's end, which closes it
        await asyncio.to_thread(self.prepared.close)


@dataclass
class ForkedSandbox:
    """One that the zygote forked."""

    forked: Forked
    stdout: asyncio.StreamReader

    @property
    def returncode(self) -> int | None:
        """As `Sandbox`."""
        return self.forked.returncode

    async def wait(self) -> int:
        """As `Sandbox`."""
        return await self.forked.wait()

    def kill(self) -> None:
        """As `Sandbox`."""
        self.forked.kill()

    def was_launched(self) -> bool:
        """Always: otherwise the fork has failed."""
        return True

    def ran_out_of_memory(self) -> bool:
        """As `Sandbox`."""
        group = self.forked.cgroup
        return group is not None and group.count_oom_kills() > 0

    def was_lost(self) -> bool:
        """As `Sandbox`."""
        return self.forked.lost

    async def close(self) -> None:
        """As `Sandbox`."""
        await self.stdout.read()
        await self.forked.close()


async def start(
    name: str,
    argv: Sequence[str],
    *,
    limits: Limits,
    readonly: Mapping[str, str] | None = None,
    writable: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: str = "/",
    zygote: Zygote | None = None,
) -> Sandbox:
    """Start a program in a sandbox that dies with this process.

    `python -m module` is forked from the zygote if that is ready. Call it on the event loop's own
    thread: the sandbox dies with the thread that started it.
    """
    given: dict[str, Any] = {
        "limits": limits,
        "readonly": readonly,
        "writable": writable,
        "environment": environment,
        "cwd": cwd,
    }
    if zygote is not None and zygote.ready and list(argv[:2]) == [sys.executable, "-m"]:
        try:
            return await _fork(zygote, name, argv[2], argv[3:], given)
        except Unavailable:
            zygote.log.warning("A fork has failed; starting cold", exc_info=True)
    return await _start_cold(name, argv, given)


async def _fork(
    zygote: Zygote, name: str, module: str, arguments: Sequence[str], given: dict[str, Any]
) -> ForkedSandbox:
    reader, writer = os.pipe()
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader()
    pipe = os.fdopen(reader, "rb", buffering=0)
    try:
        forked = await zygote.fork(name, module, arguments, output=writer, **given)
    except BaseException:
        pipe.close()
        raise
    finally:
        os.close(writer)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    return ForkedSandbox(forked, stream)


async def _start_cold(name: str, argv: Sequence[str], given: dict[str, Any]) -> ColdSandbox:
    prepared = prepare(name, argv, **given)
    try:
        process = await asyncio.create_subprocess_exec(
            *prepared.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=prepared.environment,
            pass_fds=prepared.inherited,
            start_new_session=True,
        )
    except BaseException:
        await asyncio.to_thread(prepared.close)
        raise
    prepared.close_inherited()
    return ColdSandbox(process, prepared)
