"""A kernel of a running lab, driven as a browser drives it: REST and a web socket."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import websocket

from tests.faults.harness import Lab

KERNEL = "alphintra-sandboxed"


@dataclass
class Output:
    """What one cell gave."""

    text: str = ""
    """Printed, to either stream."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """What it displayed, by MIME type."""
    error: str | None = None
    """The exception's type and text."""


class RemoteKernel:
    """One kernel and a connection to it."""

    def __init__(self, connection: websocket.WebSocket, kernel_id: str) -> None:
        self.connection, self.id = connection, kernel_id
        self._session = uuid.uuid4().hex

    def run(self, code: str, *, timeout: float = 90) -> Output:
        """Run a cell to its end."""
        asked = self._send(
            "execute_request", {"code": code, "silent": False, "store_history": True}
        )
        output, end = Output(), time.monotonic() + timeout
        while time.monotonic() < end:
            message = json.loads(self.connection.recv())
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                output.text += content["text"]
            elif kind in ("execute_result", "display_data"):
                output.results.append(content["data"])
            elif kind == "error":
                output.error = f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                return output
        raise AssertionError(f"the cell did not end in {timeout:g} s: {code[:200]}")

    def read(self, code: str, *, timeout: float = 90) -> Any:
        """What an expression is in the kernel, through JSON; a failing one fails the test."""
        output = self.run(f"import json; print(json.dumps({code}))", timeout=timeout)
        assert output.error is None, output.error
        return json.loads(output.text)

    def _send(self, kind: str, content: dict[str, Any]) -> str:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self._session,
            "username": "tester",
            "version": "5.3",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        self.connection.send(json.dumps(message))
        return header["msg_id"]


@contextlib.contextmanager
def open_kernel(lab: Lab, notebook: str) -> Iterator[RemoteKernel]:
    """The sandboxed kernel of a notebook, by its path in the workspace."""
    session = lab.json(
        "POST",
        "/api/sessions",
        {"path": notebook, "name": "", "type": "notebook", "kernel": {"name": KERNEL}},
    )
    kernel_id = session["kernel"]["id"]
    connection = websocket.create_connection(
        f"ws://127.0.0.1:{lab.port}/api/kernels/{kernel_id}/channels?token={quote(lab.token)}",
        timeout=90,
    )
    try:
        yield RemoteKernel(connection, kernel_id)
    finally:
        connection.close()
        lab.request("DELETE", f"/api/sessions/{session['id']}")
