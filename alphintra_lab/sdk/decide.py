"""The user's process: bars in, decisions out (`python -m alphintra_lab.sdk.decide JOBFILE`).

It writes `out` (decisions) and ends with 0, or `error` (why not) and ends with 1. When it ends
with another status, it was killed or ended itself: that is for the parent to tell.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..engine.decisions import BadDecisions, Decisions, encode
from .bars import cut, read_bars
from .deciding import decide
from .entry import load_class
from .failure import describe_failure
from .log import LIMIT, limit_log
from .strategy import Strategy, StrategyError


def main(job_file: str) -> int:
    """Run one job file; the answer is the process's exit code."""
    job: dict[str, Any] = json.loads(Path(job_file).read_bytes())
    limit_log(job.get("log_limit") or LIMIT)
    sys.dont_write_bytecode = True
    seed_everything(int(job.get("seed") or 0))
    folder = Path(job["strategy"]["folder"]).absolute()
    bars = {
        symbol: cut(read_bars(path), end=job.get("end")) for symbol, path in job["bars"].items()
    }
    try:
        decisions = encode(_decide(job, folder, bars))
    except BaseException as error:  # noqa: BLE001  the boundary: user code may raise anything
        columns = [str(name) for frame in list(bars.values())[:1] for name in frame.columns]
        failure = describe_failure(error, folder, columns, job.get("dataset"))
        _write(job["error"], json.dumps(failure).encode())
        return 1
    _write(job["out"], decisions)
    return 0


def seed_everything(seed: int) -> None:
    """Set the seeds of the generators that code uses without naming one."""
    random.seed(seed)
    np.random.seed(seed)


def make_strategy(job: dict[str, Any], folder: Path) -> Strategy:
    """Import the job's class and set its parameters."""
    wanted = job["strategy"]
    cls = load_class(folder, wanted["entry"], wanted.get("class_name"))
    return cls(**job.get("parameters") or {})


def _decide(job: dict[str, Any], folder: Path, bars: dict[str, pd.DataFrame]) -> Decisions:
    strategy = make_strategy(job, folder)
    try:
        return decide(strategy, bars, _progress_to(job.get("progress")))
    except BadDecisions as error:
        raise StrategyError(error.message, code="bad_decisions") from error


def _progress_to(path: str | None) -> Callable[[float], None] | None:
    """Write the share that is done, 0 to 1, as text into the file that the job names."""
    if path is None:
        return None
    return lambda share: _write(path, f"{share:.4f}".encode())


def _write(path: str, data: bytes) -> None:
    """Write in place: in the sandbox only the file itself is mounted, so it cannot be replaced.

    A half-written file is told by the exit code, which is 0 only after the whole was written.
    """
    Path(path).write_bytes(data)


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a thread that user code left running must not hold the process
