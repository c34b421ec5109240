"""What the API takes and gives for backtests. `Result` is also what the command line prints."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec

from ..jobs.schema import Job

Fill = Literal["next_open", "unsafe_same_close"]


class BacktestCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backtest to be defined. A None takes the instrument's own value, or none."""

    strategy_id: str
    dataset: str
    """Name or id."""
    symbols: list[str] | None = None
    start: str | None = None
    """First bar's open time that may trade; earlier bars stay readable as warm-up."""
    end: str | None = None
    """Excluded."""
    parameters: dict[str, Any] = {}
    cash: float = 10_000.0
    commission: float | None = None
    """Fraction of the traded value, each side."""
    slippage_bps: float | None = None
    fill: Fill = "next_open"
    whole_shares: bool = False
    overrides: list[str] = []
    """Data checks whose errors are accepted, by name."""


class Settings(msgspec.Struct, frozen=True):
    """What a run was made with, after the defaults were filled in."""

    symbols: list[str]
    start: str | None
    end: str | None
    parameters: dict[str, Any]
    cash: float
    commission: float
    slippage_bps: float
    fill: Fill
    whole_shares: bool
    overrides: list[str]


class Verdict(msgspec.Struct, frozen=True):
    """The sentence that judges a run."""

    icon: Literal["clock", "octagon", "triangle", "circle", "tick"]
    rule: str
    title: str
    """The bold words: `Before costs.`"""
    text: str
    """The rest of the sentence."""
    short: str
    """Six words at most, for a table."""


class Check(msgspec.Struct, frozen=True):
    """One check: passed (null: not assessable), what it found, how hard it looked."""

    passed: bool | None
    findings: list[str]
    power: str


class Order(msgspec.Struct, frozen=True):
    """One fill. `time` is the open time of the bar it filled on."""

    time: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: float
    price: float
    commission: float
    rule: str
    decided: str
    """Open time of the bar at whose close it was decided."""


class Refusal(msgspec.Struct, frozen=True):
    """An order that was not placed, and why."""

    time: str
    symbol: str
    side: str
    quantity: float
    reason: str


class Trade(msgspec.Struct, frozen=True):
    """A position from entry to exit (or to the last close, `open`). PnL is net of costs."""

    number: int
    symbol: str
    side: Literal["long", "short"]
    status: Literal["open", "closed"]
    quantity: float
    entry_time: str
    entry_price: float
    exit_time: str
    exit_price: float
    bars: int
    costs: float
    pnl: float
    pnl_fraction: float
    entry_rule: str
    exit_rule: str


class Point(msgspec.Struct, frozen=True):
    """Equity at a bar's close; `time` is the bar's open time."""

    time: str
    value: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run. Metrics are fractions, drawdowns negative, undefined numbers null."""

    id: str
    number: int
    verdict: str
    metrics: dict[str, float | None]
    orders: list[Order]
    refused: list[Refusal]
    trades: list[Trade]
    equity: list[Point]
    final_equity: float
    checks: dict[str, Check]
    ledger_sha256: str
    decisions_sha256: str
    dataset_sha256: str
    strategy_sha256: str
    settings: Settings
    versions: dict[str, str]


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """A defined backtest and, once it has run, the summary of its result."""

    id: str
    number: int
    """`run 41`: counted in each workspace."""
    strategy_id: str
    strategy_name: str
    strategy_version: int | None
    dataset_id: str
    dataset_name: str
    dataset_version: int
    settings: Settings
    job: Job | None
    verdict: Verdict | None
    metrics: dict[str, float | None] | None
    sparkline: list[float]
    mlflow_run_id: str | None
    created_at: dt.datetime
    updated_at: dt.datetime


class Curve(msgspec.Struct, frozen=True):
    """Equity, benchmark and drawdown for a chart, thinned to the number of points asked for.

    `time`: bar's open in milliseconds since 1970 UTC. Each thinned stretch keeps its extremes.
    """

    time: list[int]
    equity: list[float]
    benchmark: list[float | None]
    drawdown: list[float]


class BacktestResults(msgspec.Struct, frozen=True, kw_only=True):
    """What the result page draws: only what the run stored."""

    backtest: Backtest
    dataset_rows: int
    first_bar: dt.datetime
    last_bar: dt.datetime
    currency: str
    checks: dict[str, Check]
    benchmark: dict[str, float | None]
    """The benchmark's own metrics (buy and hold, same costs)."""
    benchmark_label: str
    curve: Curve
    trades_total: int
    trades_closed: int
    refused: list[Refusal]
    """The first 100."""
    refused_total: int
    pending: list[Refusal]
    """Decisions that found no later bar to fill on: the first 100."""
    pending_total: int
    decision_counts: dict[str, int]
    """How often each kind of decision was taken, to explain a run without trades."""
    ledger_sha256: str
    dataset_sha256: str
    strategy_sha256: str
    versions: dict[str, str]
