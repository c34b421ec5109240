"""What the API takes and gives for debug sessions."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec

State = Literal["starting", "running", "stopped", "ended", "failed"]
ACTIVE: tuple[State, ...] = ("starting", "running", "stopped")

MIME = "application/vnd.alphintra.debug+json"
"""How the run's answer comes out of the kernel; alphintra_lab.sdk.debugging says the same."""


class Breakpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to stop: before this line runs, if the condition, an expression in its frame, holds."""

    line: int
    file: str = "strategy.py"
    """Relative to the strategy's folder."""
    condition: str | None = None


class DebugCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run to be debugged. It is no backtest and no trial, and records nothing."""

    dataset: str
    """Name or id."""
    symbols: list[str] | None = None
    start: str | None = None
    """As in a backtest: earlier bars stay readable as warm-up; decisions are counted from here."""
    end: str | None = None
    """Excluded."""
    parameters: dict[str, Any] = {}
    breakpoints: Annotated[list[Breakpoint], msgspec.Meta(max_length=100)] = []
    stop_at_bar: str | None = None
    """The strategy sees the bars up to this one, as at its close, and stops at its first line."""
    stop_on_entry: bool = False
    """Stop at the strategy's first line."""


class DebugSettings(msgspec.Struct, frozen=True):
    """What a debug run is made with, after the defaults were filled in."""

    symbols: list[str]
    start: str | None
    end: str | None
    parameters: dict[str, Any]
    breakpoints: list[Breakpoint]
    """All of them, that at the first line included."""
    stop_at_bar: str | None


class DebugOutcome(msgspec.Struct, frozen=True):
    """How the run went, in the kernel's own words: they come from where user code runs."""

    kind: Literal["decisions", "error"]
    message: Annotated[str, msgspec.Meta(max_length=10_000)]
    traceback: Annotated[str, msgspec.Meta(max_length=50_000)] = ""
    file: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    line: int | None = None


class DebugSession(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel in the sandbox, ready for the debugger, and the run to be started in it."""

    id: str
    strategy_id: str
    strategy_name: str
    dataset_id: str
    dataset_name: str
    state: State
    """starting: no run has begun; running; stopped: at a line; ended and failed: it is over."""
    settings: DebugSettings
    folder: str
    """The strategy's folder as the kernel sees it: a breakpoint's file is below it."""
    code: str
    """The one cell that runs the strategy, once the breakpoints are set."""
    kernel_id: str | None
    session_id: str | None
    """Jupyter's own session, to connect to."""
    outcome: DebugOutcome | None
    message: str | None
    """Why it is over, where no outcome says it."""
    created_at: dt.datetime
    updated_at: dt.datetime
    ended_at: dt.datetime | None
