"""The disk fills up: the lab says so, keeps what it has, and goes on when there is room again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import wait_for_end
from tests.faults.harness import Lab, fill_disk, small_disk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Start = Callable[..., dict[str, Any]]


@pytest.fixture
def small_lab(prepared_home: Path, tmp_path: Path) -> Iterator[Lab]:
    """A lab whose home is on a disk of 64 MB."""
    with small_disk("64m") as disk:
        home = Path(shutil.copytree(prepared_home, disk / "home"))
        with Lab(home, tmp_path / "workspace", log=tmp_path / "lab.log") as lab:
            yield lab


def test_a_run_on_a_full_disk_fails_with_the_reason_and_runs_once_there_is_room(
    prepared_home: Path, tmp_path: Path, start_run: Start
) -> None:
    """The jobs' disk is full; the database lies on another, as with PostgreSQL."""
    url = f"sqlite:///{shutil.copy(prepared_home / 'lab.db', tmp_path / 'lab.db')}"
    with small_disk("64m") as disk:
        home = Path(shutil.copytree(prepared_home, disk / "home"))
        env, log = {"DATABASE_URL": url}, tmp_path / "lab.log"
        with Lab(home, tmp_path / "workspace", env=env, log=log) as lab:
            before = wait_for_end(lab, start_run(lab, "before"))
            assert before["state"] == "succeeded", before["error"]
            kept = lab.json("GET", f"/api/backtests/{before['subject_id']}/results")

            filler = fill_disk(disk)
            during = wait_for_end(lab, start_run(lab, "during"))
            assert during["state"] == "failed"
            assert during["error"]["code"] == "disk_full", during["error"]
            assert "space" in during["error"]["message"]

            filler.unlink()
            after = wait_for_end(lab, start_run(lab, "after"))
            assert after["state"] == "succeeded", after["error"]
            results = lab.json("GET", f"/api/backtests/{before['subject_id']}/results")
            assert results["ledger_sha256"] == kept["ledger_sha256"]
            assert results["curve"] == kept["curve"]


def test_a_disk_without_a_byte_left_gets_an_answer_and_costs_nothing(
    small_lab: Lab, start_run: Start
) -> None:
    names = [one["name"] for one in small_lab.json("GET", "/api/datasets")["items"]]
    filler = fill_disk(small_lab.home.parent)
    body = {"name": "full", "code": "from alphintra_lab.sdk import Strategy\n"}
    answer = small_lab.request("POST", "/api/strategies/code/create", json=body)
    assert answer.status_code == 503, answer.text
    assert "disk" in answer.json()["message"]
    # Reading still works.
    assert [one["name"] for one in small_lab.json("GET", "/api/datasets")["items"]] == names

    filler.unlink()
    job = wait_for_end(small_lab, start_run(small_lab, "room"))
    assert job["state"] == "succeeded", job["error"]


def test_an_upload_that_fills_the_disk_is_refused_and_leaves_nothing(small_lab: Lab) -> None:
    filler = fill_disk(small_lab.home.parent, leave=2 << 20)
    before = {p for p in small_lab.home.rglob("*") if p.is_file()}
    header = b"time,open,high,low,close,volume\n"
    rows = b"".join(b"%d,1,1,1,1,1\n" % (1_500_000_000 + 60 * i) for i in range(300_000))
    answer = small_lab.request(
        "POST",
        "/api/datasets/upload",
        files={"file": ("big.csv", header + rows, "text/csv")},
        data={"name": "big"},
    )
    assert answer.status_code == 503, answer.text
    assert "disk" in answer.json()["message"]
    assert {p for p in small_lab.home.rglob("*") if p.is_file()} <= before
    filler.unlink()
    assert "big" not in [one["name"] for one in small_lab.json("GET", "/api/datasets")["items"]]
