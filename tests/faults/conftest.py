"""A lab to break, and a strategy slow enough to be caught in mid-run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import Lab, wait_until

SLOW = """
import os, time
from alphintra_lab.sdk import Signals, Strategy, ta

class Slow(Strategy):
    def signals(self, bars):
        if os.path.exists("/out/decisions.msgpack"):  # not when the checks run it again
            time.sleep({seconds})
        fast, slow = ta.sma(bars["close"], 10), ta.sma(bars["close"], 30)
        return Signals(entries=fast > slow, exits=fast < slow)
"""


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab's home after its first start: the schema and the platform's datasets are there."""
    folder = tmp_path_factory.mktemp("prepared")
    with Lab(folder / "home", folder / "workspace") as lab:
        wait_for_datasets(lab)
        lab.stop()
    return folder / "home"


@pytest.fixture
def home(prepared_home: Path, tmp_path: Path) -> Path:
    """A prepared home of the test's own."""
    return Path(shutil.copytree(prepared_home, tmp_path / "home"))


@pytest.fixture
def lab(home: Path, tmp_path: Path) -> Iterator[Lab]:
    """A running lab."""
    with Lab(home, tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def start_run() -> Callable[..., dict[str, Any]]:
    """Define a backtest of a strategy that sleeps, and start it; the job."""

    def start(lab: Lab, name: str, seconds: float = 0) -> dict[str, Any]:
        code = SLOW.format(seconds=seconds)
        strategy = lab.json("POST", "/api/strategies/code/create", {"name": name, "code": code})
        create = {"strategy_id": strategy["id"], "dataset": "eurusd-1h"}
        backtest = lab.json("POST", "/api/backtests", create)
        job: dict[str, Any] = lab.json("POST", f"/api/backtests/{backtest['id']}/run")
        return job

    return start


def wait_for_datasets(lab: Lab) -> None:
    """Until all of the platform's datasets are there."""
    wait_until(
        lambda: len(lab.json("GET", "/api/datasets?limit=100")["items"]) >= 7,
        "the platform's datasets are there",
        timeout=60,
    )


def wait_for_user_code(lab: Lab, job: dict[str, Any], attempt: int = 1) -> None:
    """Until the job's strategy runs in the sandbox, for the given time."""

    def runs() -> bool:
        now = lab.json("GET", f"/api/jobs/{job['id']}")
        assert now["state"] in ("waiting", "running"), now
        begun = (now["state"], now["step"], now["attempt"])
        return begun == ("running", "decisions", attempt)

    wait_until(runs, "the strategy's code runs", timeout=60)


def wait_for_end(lab: Lab, job: dict[str, Any], timeout: float = 90) -> dict[str, Any]:
    """The job once it has ended."""

    def ended() -> dict[str, Any] | None:
        now: dict[str, Any] = lab.json("GET", f"/api/jobs/{job['id']}")
        return None if now["state"] in ("waiting", "running") else now

    return wait_until(ended, f"job {job['id']} ended", timeout=timeout)
