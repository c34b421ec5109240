"""A kernel turns its line to a real lab, and its output, against the server: others are served."""

from __future__ import annotations

import resource
import statistics
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import wait_for_datasets
from tests.faults.harness import Lab
from tests.remote_kernel import RemoteKernel, open_kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MIB = 1024**2
FILES = 400
"""Of the server, from here on: a kernel may open more."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose limit of open files is reached soon."""
    folder = tmp_path_factory.mktemp("line")
    with Lab(folder / "home", folder / "workspace") as running:
        wait_for_datasets(running)  # by then the sandbox has passed its self-test, too
        assert running.process is not None
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        yield running


@pytest.fixture
def kernel(lab: Lab) -> Iterator[RemoteKernel]:
    """A kernel that nobody else's test has abused."""
    with open_kernel(lab, "attack.ipynb") as opened:
        yield opened


def run(kernel: RemoteKernel, code: str) -> str:
    """What a cell printed; it must not fail."""
    output = kernel.run(textwrap.dedent(code))
    assert output.error is None, output.error
    return output.text


def time_requests(lab: Lab, count: int = 5) -> list[float]:
    """Seconds that a page waits for the server, which must answer."""
    waited = []
    for _ in range(count):
        started = time.monotonic()
        assert lab.request("GET", "/health", timeout=10).status_code == 200
        waited.append(time.monotonic() - started)
    return waited


def read_peak(lab: Lab) -> int:
    """The most memory that the server has held, in bytes."""
    assert lab.process is not None
    for line in Path(f"/proc/{lab.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


HOLD = """
import os, socket, time
held, end = [], time.monotonic() + 10
while len(held) < {count} and time.monotonic() < end:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(1)
    try:
        line.connect(os.environ["ALPHINTRA_LINE"])
        line.send(b"GET /datasets HTTP/1.1\\r\\nX-Slow: ")
        held.append(line)
    except OSError:
        time.sleep(0.01)  # it has more than it can accept at once
print(len(held))
"""


def test_connections_that_never_end_their_request_leave_the_server_to_others(
    lab: Lab, kernel: RemoteKernel
) -> None:
    run(kernel, HOLD.format(count=FILES * 2))
    assert max(time_requests(lab)) < 5
    with open_kernel(lab, "other.ipynb") as other:
        assert other.read("len(load_bars.__name__)") == 9
    run(kernel, "for line in held: line.close()")


FLOOD = """
import http.client, os, socket, time
def ask():
    line = http.client.HTTPConnection("lab")
    line.sock = socket.socket(socket.AF_UNIX)
    line.sock.connect(os.environ["ALPHINTRA_LINE"])
    line.request("GET", "/datasets")
    return line.getresponse().read()
for _ in range(8):
    if os.fork() == 0:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            try:
                ask()
            except Exception:
                pass
        os._exit(0)
print("flooding")
"""


def test_a_flood_of_requests_leaves_the_server_to_others(lab: Lab, kernel: RemoteKernel) -> None:
    run(kernel, FLOOD)
    assert statistics.median(time_requests(lab, 8)) < 1.5


GROW = """
import http.client, msgspec, os, socket
body = msgspec.msgpack.encode({"parameters": {"x": 1}})
# A list of empty maps: a byte each here, 72 once they are read.
count = %d
claim = b"\\xdd" + count.to_bytes(4, "big") + b"\\x80" * count
body = body.replace(b"\\xa1x\\x01", b"\\xa1x" + claim)
line = http.client.HTTPConnection("lab")
line.sock = socket.socket(socket.AF_UNIX)
line.sock.connect(os.environ["ALPHINTRA_LINE"])
line.request("POST", "/backtests", body)
print(line.getresponse().status)
"""


def test_a_small_request_does_not_grow_in_the_server(lab: Lab, kernel: RemoteKernel) -> None:
    before = read_peak(lab)
    assert run(kernel, GROW % 8_000_000).strip() in ("400", "413", "422", "429")
    assert read_peak(lab) - before < 200 * MIB


PRINT = """
import sys
for _ in range(600):
    sys.stdout.write("x" * 100_000 + "\\n")
"""


def test_a_flood_of_output_does_not_stay_in_the_server(lab: Lab, kernel: RemoteKernel) -> None:
    before = read_peak(lab)
    # Nobody reads: a page that hangs, or that is the attacker's own.
    kernel._send("execute_request", {"code": PRINT, "silent": False, "store_history": False})
    time.sleep(6)
    assert max(time_requests(lab)) < 5
    assert read_peak(lab) - before < 300 * MIB  # of 60, or several times that as messages
