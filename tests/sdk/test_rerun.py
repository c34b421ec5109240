"""The checks' process, run as the runner runs it, but for the sandbox around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import numpy as np
import pytest

from alphintra_lab.engine.decisions import SignalDecisions, decode, signal_arrays
from alphintra_lab.engine.outcomes import Outcome, read_outcomes
from alphintra_lab.engine.reruns import read_reruns, unpack
from alphintra_lab.engine.variants import Rerun, Variant
from tests.engine.rerunning import random_walk

ROWS = 120
HEAD = """
import os, sys, time
import numpy as np
from alphintra_lab.sdk import Signals, Strategy, ta
"""
REPEAT = Variant("repeat", 0, ROWS)


class Job:
    """A job's folder over one symbol's random walk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.strategy, self.scratch = folder / "strategy", folder / "scratch"
        self.strategy.mkdir()
        self.scratch.mkdir()
        self.bars = random_walk(ROWS)
        self.bars.to_parquet(folder / "X.parquet")

    def time(self, row: int) -> int:
        return int(self.bars.index[row].value)

    def cut(self, row: int) -> list[Variant]:
        time = self.time(row)
        modes = ("rise", "fall", "truncate")
        return [Variant(mode, 0, row + 1, time) for mode in modes]  # type: ignore[arg-type]  # from the line above

    def run(self, body: str, variants: list[Variant], **more: Any) -> list[Rerun]:
        code = f"class S(Strategy):\n    def signals(self, bars):\n{indent(body)}"
        (self.strategy / "strategy.py").write_text(HEAD + code)
        job = {
            "strategy": {"folder": str(self.strategy), "entry": "strategy.py"},
            "parameters": {},
            "bars": {"X": str(self.folder / "X.parquet")},
            "out": str(self.folder / "reruns"),
            "progress": str(self.folder / "progress"),
            "variants": msgspec.to_builtins(variants),
            "scratch": [str(self.scratch)],
            "budget": 60,
            "seconds": 20,
        }
        (self.folder / "job.json").write_text(json.dumps(job | more))
        done = subprocess.run(
            [sys.executable, "-m", "alphintra_lab.sdk.rerun", str(self.folder / "job.json")],
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout.decode()
        assert done.stdout == b"", "variants print nothing"
        return list(read_reruns(self.folder / "reruns"))

    def outcomes(self, body: str, variants: list[Variant], **more: Any) -> list[Outcome]:
        """The same, compared with the first."""
        reruns = self.run(body, variants, **more)
        assert reruns[0].packed is not None, reruns[0].error
        base = decode(unpack(reruns[0].packed, None), bars=ROWS, symbols=["X"])
        return read_outcomes(self.folder / "reruns", variants, base)


def indent(body: str) -> str:
    return "".join(f"        {line}\n" for line in dedent(body).strip().splitlines())


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


HONEST = """
print("not to be seen")
up = bars["close"] > ta.sma(bars["close"], 5)
return Signals(up, ~up)
"""


def test_an_honest_strategy_decides_alike_in_every_variant(job: Job) -> None:
    later = Variant("later", 30, ROWS, job.time(30))
    outcomes = job.outcomes(HONEST, [REPEAT, *job.cut(60), *job.cut(90), later, REPEAT])
    assert [one.error for one in outcomes] == [None] * 9
    *same, late, last = outcomes
    assert [one.other for one in (*same, last)] == [None] * 8
    assert late.other is None or late.other.bars == ROWS - 30
    assert (job.folder / "progress").read_text() == "1.0000"


def test_a_leak_shows_in_opposed_futures(job: Job) -> None:
    body = """
    up = bars["close"].shift(-1) > bars["close"]
    return Signals(up, ~up)
    """
    _, rise, fall, _ = job.outcomes(body, [REPEAT, *job.cut(60)])
    # One of them is what really came: the other is changed, on the last bar before the future.
    (changed,) = [one.other for one in (rise, fall) if one.other is not None]
    assert isinstance(changed, SignalDecisions)
    entries = signal_arrays(changed).entries[:, 0]
    really = (job.bars["close"].shift(-1) > job.bars["close"]).to_numpy()[:61]
    assert np.flatnonzero(entries != really).tolist() == [60]


def test_no_variant_knows_of_another(job: Job) -> None:
    body = f"""
    import builtins
    seen = getattr(builtins, "seen", 0)
    builtins.seen = seen + 1
    cached = os.path.exists({str(job.scratch / "cache")!r})
    open({str(job.scratch / "cache")!r}, "w").write("x")
    os.environ["SEEN"] = os.environ.get("SEEN", "") + "x"
    odd = seen or cached or os.environ["SEEN"] != "x"
    up = bars["close"] > (0 if odd else 1e9)
    return Signals(up, ~up)
    """
    outcomes = job.outcomes(body, [REPEAT, *job.cut(60), REPEAT])
    assert [one.other for one in outcomes] == [None] * 5
    assert outcomes[0].rerun.files == [str(job.scratch / "cache")]


def test_seeded_chance_is_the_same_and_unseeded_is_not(job: Job) -> None:
    seeded = "up = np.random.random(len(bars)) > 0.5\nreturn Signals(up, ~up)"
    assert job.outcomes(seeded, [REPEAT, REPEAT])[1].other is None
    unseeded = "up = np.random.default_rng().random(len(bars)) > 0.5\nreturn Signals(up, ~up)"
    assert job.outcomes(unseeded, [REPEAT, REPEAT])[1].other is not None


def test_a_crash_belongs_to_its_variant(job: Job) -> None:
    body = """
    if len(bars) < 100:
        return bars["clsoe"]
    up = bars["close"] > 100
    return Signals(up, ~up)
    """
    outcomes = job.run(body, [REPEAT, *job.cut(60), REPEAT])
    truncated = outcomes[3]
    assert truncated.error is not None
    assert "KeyError" in truncated.error and "(strategy.py line " in truncated.error
    assert outcomes[0].packed is not None and outcomes[4].packed is not None


def test_a_process_that_ends_itself_or_never_ends_is_told(job: Job) -> None:
    ends = "if len(bars) < 100: os._exit(0)\nreturn Signals(False, False)"
    assert "ended itself" in str(job.run(ends, [REPEAT, *job.cut(60)])[3].error)
    hangs = "if len(bars) < 100: time.sleep(60)\nreturn Signals(False, False)"
    found = job.run(hangs, [REPEAT, *job.cut(60), REPEAT], seconds=3)
    assert found[3].error == "It took longer than 3 s."
    assert found[4].packed is not None


def test_without_the_run_itself_nothing_else_is_run(job: Job) -> None:
    found = job.run("return undefined_name", [REPEAT, *job.cut(60), REPEAT])
    assert len(found) == 1
    assert "NameError" in str(found[0].error)


def test_when_the_time_is_over_only_what_is_needed_runs(job: Job) -> None:
    spare = [msgspec.structs.replace(v, needed=False) for v in job.cut(90)]
    found = job.run(HONEST, [REPEAT, *job.cut(60), *spare, REPEAT], budget=0)
    assert [one.variant for one in found] == [0, 1, 2, 3, 7]


def test_what_the_class_declares_comes_along(job: Job) -> None:
    body = "return Signals(False, False)\nwindow = 3"
    plain = job.run(body, [REPEAT])[0]
    assert (plain.warmup, plain.expanding) == (None, False)
    declared = HEAD + (
        "class S(Strategy):\n    expanding = True\n    slow = 12\n"
        "    @property\n    def warmup(self):\n        return self.slow + 1\n"
        "    def signals(self, bars):\n        return Signals(False, False)\n"
    )
    (job.strategy / "strategy.py").write_text(declared)
    (job.strategy / "other.py").write_text(declared)
    strategy = {"folder": str(job.strategy), "entry": "other.py"}
    found = job.run(body, [REPEAT], strategy=strategy)[0]
    assert (found.warmup, found.expanding) == (13, True)
    bad = declared.replace("self.slow + 1", "'many'")
    (job.strategy / "other.py").write_text(bad)
    wrong = job.run(body, [REPEAT], strategy=strategy)[0]
    assert "warmup is 'many'" in str(wrong.error)


def test_libraries_are_imported_once_and_the_users_own_files_each_time(job: Job) -> None:
    said = job.folder / "said"
    (job.strategy / "mine.py").write_text(
        f"import sys\nopen({str(said)!r}, 'a').write(f\"{{'colorsys' in sys.modules}} \")\n"
    )
    code = f"{HEAD}import mine, colorsys\nclass S(Strategy):\n    def signals(self, bars):\n"
    (job.strategy / "other.py").write_text(code + "        return Signals(False, False)\n")
    strategy = {"folder": str(job.strategy), "entry": "other.py"}
    job.run(HONEST, [REPEAT, *job.cut(60)], strategy=strategy)
    assert said.read_text().split() == ["False", "True", "True", "True"]
