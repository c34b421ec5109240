"""What the API takes and gives for strategies."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec


class Parameter(msgspec.Struct, frozen=True):
    """One `param(...)` of a strategy, as read from its source."""

    name: str
    kind: Literal["int", "float", "bool", "choice"]
    default: Any
    low: int | float | None = None
    high: int | float | None = None
    choices: list[Any] | None = None
    line: int = 0


class Problem(msgspec.Struct, frozen=True):
    """Something found by reading the code, never by running it. Lines and columns count from 1."""

    severity: Literal["error", "warning"]
    code: str
    message: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    repair: str | None = None
    """The text that would stand in place of the marked range, if there is one safe repair."""


class Outline(msgspec.Struct, frozen=True):
    """What a strategy's source declares: the answer of the static check."""

    class_name: str | None = None
    doc: str = ""
    kind: Literal["signals", "weights"] | None = None
    universe: bool = False
    parameters: list[Parameter] = []
    problems: list[Problem] = []


class StrategyCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new strategy, from a template (its id) or from code. Without either: the blank strategy."""

    name: str
    template: str | None = None
    code: str | None = None


class StrategyCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New text for `strategy.py`."""

    code: str


class StrategyCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Code to be checked as it is typed; nothing is stored."""

    code: str


class StrategyUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new name; the folder keeps its place."""

    name: str


class LastResult(msgspec.Struct, frozen=True):
    """A strategy's newest finished backtest, as a row shows it."""

    backtest_id: str
    number: int
    dataset: str
    ended_at: dt.datetime
    icon: str
    verdict: str
    """The verdict in a few words."""
    total_return: float | None
    sharpe: float | None
    max_drawdown: float | None
    sparkline: list[float]


class Strategy(msgspec.Struct, frozen=True):
    """A strategy: a folder in the workspace with `strategy.py` in it."""

    id: str
    name: str
    family_id: str
    folder: str
    """Relative to the workspace's root, or absolute when it lies outside."""
    entry: str
    """The file with the class, relative to the folder: `strategy.py`."""
    notebook: str | None
    template: str | None
    outline: Outline
    version: int | None
    """The newest version's number; None before the first run or save."""
    trials: int
    last_result: LastResult | None
    missing: bool
    """The folder is gone from the workspace; the versions are still here."""
    created_at: dt.datetime
    updated_at: dt.datetime


class StrategyVersion(msgspec.Struct, frozen=True):
    """An immutable snapshot of every file of the folder that a run can import."""

    id: str
    strategy_id: str
    number: int
    sha256: str
    files: list[str]
    created_at: dt.datetime


class StrategySource(msgspec.Struct, frozen=True):
    """A version with the text of its files."""

    version: StrategyVersion
    entry: str
    files: dict[str, str]


class FileDiff(msgspec.Struct, frozen=True):
    """One file's change between two versions, as a unified diff."""

    path: str
    change: Literal["added", "removed", "changed"]
    diff: str


class VersionDiff(msgspec.Struct, frozen=True):
    """What changed from version `a` to version `b` (numbers)."""

    a: int
    b: int
    files: list[FileDiff]


class StrategyTemplate(msgspec.Struct, frozen=True):
    """A template: what it teaches, and the data it runs on."""

    id: str
    title: str
    subtitle: str
    """Two or three words: `trend · signals`."""
    summary: str
    class_name: str
    dataset: str
    thumbnail: str
    """An SVG document."""


class StrategyExecute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Run the strategy's code over a dataset and keep its decisions; no backtest."""

    dataset: str
    symbols: list[str] | None = None
    start: str | None = None
    end: str | None = None
    parameters: dict[str, Any] = {}
