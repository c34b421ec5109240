"""Real strategies in real sandboxes: how each run ends, and what is said about it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from alphintra_lab.engine.decisions import SignalDecisions, decode
from alphintra_lab.jobs.runners import RunSpec, RunStatus
from alphintra_lab.jobs.runners.local import LocalRunner
from alphintra_lab.sandbox.limits import MIB, Limits
from alphintra_lab.sandbox.zygote import Zygote
from tests.sandbox.forking import MODULES, check_forks, find_loop, running_zygote
from tests.sandbox.inside import has_cgroup

ROOT = Path(__file__).parents[2]
HEAD = "import os, signal, sys, time\nimport numpy as np\nfrom alphintra_lab.sdk import *\n"
GOOD = """
class Good(Strategy):
    def signals(self, bars):
        print("bars:", len(bars))
        return Signals(entries=bars["close"] > 1.5, exits=bars["close"] < 1.2)
"""


def make_spec(folder: Path, code: str, **changes: Any) -> RunSpec:
    """A spec over one symbol with a slash in its name; the strategy's body is given."""
    strategy = folder / "strategy"
    strategy.mkdir(exist_ok=True)
    (strategy / "strategy.py").write_text(HEAD + textwrap.dedent(code))
    bars = folder / "bars.parquet"
    if not bars.exists():
        index = pd.date_range("2024-01-01", periods=500, freq="h", tz="UTC", name="time")
        close = np.linspace(1.0, 2.0, 500)
        columns = dict.fromkeys(["open", "high", "low", "close", "volume"], close)
        pd.DataFrame(columns, index=index).to_parquet(bars)
        bars.chmod(0o600)
    spec: dict[str, Any] = {
        "job_id": f"test-{os.getpid()}-{folder.name}",
        "folder": folder / "job",
        "strategy_folder": strategy,
        "bars": {"EUR/USD ../x": bars},
        "limits": Limits(seconds=30),
    }
    return RunSpec(**spec | changes)


@pytest.fixture(scope="module", autouse=True)
def jp_asyncio_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One loop for all tests here, on which the zygote lives."""
    loop = find_loop()
    yield loop
    loop.close()


zygotes: list[Zygote | None] = []
"""What the tests' runs are forked from; None where they start cold."""


@pytest.fixture(scope="module", autouse=True, params=["cold", "forked"])
def start(
    request: pytest.FixtureRequest, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[None]:
    """Every test runs both ways."""
    if request.param == "cold":
        zygotes[:] = [None]
        yield
        return
    with running_zygote(jp_asyncio_loop) as zygote:
        zygotes[:] = [zygote]
        yield
        assert zygote.ready, "it has survived all of them"


async def run(folder: Path, code: str, **changes: Any) -> tuple[RunStatus, RunSpec]:
    """Run it to its end."""
    spec = make_spec(folder, code, **changes)
    runner = LocalRunner(zygote=zygotes[0])
    status = await runner.wait(await runner.start(spec))
    return status, spec


def in_signals(statement: str) -> str:
    """A strategy whose `signals` does this."""
    return f"class S(Strategy):\n    def signals(self, bars):\n        {statement}\n"


async def test_a_good_strategy_leaves_decisions_and_a_log(tmp_path: Path) -> None:
    status, spec = await run(tmp_path, GOOD)
    assert status.error is None and status.state == "succeeded" and status.progress == 1.0
    decisions = decode(spec.decisions.read_bytes(), bars=500, symbols=["EUR/USD ../x"])
    assert isinstance(decisions, SignalDecisions)
    assert spec.log.read_text() == "bars: 500\n"


async def test_nothing_runs_where_the_sandbox_failed_its_test(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, GOOD)
    runner = LocalRunner("home folders can be read")
    status = await runner.wait(await runner.start(spec))
    assert status.error is not None and status.error.code == "sandbox_failed"
    assert "home folders can be read" in status.error.message
    assert not spec.log.exists()


async def test_an_error_in_the_code_names_its_line(tmp_path: Path) -> None:
    status, _ = await run(tmp_path, in_signals("return bars['clsoe']"))
    assert status.state == "failed" and status.error is not None
    assert status.error.code == "strategy_error"
    assert (status.error.exception, status.error.file, status.error.line) == (
        "KeyError",
        "strategy.py",
        6,
    )
    assert status.error.traceback[-1].text == "return bars['clsoe']"


async def test_20_gb_is_a_memory_error_that_names_the_limit(tmp_path: Path) -> None:
    status, _ = await run(tmp_path, in_signals("np.ones(20 * 1024**3, dtype='u1')"))
    assert status.error is not None and status.error.code == "memory_limit"
    assert "The limit is 2 GiB." in status.error.message
    assert status.error.line == 6


@pytest.mark.skipif(
    not has_cgroup(), reason="no cgroup may be made here; memory is held by rlimits"
)
async def test_children_that_use_up_the_memory_are_a_memory_error(tmp_path: Path) -> None:
    code = in_signals(
        "[os.fork() for _ in range(3)]; x = np.ones(140 * 1024**2, dtype='u1'); time.sleep(5)"
    )
    limits = Limits(seconds=30, memory_bytes=400 * MIB, tmp_bytes=MIB)
    status, _ = await run(tmp_path, code, limits=limits)
    assert status.error is not None and status.error.code == "memory_limit"


async def test_a_loop_without_end_stops_at_the_time_limit(tmp_path: Path) -> None:
    status, _ = await run(tmp_path, in_signals("while True: pass"), limits=Limits(seconds=3))
    assert status.error is not None and status.error.code == "time_limit"
    assert status.error.message.startswith("Stopped at the time limit, 3 s.")
    assert 3 <= status.seconds < 5


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("os._exit(0)", "ended itself with exit code 0"),
        ("os._exit(3)", "ended itself with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
    ],
)
async def test_a_process_that_ends_itself_is_told(
    tmp_path: Path, statement: str, said: str
) -> None:
    status, _ = await run(tmp_path, in_signals(statement))
    assert status.error is not None and status.error.code == "process_died"
    assert said in status.error.message


async def test_a_forged_report_is_cut_to_its_type_and_size(tmp_path: Path) -> None:
    forged = {"code": "engine_error", "message": "x" * 100_000, "traceback": []}
    status, _ = await run(
        tmp_path,
        in_signals(f"open('/out/error.json', 'w').write({json.dumps(forged)!r}); os._exit(1)"),
    )
    assert status.error is not None and status.error.code == "strategy_error"
    assert len(status.error.message) == 4_000
    for report in ('{"code": 7}', '{"x": ' + "[" * 100_000, "{" + " " * 300_000 + "}"):
        status, _ = await run(
            tmp_path, in_signals(f"open('/out/error.json', 'w').write({report!r}); os._exit(1)")
        )
        assert status.error is not None and status.error.code == "process_died"


async def test_a_flood_on_stdout_is_cut_and_the_run_goes_on(tmp_path: Path) -> None:
    code = GOOD.replace(
        'print("bars:", len(bars))', "[os.write(1, b'x' * 65536) for _ in range(400)]"
    )
    status, spec = await run(tmp_path, code, limits=Limits(seconds=30, log_bytes=100_000))
    assert status.state == "succeeded" and status.log_truncated
    assert spec.log.stat().st_size == 100_000


async def test_a_job_sees_no_other_job_and_fills_no_disk(tmp_path: Path) -> None:
    other = tmp_path / "other-job"
    other.mkdir()
    (other / "decisions.msgpack").write_text("theirs")
    code = f"""
    class S(Strategy):
        def signals(self, bars):
            print(os.path.exists({str(other)!r}), os.path.exists({str(tmp_path)!r}))
            print(sorted(os.listdir("/out")), sorted(os.listdir("/job")))
            for path in ("/out/more", "/job/more", "/strategy/more", "/data/more"):
                try:
                    open(path, "w")
                except OSError as error:
                    print(error.strerror)
            try:
                with open("/out/decisions.msgpack", "wb", buffering=0) as file:
                    while True:
                        file.write(bytes(1024**2))
            except OSError as error:
                print(error.strerror)
            os._exit(0)
    """
    limits = Limits(seconds=30, file_bytes=4 * MIB)
    _, spec = await run(tmp_path, code, limits=limits)
    assert spec.log.read_text().splitlines() == [
        "False False",
        "['decisions.msgpack', 'error.json', 'progress'] ['job.json']",
        *["Read-only file system"] * 4,
        "File too large",
    ]
    assert spec.decisions.stat().st_size == 4 * MIB


async def test_start_is_idempotent_and_stop_ends_it_at_once(tmp_path: Path) -> None:
    runner = LocalRunner(zygote=zygotes[0])
    spec = make_spec(tmp_path, in_signals("print('up', flush=True); time.sleep(60)"))
    handle = await runner.start(spec)
    assert await runner.start(spec) == handle
    assert json.loads(json.dumps(handle)) == handle
    while not (spec.log.exists() and spec.log.read_text()):
        await asyncio.sleep(0.02)
    assert (await runner.status(handle)).state == "running"
    waiting = asyncio.create_task(runner.wait(handle))
    await asyncio.sleep(0)
    await runner.stop(handle)
    assert (await waiting).state == "stopped"
    assert (await runner.status(handle)).state == "lost"
    await runner.stop(handle)  # harmless
    assert _find(spec.job_id) == []


async def test_stop_while_it_starts(tmp_path: Path) -> None:
    runner = LocalRunner(zygote=zygotes[0])
    for milliseconds in (0, 1, 3, 8, 15, 30):
        spec = make_spec(tmp_path, in_signals("time.sleep(60)"))
        handle = await runner.start(spec)
        await asyncio.sleep(milliseconds / 1000)
        waiting = asyncio.create_task(runner.wait(handle))
        await asyncio.sleep(0)
        await runner.stop(handle)
        assert (await waiting).state == "stopped"


async def test_an_unbuildable_sandbox_runs_nothing(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, GOOD)
    gone = {"A": tmp_path / "bars.parquet", "B": tmp_path / "bars2.parquet"}
    (tmp_path / "bars2.parquet").symlink_to(tmp_path / "nowhere")
    status, _ = await run(tmp_path, GOOD, bars=gone)
    assert status.error is not None and status.error.code == "sandbox_failed"
    assert "nothing was run" in status.error.message
    assert not spec.decisions.stat().st_size


async def test_a_second_attempt_does_not_take_the_first_ones_files(tmp_path: Path) -> None:
    status, spec = await run(tmp_path, GOOD)
    assert status.state == "succeeded"
    status, _ = await run(tmp_path, in_signals("os._exit(0)"))
    assert status.error is not None and status.error.code == "process_died"
    assert spec.decisions.stat().st_size == 0


def _find(marker: str) -> list[int]:
    return [
        one.pid for one in psutil.process_iter(["cmdline"]) if marker in (one.info["cmdline"] or [])
    ]


async def test_a_killed_worker_takes_its_run_along(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, in_signals("print('up', flush=True); time.sleep(60)"))
    worker = tmp_path / "worker.py"
    worker.write_text(
        textwrap.dedent(
            f"""
            import asyncio
            from pathlib import Path
            from tests.jobs.test_local_runner import LocalRunner, make_spec, in_signals

            async def main():
                runner = LocalRunner()
                code = in_signals("print('up', flush=True); time.sleep(60)")
                await runner.wait(await runner.start(make_spec(Path({str(tmp_path)!r}), code)))

            asyncio.run(main())
            """
        )
    )
    child = subprocess.Popen(
        [sys.executable, str(worker)], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        while not (spec.log.exists() and spec.log.read_text()):
            await asyncio.sleep(0.02)
        family = psutil.Process(child.pid).children(recursive=True)
        assert len(family) == 3
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    _, alive = psutil.wait_procs(family, timeout=3)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


async def test_a_run_whose_zygote_is_killed_runs_again_from_a_cold_start(tmp_path: Path) -> None:
    zygote = Zygote(MODULES)
    await zygote.start(check_forks)
    runner = LocalRunner(zygote=zygote)
    handle = await runner.start(make_spec(tmp_path, "import time; time.sleep(2)\n" + GOOD))
    while not (await runner.status(handle)).seconds > 0.5:
        await asyncio.sleep(0.05)
    await zygote.stop()
    status = await runner.wait(handle)
    assert (status.state, status.error) == ("succeeded", None)
