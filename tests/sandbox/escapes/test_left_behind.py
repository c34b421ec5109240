"""The server is killed while a job and a kernel run: nothing goes on, and nothing stays."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from alphintra_lab.sandbox import cgroup
from alphintra_lab.sandbox.runtime import remove_stale
from tests.faults.harness import wait_until
from tests.sandbox.escapes.machine import LIMITS, Machine, why_not

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SLEEP = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
with open("/out/progress", "w") as file:
    file.write("0.5")
time.sleep(60)
"""


def find_mounts(pid: int) -> list[str]:
    """Mounts of a server's kernels."""
    lines = Path("/proc/mounts").read_text().splitlines()
    return [line for line in lines if f"/alphintra-{pid}-" in line]


def find_cgroups(pid: int) -> list[Path]:
    """Cgroups of a server's sandboxes."""
    base = Path("/sys/fs/cgroup")
    return [p for p in base.rglob(f"alphintra-{pid}-*") if p.is_dir()] if base.exists() else []


@pytest.mark.parametrize(
    ("backend", "user"),
    [
        pytest.param("bubblewrap", "root", id="bubblewrap-root"),
        pytest.param("bubblewrap", "ordinary", id="bubblewrap-ordinary"),
        pytest.param("forked", "root", id="forked-root"),
    ],
)
def test_a_killed_server_leaves_nothing(backend: str, user: str) -> None:
    if reason := why_not(user):
        pytest.skip(reason)
    with Machine(backend, user) as machine:
        answer = machine.ask("run_job", code=SLEEP, limits=LIMITS, wait=False)
        progress = Path(answer["folder"], "out", "progress")
        wait_until(lambda: progress.exists() and progress.stat().st_size, "the job runs")
        pid = machine.server.pid
        family = psutil.Process(pid).children(recursive=True)
        assert len(family) >= 4  # of the kernel and the job: the first process, and what it runs
        machine.server.kill()
        machine.server.wait(10)
        _, alive = psutil.wait_procs(family, timeout=5)
        assert alive == []
    # The empty rest goes when the next server, or its next kernel, starts.
    remove_stale(Path("/run"), None)
    cgroup.remove_stale()
    assert find_mounts(pid) == []
    assert find_cgroups(pid) == []
    assert list(Path("/run").glob(f"alphintra-{pid}-*")) == []


def test_a_process_without_a_sandbox_outlives_its_server() -> None:
    mark = str(30_000 + os.getpid())
    code = textwrap.dedent(
        f"""
        import os, subprocess
        subprocess.Popen(["/bin/sleep", "{mark}"], start_new_session=True)
        os.kill(os.getpid(), 9)
        """
    )
    subprocess.run([sys.executable, "-c", code], check=False)

    def find() -> list[psutil.Process]:
        return [p for p in psutil.process_iter() if p.name() == "sleep" and mark in p.cmdline()]

    (left,) = wait_until(find, "it is there", timeout=5)
    left.kill()
