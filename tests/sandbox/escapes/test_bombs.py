"""Bombs that may bring their sandbox down, each in one of its own: the host must not notice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.harness import wait_until
from tests.sandbox.escapes import contract
from tests.sandbox.escapes.backends import WHERE
from tests.sandbox.escapes.conftest import Machines
from tests.sandbox.escapes.machine import LIMITS, MIB
from tests.sandbox.inside import has_cgroup

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
contract.load()
ALONE = {name: terms for name, (_, terms) in contract.REGISTER.items() if terms.alone}

LEAVE_A_DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (0, 1, 2):
            os.close(number)
        os.execv({sleep!r}, ["sleep", {mark!r}])
    os._exit(0)
time.sleep(0.3)
print("left", flush=True)
"""


@pytest.mark.parametrize(("backend", "user", "place"), WHERE)
@pytest.mark.parametrize("name", ALONE)
def test_a_bomb_hits_nobody_else(
    machines: Machines, backend: str, user: str, place: str, name: str
) -> None:
    if place not in ALONE[name].places or backend == "warm":
        pytest.skip("another place shows it already, and is held by the same")
    if (user == "ordinary" and os.geteuid() == 0) or not has_cgroup():
        pytest.skip("without a cgroup it is not contained, as docs/security.md says")
    ran = machines(backend, user).attack(place, [name])
    # Either it failed, or its whole sandbox was ended for it.
    ended = ran.error is not None and ran.error.startswith(("memory_limit", "it died"))
    outcome = ran.outcomes.get(name, ["contained", ran.error] if ended else ["broken", ran.text])
    assert outcome[0] == "contained", outcome


@pytest.mark.parametrize(("backend", "user", "place"), WHERE)
def test_what_is_left_running_ends_with_its_sandbox(
    machines: Machines, backend: str, user: str, place: str
) -> None:
    mark = str(10_000 + os.getpid())
    code = LEAVE_A_DAEMON.format(sleep="/bin/sleep", mark=mark)
    code += "os._exit(0)" if place == "job" else ""
    answer = machines(backend, user).ask(
        "run_job" if place == "job" else "run_cell", code=code, limits=LIMITS
    )
    assert "left" in answer["text"]
    time.sleep(0.1)
    left = [p for p in psutil.process_iter() if p.name() == "sleep" and mark in p.cmdline()]
    assert left == []


def test_what_is_left_running_stays_without_the_sandbox() -> None:
    mark = str(20_000 + os.getpid())
    code = LEAVE_A_DAEMON.format(sleep="/bin/sleep", mark=mark)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)

    def find() -> list[psutil.Process]:
        return [p for p in psutil.process_iter() if p.name() == "sleep" and mark in p.cmdline()]

    (left,) = wait_until(find, "the daemon is there", timeout=5)
    left.kill()


@pytest.mark.parametrize(
    ("backend", "user", "place"), [one for one in WHERE if one.values[2] == "job"]
)
def test_a_flood_of_output_is_dropped(
    machines: Machines, backend: str, user: str, place: str
) -> None:
    machine = machines(backend, user)
    server = psutil.Process(machine.server.pid)
    before = server.memory_info().rss
    code = "import os\nfor _ in range(800): os.write(1, b'x' * 65536); os.write(2, b'y' * 65536)\n"
    answer = machine.ask("run_job", code=code, limits=LIMITS)
    assert Path(answer["folder"], "log.txt").stat().st_size == LIMITS["log_bytes"]
    assert server.memory_info().rss - before < 40 * MIB  # of 100


def test_a_flood_of_output_fills_the_disk_without_the_sandbox(tmp_path: Path) -> None:
    code = "import os\nfor _ in range(160): os.write(1, b'x' * 65536)\n"
    with (tmp_path / "log.txt").open("wb") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True)
    assert (tmp_path / "log.txt").stat().st_size == 10 * MIB
