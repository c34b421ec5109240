"""The engine's process: ours, warm, no user code in it. Requests and answers are JSON lines."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ..errors import Unavailable
from ..processes import command_of, environment_of_child

SECONDS = 600
"""Longest a simulation may take; then the process is stopped and the job fails."""
LARGEST_ANSWER = 64 * 1024 * 1024


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
            except BaseException:
                # Also a line over the limit: what is left of this request's answer, or comes late,
                # must not be taken for the next one's.
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
            *command_of("alphintra_lab.backtests.engine_main"),
            env=environment_of_child(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LARGEST_ANSWER,
        )

    async def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            # Reads on to the end, too: asyncio does not see the end of one whose pipe is full.
            await self._process.communicate()
        self._process = None

    async def stop(self) -> None:
        """End the process."""
        await self._kill()
