"""The harness itself: a fault that does not happen would let every other test here pass."""

from __future__ import annotations

import errno
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.harness import CutLine, fill_disk, kill_tree, small_disk, wait_until


class Echo(http.server.BaseHTTPRequestHandler):
    """Counts the bytes of each body."""

    received: list[int]

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        got = 0
        try:
            while left and (data := self.rfile.read1(min(left, 1 << 16))):
                got, left = got + len(data), left - len(data)
        except ConnectionResetError:
            self.close_connection = True
        self.received.append(got)
        if left:
            return
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[http.server.ThreadingHTTPServer]:
    Echo.received = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post(port: int, size: int, timeout: float = 10) -> int:
    url = f"http://127.0.0.1:{port}/"
    return httpx.post(url, content=b"x" * size, timeout=timeout, trust_env=False).status_code


def test_a_whole_line_lets_everything_through(echo: http.server.ThreadingHTTPServer) -> None:
    with CutLine(echo.server_port) as line:
        assert post(line.port, 500_000) == 200
    assert Echo.received == [500_000]


def test_a_cut_line_fails_the_client_and_the_server_gets_a_part(
    echo: http.server.ThreadingHTTPServer,
) -> None:
    with CutLine(echo.server_port, cut_after=100_000) as line:
        with pytest.raises(httpx.TransportError):
            post(line.port, 5_000_000)
        wait_until(lambda: Echo.received, "the server saw its request end")
        with pytest.raises(httpx.TransportError):
            post(line.port, 10)
        line.mend()
        assert post(line.port, 10) == 200
    assert 0 < Echo.received[0] <= 100_000
    assert Echo.received[1:] == [10]


def test_a_halted_line_is_silent_until_it_resumes(echo: http.server.ThreadingHTTPServer) -> None:
    with CutLine(echo.server_port) as line:
        line.halt()
        with pytest.raises(httpx.ReadTimeout):
            post(line.port, 10, timeout=0.5)
        line.resume()
        assert post(line.port, 10) == 200


def test_a_filled_disk_takes_no_more_bytes_and_its_neighbour_does() -> None:
    with small_disk("1m") as disk:
        filler = fill_disk(disk)
        with pytest.raises(OSError, match="No space left") as error:
            (disk / "more").write_bytes(b"x" * 8192)
        assert error.value.errno == errno.ENOSPC
        filler.unlink()
        (disk / "more").write_bytes(b"x" * 8192)
    assert not disk.exists()


def test_killing_a_tree_leaves_no_grandchild() -> None:
    script = (
        "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        kill_tree(parent.pid)
    with pytest.raises(ProcessLookupError):
        os.kill(grandchild, 0)
