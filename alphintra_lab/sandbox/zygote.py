"""Sandboxes forked from a process that has numpy, pandas and vectorbt loaded: the instant start.

The zygote itself runs in bubblewrap; zygote_main.py says what it does. Without it everything works
as well, by a cold start, only later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from ..errors import Unavailable
from . import bubblewrap, cgroup, linux
from .bubblewrap import User, kill_group
from .building import HOST
from .gate import LENGTH
from .limits import Limits
from .view import Mount, give, make_environment, make_view
from .zygote_main import (
    ADOPTED,
    ENDED,
    FAILED,
    LAUNCHED,
    STARTED,
    Adoption,
    Fork,
)

MODULES = (
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "vectorbt",
    "alphintra_lab.sdk",
    "alphintra_lab.sdk.deciding",
    "alphintra_lab.sdk.entry",
    "alphintra_lab.engine.reruns",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
)
# To build a sandbox: namespaces and mounts, the loopback, another user, files that root may see.
CAPABILITIES = (
    "CAP_SYS_ADMIN",
    "CAP_NET_ADMIN",
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_DAC_OVERRIDE",
    "CAP_SYS_RESOURCE",
)
_CREDENTIALS = struct.Struct("iII")  # of a socket's other side: process, user, group
LOAD_SECONDS, LAUNCH_SECONDS, ADOPT_SECONDS = 120.0, 30.0, 10.0

Check = Callable[["Zygote"], Awaitable[None]]
"""Raises Unavailable where a fork does not hold what it must."""


class Zygote:
    """Starts the process, and asks it for forks. One for each environment of user code."""

    log = logging.getLogger(__name__)

    def __init__(self, modules: Sequence[str] = MODULES) -> None:
        """`modules` are loaded before the first fork."""
        self._modules = modules
        self._process: asyncio.subprocess.Process | None = None
        self._line: socket.socket | None = None
        self._checked = False

    @property
    def ready(self) -> bool:
        """Whether forks can be had now, and were found to hold."""
        return self._checked and self._process is not None and self._process.returncode is None

    async def start(self, check: Check) -> None:
        """Start the process, wait until everything is loaded, and let `check` try a fork.

        Raises Unavailable. Call it on the event loop's own thread: the process dies with the
        thread that started it.
        """
        await self.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inherited = [theirs.detach()]

        def keep(data: bytes) -> int:
            inherited.append(bubblewrap.memory_file(data))
            return inherited[-1]

        user = bubblewrap.choose_user("zygote")
        view = make_view(Limits(), user.user, user.group)
        options = bubblewrap.make_options(
            user,
            [*view, Mount("machine", HOST, "/")],
            keep,
            capabilities=CAPABILITIES,
            environment=make_environment(),
            cwd="/",
        )
        program = [sys.executable, "-P", "-m", "alphintra_lab.sandbox.zygote_main"]
        arguments = keep("".join(f"{option}\0" for option in options).encode())
        try:
            self._process = await asyncio.create_subprocess_exec(
                bubblewrap.find_binary(),
                *("--args", str(arguments), "--", *program, str(inherited[0]), *self._modules),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={},
                pass_fds=inherited,
                start_new_session=True,
            )
        finally:
            for number in inherited:
                os.close(number)
        ours.setblocking(False)
        self._line = ours
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                said = await asyncio.get_running_loop().sock_recv(ours, 1)
        except (TimeoutError, OSError):
            said = b""
        if not said:
            raise Unavailable(f"The zygote did not start: {await self._last_words()}")
        await check(self)
        self._checked = True

    async def run(self, check: Check) -> None:
        """Keep it running until cancelled."""
        pause = 1.0
        try:
            while True:
                try:
                    await self.start(check)
                    assert self._process is not None
                    await self._process.wait()
                    self.log.warning("The zygote has ended: %s", await self._last_words())
                except Unavailable as error:
                    self.log.warning("%s Sandboxes start cold.", error.message)
                    await self.stop()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 300.0)
        finally:
            await self.stop()

    async def _last_words(self) -> str:
        process = self._process
        await self.stop()
        if process is None or process.stderr is None:
            return "no reason given"
        said = (await process.stderr.read()).decode(errors="replace").strip()
        return said[-1000:] or "no reason given"

    async def stop(self) -> None:
        """End it, and with it every sandbox that was forked from it."""
        self._checked = False
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._process is not None and self._process.returncode is None:
            kill_group(self._process.pid)
            await self._process.wait()

    async def fork(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        limits: Limits,
        output: int,
        readonly: Mapping[str, str] | None = None,
        writable: Mapping[str, str] | None = None,
        masked: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        cwd: str = "/",
        waits: bool = False,
    ) -> Forked:
        """A sandbox that runs `python -m module argument ...`; `output` is its stdout and stderr.

        The rest as in `bubblewrap.prepare`. Raises Unavailable where the zygote cannot.
        """
        if self._line is None:
            raise Unavailable("The zygote does not run.")
        user = bubblewrap.choose_user(name)
        given = _give(readonly, writable, masked)
        young = [mount.source for mount in given if user.real and os.path.ismount(mount.source)]
        wanted = Fork(
            module=module,
            arguments=list(arguments),
            mounts=[*make_view(limits, user.user, user.group), *given],
            trees=young,
            rlimits=limits.rlimits(),
            user=f"{user.user}:{user.group}" if user.real else "-",
            environment=dict(environment or {}),
            cwd=cwd,
            waits=waits,
        )
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.setblocking(False)
        trees: list[int] = []
        try:
            trees += [linux.open_tree(source) for source in young]
            socket.send_fds(self._line, [b"f"], [theirs.fileno(), output, *trees])
        except OSError as error:
            ours.close()
            raise Unavailable(f"The zygote does not answer: {error}.") from error
        finally:
            theirs.close()
            for tree in trees:
                os.close(tree)
        forked = Forked(ours, user)
        try:
            await forked.launch(wanted, limits)
        except BaseException:
            await forked.close()
            raise
        return forked


class Forked:
    """A sandbox forked from the zygote, as its server sees it."""

    def __init__(self, line: socket.socket, user: User) -> None:
        self._line, self.user = line, user
        self.pid = 0
        """The first process inside, by its number outside."""
        self.returncode: int | None = None
        self.lost = False
        """It ended without a word, and nobody here killed it: so did the zygote, or the machine."""
        self.cgroup: cgroup.Cgroup | None = None
        self._killed = False
        self._end: asyncio.Task[int] | None = None
        self._adopted: asyncio.Future[bytes] | None = None
        self._handle: int | None = None

    async def launch(self, wanted: Fork, limits: Limits) -> None:
        """Put it into a cgroup, tell it what to be, and wait until its program runs."""
        loop = asyncio.get_running_loop()
        self.pid = await _read_pid(self._line)
        self._handle = os.pidfd_open(self.pid)
        self.cgroup = cgroup.create(limits)
        for entrance in self.cgroup.entrances() if self.cgroup else ():
            Path(entrance).write_text(str(self.pid))
        await _send(self._line, wanted)
        try:
            async with asyncio.timeout(LAUNCH_SECONDS):
                said = await loop.sock_recv(self._line, 2001)
        except (TimeoutError, ConnectionResetError):
            said = b""
        if said[:1] != LAUNCHED:
            raise Unavailable(f"The sandbox could not be built: {_reason(said)}.")
        self._end = loop.create_task(self._read_end())

    async def adopt(
        self,
        *,
        readonly: Mapping[str, str],
        writable: Mapping[str, str],
        masked: Sequence[str],
        environment: Mapping[str, str],
        cwd: str,
    ) -> None:
        """Give a sandbox that waits what it was not given at its start. Raises Unavailable."""
        mounts = _give(readonly, writable, masked)
        self._adopted = asyncio.get_running_loop().create_future()
        await _send(self._line, Adoption(mounts, dict(environment), cwd))
        try:
            async with asyncio.timeout(ADOPT_SECONDS):
                said = await self._adopted
        except TimeoutError:
            said = b""
        if said[:1] != ADOPTED:
            raise Unavailable(f"A warm kernel could not be used: {_reason(said)}.")

    async def _read_end(self) -> int:
        """Its exit code: 128 + n for a signal. It says so itself, unless all of it is killed."""
        loop = asyncio.get_running_loop()
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while said := await loop.sock_recv(self._line, 2001):
                if said[:1] == ENDED:
                    break
                self._answer(said)
        killed = 128 + signal.SIGKILL
        oom = self.cgroup is not None and self.cgroup.count_oom_kills() > 0
        self.lost = said[:1] != ENDED and not self._killed and not oom
        self.returncode = LENGTH.unpack(said[1:])[0] if said[:1] == ENDED else killed
        self._answer(b"")
        return self.returncode

    def _answer(self, said: bytes) -> None:
        if self._adopted is not None and not self._adopted.done():
            self._adopted.set_result(said)

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        assert self._end is not None
        return await asyncio.shield(self._end)

    def kill(self) -> None:
        """Kill all of it at once."""
        self._killed = True
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    async def close(self) -> None:
        """End it if it has not ended, and free what it held."""
        self.kill()
        if self._end is not None:
            await self.wait()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._line.close()
        if self.cgroup is not None:
            await asyncio.to_thread(self.cgroup.remove)
            self.cgroup = None


def _give(
    readonly: Mapping[str, str] | None,
    writable: Mapping[str, str] | None,
    masked: Sequence[str],
) -> list[Mount]:
    """As `give`, with every link on the way followed here: below HOST it would lead elsewhere."""
    return [
        msgspec.structs.replace(mount, source=os.path.realpath(mount.source))
        if mount.kind in ("shown", "writable")
        else mount
        for mount in give(readonly, writable, masked)
    ]


async def _read_pid(line: socket.socket) -> int:
    """The number of the process at the other side, as this process sees it."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(line, _set, readable)
    try:
        async with asyncio.timeout(LAUNCH_SECONDS):
            await readable
    except TimeoutError:
        raise Unavailable("The zygote did not fork in time.") from None
    finally:
        loop.remove_reader(line)
    data, ancillary, _, _ = line.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
    if data != STARTED:
        raise Unavailable("The zygote did not fork.")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return int(_CREDENTIALS.unpack(content)[0])
    raise Unavailable("The sandbox did not say who it is.")


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _send(line: socket.socket, message: msgspec.Struct) -> None:
    data = msgspec.msgpack.encode(message)
    await asyncio.get_running_loop().sock_sendall(line, LENGTH.pack(len(data)) + data)


def _reason(said: bytes) -> str:
    return said[1:].decode(errors="replace") if said[:1] == FAILED else "it said nothing"
