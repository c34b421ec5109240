"""Traps that a kernel lays in its own folder, for the server and for its own next start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alphintra_lab.errors import LabError
from alphintra_lab.strategies.snapshot import read_folder
from tests.faults.harness import wait_until
from tests.sandbox.escapes.conftest import Machines
from tests.sandbox.escapes.machine import LIMITS, Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
KERNELS = [
    pytest.param(backend, user, id=f"{backend}-{user}")
    for backend, user in (("bubblewrap", "root"), ("bubblewrap", "ordinary"), ("forked", "root"))
]
MINE = KERNELS[0 if os.geteuid() == 0 else 1]
"""One that is always there."""

# Stands for a module of the standard library, notes who imports it, and gives the real one.
PLANTED = """
import importlib, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "imported.txt"), "a") as file:
    file.write(f"{os.getuid()} {sys.orig_argv}\\\\n")
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != here]
name = sys.modules.pop(__name__).__name__
if "customize" not in name:
    sys.modules[name] = importlib.import_module(name)
"""
PLANT = f"""
for name in ("resource", "ctypes", "msgspec", "sitecustomize", "usercustomize"):
    with open(f"{{name}}.py", "w") as file:
        file.write('''{PLANTED}''')
"""


@pytest.fixture
def own(machines: Machines, backend: str, user: str) -> Iterator[Path]:
    """The kernel's own folder, as it was again afterwards."""
    folder = machines(backend, user).workspace / "strategies" / "one"
    yield folder
    for path in folder.iterdir():
        if path.name != "tests":
            subprocess.run(["rm", "-rf", "--", path], check=True)  # which knows how to go deep


@pytest.mark.parametrize(("backend", "user"), KERNELS)
def test_nothing_that_has_rights_imports_from_the_kernels_folder(
    machines: Machines, own: Path, backend: str, user: str
) -> None:
    said = machines(backend, user).ask(
        "run_cell", code="print('up')", limits=LIMITS, before=[PLANT]
    )
    assert (own / "resource.py").exists()
    assert "up" in said["text"]
    noted = own / "imported.txt"
    lines = noted.read_text().splitlines() if noted.exists() else []
    assert [line for line in lines if line.startswith("0 ")] == []
    assert [line for line in lines if "launch" in line or "zygote" in line] == []


def test_without_care_a_program_imports_from_its_folder(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PLANT], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-c", "import resource"], cwd=tmp_path, check=True)
    assert (tmp_path / "imported.txt").read_text().startswith(f"{os.getuid()} ")


WATCH = """
import os, time
open("ready", "w").close()
end, seen = time.monotonic() + 3, ""
while time.monotonic() < end:
    for name in {names!r}:
        try:
            with open(name) as file:
                seen += file.read()
        except OSError:
            pass
    time.sleep(0.05)
print("SEEN", "{mark}" in seen)
"""


def watch(machine: Machine, own: Path, path: Path) -> bool:
    """Whether a kernel that runs already sees what the host puts at this place."""
    code = WATCH.format(names=[str(path)], mark=machine.mark)
    machine.tell("run_cell", code=code, limits=LIMITS)
    wait_until((own / "ready").exists, "the kernel watches", timeout=60)
    fresh = path.with_name("fresh")
    fresh.write_text(f"SECRET={machine.mark}")
    fresh.chmod(0o644)
    fresh.replace(path)
    return "SEEN True" in machine.hear()["text"]


@pytest.mark.parametrize(("backend", "user"), [MINE])
@pytest.mark.xfail(strict=True, reason="a mask lies over a file, and goes with it")
def test_a_hidden_file_that_is_replaced_stays_hidden(
    machines: Machines, own: Path, backend: str, user: str
) -> None:
    machine = machines(backend, user)
    assert not watch(machine, own, machine.workspace / ".env")


@pytest.mark.parametrize(("backend", "user"), [MINE])
@pytest.mark.xfail(strict=True, reason="what is hidden is chosen when the kernel starts")
def test_a_hidden_file_that_is_new_stays_hidden(
    machines: Machines, own: Path, backend: str, user: str
) -> None:
    machine = machines(backend, user)
    assert not watch(machine, own, machine.workspace / ".new")


HOSTILE = r"""
import os, socket
def place(name):
    os.mkdir(name)
    return name
def write(path, data=b"x = 1\n"):
    with open(path, "wb") as file:
        file.write(data)
    return path
os.mkdir(place("directory") + "/strategy.py")
socket.socket(socket.AF_UNIX).bind(place("socket") + "/strategy.py")
os.truncate(write(place("huge") + "/strategy.py"), 8 * 2**20)
write(place("no-utf8") + "/strategy.py", b"\xff\xfe")
write(place("nulls") + "/strategy.py", bytes(1000))
write(place("unreadable") + "/strategy.py")
os.chmod("unreadable/strategy.py", 0)
os.chmod("unreadable", 0o700)
write(place("names") + "/strategy.py")
names = [b"\xff.py", b"a\nb.py", b"n" * 250 + b".py", b"-rf.py", b"..py", "\u202eyp.py".encode()]
for name in names:
    write(b"names/" + name)
write(place("many") + "/strategy.py")
for number in range(10_500):
    write(f"many/{number}.txt", b"")
write(place("deep") + "/strategy.py")
os.chdir("deep")
for _ in range(2_500):
    os.mkdir("ddd")
    os.chdir("ddd")
print("LAID")
"""


@pytest.mark.parametrize(("backend", "user"), [MINE])
def test_whatever_stands_in_a_folder_the_server_reads_it_or_says_why_not(
    machines: Machines, own: Path, backend: str, user: str
) -> None:
    machine = machines(backend, user)
    said = machine.ask("run_cell", code=HOSTILE, limits=LIMITS)
    assert "LAID" in said["text"]
    for folder in sorted(path for path in own.iterdir() if path.name != "tests"):
        started = time.monotonic()
        try:
            read_folder(folder, "strategy.py")
        except LabError as error:
            assert error.status < 500
        assert time.monotonic() - started < 2, folder
    # Its folder is opened for the next kernel, too.
    said = machine.ask("run_cell", code="print('up')", limits=LIMITS)
    assert "up" in said["text"]
