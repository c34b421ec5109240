"""A job: whatever runs, its state, and how it ended."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec

State = Literal["waiting", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["backtest", "execute"]


class Frame(msgspec.Struct, frozen=True):
    """One line of a traceback, in the user's own files."""

    file: str
    line: int
    function: str
    text: str


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed. For an error in the user's code: exception, text and line."""

    code: str
    """`strategy_error`, `bad_decisions`, `memory_limit`, `time_limit`, `process_died`,
    `bad_window`, `data_deleted`, `engine_error`, `worker_lost` or `disk_full`."""
    message: str
    """One or two sentences: what happened, and the way out."""
    exception: str | None = None
    text: str | None = None
    file: str | None = None
    line: int | None = None
    traceback: list[Frame] = []


class Job(msgspec.Struct, frozen=True):
    """A job as the API gives it."""

    id: str
    kind: Kind
    subject_id: str
    """The backtest's or the strategy's id."""
    title: str
    state: State
    progress: float
    """From 0 to 1."""
    step: str
    """What it does now, in a word or two: `decisions`, `metrics`, `checks, cut 40 of 64`."""
    steps: dict[str, float]
    """Seconds spent in each finished step."""
    place: int | None
    """1 for the next in the queue; None when it does not wait."""
    attempt: int
    error: JobError | None
    result: dict[str, Any] | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None


class JobLog(msgspec.Struct, frozen=True):
    """What the user's code printed, up to the log's limit."""

    text: str
    truncated: bool
