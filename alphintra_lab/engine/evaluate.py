"""The whole of a run in one call: simulation, benchmark, metrics, checks and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd

from .check import Check, unchecked
from .checks import sanity
from .decisions import Decisions, decode, encode, signal_decisions, weight_decisions
from .market import column_symbols
from .metrics import buy_and_hold, metrics
from .settings import Settings
from .simulate import Simulation, simulate
from .verdict import STATED_COST, Evidence, Verdict, verdict


@dataclass(frozen=True)
class Evaluation:
    """All that is known of a run; `evidence` makes the verdict anew when a check is added."""

    simulation: Simulation
    benchmark: Simulation
    benchmark_label: str
    metrics: dict[str, float | None]
    benchmark_metrics: dict[str, float | None]
    checks: dict[str, Check]
    evidence: Evidence
    verdict: Verdict


def evaluate(
    bars: pd.DataFrame,
    data: bytes,
    settings: Settings,
    *,
    checks: Mapping[str, Check] | None = None,
    overrides: Sequence[str] = (),
) -> Evaluation:
    """Judge encoded decisions over bars (columns (field, symbol), as the strategy saw them).

    `checks` are those that ran the strategy again; what is missing counts as not assessed.
    `overrides` name the data errors that were accepted. Raises BadDecisions or ValueError.
    """
    symbols = column_symbols(bars)
    decisions = decode(data, bars=len(bars), symbols=symbols)
    run = simulate(bars, decisions, settings)
    benchmark = buy_and_hold(bars, settings)
    numbers = _measure(run, settings, benchmark)
    made = {**unchecked(), **(checks or {}), "sanity": sanity(run, settings)}
    evidence = Evidence(
        metrics=numbers,
        checks=made,
        settings=settings,
        overrides=list(overrides),
        next_open_return=_next_open_return(bars, decisions, settings),
        return_at_stated_cost=_return_at_stated_cost(bars, decisions, settings),
        decision_counts=run.decision_counts,
        refused=len(run.refused),
        ruined=None if run.ruined is None else f"{run.ruined.day} {run.ruined:%b %Y}",
    )
    return Evaluation(
        simulation=run,
        benchmark=benchmark,
        benchmark_label=_label(symbols),
        metrics=numbers,
        benchmark_metrics=_measure(benchmark, settings, None),
        checks=made,
        evidence=evidence,
        verdict=verdict(evidence),
    )


def warm_up() -> None:
    """Pay for imports and first calls: evaluate a few bars in every way there is."""
    times = pd.date_range("2024-01-01", periods=8, freq="D", tz="UTC")
    prices = 100.0 + np.arange(8.0)
    symbols = ["A", "B"]
    fields = ("open", "high", "low", "close", "volume")
    bars = pd.DataFrame({(field, one): prices for field in fields for one in symbols}, index=times)
    entries = np.tile((np.arange(8) % 4 == 1)[:, None], (1, 2))
    exits = np.tile((np.arange(8) % 4 == 3)[:, None], (1, 2))
    tried: list[Decisions] = [
        signal_decisions(symbols, entries, exits),
        signal_decisions(symbols, entries, exits, exits, entries, size=0.5),
        weight_decisions(symbols, np.full((8, 2), 0.4)),
    ]
    for decisions in tried:
        evaluate(bars, encode(decisions), Settings())
        evaluate(bars, encode(decisions), Settings(fill="unsafe_same_close", whole_shares=True))


def _measure(
    run: Simulation, settings: Settings, benchmark: Simulation | None
) -> dict[str, float | None]:
    equity = None if benchmark is None else benchmark.equity
    return metrics(run.equity, run.trades, run.orders, run.positions, settings, equity)


def _next_open_return(bars: pd.DataFrame, decisions: Decisions, settings: Settings) -> float | None:
    if settings.fill == "next_open":
        return None
    return _return(bars, decisions, msgspec.structs.replace(settings, fill="next_open"))


def _return_at_stated_cost(
    bars: pd.DataFrame, decisions: Decisions, settings: Settings
) -> float | None:
    if not settings.free_of_costs:
        return None
    return _return(bars, decisions, msgspec.structs.replace(settings, commission=STATED_COST))


def _return(bars: pd.DataFrame, decisions: Decisions, settings: Settings) -> float:
    run = simulate(bars, decisions, settings)
    return float(run.equity.iloc[-1]) / settings.cash - 1


def _label(symbols: Sequence[str]) -> str:
    what = symbols[0] if len(symbols) == 1 else f"{len(symbols)} symbols in equal parts"
    return f"buy and hold {what}, same costs"
