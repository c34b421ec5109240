"""The kernel inside a sandbox: IPython's own, with the SDK at hand in the first cell."""

from __future__ import annotations

import os
import socket
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from tornado.ioloop import IOLoop
from traitlets.config import Config

from .gate import GATE, pass_gate


class SandboxedKernel(IPKernelApp):
    """A kernel whose connection file was written by the server and is read-only."""

    def write_connection_file(self, **kwargs: Any) -> None:
        """Leave it: the ports in it are those that were asked for."""

    def start(self) -> None:
        """Serve. One that was started ahead of time first waits for whom it serves."""
        gate = os.environ.pop(GATE, None)
        if gate is not None:
            opened = socket.socket(fileno=int(gate))
            loop = IOLoop.current()

            def enter(*_: Any) -> None:
                loop.remove_handler(opened)
                pass_gate(opened)

            loop.add_handler(opened, enter, IOLoop.READ)
        super().start()  # type: ignore[no-untyped-call]  # ipykernel's own has no types


def main() -> None:
    """Serve until told to shut down."""
    # An interrupt goes to the kernel's process group, so it needs one of its own; a fork has it.
    if os.getsid(0) != os.getpid():
        os.setsid()
    config = Config()
    config.IPKernelApp.exec_lines = ["from alphintra_lab.sdk import *"]
    SandboxedKernel.launch_instance(config=config)


if __name__ == "__main__":
    main()
