"""A debugger at a lab's kernel: what the page's own sends, over the same web socket."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import websocket

from tests.faults.harness import Lab

FEATURES = {"clientID": "test", "adapterID": "python", "pathFormat": "path"}


class Debugger:
    """Requests on the control channel, and whatever the kernel says meanwhile."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self.connection = connection
        self.heard: list[dict[str, Any]] = []
        self._sequence = 0

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """A request's answer; a refused one fails the test."""
        self._sequence += 1
        asked = self.send(
            "debug_request",
            {"type": "request", "command": command, "seq": self._sequence, "arguments": arguments},
            channel="control",
        )
        reply = self.wait_for("debug_reply", lambda m: m["parent_header"].get("msg_id") == asked)
        assert reply["success"], reply
        return dict(reply.get("body") or {})

    def attach(self, session: dict[str, Any]) -> list[dict[str, Any]]:
        """As the page does: attach, and set the session's breakpoints; how each was taken."""
        self.ask("initialize", **FEATURES)
        self.ask("attach")
        taken = []
        wanted = session["settings"]["breakpoints"]
        for file in sorted({one["file"] for one in wanted}):
            lines = [
                {k: v for k, v in one.items() if k in ("line", "condition") and v is not None}
                for one in wanted
                if one["file"] == file
            ]
            source = {"path": f"{session['folder']}/{file}"}
            body = self.ask("setBreakpoints", source=source, breakpoints=lines)
            taken += body["breakpoints"]
        self.ask("configurationDone")
        return taken

    def start(self, code: str) -> str:
        """Start a cell, and do not wait for it."""
        content = {"code": code, "silent": False, "store_history": False}
        return self.send("execute_request", content, channel="shell")

    def wait_for_stop(self) -> dict[str, Any]:
        """The innermost frame of the thread that stops next."""
        event = self.wait_for("debug_event", lambda m: m["content"]["event"] == "stopped")
        thread = event["body"]["threadId"]
        frame: dict[str, Any] = self.ask("stackTrace", threadId=thread)["stackFrames"][0]
        return frame | {"thread": thread}

    def read_variables(self, frame: dict[str, Any]) -> dict[str, str]:
        """The frame's local variables, as the panel shows them."""
        scopes = self.ask("scopes", frameId=frame["id"])["scopes"]
        reference = scopes[0]["variablesReference"]
        found = self.ask("variables", variablesReference=reference)["variables"]
        return {one["name"]: one["value"] for one in found}

    def evaluate(self, frame: dict[str, Any], expression: str) -> str:
        """An expression's value in a frame."""
        asked = {"expression": expression, "frameId": frame["id"], "context": "repl"}
        return str(self.ask("evaluate", **asked)["result"])

    def wait_for(self, kind: str, fits: Any = lambda message: True) -> dict[str, Any]:
        """The content of the first message of a kind that fits, heard already or to come."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for number, message in enumerate(self.heard):
                if message["msg_type"] == kind and fits(message):
                    del self.heard[number]
                    return dict(message["content"])
            self.heard.append(json.loads(self.connection.recv()))
        raise AssertionError(f"no {kind} came: {[m['msg_type'] for m in self.heard]}")

    def send(self, kind: str, content: dict[str, Any], *, channel: str) -> str:
        """A message's id."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": "tester",
            "username": "tester",
            "version": "5.3",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": channel,
        }
        self.connection.send(json.dumps(message))
        return header["msg_id"]


@contextlib.contextmanager
def open_debugger(lab: Lab, session: dict[str, Any]) -> Iterator[Debugger]:
    """A debugger at the session's kernel."""
    address = f"ws://127.0.0.1:{lab.port}/api/kernels/{session['kernel_id']}/channels"
    connection = websocket.create_connection(f"{address}?token={quote(lab.token)}", timeout=60)
    try:
        yield Debugger(connection)
    finally:
        connection.close()
