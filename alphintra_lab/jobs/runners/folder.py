"""A job's folder: what a run is given in it, and what its process leaves there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import msgspec

from ...sandbox import access, bubblewrap
from ...sandbox.limits import GIB, Limits
from ...sandbox.view import SHM, TMP
from ..schema import JobError
from . import RunSpec

ERROR_BYTES = 256 * 1024
"""An error report larger than this is not read."""
TEXT_LENGTH, FRAMES = 4_000, 60
NO_LIMIT = 24 * 3600.0
"""Seconds that one variant may take where a run has no limit."""
# What a strategy's process may say of itself; the rest is the runner's to tell.
OWN_CODES = ("strategy_error", "bad_decisions", "memory_limit")


def outputs(spec: RunSpec) -> tuple[str, ...]:
    """Names of the files that the process may write."""
    return (spec.product.name, "error.json", "progress")


def lay_out(spec: RunSpec) -> None:
    """Write `job.json` and the empty files for what comes out, each with its owner."""
    user = bubblewrap.choose_user(spec.job_id)
    out = spec.folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    for name in outputs(spec):
        (out / name).unlink(missing_ok=True)  # never a file of an earlier attempt
        file = os.open(out / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        if user.real:
            os.fchown(file, user.user, user.group)
        os.close(file)
    job: dict[str, Any] = {
        "strategy": {"folder": "/strategy", "entry": spec.entry, "class_name": spec.class_name},
        "parameters": spec.parameters,
        "bars": {symbol: place_of(i, symbol) for i, symbol in enumerate(spec.bars)},
        "dataset": spec.dataset,
        "end": spec.end,
        "out": f"/out/{spec.product.name}",
        "error": "/out/error.json",
        "progress": "/out/progress",
        "seed": spec.seed,
        "log_limit": spec.limits.log_bytes,
    }
    if spec.variants:
        job |= {
            "variants": msgspec.to_builtins(spec.variants),
            "budget": spec.budget,
            "seconds": spec.limits.seconds or NO_LIMIT,
            "scratch": [TMP, SHM],
        }
    path = spec.folder / "job.json"
    path.write_text(json.dumps(job))
    access.allow_reading(user, path, *spec.bars.values())
    access.allow_reading(user, *[spec.strategy_folder, *spec.strategy_folder.rglob("*")])


def place_of(position: int, symbol: str) -> str:
    """A symbol's file inside; symbols may hold any character, file names may not."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", symbol)[:40]
    return f"/data/{position:04d}-{safe}.parquet"


def read_progress(spec: RunSpec) -> float:
    """From 0 to 1; 0 for whatever else the process wrote there."""
    try:
        with (spec.folder / "out" / "progress").open("rb") as file:
            share = float(file.read(16))
    except (OSError, ValueError):
        return 0.0
    return share if 0 <= share <= 1 else 0.0


def read_error(path: Path) -> JobError | None:
    """What the process says of itself: untrusted, so of a known shape and a bounded size."""
    with path.open("rb") as file:
        data = file.read(ERROR_BYTES + 1)
    if not data or len(data) > ERROR_BYTES:
        return None
    try:
        error = msgspec.json.decode(data, type=JobError)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return msgspec.structs.replace(
        error,
        code=error.code if error.code in OWN_CODES else "strategy_error",
        message=error.message[:TEXT_LENGTH],
        text=error.text and error.text[:TEXT_LENGTH],
        traceback=error.traceback[:FRAMES],
    )


def show_memory(limits: Limits) -> str:
    """The limit, as an error names it."""
    return f"{limits.memory_bytes / GIB:g} GiB"


def out_of_memory(limits: Limits) -> JobError:
    """The error of a run that the machine stopped for its memory."""
    return JobError(
        "memory_limit",
        f"The strategy used all the memory that it may, {show_memory(limits)}, and was stopped. "
        "Work on fewer columns, or in smaller pieces.",
    )


def describe_end(code: int) -> str:
    """A process that ended without decisions and without a reason."""
    way_out = "See its log; a strategy must not end its own process."
    if code > 128:
        with contextlib.suppress(ValueError):
            name = signal.Signals(code - 128).name
            return f"The strategy's process was ended by {name} before it decided. {way_out}"
    if code == 1:  # Python's own, whoever failed
        return (
            "The strategy's process ended with exit code 1 and gave no reason. Its log may tell: "
            "either the strategy ended its own process, or the lab's part of it failed."
        )
    return f"The strategy's process ended itself with exit code {code} before it decided. {way_out}"
