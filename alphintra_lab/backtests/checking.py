"""What a worker does after the result is there: run the strategy again, and judge what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from ..engine.check import unchecked
from ..engine.variants import Variant
from ..jobs.runners import Runner, RunSpec
from ..jobs.worker import Context
from ..strategies.versions import outline_of
from .engine_process import EngineProcess
from .schema import Check

BEGUN, ENDED = 0.7, 0.98
"""The job's progress when the checks begin, and when all cuts are made."""

TICK = 0.3
PASSES = 2
"""What was found is confirmed once before anybody is accused."""


async def run_checks(
    context: Context,
    spec: RunSpec,
    runner: Runner,
    engine: EngineProcess,
    request: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> dict[str, Check]:
    """Look-ahead, warm-up and determinism of a run.

    `request` and `answer` are the engine's for the run itself. Whatever the strategy does when it
    runs again is a finding, never an error of the job.
    """
    await context.report("checks", BEGUN)
    variants = msgspec.convert(answer["variants"], list[Variant])
    reruns: list[tuple[Any, str]] = []
    asked = {
        **request,
        "do": "check",
        "ledger_sha256": answer["ledger_sha256"],
        "elsewhere": "decisions" in context.job.spec,
        "trouble": None,
    }
    judged: dict[str, Any] = {}
    for number in range(PASSES):
        part = msgspec.structs.replace(spec, variants=variants)
        trouble = await _rerun(context, part, runner, quiet=number > 0)
        if not part.reruns.exists():
            return _not_made(trouble)
        kept = context.folder / f"reruns-{number}.msgpack"
        await asyncio.to_thread(part.reruns.replace, kept)
        reruns.append((msgspec.to_builtins(variants), str(kept)))
        asked |= {"reruns": reruns, "trouble": asked["trouble"] or trouble}
        judged = await engine.call(asked)
        variants = msgspec.convert(judged.get("again", []), list[Variant])
        if not variants:
            break
    for _, path in reruns:
        (context.folder / path).unlink()
    if error := judged.get("error"):
        return _not_made(error["message"])
    return msgspec.convert(judged["checks"], dict[str, Check])


def _not_made(reason: str | None) -> dict[str, Check]:
    checks = unchecked(reason or "The strategy could not be run again.")
    return {name: Check(one.passed, one.findings, one.power) for name, one in checks.items()}


def find_suspects(files: Mapping[str, str], entry: str) -> list[str]:
    """The lines of a strategy that look like look-ahead: `strategy.py line 14`."""
    problems = outline_of(files, entry).problems
    places = [f"{p.file} line {p.line}" for p in problems if p.code == "look_ahead"]
    return list(dict.fromkeys(places))


async def _rerun(context: Context, spec: RunSpec, runner: Runner, *, quiet: bool) -> str | None:
    """Run the variants; why they were stopped, if they were. What they wrote until then counts."""
    cuts = sum(variant.mode == "truncate" for variant in spec.variants)
    handle = await runner.start(spec)
    ended = asyncio.ensure_future(runner.wait(handle))
    told = 0
    try:
        while not ended.done():
            await asyncio.wait({ended}, timeout=TICK)
            share = (await runner.status(handle)).progress
            made = round(share * cuts)
            if made > told and not quiet and not ended.done():
                told = made
                progress = BEGUN + (ENDED - BEGUN) * share
                await context.report("checks", progress, f"cut {made} of {cuts}")
        error = ended.result().error
    finally:
        ended.cancel()
        await runner.stop(handle)
    return None if error is None else error.message
