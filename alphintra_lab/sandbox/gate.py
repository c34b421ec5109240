"""Where a forked program waits until its sandbox is whole."""

from __future__ import annotations

import os
import socket
import struct
import sys

import msgspec

LENGTH = struct.Struct("<I")
GATE = "ALPHINTRA_GATE"
"""Tells a program that was started ahead of time its gate's number; it calls `pass_gate`."""


def pass_gate(gate: socket.socket) -> None:
    """Wait until the sandbox is whole, take on what it was given in the end, and go on.

    Where the sandbox never gets whole, the process ends here.
    """
    with gate:
        message = receive(gate)
        if message:
            environment, cwd = msgspec.msgpack.decode(message, type=tuple[dict[str, str], str])
            os.environ.update(environment)
            enter(cwd)
        gate.send(b"1")


def enter(cwd: str) -> None:
    """Go to the working folder; `python -m` would have it in front of the search path, too."""
    os.chdir(cwd)
    os.environ["PWD"] = cwd
    sys.path[0] = cwd


def receive(line: socket.socket) -> bytes:
    """One message: its length, then itself. Where the other side is gone, so is this process."""
    data = b""
    wanted = LENGTH.size
    while len(data) < wanted:
        part = line.recv(wanted - len(data))
        if not part:
            os._exit(1)
        data += part
        if wanted == LENGTH.size and len(data) == LENGTH.size:
            wanted += LENGTH.unpack(data)[0]
    return data[LENGTH.size :]
