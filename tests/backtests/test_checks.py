"""The checks of real runs: numbers first, then a verdict that says what was found."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backtests.test_backtests import CROSS, body_of
from tests.faults.conftest import wait_for_end
from tests.faults.harness import Lab, wait_until
from tests.faults.test_kills import worker_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Create = Callable[..., dict[str, Any]]
COSTS = {"commission": 0.0001}


def results_of(lab: Lab, job: dict[str, Any]) -> dict[str, Any]:
    assert job["state"] == "succeeded", job["error"]
    answer: dict[str, Any] = lab.json("GET", f"/api/backtests/{job['subject_id']}/results")
    return answer


def test_an_honest_run_passes_all_checks_and_goes_on_to_the_later_rules(
    lab: Lab, run: Create
) -> None:
    job = run(CROSS, **COSTS)
    results = results_of(lab, job)
    assert {name: check["passed"] for name, check in results["checks"].items()} == {
        "look_ahead": True,
        "warm_up": True,
        "determinism": True,
        "sanity": True,
    }
    assert results["checks"]["look_ahead"]["power"].startswith("64 histories cut, ")
    assert results["backtest"]["verdict"]["rule"] in ("too_short", "in_sample", "not_proven")
    assert set(job["steps"]) == {"queued", "decisions", "metrics", "checks"}
    left = {path.name for path in (lab.home / "jobs" / job["id"]).iterdir()}
    assert not [name for name in left if name.startswith("reruns-")]


def test_a_leak_is_in_the_verdict_with_bar_column_and_line(lab: Lab, run: Create) -> None:
    code = CROSS.replace("entries=fast > slow", 'entries=bars["close"].shift(-1) > bars["close"]')
    results = results_of(lab, run(code, **COSTS))
    verdict = results["backtest"]["verdict"]
    assert (verdict["icon"], verdict["title"]) == ("octagon", "Do not trust these numbers.")
    assert verdict["text"].startswith("The strategy reads the future: ")
    line = 1 + code.splitlines().index(next(x for x in code.splitlines() if "shift(-1)" in x))
    assert verdict["text"].endswith(f", column close, through strategy.py line {line}.")
    assert results["checks"]["look_ahead"]["passed"] is False
    assert results["backtest"]["metrics"]["trades"] > 0, "the result stays"


def test_leaking_weights_over_several_symbols(lab: Lab, run: Create) -> None:
    code = body_of(
        "weights",
        "best = bars['close'].pct_change().shift(-1).rank(axis=1, ascending=False)\n"
        "return (best == 1).astype(float)",
    )
    results = results_of(lab, run(code, "us-stocks-1d", **COSTS))
    found = results["checks"]["look_ahead"]
    assert found["passed"] is False
    assert "column close" in found["findings"][0]


def test_chance_is_not_verified(lab: Lab, run: Create) -> None:
    code = body_of(
        "signals",
        "r = np.random.default_rng().random(len(bars))\nreturn Signals(r > 0.9, r < 0.1)",
    )
    results = results_of(lab, run(code, **COSTS))
    verdict = results["backtest"]["verdict"]
    assert verdict["title"].startswith("Not verified")
    assert verdict["text"].startswith("Look-ahead: not assessed. Identical runs decide differently")
    assert results["checks"]["look_ahead"]["passed"] is None
    assert results["checks"]["determinism"]["passed"] is False


def test_counting_bars_from_the_start_is_not_verified(lab: Lab, run: Create) -> None:
    code = body_of("signals", "n = np.arange(len(bars)) % 100\nreturn Signals(n == 0, n == 50)")
    verdict = results_of(lab, run(code, **COSTS))["backtest"]["verdict"]
    assert verdict["title"].startswith("Not verified")
    assert verdict["text"].startswith("Warm-up: ")


SLOW_AGAIN = body_of(
    "signals",
    "import time\n"
    "if os.path.exists('/out/reruns.msgpack'): time.sleep(0.5)\n"
    "up = bars['close'] > bars['close'].shift(5)\nreturn Signals(up, ~up)",
)


def wait_for_cuts(lab: Lab, job: dict[str, Any]) -> dict[str, Any]:
    """The job, once some cuts are made."""

    def made() -> dict[str, Any] | None:
        now: dict[str, Any] = lab.json("GET", f"/api/jobs/{job['id']}")
        assert now["state"] in ("waiting", "running"), now
        return now if now["step"].startswith("checks, cut ") else None

    return wait_until(made, "cuts are made", timeout=60)


def test_numbers_are_there_while_the_checks_run_and_stay_when_they_are_cancelled(
    lab: Lab, create: Create
) -> None:
    backtest = create(SLOW_AGAIN, **COSTS)
    job = lab.json("POST", f"/api/backtests/{backtest['id']}/run")
    now = wait_for_cuts(lab, job)
    assert now["step"].endswith(" of 64")
    assert 0.7 < now["progress"] < 1
    path = f"/api/backtests/{backtest['id']}"
    meanwhile = lab.json("GET", f"{path}/results")
    assert meanwhile["backtest"]["metrics"]["trades"] > 0
    verdict = meanwhile["backtest"]["verdict"]
    assert (verdict["icon"], verdict["title"]) == ("clock", "Checking.")
    assert verdict["text"].startswith("Look-ahead, cut ") and verdict["text"].endswith(" of 64.")
    assert lab.json("GET", f"{path}/trades")["total"] == meanwhile["trades_total"]

    lab.json("POST", f"{path}/cancel")
    assert wait_for_end(lab, job)["state"] == "cancelled"
    after = lab.json("GET", f"{path}/results")
    assert after["backtest"]["metrics"] == meanwhile["backtest"]["metrics"]
    assert after["backtest"]["verdict"]["title"].startswith("Not verified")
    assert "The checks were stopped before they ended." in after["backtest"]["verdict"]["text"]
    assert after["checks"]["look_ahead"]["passed"] is None
    assert after["checks"]["sanity"]["passed"] is True


def test_a_worker_that_dies_in_the_checks_loses_nothing(lab: Lab, create: Create) -> None:
    backtest = create(SLOW_AGAIN, **COSTS)
    job = lab.json("POST", f"/api/backtests/{backtest['id']}/run")
    wait_for_cuts(lab, job)
    path = f"/api/backtests/{backtest['id']}"
    before = lab.json("GET", f"{path}/results")
    worker_of(lab).kill()
    assert lab.json("GET", f"{path}/results")["ledger_sha256"] == before["ledger_sha256"]
    wait_until(
        lambda: lab.json("GET", f"/api/jobs/{job['id']}")["attempt"] == 2, "it is tried again"
    )
    again = wait_for_cuts(lab, job)
    assert "decisions" not in again["steps"], "what was decided stands"
    lab.json("POST", f"{path}/cancel")
    assert wait_for_end(lab, job)["state"] == "cancelled"
    after = lab.json("GET", f"{path}/results")
    assert after["ledger_sha256"] == before["ledger_sha256"]
    assert after["backtest"]["verdict"]["title"].startswith("Not verified")


def test_a_notebooks_hidden_state_is_told(lab: Lab, tmp_path: Path) -> None:
    script = tmp_path / "hidden.py"
    script.write_text(
        textwrap.dedent(
            """
            from alphintra_lab.sdk import Signals, Strategy, backtest

            shown = []

            class Hidden(Strategy):
                def signals(self, bars):
                    close = bars["close"]
                    held = close > close.shift(1 + len(shown))
                    return Signals(held, ~held)

            result = backtest(Hidden(), "eurusd-1h", commission=0.0001)
            print(result.checks["determinism"]["passed"], result.verdict)
            shown += [1, 2, 3]
            result = backtest(Hidden(), "eurusd-1h", commission=0.0001)
            print(result.checks["determinism"]["passed"], result.verdict)
            shown = bytearray(7)  # no value that could be written down with the source
            result = backtest(Hidden(), "eurusd-1h", commission=0.0001)
            print(result.checks["determinism"]["passed"], result.verdict)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"ALPHINTRA_HOME": str(lab.home)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first.startswith("True ") and second.startswith("True ")
    assert third.startswith(("None ", "False ")) and "Not verified" in third
    assert "recorded source" in third
