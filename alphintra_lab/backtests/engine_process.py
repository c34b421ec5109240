"""The engine's process: ours, warm, no user code in it. Requests and answers are JSON lines."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from ..errors import Unavailable

SECONDS = 600
"""Longest a simulation may take; then the process is stopped and the job fails."""


class EngineProcess:
    """Starts the engine when first needed, keeps it warm, and starts it again when it died."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request, one answer. Raises Unavailable when the engine died or took too long."""
        async with self._lock:
            await self.start()
            process = self._process
            assert process is not None and process.stdin is not None and process.stdout is not None
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                await process.stdin.drain()
                line = await asyncio.wait_for(process.stdout.readline(), SECONDS)
            except (TimeoutError, asyncio.CancelledError, ConnectionError):
                # A late answer must not be taken for the next request's.
                await self._kill()
                raise
            if not line:
                await self._kill()
                raise Unavailable(
                    "The engine's process died. Run the backtest again; if it dies again, the "
                    "data may be too large for this machine's memory."
                )
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def start(self) -> None:
        """Start the process unless it runs. It loads vectorbt before it reads a request."""
        if self._process is not None and self._process.returncode is None:
            return
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the folder that this runs in may be the user's
            "-m",
            "alphintra_lab.backtests.engine_main",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )

    async def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None

    async def stop(self) -> None:
        """End the process."""
        await self._kill()
