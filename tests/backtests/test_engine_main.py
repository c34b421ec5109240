"""What the engine's process leaves of a run: tables in the job's folder, and a short summary."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from alphintra_lab.backtests.engine_main import summarise, write_tables
from alphintra_lab.backtests.schema import Refusal
from alphintra_lab.backtests.tables import read_frame, to_records
from alphintra_lab.engine.decisions import encode, weight_decisions
from alphintra_lab.engine.evaluate import Evaluation, evaluate
from alphintra_lab.engine.settings import Settings

BARS = 150


def refuse_every_bar(symbols: list[str], step: str = "1min") -> Evaluation:
    """Weights of 0.6 each, 1.2 together: refused for both symbols on every bar."""
    times = pd.date_range("2024-01-01", periods=BARS, freq=step, tz="UTC")
    fields = ("open", "high", "low", "close", "volume")
    bars = pd.DataFrame({(field, one): 100.0 for field in fields for one in symbols}, index=times)
    decisions = weight_decisions(symbols, np.full((BARS, len(symbols)), 0.6))
    return evaluate(bars, encode(decisions), Settings())


def test_of_many_refused_orders_the_summary_keeps_the_first_and_the_folder_all(
    tmp_path: Path,
) -> None:
    result = refuse_every_bar(["A", "B"])
    summary = summarise(result, Settings())["summary"]
    assert len(summary["refused"]) == 100
    assert summary["evidence"]["refused"] == 2 * BARS
    write_tables(result, tmp_path)
    kept = msgspec.convert(to_records(read_frame(tmp_path, "refused")), list[Refusal])
    assert len(kept) == 2 * BARS
    assert (kept[0].time, kept[0].symbol) == ("2024-01-01T00:00:00Z", "A")
    assert msgspec.convert(summary["refused"], list[Refusal]) == kept[:100]


def test_of_many_waiting_orders_the_summary_keeps_the_first_and_their_number() -> None:
    symbols = [f"S{number:03}" for number in range(120)]
    times = pd.date_range("2024-01-01", periods=3, freq="D", tz="UTC")
    fields = ("open", "high", "low", "close", "volume")
    bars = pd.DataFrame({(field, one): 100.0 for field in fields for one in symbols}, index=times)
    weights = np.full((3, 120), np.nan)
    weights[2] = 1 / 240
    result = evaluate(bars, encode(weight_decisions(symbols, weights)), Settings())
    summary = summarise(result, Settings())["summary"]
    assert (len(summary["pending"]), summary["pending_total"]) == (100, 120)


def test_a_refusal_between_two_seconds_says_so() -> None:
    result = refuse_every_bar(["A", "B"], "100ms")
    third = summarise(result, Settings())["summary"]["refused"][2]
    assert third["time"] == "2024-01-01T00:00:00.100000000Z"


def test_a_run_without_refusals_has_an_empty_table_of_them(tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=3, freq="D", tz="UTC")
    fields = ("open", "high", "low", "close", "volume")
    bars = pd.DataFrame({(field, "A"): 100.0 for field in fields}, index=times)
    decisions = encode(weight_decisions(["A"], np.full((3, 1), 0.5)))
    write_tables(evaluate(bars, decisions, Settings()), tmp_path)
    assert to_records(read_frame(tmp_path, "refused")) == []
