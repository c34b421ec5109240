"""The user's process, run as the runner runs it, but for the sandbox around it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from alphintra_lab.engine.decisions import decode, signal_arrays
from alphintra_lab.jobs.schema import JobError
from tests.sdk.market import read_eurusd

SMA_CROSS = """
    from alphintra_lab.sdk import Signals, Strategy, param, ta

    class SmaCross(Strategy):
        fast = param(10, low=2, high=60)
        slow = param(30, low=10, high=250)

        def signals(self, bars):
            fast, slow = ta.sma(bars["close"], self.fast), ta.sma(bars["close"], self.slow)
            return Signals(entries=fast > slow, exits=fast < slow)
"""


class Run(NamedTuple):
    status: int
    log: str
    decisions: bytes | None
    error: JobError | None
    progress: str | None


class Job:
    """A job's folder; the strategy's code is dedented text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "strategy").mkdir()
        (folder / "out").mkdir()
        read_eurusd().to_parquet(folder / "EURUSD.parquet")

    def write(self, code: str, name: str = "strategy.py") -> None:
        (self.folder / "strategy" / name).write_text(dedent(code))

    def run(self, code: str | None = None, *, class_name: str | None = None, **more: Any) -> Run:
        if code is not None:
            self.write(code)
        out = self.folder / "out"
        strategy = {
            "folder": str(self.folder / "strategy"),
            "entry": "strategy.py",
            "class_name": class_name,
        }
        job = {
            "strategy": strategy,
            "parameters": {},
            "bars": {"EURUSD": str(self.folder / "EURUSD.parquet")},
            "end": None,
            "out": str(out / "decisions.msgpack"),
            "error": str(out / "error.json"),
            "progress": str(out / "progress"),
            **more,
        }
        (self.folder / "job.json").write_text(json.dumps(job))
        done = subprocess.run(
            [sys.executable, "-m", "alphintra_lab.sdk.decide", str(self.folder / "job.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        decisions, error, progress = (
            (out / name).read_bytes() if (out / name).exists() else None
            for name in ("decisions.msgpack", "error.json", "progress")
        )
        return Run(
            done.returncode,
            done.stdout.decode(),
            decisions,
            msgspec.json.decode(error, type=JobError) if error is not None else None,
            progress.decode() if progress is not None else None,
        )

    def fail(self, code: str | None = None, **more: Any) -> JobError:
        run = self.run(code, **more)
        assert run.status == 1
        assert run.decisions is None
        assert run.error is not None, run.log
        return run.error


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_the_decisions_are_those_of_the_strategys_rule(job: Job) -> None:
    run = job.run(SMA_CROSS, parameters={"fast": 5})
    assert (run.status, run.log, run.error) == (0, "", None)
    assert run.progress == "1.0000"
    close = read_eurusd()["close"]
    assert run.decisions is not None
    decisions = decode(run.decisions, bars=len(close), symbols=["EURUSD"])
    arrays = signal_arrays(decisions)  # type: ignore[arg-type]  # signals, as the rule says
    above = close.rolling(5).mean() > close.rolling(30).mean()
    np.testing.assert_array_equal(arrays.entries[:, 0], above)


def test_files_that_are_there_are_written_in_place(job: Job) -> None:
    files = [job.folder / "out" / name for name in ("decisions.msgpack", "progress")]
    for file in files:
        file.touch()
    before = [file.stat().st_ino for file in files]
    assert job.run(SMA_CROSS).status == 0
    assert [file.stat().st_ino for file in files] == before
    assert all(file.stat().st_size for file in files)


def test_bars_end_before_the_end_and_a_helper_is_imported_from_beside(job: Job) -> None:
    job.write("WINDOW = 7", "windows.py")
    code = "from windows import WINDOW\n" + dedent(SMA_CROSS).replace("param(10", "param(WINDOW")
    close = read_eurusd()["close"]
    run = job.run(code, end=f"{close.index[500]:%Y-%m-%dT%H:%M:%SZ}")
    assert run.decisions is not None, run.log
    decode(run.decisions, bars=500, symbols=["EURUSD"])
    assert not list((job.folder / "strategy").glob("__pycache__"))


def test_an_exception_carries_type_text_line_and_the_users_frames_only(job: Job) -> None:
    job.write("def mean(bars):\n    return bars.rolling('x').mean()\n", "averages.py")
    error = job.fail(
        """
        from alphintra_lab.sdk import Signals, Strategy
        import averages

        class Mine(Strategy):
            def signals(self, bars):
                return averages.mean(bars)
        """
    )
    assert (error.code, error.exception) == ("strategy_error", "ValueError")
    assert (error.file, error.line) == ("averages.py", 2)
    assert [(f.file, f.line, f.function) for f in error.traceback] == [
        ("strategy.py", 7, "signals"),
        ("averages.py", 2, "mean"),
    ]
    assert error.traceback[0].text == "return averages.mean(bars)"
    assert error.text
    assert error.message == f"ValueError: {error.text} (averages.py line 2)"


def deciding(line: str) -> str:
    return f"""
        import os, sys
        import numpy as np
        from alphintra_lab.sdk import Signals, Strategy, load_bars, param, ta

        class Mine(Strategy):
            speed = param(3)

            def signals(self, bars):
                {line}
    """


def test_os_exit_leaves_nothing_behind(job: Job) -> None:
    run = job.run(deciding("os._exit(7)"))
    assert (run.status, run.decisions, run.error) == (7, None, None)


def test_the_log_is_what_is_printed_up_to_its_limit(job: Job) -> None:
    code = deciding(
        'print("é", file=sys.stderr); [print("x" * 99) for _ in range(9999)]; '
        "return Signals(True, False)"
    )
    run = job.run(code, log_limit=1000)
    assert run.status == 0
    lines = "é\n" + ("x" * 99 + "\n") * 9 + "x" * 97
    assert run.log == lines + "\n[The log was cut here: the limit is 1,000 bytes.]\n"


def test_randomness_repeats_with_the_seed(job: Job) -> None:
    code = deciding(
        "import random; return Signals(np.random.random(len(bars)) > random.random(), False)"
    )
    first, again, other = job.run(code, seed=1), job.run(seed=1), job.run(seed=2)
    assert first.decisions == again.decisions != other.decisions


def test_a_thread_that_never_ends_does_not_hold_the_process(job: Job) -> None:
    code = deciding(
        "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); "
        "return Signals(True, False)"
    )
    assert job.run(code).status == 0
