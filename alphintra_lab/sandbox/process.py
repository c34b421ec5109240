"""A running sandbox, as a child of this process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .bubblewrap import Prepared, prepare
from .limits import Limits


@dataclass
class Sandbox:
    """A running sandbox. `process` is bubblewrap's monitor, which passes the exit code on."""

    process: asyncio.subprocess.Process
    prepared: Prepared

    def kill(self) -> None:
        """Kill all of it at once: with the monitor dies its PID namespace."""
        kill_group(self.process.pid)

    def was_launched(self) -> bool:
        """Whether the program inside was reached; else the sandbox could not be built."""
        self.prepared.lifeline.setblocking(False)
        try:
            return self.prepared.lifeline.recv(1) == b"1"
        except BlockingIOError:
            return False

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed something inside because the memory was used up."""
        group = self.prepared.cgroup
        return group is not None and group.count_oom_kills() > 0

    async def close(self) -> None:
        """Free what the sandbox held, after its end."""
        if self.process.stdout is not None:
            await self.process.stdout.read()  # to the pipe's end, which closes it
        await asyncio.to_thread(self.prepared.close)


def kill_group(pid: int) -> None:
    """Kill a monitor and what it has just forked and not yet put into a session of its own."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


async def start(
    name: str,
    argv: Sequence[str],
    *,
    limits: Limits,
    readonly: Mapping[str, str] | None = None,
    writable: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: str = "/",
) -> Sandbox:
    """Start a program in a sandbox that dies with this process; stdout and stderr are one pipe.

    Call it on the event loop's own thread: the sandbox dies with the thread that started it.
    """
    prepared = prepare(
        name,
        argv,
        limits=limits,
        readonly=readonly,
        writable=writable,
        environment=environment,
        cwd=cwd,
    )
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
    return Sandbox(process, prepared)
