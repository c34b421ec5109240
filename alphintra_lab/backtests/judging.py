"""The verdict on a stored run, made anew by the engine's one function when a check is added."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..engine import verdict as engine
from ..engine.check import Check as EngineCheck
from ..jobs.schema import Job
from ..jobs.table import JobRow
from .schema import Check, Verdict
from .table import BacktestRow

UNFINISHED = ("waiting", "running")
"""States of a job whose checks may still go on."""


def judge(row: BacktestRow, checks: Mapping[str, Check], progress: str | None = None) -> Verdict:
    """What to say of a run with these checks, or while they still run (`progress`)."""
    evidence = msgspec.convert((row.summary or {})["evidence"], engine.Evidence)
    evidence = msgspec.structs.replace(
        evidence,
        metrics=row.metrics or {},
        checks={name: EngineCheck(c.passed, c.findings, c.power) for name, c in checks.items()},
        progress=progress,
    )
    return msgspec.convert(msgspec.to_builtins(engine.verdict(evidence)), Verdict)


def show_verdict(row: BacktestRow, job: Job | JobRow | None) -> Verdict | None:
    """The row's verdict; that the checks go on, as long as they do.

    What is stored meanwhile is the verdict without them, so that it holds whatever ends the job.
    """
    if row.verdict is None or job is None or job.state not in UNFINISHED:
        return row.verdict
    cut = job.step.partition(", ")[2]
    progress = f"Look-ahead, {cut}." if cut else "Look-ahead, warm-up and determinism."
    return judge(row, row.checks or {}, progress)
