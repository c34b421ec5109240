"""One real lab for all tests of this folder: each makes strategies and backtests of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.conftest import wait_for_datasets, wait_for_end
from tests.faults.harness import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("backtests")
    arguments = ["--LabConfig.time_limit=8", "--LabConfig.memory_limit=1073741824"]
    with Lab(folder / "home", folder / "workspace", arguments=arguments) as running:
        wait_for_datasets(running)
        yield running


Create = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def create(lab: Lab) -> Create:
    """Make a strategy from code and define a backtest of it; the backtest."""
    names = iter(range(10_000))

    def define(code: str, dataset: str = "eurusd-1h", **settings: Any) -> dict[str, Any]:
        name = f"Strategy {next(names)}"
        strategy = lab.json("POST", "/api/strategies/code/create", {"name": name, "code": code})
        body = {"strategy_id": strategy["id"], "dataset": dataset, **settings}
        backtest: dict[str, Any] = lab.json("POST", "/api/backtests", body, status=201)
        return backtest

    return define


@pytest.fixture(scope="session")
def run(lab: Lab, create: Create) -> Create:
    """The same, run to its end: the job."""

    def execute(code: str, dataset: str = "eurusd-1h", **settings: Any) -> dict[str, Any]:
        backtest = create(code, dataset, **settings)
        job = lab.json("POST", f"/api/backtests/{backtest['id']}/run", status=202)
        return wait_for_end(lab, job)

    return execute
