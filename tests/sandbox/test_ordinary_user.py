"""The same for an ordinary user, in a user namespace: root's tests drop to `nobody` for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"  # `nobody` may not read root's own
NOBODY = 65534
ROOT = Path(__file__).parents[2]


def can_be_used() -> str:
    """Why not, or nothing."""
    if os.geteuid() != 0:
        return "every other test here runs as an ordinary user already"
    if not Path(PYTHON).exists():
        return f"{PYTHON} is not installed"
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    )
    if version.stdout.strip() != str(sys.version_info[:2]):
        return f"{PYTHON} is another version, which the installed packages are not for"
    unshared = subprocess.run(
        ["/usr/bin/unshare", "--user", "true"], user=NOBODY, group=NOBODY, check=False
    )
    return "" if unshared.returncode == 0 else "this machine forbids user namespaces to users"


REASON = can_be_used()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON or "it can")


def run_as_nobody(code: str) -> str:
    """The code's output, run by the system's Python as `nobody` with our packages."""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    ended = subprocess.run(
        [PYTHON, "-c", textwrap.dedent(code)],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env={"PYTHONPATH": f"{ROOT}:{site}", "HOME": "/nonexistent", "SECRET": "hunter2"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_self_test_passes() -> None:
    out = run_as_nobody(
        """
        import msgspec
        from alphintra_lab.sandbox.self_test import self_test
        print(msgspec.json.encode(self_test()).decode())
        """
    )
    result = json.loads(out)
    assert result["passed"], result["message"]
    assert result["limits"]["user"] == "a user namespace"
    assert result["limits"]["memory"] == "rlimit, for each process"


def test_limits_and_isolation_hold() -> None:
    out = run_as_nobody(
        '''
        from tests.sandbox.inside import run_inside
        from alphintra_lab.sandbox.limits import Limits
        ended = run_inside("""
            import os
            print(os.getuid())
            try:
                bytearray(20 * 1024**3)
            except MemoryError:
                print("MemoryError")
            children = 0
            try:
                while True:
                    if os.fork() == 0:
                        import time; time.sleep(5); os._exit(0)
                    children += 1
            except OSError:
                print(children <= 32)
            for path in ("/new", "/dev/new", "/usr/new", "/proc/sys/kernel/hostname"):
                try:
                    open(path, "w"); print("written", path)
                except OSError:
                    pass
            print("hunter2" in open("/proc/1/environ").read())
            """, Limits(processes=32))
        print(ended.stdout)
        '''
    )
    assert out.split("\n")[:4] == [
        str(NOBODY),
        "MemoryError",
        "True",
        "False",
    ]


def test_forks_from_a_zygote_hold_what_the_self_test_asks() -> None:
    out = run_as_nobody(
        """
        import asyncio, os
        import msgspec
        from alphintra_lab.sandbox import view
        from alphintra_lab.sandbox.limits import Limits
        from alphintra_lab.sandbox.self_test import test_forks
        from alphintra_lab.sandbox.zygote import Zygote

        # The packages lie in an environment that is not this Python's own.
        site = os.path.dirname(os.path.dirname(msgspec.__file__))
        view.ENVIRONMENT["PYTHONPATH"] += ":" + site
        view.list_mounts().append(view.Mount("shown", site, site))
        CODE = "import os; print(os.getuid(), os.path.exists('/host'), os.path.exists('/.old'))"

        async def main():
            zygote = Zygote(("numpy",))
            await zygote.start(test_forks)
            reader, writer = os.pipe()
            options = {"limits": Limits(processes=16), "output": writer}
            forked = await zygote.fork("x", "timeit", ["-n1", "-r1", "-s", CODE], **options)
            os.close(writer)
            print(await forked.wait(), os.read(reader, 4000).decode().split("\\n")[0])
            await forked.close()
            await zygote.stop()

        asyncio.run(main())
        """
    )
    assert out == f"0 {NOBODY} False False\n"
