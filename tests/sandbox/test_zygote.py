"""A forked sandbox is the one that bubblewrap builds, and leaves as little behind."""

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

import psutil
import pytest

from alphintra_lab.errors import Unavailable
from alphintra_lab.sandbox import process
from alphintra_lab.sandbox.limits import Limits
from alphintra_lab.sandbox.zygote import Zygote
from tests.sandbox.forking import find_loop, running_zygote

ROOT = Path(__file__).parents[2]
LIMITS = Limits(seconds=30)

# What a program finds around itself; `timeit` runs it, as any module of the standard library.
LOOK = """
import json, os, resource, stat
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
mounts = {}
for line in open("/proc/self/mountinfo"):
    fields = line.split()
    kind = fields[fields.index("-") + 1]
    mounts[fields[4]] = [sorted(fields[5].split(",")), kind]
def describe(path):
    found = os.lstat(path)
    return [stat.filemode(found.st_mode), os.readlink(path) if os.path.islink(path) else ""]
places = ["/", "/dev", "/etc", "/lab", "/given", "/proc/sys"]
said = {
    "mounts": mounts,
    "files": {p + "/" + n: describe(p + "/" + n) for p in places[:5] for n in os.listdir(p)},
    "rights": {k: status[k].split() for k in ("CapEff", "CapBnd", "CapPrm", "CapInh", "CapAmb",
               "NoNewPrivs", "Seccomp", "Seccomp_filters", "Groups", "Umask")},
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource)
               if n.startswith("RLIMIT")},
    "environment": dict(os.environ),
    "cwd": os.getcwd(),
    "ids": [os.getresuid(), os.getresgid()],
    "processes": len([n for n in os.listdir("/proc") if n.isdigit()]),
    "descriptors": sorted(os.listdir("/proc/self/fd"))[:3],
    "hostname": os.uname().nodename,
    "score": open("/proc/self/oom_score_adj").read(),
    "interfaces": sorted(os.listdir("/sys/class/net")) if os.path.exists("/sys") else [],
    "passwd": open("/etc/passwd").read(),
}
print(json.dumps(said))
"""


@pytest.fixture(scope="module", autouse=True)
def jp_asyncio_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One loop for all tests here, on which the zygote lives."""
    loop = find_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def zygote(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Zygote]:
    """One for all of them."""
    with running_zygote(jp_asyncio_loop) as running:
        yield running


async def run(code: str, zygote: Zygote | None, **given: Any) -> tuple[str, int]:
    """What the code prints inside, and its exit code."""
    code = textwrap.dedent(code)
    argv = [sys.executable, "-m", "timeit", "-n1", "-r1", "-u", "sec", "-s", code, "pass"]
    sandbox = await process.start("test", argv, zygote=zygote, **{"limits": LIMITS} | given)
    said = (await sandbox.stdout.read()).decode()
    status = await sandbox.wait()
    await sandbox.close()
    return said.rpartition("1 loop, best of")[0] or said, status


async def test_a_fork_finds_itself_in_the_same_sandbox_as_a_cold_start(
    zygote: Zygote, tmp_path: Path
) -> None:
    for name in ("read", "write"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    given = {
        "readonly": {
            "/given/read": str(tmp_path / "read"),
            "/given/one": str(tmp_path / "read/file"),
        },
        "writable": {"/given/write": str(tmp_path / "write")},
        "environment": {"OWN": "value"},
        "cwd": "/given/write",
    }
    cold = json.loads((await run(LOOK, None, **given))[0])
    forked = json.loads((await run(LOOK, zygote, **given))[0])
    for found in (cold, forked):
        # What bubblewrap mounts on files of its own, the zygote writes into the root: both are
        # read-only, and both roots are in memory.
        for place in ("/etc/passwd", "/etc/group"):
            found["mounts"].pop(place, None)
        # Linux's own default, which only one of them names.
        for flags, _ in found["mounts"].values():
            flags[:] = [flag for flag in flags if flag != "relatime"]
    for name, value in cold.items():
        assert forked[name] == value, name


async def test_forks_share_no_random_number_and_no_file(zygote: Zygote) -> None:
    code = """
    import os, random, numpy
    print(random.random(), numpy.random.random(), os.listdir("/tmp"), os.listdir("/dev/shm"))
    open("/tmp/left", "w").write("x"); open("/dev/shm/left", "w").write("x")
    """
    first, second = (await run(code, zygote))[0].split(), (await run(code, zygote))[0].split()
    cold = (await run(code, None))[0].split()
    assert first[2:] == second[2:] == cold[2:], "an environment may lie in /tmp"
    assert first[0] != second[0] and first[1] != second[1]


async def test_what_a_fork_mounts_ends_and_leaves_is_gone_with_it(zygote: Zygote) -> None:
    own = f"alphintra-{os.getpid()}-"  # another test's may come and go beside it

    def held() -> tuple[list[str], int, list[str]]:
        mounts = [m for m in Path("/proc/self/mounts").read_text().splitlines() if own in m]
        groups = [str(group) for group in Path("/sys/fs/cgroup").glob(f"**/{own}*")]
        return mounts, len(os.listdir("/proc/self/fd")), groups  # noqa: PTH208  its own is one

    before, processes = held(), set(psutil.pids())
    code = "import os\nfor _ in range(3): os.fork()\nos._exit(7)"
    for _ in range(10):
        said, status = await run(code, zygote)
        assert status == 7, said
    assert held() == before
    children = psutil.Process().children(recursive=True)
    assert [one for one in children if one.pid not in processes] == []


async def test_orphans_are_reaped_and_die_with_the_program(zygote: Zygote) -> None:
    code = """
    import os, time
    for _ in range(5):
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(0)  # an orphan, for number 1 to reap
            os._exit(0)
        os.wait()
    time.sleep(0.3)
    print([n for n in os.listdir("/proc") if n.isdigit()] == ["1", str(os.getpid())])
    if os.fork() == 0:
        os.setsid(); time.sleep(60); os._exit(0)
    """
    said, status = await asyncio.wait_for(run(code, zygote), 10)
    assert (said.strip(), status) == ("True", 0)


async def test_the_first_process_inside_cannot_be_looked_into_or_killed(zygote: Zygote) -> None:
    code = """
    import os, signal
    for name in ("environ", "mem", "maps", "fd/3", "root", "cwd"):
        try:
            os.readlink(f"/proc/1/{name}") if "/" in name or name in ("root", "cwd") else open(
                f"/proc/1/{name}", "rb").read(1)
            print("read", name)
        except OSError as error:
            print(error.errno, end=" ")
    os.kill(1, signal.SIGKILL)
    print("alive")
    """
    said, status = await run(code, zygote)
    assert said.strip() == "13 13 13 13 13 13 alive", said
    assert status == 0


async def test_a_source_that_is_gone_or_a_broken_request_starts_nothing(zygote: Zygote) -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(Unavailable, match="could not be built: FileNotFoundError"):
            await zygote.fork(
                "test",
                "timeit",
                [],
                limits=LIMITS,
                output=writer,
                readonly={"/given": "/nowhere/at/all"},
            )
    finally:
        os.close(reader)
        os.close(writer)
    assert zygote.ready
    assert (await run("print(1)", zygote))[0] == "1\n"


async def test_a_killed_zygote_takes_its_forks_along_and_the_next_starts_cold() -> None:
    from tests.sandbox.forking import MODULES, check_forks

    zygote = Zygote(MODULES[:1])
    await zygote.start(check_forks)
    argv = [sys.executable, "-m", "timeit", "-s", "import time; print('up', flush=True)"]
    sandbox = await process.start("test", [*argv, "time.sleep(60)"], zygote=zygote, limits=LIMITS)
    assert isinstance(sandbox, process.ForkedSandbox)
    assert await sandbox.stdout.readline() == b"up\n"
    await zygote.stop()
    assert await asyncio.wait_for(sandbox.wait(), 5) == 128 + signal.SIGKILL
    await sandbox.close()
    assert not zygote.ready
    assert (await run("print('cold')", zygote))[0] == "cold\n"


def test_a_killed_server_leaves_no_zygote_and_no_fork(tmp_path: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text(
        textwrap.dedent(
            """
            import asyncio, sys
            from alphintra_lab.sandbox import process
            from alphintra_lab.sandbox.limits import Limits
            from alphintra_lab.sandbox.zygote import Zygote
            from tests.sandbox.forking import check_forks

            async def main():
                zygote = Zygote(("numpy",))
                await zygote.start(check_forks)
                argv = [sys.executable, "-m", "timeit", "-s", "print('up', flush=True)"]
                sandbox = await process.start(
                    "test", [*argv, "import time; time.sleep(60)"], zygote=zygote, limits=Limits()
                )
                await sandbox.stdout.readline()
                print(zygote._process.pid, sandbox.forked.pid, flush=True)
                await asyncio.sleep(60)

            asyncio.run(main())
            """
        )
    )
    with subprocess.Popen(
        [sys.executable, str(server)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as child:
        assert child.stdout is not None
        family = [psutil.Process(int(pid)) for pid in child.stdout.readline().split()]
        family += [one for parent in family for one in parent.children(recursive=True)]
        assert len(family) >= 4
        child.send_signal(signal.SIGKILL)
        child.wait()
    _, alive = psutil.wait_procs(family, timeout=3)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
