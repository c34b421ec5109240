"""The back ends that the suite attacks. A new one is one more class here, and a line in BACKENDS.

Everything else is the same for all: the attacks, what is expected, and how a job and a kernel are
started, through the lab's own `Runner` and Jupyter's own kernel manager.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from alphintra_lab.jobs.runners import Runner
from alphintra_lab.jobs.runners.local import LocalRunner
from alphintra_lab.sandbox.limits import Limits
from alphintra_lab.sandbox.provisioner import BubblewrapProvisioner


class Backend(Protocol):
    """What a back end gives to be attacked. It lives in the process that stands for the server."""

    kernelspec: str
    """The kernelspec, in `kernels/`, whose kernels it isolates."""
    users: tuple[str, ...]
    """Who the server may be: `root`, `ordinary`."""

    def open_runner(self) -> contextlib.AbstractAsyncContextManager[Runner]:
        """A runner for jobs; whatever it needs is started, and ended."""

    def prepare_kernels(self, home: Path, workspace: Path, limits: Limits, open_line: Any) -> None:
        """Set what the app sets before kernels are started."""


class Bubblewrap:
    """Cold starts in bubblewrap."""

    kernelspec: str = "alphintra-sandboxed"
    users: tuple[str, ...] = ("root", "ordinary")

    @contextlib.asynccontextmanager
    async def open_runner(self) -> AsyncIterator[Runner]:
        """It starts nothing of its own."""
        yield LocalRunner()

    def prepare_kernels(self, home: Path, workspace: Path, limits: Limits, open_line: Any) -> None:
        """The provisioner's class has them."""
        BubblewrapProvisioner.home, BubblewrapProvisioner.workspace = home, workspace
        BubblewrapProvisioner.limits = limits
        BubblewrapProvisioner.open_line = staticmethod(open_line)


BACKENDS: dict[str, Backend] = {"bubblewrap": Bubblewrap()}

WHERE = [
    pytest.param(backend, user, place, id=f"{backend}-{user}-{place}")
    for backend in BACKENDS
    for user in BACKENDS[backend].users
    for place in ("job", "kernel")
]
"""Parameters for tests: each place in which user code runs."""
