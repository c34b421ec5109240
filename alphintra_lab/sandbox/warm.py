"""Kernels that run already, before anybody asks for one: each is given to one notebook, once.

A warm kernel has its sandbox, its sockets and its user. It waits at a gate for what only the asking
notebook knows: the workspace and the folder in it. Nothing of a user was in it before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import uuid
from collections import deque
from pathlib import Path
from typing import Any

import zmq

from ..errors import Unavailable
from . import access, bubblewrap
from .limits import Limits
from .runtime import Runtime
from .view import TMP
from .zygote import Forked, Zygote

MODULE = "alphintra_lab.sandbox.kernel"
CONNECTION_FILE, SOCKETS, LINE, GRANTS = "/run/kernel.json", "/run/kernel", "/line", "/grants"
LINE_SOCKET = {"ALPHINTRA_LINE": f"{LINE}/sock"}
PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")


class WarmKernel:
    """One of them: its runtime folder, its process, how to connect, and what it prints."""

    def __init__(
        self, name: str, runtime: Runtime, forked: Forked, info: dict[str, Any], output: int
    ) -> None:
        self.name, self.runtime, self.forked = name, runtime, forked
        self.info, self.output = info, output

    async def close(self) -> None:
        """End one that nobody took."""
        os.close(self.output)
        await self.forked.close()
        await asyncio.to_thread(self.runtime.remove)


class WarmKernels:
    """Keeps a few ready, and makes the next when one is taken."""

    def __init__(self, zygote: Zygote, size: int, home: Path, limits: Limits) -> None:
        self._zygote, self._size, self._home, self._limits = zygote, size, home, limits
        self._ready: deque[WarmKernel] = deque()
        self._taken = asyncio.Event()

    def take(self) -> WarmKernel | None:
        """One that is ready, or None."""
        while self._ready:
            kernel = self._ready.popleft()
            self._taken.set()
            if kernel.forked.returncode is None:
                return kernel
            asyncio.get_running_loop().create_task(kernel.close())
        return None

    async def run(self) -> None:
        """Keep them ready until cancelled, whenever the zygote is."""
        try:
            while True:
                self._taken.clear()
                if self._zygote.ready and len(self._ready) < self._size:
                    try:
                        self._ready.append(await self._make())
                        continue
                    except Unavailable as error:
                        self._zygote.log.warning("No warm kernel: %s", error.message)
                # Not wait_for: in Python 3.11 it can lose the cancellation that ends this loop.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._taken.wait()
        finally:
            for kernel in self._ready:
                await kernel.close()
            self._ready.clear()

    async def _make(self) -> WarmKernel:
        name = f"warm-{uuid.uuid4()}"
        user = bubblewrap.choose_user(name)
        runtime = await asyncio.to_thread(Runtime, user, self._home)
        info = make_connection(runtime)
        await asyncio.to_thread(write_connection_file, runtime, user, info)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        try:
            forked = await self._zygote.fork(
                name,
                MODULE,
                ["-f", CONNECTION_FILE],
                limits=self._limits,
                output=writer,
                readonly=shared(runtime),
                writable={SOCKETS: str(runtime.sockets)},
                environment=LINE_SOCKET,
                cwd=TMP,
                waits=True,
            )
        except BaseException:
            os.close(reader)
            await asyncio.to_thread(runtime.remove)
            raise
        finally:
            os.close(writer)
        return WarmKernel(name, runtime, forked, info, reader)


def shared(runtime: Runtime) -> dict[str, str]:
    """What a kernel sees of its runtime folder and may not write, by the path inside."""
    return {
        CONNECTION_FILE: str(runtime.connection_file),
        LINE: str(runtime.line),
        GRANTS: str(runtime.grants),
    }


def make_connection(runtime: Runtime) -> dict[str, Any]:
    """How to reach a new kernel: sockets in its folder, a key for signatures, keys for CurveZMQ."""
    public, secret = zmq.curve_keypair()
    return {
        "transport": "ipc",
        "ip": str(runtime.sockets / "kernel"),
        **{port: number for number, port in enumerate(PORTS, start=1)},
        "key": uuid.uuid4().hex,
        "signature_scheme": "hmac-sha256",
        "curve_publickey": public.decode(),
        "curve_secretkey": secret.decode(),
    }


def write_connection_file(runtime: Runtime, user: bubblewrap.User, info: dict[str, Any]) -> None:
    """The connection as the kernel sees it: its sockets lie elsewhere inside."""
    inside = {**info, "ip": f"{SOCKETS}/kernel"}
    text = {key: v.decode() if isinstance(v, bytes) else v for key, v in inside.items()}
    runtime.connection_file.unlink(missing_ok=True)
    file = os.open(runtime.connection_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as connection:
        json.dump(text, connection)
    access.allow_reading(user, runtime.connection_file)
