"""The kernel inside a sandbox: IPython's own, with the SDK at hand in the first cell."""

from __future__ import annotations

import os
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config


class SandboxedKernel(IPKernelApp):
    """A kernel whose connection file was written by the server and is read-only."""

    def write_connection_file(self, **kwargs: Any) -> None:
        """Leave it: the ports in it are those that were asked for."""


def main() -> None:
    """Serve until told to shut down."""
    # An interrupt goes to the kernel's process group, so it needs one of its own.
    os.setsid()
    config = Config()
    config.IPKernelApp.exec_lines = ["from alphintra_lab.sdk import *"]
    SandboxedKernel.launch_instance(config=config)


if __name__ == "__main__":
    main()
