"""`python -m alphintra_lab.backtests.engine_main`: what engine_process.py starts.

It reads a request a line, and answers a line: files are read and written here, so that `engine/`
stays pure. It loads vectorbt first, and ends when its input does.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from ..engine.cuts import choose_cuts, decision_rows, plan_variants
from ..engine.decisions import BadDecisions, Decisions, decode
from ..engine.evaluate import Evaluation, evaluate, warm_up
from ..engine.market import column_symbols, read_market
from ..engine.outcomes import read_outcomes
from ..engine.rechecks import recheck
from ..engine.settings import Settings
from ..engine.simulate import Refusal
from ..engine.variants import Variant
from ..jobs.schema import JobError
from ..processes import die_with_parent
from ..sdk.bars import assemble, cut, read_bars
from .tables import format_times, to_records, write_frame

LARGEST_DECISIONS = 512 * 1024 * 1024
SPARKLINE = 40
KEPT_REFUSALS = 100
"""So many are kept in the database, which every list of runs reads; the folder has them all."""
VERSIONS = ("alphintra-lab", "vectorbt", "vectorbt-rust", "numpy", "pandas", "numba", "ta-lib")


def main() -> None:
    """Serve requests until standard input ends."""
    die_with_parent()
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warm_up()
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run one request; an error that the user can mend becomes a `JobError`."""
    try:
        return judge(request) if request["do"] == "check" else run(request)
    except BadDecisions as error:
        return {"error": msgspec.to_builtins(JobError("bad_decisions", error.message))}
    except (OSError, MemoryError, ValueError) as error:
        return {"error": msgspec.to_builtins(_explain(error))}


def _explain(error: OSError | MemoryError | ValueError) -> JobError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return JobError(
            "disk_full",
            "The disk is full: the result could not be written. Free some space and run it "
            "again; nothing else was lost.",
        )
    if isinstance(error, MemoryError):
        return JobError("memory_limit", "The simulation needs more memory than this machine has.")
    return JobError("engine_error", f"The engine cannot run this: {error}")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Evaluate decisions over bars; tables go to the job's folder, the summary is the answer."""
    bars, settings = read_run(request)
    overridden = request["data"]["errors_overridden"]
    result = evaluate(bars, read_decisions(request), settings, overrides=overridden)
    write_tables(result, Path(request["folder"]))
    variants = plan(bars, decode_decisions(request, bars), settings, int(request["seed"]))
    return summarise(result, settings) | {"variants": msgspec.to_builtins(variants)}


def judge(request: dict[str, Any]) -> dict[str, Any]:
    """Compare what a strategy decided when it ran again; the checks, and what to run once more.

    `reruns` are pairs of variants and the file that a sandbox wrote for them.
    """
    bars, settings = read_run(request)
    recorded = decode_decisions(request, bars)
    asked = [(msgspec.convert(v, list[Variant]), Path(path)) for v, path in request["reruns"]]
    outcomes = [one for v, path in asked for one in read_outcomes(path, v, recorded)]
    planned = sum(variant.mode == "truncate" for variant in asked[0][0])
    checks, again = recheck(
        bars,
        recorded,
        settings,
        outcomes,
        ledger_sha256=request["ledger_sha256"],
        planned=planned,
        elsewhere=request["elsewhere"],
        suspects=request["suspects"],
        trouble=request["trouble"],
    )
    return {"checks": msgspec.to_builtins(checks), "again": msgspec.to_builtins(again)}


def plan(bars: pd.DataFrame, decisions: Decisions, settings: Settings, seed: int) -> list[Variant]:
    """What to run again for the checks."""
    market = read_market(bars, settings)
    decided = decision_rows(decisions, market)
    return plan_variants(market, choose_cuts(decided, market.start, market.rows, seed))


def read_run(request: dict[str, Any]) -> tuple[pd.DataFrame, Settings]:
    """The bars that the strategy saw, and the engine's settings."""
    wanted = request["settings"]
    frames = {s: cut(read_bars(p), end=wanted["end"]) for s, p in request["bars"].items()}
    bars = assemble(dict(sorted(frames.items())))
    return bars, engine_settings(wanted, request["data"])


def read_decisions(request: dict[str, Any]) -> bytes:
    """The run's encoded decisions, if they are not too large to be true."""
    path = Path(request["decisions"])
    if path.stat().st_size > LARGEST_DECISIONS:
        raise BadDecisions(
            f"The decisions are {path.stat().st_size:,} bytes; {LARGEST_DECISIONS:,} are allowed."
        )
    return path.read_bytes()


def decode_decisions(request: dict[str, Any], bars: pd.DataFrame) -> Decisions:
    """The run's decisions, checked."""
    return decode(read_decisions(request), bars=len(bars), symbols=column_symbols(bars))


def engine_settings(wanted: dict[str, Any], data: dict[str, Any]) -> Settings:
    """The run's settings and what the instruments say, as the engine takes them."""
    instruments = [i for i in data["instruments"] if i["symbol"] in wanted["symbols"]]
    start = pd.Timestamp(wanted["start"]).to_pydatetime() if wanted["start"] else None
    return Settings(
        cash=wanted["cash"],
        commission=wanted["commission"],
        slippage_bps=wanted["slippage_bps"],
        fill=wanted["fill"],
        whole_shares=wanted["whole_shares"],
        lots={i["symbol"]: i["lot"] for i in instruments},
        ticks={i["symbol"]: i["tick"] for i in instruments},
        adjusted=any(i["adjusted"] for i in instruments),
        start=start,
        periods_per_year=data["periods_per_year"],
        currency=instruments[0]["currency"],
    )


def write_tables(result: Evaluation, folder: Path) -> None:
    """Orders, refused ones, trades, equity (with benchmark and drawdown) and the ledger."""
    run = result.simulation
    equity = pd.DataFrame({"time": run.equity.index, "equity": run.equity.to_numpy()})
    start = float(result.evidence.settings.cash)
    peak = np.maximum(np.maximum.accumulate(equity["equity"].to_numpy()), start)
    equity["drawdown"] = equity["equity"].to_numpy() / peak - 1
    equity["benchmark"] = result.benchmark.equity.reindex(run.equity.index).to_numpy()
    write_frame(equity, folder, "equity")
    write_frame(run.orders, folder, "orders")
    write_frame(run.trades, folder, "trades")
    write_frame(list_refusals(run.refused), folder, "refused")
    part = folder / "ledger.part"
    part.write_text(run.ledger)
    part.replace(folder / "ledger.txt")


def summarise(result: Evaluation, settings: Settings) -> dict[str, Any]:
    """What the database keeps of a run."""
    run = result.simulation
    values = run.equity.to_numpy()
    chosen = np.unique(np.linspace(0, len(values) - 1, SPARKLINE).astype(int))
    trades = len(run.trades)
    return {
        "metrics": result.metrics,
        "checks": msgspec.to_builtins(result.checks),
        "verdict": msgspec.to_builtins(result.verdict),
        # A drawing of 18 pixels, sent 50 times with a list: six digits do.
        "sparkline": [float(f"{value:.6g}") for value in values[chosen]],
        "ledger_sha256": run.ledger_sha256,
        "decisions_sha256": run.decisions_sha256,
        "versions": {name: version(name) for name in VERSIONS} | {"python": sys.version.split()[0]},
        "summary": {
            "final_equity": float(values[-1]),
            "currency": settings.currency,
            "benchmark": result.benchmark_metrics,
            "benchmark_label": result.benchmark_label,
            "trades": trades,
            "closed_trades": int((run.trades["status"] == "closed").sum()) if trades else 0,
            "refused": to_records(list_refusals(run.refused[:KEPT_REFUSALS])),
            "pending": to_records(list_refusals(run.pending[:KEPT_REFUSALS])),
            "pending_total": len(run.pending),
            "decision_counts": run.decision_counts,
            "stale": dict(zip(run.stale, format_times(_times(run.stale.values())), strict=True)),
            "evidence": _evidence(result),
        },
    }


def _evidence(result: Evaluation) -> dict[str, Any]:
    """What the verdict is made from, without what the row has in columns of its own."""
    rest = msgspec.structs.replace(result.evidence, metrics={}, checks={})
    built: dict[str, Any] = msgspec.to_builtins(rest)
    return built


def list_refusals(refusals: Sequence[Refusal]) -> pd.DataFrame:
    """Refused or pending orders as a table."""
    frame = pd.DataFrame(refusals, columns=list(Refusal._fields))
    return frame.assign(time=_times(frame["time"]))


def _times(times: Iterable[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
    return pd.Series(list(times), dtype="datetime64[ns, UTC]")


if __name__ == "__main__":
    main()
