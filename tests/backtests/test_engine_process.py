"""The engine's process: each request gets its own answer, whatever became of the one before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alphintra_lab.backtests import engine_process
from alphintra_lab.backtests.engine_process import EngineProcess


def request(name: str) -> dict[str, Any]:
    """One that the engine answers with an error that names the file."""
    return {"do": "run", "bars": {"A": f"/{name}"}, "settings": {"end": None}}


async def test_an_answer_over_the_limit_is_not_the_next_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = EngineProcess()
    try:
        with monkeypatch.context() as small:
            small.setattr(engine_process, "LARGEST_ANSWER", 1000)
            with pytest.raises(ValueError, match="chunk exceed the limit"):
                await engine.call(request("long" * 500_000))
        answer = await asyncio.wait_for(engine.call(request("short")), 60)
        assert "/short" in answer["error"]["message"]
    finally:
        await engine.stop()
