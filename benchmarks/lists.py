"""The lists that read the database, at 100, 1,000 and 10,000 rows, for one client."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from alphintra_lab.backtests.table import BacktestRow
from alphintra_lab.datasets.table import DatasetRow, DatasetVersionRow
from alphintra_lab.db import Base, Database, connect, new_id
from alphintra_lab.jobs.table import JobRow
from alphintra_lab.strategies.table import StrategyRow, StrategyVersionRow
from benchmarks.measure import Row, percentile
from benchmarks.servers import Client, prepare_lab, running
from benchmarks.warm_backtest import prepare_strategy, time_backtest, write_bars
from tests.faults.harness import Lab

LEVELS = (100, 1_000, 10_000)
LIMIT_MS = 20.0
FLOOR = "/api/status"
"""Jupyter's own answer, which reads no database: what a request costs on this machine."""
LISTS = ("/api/backtests", "/api/strategies", "/api/datasets", "/api/jobs")
BUSY = 50
"""So many of the newest strategies share all backtests: the first page has to look through them."""


def measure(repeats: int, say: Callable[[str], None]) -> list[Row]:
    """p99 of each list's first page; `repeats` requests of each, in turn with the others."""
    found: dict[str, dict[int, list[float]]] = {path: {} for path in (FLOOR, *LISTS)}
    with tempfile.TemporaryDirectory(prefix="alphintra-bench-") as name:
        folder = Path(name)
        with running(prepare_lab(folder / "lab"), "/ready") as lab:
            bars = folder / "bars.csv"
            write_bars(bars)
            time_backtest(lab, prepare_strategy(lab, bars), 10)  # a real row to copy
            for level in LEVELS:
                asyncio.run(fill(lab, level))
                for path, took in time_lists(lab, repeats).items():
                    found[path][level] = took
                    say(f"  {path} at {level:,}: {show(took)}")
    return [describe(path, found[path], found[FLOOR]) for path in LISTS]


def describe(path: str, took: dict[int, list[float]], floor: dict[int, list[float]]) -> Row:
    """A list at its largest, its growth, and what a request that reads nothing takes."""
    most = LEVELS[-1]
    growth = ", ".join(f"{level:,}: {percentile(took[level], 0.99):.1f}" for level in LEVELS)
    worst = percentile(took[most], 0.99)
    return Row(
        f"`GET {path}`, {most:,} rows, one client, p99",
        f"{worst:.1f} ms (p99 by rows: {growth}; median {statistics.median(took[most]):.1f})",
        f"`{FLOOR}`, no database: {percentile(floor[most], 0.99):.1f} ms",
        f"{worst / percentile(floor[most], 0.99):.1f} ×",
        f"≤ {LIMIT_MS:g} ms",
        worst <= LIMIT_MS,
    )


def show(took: list[float]) -> str:
    """Median and p99."""
    return f"median {statistics.median(took):.1f} ms, p99 {percentile(took, 0.99):.1f} ms"


def time_lists(lab: Lab, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each request, over one connection that is kept open."""
    took: dict[str, list[float]] = {path: [] for path in (FLOOR, *LISTS)}
    with Client(lab) as client:
        for turn in range(-10, repeats):
            for path, times in took.items():
                begin = time.perf_counter()
                status, body = client.get(path)
                if turn >= 0:
                    times.append((time.perf_counter() - begin) * 1000)
                assert status == 200, body
    return took


async def fill(lab: Lab, rows: int) -> None:
    """Copy the first row of each table until there are `rows` of each, folders included."""
    database = connect(f"sqlite:///{lab.home / 'lab.db'}")
    try:
        strategies = await copy_strategies(database, lab.workspace, rows)
        await copy_datasets(database, rows)
        await copy_backtests(database, strategies[-BUSY:], rows)
    finally:
        await database.close()


async def copy_strategies(database: Database, workspace: Path, rows: int) -> list[str]:
    """Strategies with a version and a folder each; the ids of all."""
    pattern, here = await read_pattern(database, StrategyRow)
    version, _ = await read_pattern(database, StrategyVersionRow)
    code = str(version["files"]["strategy.py"])
    new, versions = [], []
    for number in range(here, rows):
        one = new_id()
        folder = workspace / f"strategies/bench-{number}"
        folder.mkdir(parents=True)
        text = f"# {number}\n{code}"  # no two are alike: nothing is remembered from another
        (folder / "strategy.py").write_text(text)
        own = {"id": one, "family_id": one, "name": f"Bench {number}", "version": 1}
        new.append({**pattern, **own, "folder": f"strategies/bench-{number}", "notebook": None})
        hashed = {"sha256": f"{number:064x}", "files": {"strategy.py": text}}
        versions.append({**version, "id": new_id(), "strategy_id": one, "number": 1, **hashed})
    await insert_all(database, StrategyRow, new)
    await insert_all(database, StrategyVersionRow, versions)
    async with database.session(write=False) as session:
        return list(await session.scalars(select(StrategyRow.id).order_by(StrategyRow.id)))


async def copy_datasets(database: Database, rows: int) -> None:
    """Datasets with a version each."""
    pattern, here = await read_pattern(database, DatasetRow)
    version, _ = await read_pattern(database, DatasetVersionRow)
    new, versions = [], []
    for number in range(here, rows):
        one = new_id()
        own = {"id": one, "family_id": one, "name": f"bench-{number}", "origin": "custom"}
        new.append({**pattern, **own, "version": 1})
        versions.append(
            {**version, "id": new_id(), "dataset_id": one, "number": 1, "sha256": f"{number:064x}"}
        )
    await insert_all(database, DatasetRow, new)
    await insert_all(database, DatasetVersionRow, versions)


async def copy_backtests(database: Database, strategies: list[str], rows: int) -> None:
    """Finished backtests with a job each, spread over `strategies`."""
    pattern, here = await read_pattern(database, BacktestRow)
    job, _ = await read_pattern(database, JobRow)
    new, jobs, numbers = [], [], pattern["metrics"]
    for number in range(here + 1, rows + 1):
        one, done, strategy = new_id(), new_id(), strategies[number % len(strategies)]
        jobs.append({**job, "id": done, "subject_id": one})
        of = {"strategy_id": strategy, "family_id": strategy, "trial_sha256": f"{number:064x}"}
        # Digits that differ from row to row, or an answer would be packed better than a real one.
        sparkline = [float(f"{v * (1 + number * 1e-6):.6g}") for v in pattern["sparkline"]]
        metrics = {name: value and value * (1 + number * 1e-9) for name, value in numbers.items()}
        result = {"sparkline": sparkline, "metrics": metrics}
        new.append({**pattern, **of, **result, "id": one, "number": number, "job_id": done})
    await insert_all(database, JobRow, jobs)
    await insert_all(database, BacktestRow, new)


async def read_pattern(database: Database, table: type[Base]) -> tuple[dict[str, Any], int]:
    """The newest row's values, and how many rows there are."""
    async with database.session(write=False) as session:
        rows = list(await session.scalars(select(table).order_by(table.id.desc())))
    columns = [column.key for column in table.__mapper__.column_attrs]
    return {name: getattr(rows[0], name) for name in columns}, len(rows)


async def insert_all(database: Database, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """All rows in one transaction."""
    if rows:
        async with database.session() as session:
            await session.execute(insert(table), rows)
