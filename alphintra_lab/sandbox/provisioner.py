"""Jupyter kernels in bubblewrap, chosen by the kernelspec's `alphintra-bubblewrap`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from . import access, bubblewrap
from .limits import KERNEL, Limits
from .runtime import Runtime

Closer = Callable[[], Awaitable[None]]
OpenLine = Callable[[str, Path, Path, str], Awaitable[Closer]]

CONNECTION_FILE, SOCKETS, LINE, GRANTS = "/run/kernel.json", "/run/kernel", "/line", "/grants"
# Of the server's own settings for a kernel, only what the notebook is called.
PASSED_ON = ("JPY_SESSION_NAME",)
LAST_WORDS = 2_000


class BubblewrapProvisioner(LocalProvisioner):
    """A kernel that sees the workspace, at its own path, and may write the notebook's folder only.

    The app sets the class's attributes once.
    """

    workspace: ClassVar[Path | None] = None
    """The root of what kernels see; without it, the kernel's working folder."""
    home: ClassVar[Path | None] = None
    """The lab's home: never seen by a kernel; grants are made in it."""
    open_line: ClassVar[OpenLine | None] = None
    """Called before the start with kernel id, folder, grants and working folder; listens on `sock`
    in the folder (mode 0666: the folder is out of everybody else's reach)."""
    limits: ClassVar[Limits] = KERNEL
    refusal: ClassVar[str | None] = None
    """Why no kernel may start here: the self-test's message after it failed."""

    runtime: Runtime | None = None
    prepared: bubblewrap.Prepared | None = None
    _close_line: Closer | None = None
    _stderr: int | None = None
    _said: bytes = b""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Make the kernel's folders and its line, and the command that starts the sandbox."""
        if self.refusal is not None:
            raise RuntimeError(f"The sandbox cannot be used: {self.refusal}")
        user = bubblewrap.choose_user(self.kernel_id)
        root, cwd = await asyncio.to_thread(self._find_folders, kwargs.get("cwd"))
        if self.runtime is None:
            self.runtime = await asyncio.to_thread(Runtime, user, self.home)
            open_line = type(self).open_line
            if open_line is not None:
                self._close_line = await open_line(
                    self.kernel_id, self.runtime.line, self.runtime.grants, str(cwd)
                )
        manager = self.parent
        assert manager is not None
        manager.transport, manager.ip = "ipc", str(self.runtime.sockets / "kernel")
        manager.cache_ports = False
        kwargs["transport_encryption"] = "required"
        environment = kwargs.get("env") or {}
        passed_on = {name: environment[name] for name in PASSED_ON if name in environment}
        kwargs = await super().pre_launch(**kwargs)
        self.prepared = await asyncio.to_thread(
            self._prepare, user, kwargs["cmd"], root, cwd, passed_on
        )
        return kwargs | {"cmd": self.prepared.command, "env": self.prepared.environment}

    def _find_folders(self, wanted: str | None) -> tuple[Path, Path]:
        """The workspace, and the working folder in it."""
        root = (self.workspace or Path(wanted or ".")).resolve()
        cwd = Path(wanted or root).resolve()
        return root, cwd if cwd.is_dir() and cwd.is_relative_to(root) else root

    def _prepare(
        self,
        user: bubblewrap.User,
        command: list[str],
        root: Path,
        cwd: Path,
        environment: dict[str, str],
    ) -> bubblewrap.Prepared:
        assert self.runtime is not None
        self._write_connection_file(user)
        own = own_folder(root, cwd)
        _allow(user, root, cwd, own)
        self._free()
        return bubblewrap.prepare(
            self.kernel_id,
            [self._inside(argument) for argument in command],
            limits=self.limits,
            readonly={
                str(root): str(root),
                CONNECTION_FILE: str(self.runtime.connection_file),
                LINE: str(self.runtime.line),
                GRANTS: str(self.runtime.grants),
            },
            writable={SOCKETS: str(self.runtime.sockets)} | ({str(own): str(own)} if own else {}),
            masked=[str(path) for path in hidden_paths(root, self.home)],
            environment={"ALPHINTRA_LINE": f"{LINE}/sock"} | environment | self.kernel_spec.env,
            cwd=str(cwd),
        )

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start it. Must run on the server's main thread, with which the kernel dies."""
        assert self.prepared is not None
        self._stderr, stderr = os.pipe()
        os.set_blocking(self._stderr, False)
        try:
            info = await super().launch_kernel(
                cmd,
                pass_fds=self.prepared.inherited,
                **kwargs | {"stdout": asyncio.subprocess.DEVNULL, "stderr": stderr},
            )
        finally:
            os.close(stderr)
            self.prepared.close_inherited()
        self._said = b""
        asyncio.get_running_loop().add_reader(self._stderr, self._read_stderr)
        return info

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

    def _write_connection_file(self, user: bubblewrap.User) -> None:
        """The connection as the kernel sees it: its sockets lie elsewhere inside."""
        assert self.runtime is not None
        info = {**self.connection_info, "ip": f"{SOCKETS}/kernel"}
        text = {k: v.decode() if isinstance(v, bytes) else v for k, v in info.items()}
        self.runtime.connection_file.unlink(missing_ok=True)
        file = os.open(self.runtime.connection_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as connection:
            json.dump(text, connection)
        access.allow_reading(user, self.runtime.connection_file)

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
