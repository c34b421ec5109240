"""Jupyter kernels in bubblewrap, chosen by the kernelspec's `alphintra-bubblewrap`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from ..errors import Unavailable
from . import access, bubblewrap
from .limits import KERNEL, Limits
from .runtime import Runtime
from .warm import (
    CONNECTION_FILE,
    LINE_SOCKET,
    SOCKETS,
    WarmKernel,
    WarmKernels,
    shared,
    write_connection_file,
)
from .zygote import Forked, Zygote

Closer = Callable[[], Awaitable[None]]
OpenLine = Callable[[Runtime, str], Awaitable[Closer]]

# Of the server's own settings for a kernel, only what the notebook is called.
PASSED_ON = ("JPY_SESSION_NAME",)
LAST_WORDS = 8_000


class Given(msgspec.Struct, frozen=True):
    """What a kernel gets beside its runtime folder: the workspace, its folder, its environment."""

    readonly: dict[str, str]
    writable: dict[str, str]
    masked: list[str]
    environment: dict[str, str]
    cwd: str


class ForkedProcess:
    """A fork as Jupyter handles a process."""

    stdin = stdout = stderr = None

    def __init__(self, forked: Forked) -> None:
        self.forked, self.pid = forked, forked.pid

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        return self.forked.returncode

    def wait(self) -> int | None:
        """The same; Jupyter calls it after the end."""
        return self.forked.returncode

    def send_signal(self, signum: int) -> None:
        """End it; the provisioner sends nothing else."""
        self.forked.kill()

    kill = terminate = send_signal


class BubblewrapProvisioner(LocalProvisioner):
    """A kernel that sees the workspace, at its own path, and may write the notebook's folder only.

    The app sets the class's attributes once.
    """

    workspace: ClassVar[Path | None] = None
    """The root of what kernels see; without it, the kernel's working folder."""
    home: ClassVar[Path | None] = None
    """The lab's home: never seen by a kernel; grants are made in it."""
    open_line: ClassVar[OpenLine | None] = None
    """Called before the start with the kernel's folders and its working folder; listens on `sock`
    in the line's folder (mode 0666: that folder is out of everybody else's reach)."""
    limits: ClassVar[Limits] = KERNEL
    refusal: ClassVar[str | None] = None
    """Why no kernel may start here: the self-test's message after it failed."""
    zygote: ClassVar[Zygote | None] = None
    """Forks kernels as soon as it is ready; without one they start cold."""
    warm: ClassVar[WarmKernels | None] = None
    """Kernels that run already."""

    process: Any = None
    """A child, or a `ForkedProcess`."""
    runtime: Runtime | None = None
    prepared: bubblewrap.Prepared | None = None
    forked: Forked | None = None
    given: Given
    _name: str
    _taken: WarmKernel | None = None
    _close_line: Closer | None = None
    _stderr: int | None = None
    _said: bytes = b""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Make or take the kernel's folders and its line, and find out what it is given."""
        if self.refusal is not None:
            raise RuntimeError(f"The sandbox cannot be used: {self.refusal}")
        root, cwd = await asyncio.to_thread(self._find_folders, kwargs.get("cwd"))
        manager = self.parent
        assert manager is not None
        if self.runtime is None:
            await self._find_runtime(cwd)
        assert self.runtime is not None
        manager.transport, manager.ip = "ipc", str(self.runtime.sockets / "kernel")
        manager.cache_ports = False
        if self._taken is not None:
            manager.load_connection_info(self._taken.info)
        kwargs["transport_encryption"] = "required"
        environment = kwargs.get("env") or {}
        passed_on = {name: environment[name] for name in PASSED_ON if name in environment}
        kwargs = await super().pre_launch(**kwargs)
        self.given = await asyncio.to_thread(self._give, root, cwd, passed_on)
        return kwargs | {"env": {}}

    async def _find_runtime(self, cwd: Path) -> None:
        """That of a warm kernel, else a new one; with a line to the server, for its whole life."""
        self._taken = self.warm.take() if self.warm is not None else None
        if self._taken is not None:
            self._name, self.runtime = self._taken.name, self._taken.runtime
        else:
            self._name = self.kernel_id
            user = bubblewrap.choose_user(self._name)
            self.runtime = await asyncio.to_thread(Runtime, user, self.home)
        open_line = type(self).open_line
        if open_line is not None:
            self._close_line = await open_line(self.runtime, str(cwd))

    def _find_folders(self, wanted: str | None) -> tuple[Path, Path]:
        """The workspace, and the working folder in it."""
        root = (self.workspace or Path(wanted or ".")).resolve()
        cwd = Path(wanted or root).resolve()
        return root, cwd if cwd.is_dir() and cwd.is_relative_to(root) else root

    def _give(self, root: Path, cwd: Path, environment: dict[str, str]) -> Given:
        own = own_folder(root, cwd)
        _allow(bubblewrap.choose_user(self._name), root, cwd, own)
        return Given(
            readonly={str(root): str(root)},
            writable={str(own): str(own)} if own else {},
            masked=[str(path) for path in hidden_paths(root, self.home)],
            environment=LINE_SOCKET | environment | self.kernel_spec.env,
            cwd=str(cwd),
        )

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start it: the one that was taken, else a fork, else cold.

        Must run on the server's main thread, with which the kernel dies.
        """
        self._said = b""
        for start in (self._adopt, self._fork):
            try:
                if await start(cmd):
                    assert self.forked is not None
                    self.process, self.pid, self.pgid = ForkedProcess(self.forked), None, None
                    return self.connection_info
            except Unavailable as error:
                self.log.warning("%s Starting the kernel another way.", error.message)
        return await self._launch_cold(cmd, **kwargs)

    async def _adopt(self, cmd: list[str]) -> bool:
        taken, self._taken = self._taken, None
        if taken is None:
            return False
        try:
            await taken.forked.adopt(**msgspec.structs.asdict(self.given))
        except BaseException:
            os.close(taken.output)
            await taken.forked.close()
            raise
        self.forked = taken.forked
        self._listen(taken.output)
        return True

    async def _fork(self, cmd: list[str]) -> bool:
        zygote = self.zygote
        if zygote is None or not zygote.ready or cmd[:2] != [sys.executable, "-m"]:
            return False
        mounts = await asyncio.to_thread(self._mounts)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        try:
            self.forked = await zygote.fork(
                self._name,
                cmd[2],
                [self._inside(argument) for argument in cmd[3:]],
                limits=self.limits,
                output=writer,
                **mounts,
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._listen(reader)
        return True

    async def _launch_cold(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        self.prepared = await asyncio.to_thread(self._prepare, cmd)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        options: dict[str, Any] = {"stdout": asyncio.subprocess.DEVNULL, "stderr": writer}
        options |= {"env": self.prepared.environment, "pass_fds": self.prepared.inherited}
        try:
            info = await super().launch_kernel(self.prepared.command, **kwargs | options)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
            self.prepared.close_inherited()
        self._listen(reader)
        return info

    def _prepare(self, cmd: list[str]) -> bubblewrap.Prepared:
        command = [self._inside(argument) for argument in cmd]
        return bubblewrap.prepare(self._name, command, limits=self.limits, **self._mounts())

    def _mounts(self) -> dict[str, Any]:
        """All that a kernel gets which was not warm."""
        assert self.runtime is not None
        user = bubblewrap.choose_user(self._name)
        write_connection_file(self.runtime, user, dict(self.connection_info))
        given = msgspec.structs.asdict(self.given)
        given["readonly"] |= shared(self.runtime)
        given["writable"] |= {SOCKETS: str(self.runtime.sockets)}
        return given

    def _listen(self, descriptor: int) -> None:
        """Read what it prints past its own channels, so that it never blocks on it."""
        self._stderr = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._read_stderr)

    async def wait(self) -> int | None:
        """Wait for the end; say why when the sandbox could not be built."""
        code = await super().wait()
        if self._said.startswith(b"bwrap:"):
            said = self._said.decode(errors="replace").strip()
            self.log.error("%s", bubblewrap.explain_failure(said))
        return code

    async def send_signal(self, signum: int) -> None:
        """End the sandbox. Interrupts go as messages: a signal would only reach bubblewrap."""
        if signum in (signal.SIGTERM, signal.SIGKILL):
            await super().send_signal(signal.SIGKILL)

    async def cleanup(self, restart: bool = False) -> None:
        """Free what the kernel held; its folders and its line outlast a restart."""
        await super().cleanup(restart)
        self._free_stderr()
        if self.forked is not None:
            await self.forked.close()
            self.forked = None
        await asyncio.to_thread(self._free)
        if not restart:
            if self._close_line is not None:
                await self._close_line()
                self._close_line = None
            if self.runtime is not None:
                await asyncio.to_thread(self.runtime.remove)
                self.runtime = None

    def resolve_path(self, path_str: str) -> str | None:
        """A file of the workspace: a kernel sees it at the path that it has here."""
        found = super().resolve_path(path_str)
        inside = found is not None and Path(found).resolve().is_relative_to(
            (self.workspace or Path(self.cwd or ".")).resolve()
        )
        return found if inside else None

    def _inside(self, argument: str) -> str:
        assert self.parent is not None
        host = os.path.realpath(self.parent.connection_file)
        return CONNECTION_FILE if argument == host else argument

    def _read_stderr(self) -> None:
        assert self._stderr is not None
        data = os.read(self._stderr, 65_536)
        if not data:
            self._free_stderr()
        self._said = (self._said + data)[:LAST_WORDS]

    def _free_stderr(self) -> None:
        if self._stderr is not None:
            asyncio.get_running_loop().remove_reader(self._stderr)
            os.close(self._stderr)
            self._stderr = None

    def _free(self) -> None:
        if self.prepared is not None:
            self.prepared.close()
            self.prepared = None


def own_folder(root: Path, cwd: Path) -> Path | None:
    """The folder that a kernel may write: the notebook's, unless other strategies lie in it."""
    if cwd == root or any(cwd.glob("*/strategy.py")):
        return None
    return cwd


def hidden_paths(root: Path, home: Path | None) -> list[Path]:
    """What of the workspace stays out of sight: hidden entries at its root, and the lab's home.

    There lie `.env` and keys when a project, or a home folder, is the workspace.
    """
    hidden = [path for path in root.iterdir() if path.name.startswith(".")]
    if home is not None and home.is_relative_to(root) and home.exists():
        hidden.append(home)
    return [path for path in hidden if not path.is_symlink()]


def _allow(user: bubblewrap.User, root: Path, cwd: Path, own: Path | None) -> None:
    """Let the kernel's user read down to the working folder, and write what is its own."""
    way = [path for path in (cwd, *cwd.parents) if path.is_relative_to(root)]
    access.allow_reading(user, *way)
    if own is not None:
        access.allow_writing(user, own)
