"""What a worker does for runs: on which code and which bars, and how it ends without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from alphintra_lab.backtests import service
from alphintra_lab.backtests.execute import run_strategy
from alphintra_lab.backtests.schema import BacktestCreate
from alphintra_lab.datasets import service as datasets
from alphintra_lab.db import Database
from alphintra_lab.jobs.runners import RunSpec, RunStatus
from alphintra_lab.jobs.table import JobRow
from alphintra_lab.jobs.worker import Context, JobFailed
from alphintra_lab.sandbox.limits import JOB
from tests.backtests.test_service import BARS, prepare


class Recorder:
    """A runner that decides nothing, and remembers what it was to run."""

    def __init__(self) -> None:
        self.spec: RunSpec | None = None

    async def start(self, spec: RunSpec) -> dict[str, Any]:
        self.spec = spec
        spec.decisions.parent.mkdir(parents=True)
        spec.decisions.write_bytes(b"decided")
        return {}

    async def status(self, handle: dict[str, Any]) -> RunStatus:
        return RunStatus("succeeded")

    async def wait(self, handle: dict[str, Any]) -> RunStatus:
        return RunStatus("succeeded")

    async def stop(self, handle: dict[str, Any]) -> None:
        pass


async def queue_execute(database: Database, folder: Path, create: BacktestCreate) -> JobRow:
    async with database.session() as session:
        return await service.queue_execute(session, folder / "workspace", create)


async def execute(database: Database, folder: Path, job: JobRow, runner: Recorder) -> None:
    context = Context(job, database, folder / "jobs" / job.id, "worker")
    context.folder.mkdir(parents=True)
    await run_strategy(context, folder / "store", runner, JOB)


async def test_code_runs_over_the_bars_that_were_there_when_it_was_asked_for(
    database: Database, tmp_path: Path
) -> None:
    job = await queue_execute(database, tmp_path, await prepare(database, tmp_path))
    (tmp_path / "more.csv").write_text(BARS + "2017-02-01,1,2,1,1.5,10\n")
    await datasets.add_file(
        database, tmp_path / "store", tmp_path / "more.csv", name="bars", symbol="A"
    )
    runner = Recorder()
    await execute(database, tmp_path, job, runner)
    assert runner.spec is not None
    assert len(pd.read_parquet(runner.spec.bars["A"])) == 18


async def test_code_whose_data_was_deleted_before_its_turn_fails_with_that_reason(
    database: Database, tmp_path: Path
) -> None:
    job = await queue_execute(database, tmp_path, await prepare(database, tmp_path))
    async with database.session() as session:
        await datasets.delete_dataset(session, "bars")
    with pytest.raises(JobFailed, match="deleted before") as failed:
        await execute(database, tmp_path, job, Recorder())
    assert failed.value.error.code == "data_deleted"


async def test_a_window_that_falls_into_a_gap_fails_before_any_code_runs(
    database: Database, tmp_path: Path
) -> None:
    create = await prepare(database, tmp_path)
    night = msgspec.structs.replace(create, start="2017-01-05T01:00", end="2017-01-05T02:00")
    runner = Recorder()
    with pytest.raises(
        JobFailed, match=r"bars has no bars of A from 2017-01-05T01:00:00"
    ) as failed:
        await execute(database, tmp_path, await queue_execute(database, tmp_path, night), runner)
    assert failed.value.error.code == "bad_window"
    assert runner.spec is None
    day = msgspec.structs.replace(create, start="2017-01-05", end="2017-01-05T02:00")
    await execute(database, tmp_path, await queue_execute(database, tmp_path, day), runner)
    assert runner.spec is not None


@pytest.mark.parametrize("damage", ["gone", "cut", "other values"])
async def test_bars_that_are_not_what_was_stored_fail_before_any_code_runs(
    database: Database, tmp_path: Path, damage: str
) -> None:
    job = await queue_execute(database, tmp_path, await prepare(database, tmp_path))
    (file,) = [path for path in (tmp_path / "store").iterdir() if len(path.stem) == 64]
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:40] + bytes(40) + file.read_bytes()[80:])
    else:
        table = pq.read_table(file)
        place = table.schema.get_field_index("open")
        pq.write_table(table.set_column(place, "open", table["close"]), file)
    runner = Recorder()
    with pytest.raises(JobFailed, match=r"bars of A .*(gone from|not what was)") as failed:
        await execute(database, tmp_path, job, runner)
    assert failed.value.error.code == "damaged_store"
    assert runner.spec is None
