"""Stands for the lab's server: a process with secrets, that starts jobs and kernels when told.

`python -m tests.sandbox.escapes.server BACKEND HOME WORKSPACE`; a request a line on standard input,
an answer a line on standard output, both JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from alphintra_lab.api.claims import grant
from alphintra_lab.jobs.runners import Runner, RunSpec
from alphintra_lab.sandbox.limits import Limits
from alphintra_lab.sandbox.runtime import Runtime
from tests.sandbox.escapes.backends import BACKENDS, Backend, NotHere

ROOT = Path(__file__).parents[3]


class Server:
    """What it knows; one method for each request."""

    def __init__(self, backend: Backend, runner: Runner, home: Path, workspace: Path) -> None:
        self.backend, self.runner, self.home, self.workspace = backend, runner, home, workspace
        (self.bars,) = (home / "store").glob("*.parquet")
        self.kept = contextlib.AsyncExitStack()

    async def run_job(
        self, code: str, limits: dict[str, Any], wait: bool = True, end: str | None = None
    ) -> dict[str, Any]:
        """Run code as a strategy: what it printed, and how it ended."""
        strategy = self.home / "strategy"
        (strategy / "strategy.py").write_text(code)
        job_id = f"job-{uuid.uuid4().hex}"
        spec = RunSpec(
            job_id=job_id,
            folder=self.home / "jobs" / job_id,
            strategy_folder=strategy,
            bars={"EUR": self.bars},
            limits=msgspec.convert(limits, Limits),
            end=end,
        )
        handle = await self.runner.start(spec)
        if not wait:
            return {"folder": str(spec.folder)}
        status = await self.runner.wait(handle)
        await self.runner.stop(handle)
        error = status.error and f"{status.error.code}: {status.error.message}"
        text = spec.log.read_text(errors="replace") if spec.log.exists() else ""
        return {"text": text, "error": error, "folder": str(spec.folder)}

    async def run_cell(self, code: str, limits: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Run code as a cell of a new kernel: what it printed."""
        async with self.open_kernel("one", limits) as (manager, client):
            for planted in more.get("before", []):
                await _execute(manager, client, planted)
                await manager.restart_kernel(now=True)
                await client.wait_for_ready(timeout=60)
            text = await _execute(manager, client, code)
            return {"text": text, "error": None if await manager.is_alive() else "it died"}

    async def keep_kernel(self, strategy: str, limits: dict[str, Any]) -> dict[str, Any]:
        """Start a kernel that stays; answers where its runtime folder and its process are."""
        await self.kept.enter_async_context(self.open_kernel(strategy, limits))
        folders = [path for path in _runtime_folders() if f"-{os.getpid()}-" in path.name]
        return {"folder": str(max(folders, key=lambda path: path.stat().st_mtime))}

    @contextlib.asynccontextmanager
    async def open_kernel(
        self, strategy: str, limits: dict[str, Any]
    ) -> AsyncIterator[tuple[AsyncKernelManager, AsyncKernelClient]]:
        """A kernel beside a strategy, ready; it has been granted the bars."""

        async def open_line(runtime: Runtime, cwd: str) -> Any:
            grant(runtime.grants, {"EUR": self.bars})
            return _close_nothing

        wanted = msgspec.convert(limits, Limits)
        await self.backend.prepare_kernels(self.home, self.workspace, wanted, open_line)
        specs = KernelSpecManager(kernel_dirs=[str(ROOT / "kernels")])
        manager = AsyncKernelManager(kernel_name=self.backend.kernelspec, kernel_spec_manager=specs)
        await manager.start_kernel(cwd=str(self.workspace / "strategies" / strategy))
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            yield manager, client
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)


async def _close_nothing() -> None:
    """There is no line to close."""


def _runtime_folders() -> list[Path]:
    bases = (Path("/run"), Path(f"/run/user/{os.geteuid()}"), Path("/tmp"))
    return [path for base in bases for path in base.glob("alphintra-*-*") if path.is_dir()]


async def _execute(manager: AsyncKernelManager, client: AsyncKernelClient, code: str) -> str:
    """What a cell printed until it ended, or the kernel did."""
    said: list[str] = []

    def note(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            said.append(content["text"])
        elif message["msg_type"] == "error":
            said.append(f"{content['ename']}: {content['evalue']}")

    cell = asyncio.ensure_future(
        client.execute_interactive(code, timeout=90, output_hook=note, store_history=False)
    )
    while not cell.done() and await manager.is_alive():
        await asyncio.wait([cell], timeout=0.2)
    if not cell.done():
        cell.cancel()
    await asyncio.gather(cell, return_exceptions=True)  # the test judges what was printed
    return "".join(said)


async def serve(backend: str, home: Path, workspace: Path) -> None:
    """Answer until standard input ends, one request after another."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    async with contextlib.AsyncExitStack() as stack:
        try:
            runner = await stack.enter_async_context(BACKENDS[backend].open_runner())
        except NotHere as reason:
            answer({"not_here": str(reason)})
            return
        answer({})
        server = Server(BACKENDS[backend], runner, home, workspace)
        async with server.kept:
            while line := await asyncio.to_thread(sys.stdin.readline):
                request = json.loads(line)
                answer(await getattr(server, request.pop("do"))(**request))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
