"""A sandbox ends when it is told to, and when the process that started it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil

from alphintra_lab.sandbox import process
from alphintra_lab.sandbox.limits import Limits

LIMITS = Limits(processes=32)


def find_processes(marker: str) -> list[int]:
    """Processes with the marker on their command line; bubblewrap has it too."""
    found = []
    for one in psutil.process_iter(["cmdline", "status"]):
        line = one.info["cmdline"] or []
        if marker in line and one.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(one.pid)
    return found


async def wait_until_gone(marker: str, seconds: float = 3.0) -> list[int]:
    """The processes that are still there after so long."""
    deadline = time.monotonic() + seconds
    while (left := find_processes(marker)) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return left


FAMILY = """
import os, signal, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
print("up", flush=True)
time.sleep(60)
"""


async def test_kill_ends_a_whole_family_at_once() -> None:
    marker = f"family-{os.getpid()}"
    argv = [sys.executable, "-S", "-c", FAMILY, marker]
    sandbox = await process.start("test", argv, limits=LIMITS)
    assert await sandbox.stdout.readline() == b"up\n"
    assert len(find_processes(marker)) >= 4
    sandbox.kill()
    await sandbox.wait()
    assert await wait_until_gone(marker, 1.0) == []
    assert sandbox.was_launched()
    await sandbox.close()


async def test_kill_during_the_start_leaves_nothing() -> None:
    marker = f"early-{os.getpid()}"
    argv = [sys.executable, "-S", "-c", "import time; time.sleep(60)", marker]
    for milliseconds in (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30):
        sandbox = await process.start("test", argv, limits=LIMITS)
        await asyncio.sleep(milliseconds / 1000)
        sandbox.kill()
        await sandbox.wait()
        await sandbox.close()
    assert await wait_until_gone(marker) == []


async def test_a_killed_server_takes_its_sandbox_along(tmp_path: Path) -> None:
    marker = f"orphan-{os.getpid()}"
    server = tmp_path / "server.py"
    server.write_text(
        textwrap.dedent(
            f"""
            import asyncio, sys
            from alphintra_lab.sandbox import process
            from alphintra_lab.sandbox.limits import Limits

            async def main():
                argv = [sys.executable, "-S", "-c", {FAMILY!r}, {marker!r}]
                sandbox = await process.start("test", argv, limits=Limits(processes=32))
                print(await sandbox.stdout.readline(), flush=True)
                await asyncio.sleep(60)

            asyncio.run(main())
            """
        )
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, str(server)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": root},
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"b'up\\n'\n"
        assert find_processes(marker)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert await wait_until_gone(marker) == []


async def test_a_server_killed_during_the_start_leaves_no_program_running(tmp_path: Path) -> None:
    marker = f"early-orphan-{os.getpid()}"
    code = (
        "import asyncio, os, sys, time\n"
        "from alphintra_lab.sandbox import process\n"
        "from alphintra_lab.sandbox.limits import Limits\n"
        "async def main():\n"
        f"    argv = [sys.executable, '-S', '-c', 'import time; time.sleep(60)', {marker!r}]\n"
        "    await process.start('test', argv, limits=Limits(processes=32))\n"
        "    time.sleep(float(sys.argv[1]))\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    root = str(Path(__file__).parents[2])
    for seconds in ("0", "0.002", "0.006", "0.012", "0.025"):
        environment = os.environ | {"PYTHONPATH": root}
        ended = subprocess.run([sys.executable, "-c", code, seconds], env=environment, check=False)
        assert ended.returncode == -signal.SIGKILL
    assert await wait_until_gone(marker) == []


async def test_a_program_that_could_not_be_reached_is_told_apart(tmp_path: Path) -> None:
    sandbox = await process.start(
        "test", ["/bin/true"], limits=LIMITS, readonly={"/data": str(tmp_path / "gone")}
    )
    said = await sandbox.stdout.read()
    assert await sandbox.wait() != 0
    assert not sandbox.was_launched()
    assert b"bwrap: Can't find source path" in said
    await sandbox.close()
