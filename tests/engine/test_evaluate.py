from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.engine.check import Check
from alphintra_lab.engine.decisions import (
    BadDecisions,
    encode,
    signal_decisions,
    weight_decisions,
)
from alphintra_lab.engine.evaluate import evaluate, warm_up
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import simulate
from tests.engine.market_data import eurusd, make_bars

PASSED = Check(passed=True, findings=[], power="64 cuts")


def cross(bars: pd.DataFrame) -> bytes:
    close = bars["close", "EURUSD"]
    fast, slow = close.rolling(10).mean(), close.rolling(30).mean()
    return encode(signal_decisions(["EURUSD"], fast > slow, fast < slow))


def test_one_call_gives_everything_about_a_run() -> None:
    bars = eurusd(500)
    done = evaluate(bars, cross(bars), Settings(commission=0.0002, periods_per_year=6240))
    assert done.metrics["bars"] == 500 and done.metrics["beta"] is not None
    assert done.metrics["benchmark_return"] == done.benchmark_metrics["total_return"]
    assert done.benchmark_label == "buy and hold EURUSD, same costs"
    assert done.checks["sanity"].passed is True
    assert done.verdict.rule == "not_verified"


def test_checks_that_ran_elsewhere_make_another_verdict() -> None:
    bars = eurusd(500)
    done = evaluate(bars, cross(bars), Settings(), checks={"look_ahead": PASSED})
    assert done.checks["look_ahead"] is PASSED
    assert done.verdict.rule == "no_costs"


def test_the_return_at_the_stated_cost_is_that_of_a_run_with_it() -> None:
    bars = eurusd(500)
    close = bars["close", "EURUSD"]
    fast, slow = close.rolling(10).mean(), close.rolling(30).mean()
    run = simulate(
        bars, signal_decisions(["EURUSD"], fast > slow, fast < slow), Settings(commission=0.0002)
    )
    expected = run.equity.iloc[-1] / 10_000 - 1
    done = evaluate(bars, cross(bars), Settings())
    assert done.evidence.return_at_stated_cost == pytest.approx(expected, rel=1e-12)
    assert (
        evaluate(bars, cross(bars), Settings(slippage_bps=1)).evidence.return_at_stated_cost is None
    )


def test_an_unsafe_run_knows_what_the_next_open_gives() -> None:
    bars = make_bars({"X": [10.0, 20, 20]}, {"X": [10.0, 20, 20]})
    data = encode(signal_decisions(["X"], [True, False, False], [False] * 3))
    done = evaluate(bars, data, Settings(fill="unsafe_same_close"), checks={"look_ahead": PASSED})
    assert done.metrics["total_return"] == pytest.approx(1.0)
    assert done.evidence.next_open_return == pytest.approx(0.0)
    assert done.verdict.text.endswith("At the next open the return is 0.0 %, not +100.0 %.")


def test_a_run_without_decisions_is_judged_too() -> None:
    bars = make_bars({"A": [10.0] * 5, "B": [10.0] * 5})
    data = encode(weight_decisions(["A", "B"], np.full((5, 2), np.nan)))
    done = evaluate(bars, data, Settings(), checks={"look_ahead": PASSED})
    assert done.simulation.orders.empty and done.metrics["total_return"] == 0
    assert done.benchmark_label == "buy and hold 2 symbols in equal parts, same costs"


def test_one_bar_is_enough() -> None:
    bars = make_bars({"X": [10.0]})
    data = encode(signal_decisions(["X"], [True], [False]))
    done = evaluate(bars, data, Settings())
    assert done.metrics["total_return"] == 0 and len(done.simulation.pending) == 1


def test_bytes_out_of_the_sandbox_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadDecisions):
        evaluate(eurusd(100), cross(eurusd(99)), Settings())


def test_five_thousand_bars_are_evaluated_warm_in_well_under_a_third_of_a_second() -> None:
    bars = eurusd()
    data = cross(bars)
    warm_up()
    spent = []
    for _ in range(3):
        begin = time.perf_counter()
        evaluate(bars, data, Settings(periods_per_year=6240))
        spent.append(time.perf_counter() - begin)
    assert min(spent) < 0.3


def test_the_engine_imports_nothing_of_the_server() -> None:
    code = (
        "import sys, alphintra_lab.engine.evaluate\n"
        "server = {'tornado', 'jupyter_server', 'traitlets', 'sqlalchemy', 'mlflow'}\n"
        "assert not server & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
