"""Several labs on one database are the normal case: together they do each job once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import SLOW, wait_for_datasets, wait_for_end, wait_for_user_code
from tests.faults.harness import Lab, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Start = Callable[..., dict[str, Any]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.db'}"
    return str(request.getfixturevalue("postgres_url"))


def test_two_labs_that_start_at_once_share_the_work_and_one_survives_the_other(
    url: str, tmp_path: Path, start_run: Start
) -> None:
    home, env = tmp_path / "home", {"DATABASE_URL": url}
    one = Lab(home, tmp_path / "workspace", env=env)
    two = Lab(home, tmp_path / "workspace", env=env)
    try:
        one.launch()
        two.launch()
        for lab in (one, two):
            lab.wait_until_ready()
            wait_for_datasets(lab)
            names = [d["name"] for d in lab.json("GET", "/api/datasets?limit=100")["items"]]
            assert sorted(names) == sorted(set(names)), "a platform dataset was added twice"

        jobs = [start_run(lab, f"s{i}") for i, lab in enumerate((one, two, one, two))]
        for job in jobs:
            # Asked of the other lab than the one that took it in: they see the same.
            ended = wait_for_end(two if job is jobs[0] else one, job)
            assert ended["state"] == "succeeded", ended["error"]
            assert ended["attempt"] == 1
        assert len(one.json("GET", "/api/backtests")["items"]) == 4

        job = start_run(one, "orphan", seconds=6)
        wait_for_user_code(two, job)
        one.kill9()
        ended = wait_for_end(two, job)
        assert ended["state"] == "succeeded", ended["error"]
        wait_until(lambda: two.request("GET", "/ready").status_code == 200, "the other is ready")
    finally:
        one.__exit__()
        two.__exit__()


def test_the_command_line_beside_a_server_shares_its_home(tmp_path: Path) -> None:
    """Both see the run, and both would write it to MLflow, whose own database is new too."""
    (tmp_path / "cross.py").write_text(SLOW.format(seconds=0))
    with Lab(tmp_path / "home", tmp_path / "workspace") as lab:
        wait_for_datasets(lab)
        command = [str(Path(sys.executable).with_name("alphintra-lab")), "backtest", "cross.py"]
        runs = [
            subprocess.Popen(
                [*command, "--dataset", "eurusd-1h", "--json"],
                env={**os.environ, "ALPHINTRA_HOME": str(lab.home)},
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        printed = [run.communicate(timeout=90) for run in runs]
        assert [run.returncode for run in runs] == [0, 0], printed
        results = [json.loads(out) for out, _ in printed]
        assert results[0]["ledger_sha256"] == results[1]["ledger_sha256"]
        wait_until(
            lambda: all(
                lab.json("GET", f"/api/backtests/{result['id']}")["mlflow_run_id"]
                for result in results
            ),
            "both runs are in MLflow",
        )
