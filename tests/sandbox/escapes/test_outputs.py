"""What a job leaves behind is poisoned: the engine's process says so, and nothing worse."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from alphintra_lab.backtests.engine_process import EngineProcess
from tests.sandbox.escapes.conftest import Machines
from tests.sandbox.escapes.machine import LIMITS, MIB, Machine, why_not

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
USER = "ordinary" if why_not("root") else "root"

WRITE = """
import os
OUT = "/out/decisions.msgpack"
def write(data):
    with open(OUT, "wb") as file:
        file.write(data)
{poison}
os._exit(0)
"""
GOOD = {
    "type": "signals",
    "symbols": ["EUR"],
    "bars": 50,
    "entries": b"\1" + bytes(49),
    "exits": bytes(50),
}


def packed(**changes: Any) -> str:
    """Code that writes decisions with these changes."""
    return f"write({msgspec.msgpack.encode({**GOOD, **changes})!r})"


# What is done inside, and what is said of it.
POISONS = {
    "no MessagePack": ("write(b'garbage')", "cannot be read"),
    "a list instead of a record": ("write(bytes([0x91, 0]))", "cannot be read"),
    "a list that claims four thousand million entries": (
        "write(bytes([0xDD, 255, 255, 255, 255]))",
        "cannot be read",
    ),
    "a hundred thousand lists in lists": ("write(bytes([0x91]) * 100_000)", "cannot be read"),
    "text that is no UTF-8": ("write(bytes([0x81, 0xA4]) + b'\\xff' * 4)", "cannot be read"),
    "half of it": (f"{packed()[:-1]}[:-20])", "cannot be read"),
    "another kind of value": (packed(entries=7), "cannot be read"),
    "a way out of a folder as a symbol": (packed(symbols=["../../lab.db"]), "../../lab.db"),
    "more rows than bars": (packed(bars=2**60), "rows"),
    "fewer values than rows": (packed(entries=b"\1"), "entries has 1 bytes"),
    "values that are neither true nor false": (packed(entries=b"\7" * 50), "entries is 7"),
    "a size that is no number": (
        packed(size=struct.pack("<50d", *[float("nan")] * 50)),
        "size is NaN",
    ),
    "a size beyond all": (
        packed(size=struct.pack("<50d", *[1e308] * 50)),
        "size is 1e+308",
    ),
    "a file as large as may be, all holes": ("os.truncate(OUT, 512 * 2**20)", "cannot be read"),
}
LARGE = {**LIMITS, "file_bytes": 512 * MIB}


@pytest.fixture(scope="module")
def machine(machines: Machines) -> Machine:
    """One whose jobs start fast, where that can be had: each poison needs one of its own."""
    return machines("forked" if USER == "root" else "bubblewrap", USER)


@pytest.fixture(scope="module")
def engine_request(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the worker asks of the engine, but for the decisions."""
    return {
        "do": "run",
        "folder": str(tmp_path_factory.mktemp("engine")),
        "bars": {"EUR": str(machine.home / "store" / "bars.parquet")},
        "seed": 1,
        "suspects": [],
        "settings": {
            "symbols": ["EUR"],
            "start": None,
            "end": None,
            "cash": 10_000.0,
            "commission": 0.0,
            "slippage_bps": 0.0,
            "fill": "next_open",
            "whole_shares": False,
        },
        "data": {
            "instruments": [
                {"symbol": "EUR", "lot": None, "tick": None, "adjusted": True, "currency": "EUR"}
            ],
            "periods_per_year": 6240.0,
            "errors_overridden": [],
            "dataset": "test",
        },
    }


async def test_poisoned_decisions_are_refused_with_the_reason(
    machine: Machine, engine_request: dict[str, Any]
) -> None:
    engine = EngineProcess()
    wrong: dict[str, Any] = {}
    try:
        for name, (poison, reason) in {**POISONS, "none": (packed(), "")}.items():
            answer = machine.ask("run_job", code=WRITE.format(poison=poison), limits=LARGE)
            path = Path(answer["folder"], "out", "decisions.msgpack")
            started = time.monotonic()
            said = await engine.call({**engine_request, "decisions": str(path)})
            error = said.get("error") or {"code": "", "message": ""}
            if name == "none":
                # The control: what is not poisoned is taken.
                assert "error" not in said, said["error"]
            elif error["code"] != "bad_decisions" or reason not in error["message"]:
                wrong[name] = (error, answer["text"])
            assert time.monotonic() - started < 20, name
            assert engine._process is not None
            used = psutil.Process(engine._process.pid).memory_info().rss
            assert used < 1_500 * MIB, f"{name}: the engine holds {used // MIB} MiB"
            path.unlink()
    finally:
        await engine.stop()
    assert wrong == {}


SWAP = """
import os
secret = {secret!r}
done = []
for call in (
    lambda: os.unlink("{out}/decisions.msgpack"),
    lambda: os.rename("{out}/decisions.msgpack", "{out}/other"),
    lambda: os.symlink(secret, "{out}/decisions.msgpack"),
    lambda: os.symlink(secret, "{out}/new"),
    lambda: os.mkfifo("{out}/new-pipe"),
    lambda: os.mkdir("{out}/folder"),
    lambda: os.link("/etc/passwd", "{out}/hard"),
):
    try:
        call()
        done.append("worked")
    except OSError as error:
        done.append(error.strerror)
print("DONE", done, flush=True)
os._exit(0)
"""


def test_outputs_cannot_be_swapped_for_links_or_pipes(machine: Machine) -> None:
    code = SWAP.format(out="/out", secret=str(machine.base / "secret.txt"))
    answer = machine.ask("run_job", code=code, limits=LIMITS)
    assert "worked" not in answer["text"].split("DONE")[1]
    out = Path(answer["folder"], "out")
    assert sorted(os.listdir(out)) == ["decisions.msgpack", "error.json", "progress"]
    assert all(path.is_file() and not path.is_symlink() for path in out.iterdir())


def test_outputs_can_be_swapped_without_the_sandbox(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "decisions.msgpack").touch()
    code = SWAP.format(out=tmp_path, secret=str(machine.base / "secret.txt"))
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
    assert machine.mark in (tmp_path / "decisions.msgpack").read_text()


READ_ON = """
import os
import pyarrow.parquet as parquet
rows = sum(parquet.read_table(f"/data/{{name}}").num_rows for name in os.listdir("/data"))
print("ROWS", rows, flush=True)
os._exit(0)
"""


@pytest.mark.xfail(strict=True, reason="the whole file is mounted, and cut by the process inside")
def test_bars_behind_the_end_are_not_there_to_be_read(machine: Machine) -> None:
    end = "2024-01-02T00:00:00+00:00"  # 24 of 50 bars
    answer = machine.ask("run_job", code=READ_ON.format(), limits=LIMITS, end=end)
    assert "ROWS 24" in answer["text"], answer["text"]
