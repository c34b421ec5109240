"""Connections are cut: between a browser and the lab, and between the lab and its database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulators.postgres import Postgres
from tests.faults.conftest import wait_for_datasets, wait_for_end
from tests.faults.harness import CutLine, Lab, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Start = Callable[..., dict[str, Any]]

ROWS = b"".join(b"%d,1.0,1.2,0.9,1.1,5\n" % (1_500_000_000 + 3600 * i) for i in range(60_000))
CSV = b"time,open,high,low,close,volume\n" + ROWS


def upload(lab: Lab, port: int | None = None) -> httpx.Response:
    files = {"file": ("cut.csv", CSV, "text/csv")}
    return lab.request("POST", "/api/datasets/upload", port=port, files=files, data={"name": "cut"})


def data_files(lab: Lab) -> set[Path]:
    """The files of the home, without the databases' own, which come and go."""
    found = (path for path in lab.home.rglob("*") if path.is_file())
    return {path for path in found if ".db" not in path.name and "jupyter" not in str(path)}


def test_an_upload_cut_in_the_middle_leaves_nothing_half_made(lab: Lab) -> None:
    wait_for_datasets(lab)
    before = data_files(lab)
    with CutLine(lab.port, cut_after=len(CSV) // 2) as line, pytest.raises(httpx.TransportError):
        upload(lab, line.port)
    wait_until(lambda: data_files(lab) <= before, "the half file is gone", timeout=15)
    names = [one["name"] for one in lab.json("GET", "/api/datasets")["items"]]
    assert "cut" not in names

    whole = upload(lab)
    assert whole.status_code == 201, whole.text
    assert whole.json()["dataset"]["rows"] == 60_000


def test_a_client_that_vanishes_after_posting_a_run_finds_it_finished(
    lab: Lab, start_run: Start
) -> None:
    wait_for_datasets(lab)
    with CutLine(lab.port) as line:
        job = start_run(lab, "slow", seconds=1)
        answer = lab.request("GET", f"/api/jobs/{job['id']}", port=line.port)
        assert answer.status_code == 200
        line.cut()
        with pytest.raises(httpx.TransportError):
            lab.request("GET", f"/api/jobs/{job['id']}", port=line.port)
    assert wait_for_end(lab, job)["state"] == "succeeded"


@pytest.mark.postgres
def test_a_database_that_goes_away_gives_503_and_comes_back(
    postgres: Postgres, postgres_url: str, tmp_path: Path, start_run: Start
) -> None:
    with CutLine(postgres.port) as line:
        url = postgres_url.replace(f":{postgres.port}/", f":{line.port}/")
        lab = Lab(tmp_path / "home", tmp_path / "workspace", env={"DATABASE_URL": url})
        with lab:
            wait_for_datasets(lab)
            line.cut()
            answer = lab.request("GET", "/api/datasets")
            assert answer.status_code == 503, answer.text
            assert "database" in answer.json()["message"]
            assert lab.request("GET", "/health").status_code == 200
            assert lab.request("GET", "/ready").status_code == 503
            line.mend()
            wait_until(
                lambda: lab.request("GET", "/ready").status_code == 200, "the lab is ready again"
            )
            job = wait_for_end(lab, start_run(lab, "after"))
            assert job["state"] == "succeeded", job["error"]
