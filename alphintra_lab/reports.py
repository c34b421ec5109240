"""What the command line prints: objects for programs (their JSON Schemas are in `schemas/`), and
text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .datasets.schema import Dataset, DatasetDetail, Report
from .jobs.schema import Frame, JobError

if TYPE_CHECKING:
    from .backtests.schema import Result


CHECKS = {
    "look_ahead": "Look-ahead",
    "warm_up": "Warm-up",
    "determinism": "Determinism",
    "sanity": "Books balance",
}


class DatasetList(msgspec.Struct, frozen=True):
    """`dataset list`: all of them, by name."""

    items: list[Dataset]


class Exported(msgspec.Struct, frozen=True):
    """`dataset export`: the file that was written."""

    file: str
    rows: int


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a command failed: the API's error object; a strategy's error says where and how, too."""

    message: str
    code: str
    field: str | None = None
    exception: str | None = None
    """The exception's type."""
    text: str | None = None
    """The exception's own text."""
    file: str | None = None
    """Relative to the strategy's folder."""
    line: int | None = None
    traceback: list[Frame] = []


class RunFailed(Exception):
    """A run ended without a result."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.failure = msgspec.convert(msgspec.to_builtins(error), Failure)


def describe_failure(failure: Failure) -> str:
    """An error for a terminal: the sentence, then the user's own lines that led to it."""
    lines = [f"alphintra-lab: {failure.message}"]
    for frame in failure.traceback:
        lines.append(f"  {frame.file}, line {frame.line}, in {frame.function}")
        lines.append(f"    {frame.text}")
    return "\n".join(lines)


def describe_row(one: Dataset) -> str:
    """A dataset in one line."""
    symbols = f"{len(one.symbols)} symbol{'' if len(one.symbols) == 1 else 's'}"
    return (
        f"{one.name:<20} {symbols:>10} {one.rows:>9,} rows  {one.frequency:<5} "
        f"{one.start:%Y-%m-%d} to {one.end:%Y-%m-%d}  score {one.score:.2f}"
    )


def describe_dataset(detail: DatasetDetail) -> str:
    """A dataset with what is known of it."""
    one = detail.dataset
    lines = [
        describe_row(one),
        f"  version {one.version}, sha256 {one.sha256}",
        f"  symbols {', '.join(one.symbols)}; columns {', '.join(one.columns)}",
        f"  {one.source}",
        *(f"  {note}" for note in one.notes),
        describe_report(detail.report),
    ]
    return "\n".join(lines)


def describe_report(report: Report) -> str:
    """A quality report."""
    lines = [f"score {report.score:.2f}"]
    lines += [f"  {f.severity}: {f.check}, {f.count} rows: {f.message}" for f in report.findings]
    return "\n".join(lines if report.findings else [*lines, "  nothing found"])


def describe_result(result: Result) -> str:
    """A run: the verdict before the numbers, and after them how hard the checks looked."""
    metrics = result.metrics

    def show(name: str, form: str) -> str:
        value = metrics.get(name)
        text = "–" if value is None else format(value, form)
        return text.replace("-", "−").replace("%", " %")

    rows = [
        ("Return", show("total_return", "+.1%")),
        ("CAGR", show("cagr", "+.1%")),
        ("Sharpe", show("sharpe", ".2f")),
        ("Max drawdown", show("max_drawdown", ".1%")),
        ("Trades", show("trades", ".0f")),
        ("Buy and hold", show("benchmark_return", "+.1%")),
        ("Final equity", f"{result.final_equity:,.2f}"),
        ("Ledger", result.ledger_sha256),
    ]
    lines = [f"run {result.number}  {result.verdict}", ""]
    lines += [f"  {name:<14}{value}" for name, value in rows]
    return "\n".join([*lines, "", *(_describe_check(result, name) for name in CHECKS)])


def _describe_check(result: Result, name: str) -> str:
    """How a check ended, and how hard it looked."""
    check = result.checks[name]
    ended = {True: "passed", False: "failed", None: "not assessed"}[check.passed]
    return f"  {CHECKS[name]:<14}{ended}. {check.power}".rstrip()
