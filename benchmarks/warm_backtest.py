"""POST to finished result in a warm lab, against a fresh script that imports vectorbt."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.measure import Row, interleave, paired_ratio, seconds
from benchmarks.servers import Client, prepare_lab, running
from tests.engine.market_data import eurusd
from tests.faults.harness import Lab

BARS = 5_000
SECONDS = 2.0

SCRIPT = """
import sys
import pandas as pd
import vectorbt as vbt

bars = pd.read_csv(sys.argv[1], index_col="time", parse_dates=True)
close = bars["close"]
fast, slow = close.rolling(int(sys.argv[2])).mean(), close.rolling(30).mean()
up, down = fast > slow, fast < slow
portfolio = vbt.Portfolio.from_signals(
    close,
    entries=(up & ~up.shift(1, fill_value=False)).shift(1, fill_value=False),
    exits=(down & ~down.shift(1, fill_value=False)).shift(1, fill_value=False),
    price=bars["open"],
    init_cash=10_000,
    fees=0.0002,
    freq="1h",
)
print(portfolio.stats().to_json())
"""


def measure(repeats: int, say: Callable[[str], None]) -> list[Row]:
    """The moving-average cross over 5,000 hourly bars, each time with other parameters."""
    with tempfile.TemporaryDirectory(prefix="alphintra-bench-") as name:
        folder = Path(name)
        bars, script = folder / "bars.csv", folder / "script.py"
        write_bars(bars)
        script.write_text(SCRIPT)
        fast, theirs = itertools.count(3), itertools.count(3)
        with running(prepare_lab(folder / "lab"), "/ready") as lab:
            strategy = prepare_strategy(lab, bars)

            checked: list[float] = []

            def run_lab() -> float:
                result, end = time_backtest(lab, strategy, next(fast))
                checked.append(end)
                return result

            def run_script() -> float:
                return time_script(script, bars, next(theirs))

            run_lab(), run_lab(), run_script()  # warm from here on
            checked.clear()
            took = interleave(repeats, {"lab": run_lab, "script": run_script}, say)
    what = f"Warm backtest, {BARS:,} hourly bars, POST to"
    peer = f"a fresh script with vectorbt: {seconds(took['script'])}"
    return [
        Row(
            f"{what} the result with all metrics",
            seconds(took["lab"]),
            peer,
            f"{paired_ratio(took['lab'], took['script']):.2f} ×",
            f"≤ {SECONDS:g} s",
            statistics.median(took["lab"]) <= SECONDS,
        ),
        Row(f"{what} the end of all checks", seconds(checked), "the script checks nothing"),
    ]


def write_bars(path: Path) -> None:
    """The first hours of EURUSD as a CSV."""
    frame = eurusd(BARS).droplevel(1, axis="columns")
    pd.DataFrame(frame).to_csv(path, index_label="time")


def prepare_strategy(lab: Lab, bars: Path) -> str:
    """Upload the bars and make the strategy; its id."""
    answer = lab.request(
        "POST",
        "/api/datasets/upload",
        params={"name": "bench", "symbol": "EURUSD", "filename": "bars.csv"},
        content=bars.read_bytes(),
    )
    assert answer.is_success and answer.json()["dataset"]["rows"] == BARS, answer.text
    create = {"name": "Cross", "template": "sma_cross"}
    return str(lab.json("POST", "/api/strategies/code/create", create)["id"])


def time_backtest(lab: Lab, strategy: str, fast: int) -> tuple[float, float]:
    """Define and run; seconds until the result with all metrics is there, and the checks' end."""
    create = {
        "strategy_id": strategy,
        "dataset": "bench",
        "parameters": {"fast": fast, "slow": 30},
        "commission": 0.0002,
    }
    with Client(lab) as client:
        begin = time.perf_counter()
        backtest = client.post("/api/backtests", create)
        job = client.post(f"/api/backtests/{backtest['id']}/run")
        status, body = 409, b""
        while status == 409 and job["state"] in ("waiting", "running"):
            time.sleep(0.01)
            job = json.loads(client.get(f"/api/jobs/{job['id']}")[1])
            status, body = client.get(f"/api/backtests/{backtest['id']}/results")
        result = time.perf_counter() - begin
        assert status == 200, body
        assert json.loads(body)["backtest"]["metrics"]["trades"] > 10
        while job["state"] in ("waiting", "running"):
            time.sleep(0.05)
            job = json.loads(client.get(f"/api/jobs/{job['id']}")[1])
        assert job["state"] == "succeeded", job
        return result, time.perf_counter() - begin


def time_script(script: Path, bars: Path, fast: int) -> float:
    """The same by hand, in a process of its own."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), str(bars), str(fast)], capture_output=True, check=True
    )
    took = time.perf_counter() - begin
    assert json.loads(done.stdout)["Total Trades"] > 10
    return took
