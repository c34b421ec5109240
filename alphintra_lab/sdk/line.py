"""The line from user code to the lab's server: HTTP over a unix socket, by the standard library.

In a kernel of the lab the socket stands ready (ALPHINTRA_LINE). A plain script starts a process of
its own that listens, once, and ends it when the interpreter ends.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

START_SECONDS = 60.0
"""How long a plain script waits for the process it started."""
LARGEST_BODY = 256 * 1024 * 1024
"""Bytes; the server takes no more."""

_lock = threading.Lock()
_started: _Child | None = None


class LineError(Exception):
    """The lab's server refused, or cannot be reached. `code` and `field` are the API's."""

    def __init__(self, message: str, *, code: str = "unavailable", field: str | None = None):
        super().__init__(message)
        self.code, self.field = code, field


class _Child:
    """The process that a plain script starts to listen on a socket."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="alphintra-"))  # 0700, and a short path
        self.socket = str(self.folder / "line")
        self.owner = os.getpid()
        command = [sys.executable, "-P", "-m", "alphintra_lab", "line", "--socket", self.socket]
        with (self.folder / "log").open("wb") as log:
            # stdin stays open while this process lives: the end of it tells the child to end.
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        atexit.register(self.stop)

    def wait(self) -> None:
        """Return once the socket accepts; raises LineError when the process ends or is too slow."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise LineError(f"The lab did not start.\n{self._last_words()}")
            with contextlib.suppress(OSError), _connect(self.socket):
                return
            time.sleep(0.02)
        raise LineError(f"The lab did not start in {START_SECONDS:.0f} s.\n{self._last_words()}")

    def stop(self) -> None:
        """End the process; a fork of the script leaves it to the script itself."""
        atexit.unregister(self.stop)
        if os.getpid() != self.owner:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:].strip()


def get(path: str, **query: str) -> Any:
    """GET as JSON; raises LineError."""
    target = f"{path}?{urlencode(query)}" if query else path
    return _request("GET", target, None)


def post(path: str, body: dict[str, Any]) -> Any:
    """POST a body as MessagePack, the answer as JSON; waits as long as the server works."""
    encoded = msgspec.msgpack.encode(body)
    if len(encoded) > LARGEST_BODY:
        raise LineError(
            f"The decisions have {len(encoded):,} bytes; {LARGEST_BODY:,} are allowed. "
            "Use fewer bars or symbols.",
            code="too_large",
        )
    return _request("POST", path, encoded)


def _request(method: str, target: str, body: bytes | None) -> Any:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("alphintra")
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/msgpack"
    try:
        connection.sock = _connect(_find_socket())
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        status, answer = response.status, response.read()
    except (OSError, HTTPException) as error:
        raise LineError(
            f"The lab's server does not answer ({type(error).__name__}: {error}). "
            "Restart the kernel; if that does not help, restart the lab."
        ) from error
    finally:
        connection.close()
    return _read(status, answer)


def _read(status: int, answer: bytes) -> Any:
    try:
        content = json.loads(answer)
    except ValueError:
        raise LineError(f"The lab's server gave no readable answer (status {status}).") from None
    if status < 400:
        return content
    if not isinstance(content, dict):
        content = {}
    raise LineError(
        content.get("message") or f"The lab's server answered with status {status}.",
        code=content.get("code") or "unavailable",
        field=content.get("field"),
    )


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _find_socket() -> str:
    """The kernel's socket, or that of a process started here, once."""
    global _started
    ready = os.environ.get("ALPHINTRA_LINE")
    if ready:
        return ready
    with _lock:
        if _started is None or _started.process.poll() is not None:
            if _started is not None:
                _started.stop()
            _started = _Child()
            _started.wait()
        return _started.socket
