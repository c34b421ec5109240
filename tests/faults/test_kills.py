"""Servers and workers are killed in mid-run: no job is lost, none runs for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.faults.conftest import wait_for_end, wait_for_user_code
from tests.faults.harness import Lab, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Start = Callable[..., dict[str, Any]]


def worker_of(lab: Lab) -> psutil.Process:
    """The lab's worker process, once there is one."""

    def find() -> psutil.Process | None:
        for child in lab.children():
            if "worker" in child.cmdline():
                return child
        return None

    return wait_until(find, "the lab has a worker")


def test_a_server_killed_in_mid_run_finishes_the_job_after_a_new_start(
    lab: Lab, start_run: Start
) -> None:
    job = start_run(lab, "slow", seconds=5)
    wait_for_user_code(lab, job)
    family = lab.children()
    assert family
    lab.kill9()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive, f"left behind by the killed server: {alive}"

    lab.start()
    ended = wait_for_end(lab, job)
    assert ended["state"] == "succeeded", ended["error"]
    assert ended["attempt"] == 2
    results = lab.json("GET", f"/api/backtests/{job['subject_id']}/results")
    assert results["trades_total"] > 0


def test_a_killed_worker_is_replaced_and_its_job_finishes(lab: Lab, start_run: Start) -> None:
    job = start_run(lab, "slow", seconds=5)
    wait_for_user_code(lab, job)
    worker = worker_of(lab)
    family = worker.children(recursive=True)
    worker.kill()
    assert lab.request("GET", "/health").status_code == 200
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive, f"left behind by the killed worker: {alive}"

    ended = wait_for_end(lab, job)
    assert ended["state"] == "succeeded", ended["error"]
    assert ended["attempt"] == 2
    assert worker_of(lab).pid != worker.pid


def test_a_job_that_loses_three_workers_fails_and_says_so(lab: Lab, start_run: Start) -> None:
    job = start_run(lab, "slow", seconds=60)
    for attempt in (1, 2, 3):
        wait_for_user_code(lab, job, attempt=attempt)
        worker_of(lab).kill()
    ended = wait_for_end(lab, job)
    assert ended["state"] == "failed"
    assert ended["error"]["code"] == "worker_lost"
    assert ended["error"]["message"]


def test_a_stopped_lab_leaves_no_process_and_goes_on_later(lab: Lab, start_run: Start) -> None:
    job = start_run(lab, "slow", seconds=5)
    wait_for_user_code(lab, job)
    lab.restart()  # fails when a process outlives the stop
    ended = wait_for_end(lab, job)
    assert ended["state"] in ("succeeded", "failed")
    if ended["state"] == "failed":
        assert ended["error"]["code"] == "worker_lost"
