"""The back ends that the suite attacks. A new one is one more class here, and a line in BACKENDS.

Everything else is the same for all: the attacks, what is expected, and how a job and a kernel are
started, through the lab's own `Runner` and Jupyter's own kernel manager.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from alphintra_lab.errors import Unavailable
from alphintra_lab.jobs.runners import Runner
from alphintra_lab.jobs.runners.local import LocalRunner
from alphintra_lab.sandbox.limits import Limits
from alphintra_lab.sandbox.provisioner import BubblewrapProvisioner, OpenLine
from alphintra_lab.sandbox.self_test import test_forks
from alphintra_lab.sandbox.warm import WarmKernel, WarmKernels
from alphintra_lab.sandbox.zygote import Zygote


class NotHere(Exception):
    """This machine cannot have the back end, and why: the lab goes on without it."""


class Backend(Protocol):
    """What a back end gives to be attacked. It lives in the process that stands for the server."""

    users: tuple[str, ...]
    """Who the server may be: `root`, `ordinary`."""
    places: tuple[str, ...]
    """Where user code runs in it: `job`, `kernel`."""
    kernelspec: str
    """The kernelspec, in `kernels/`, whose kernels it isolates."""
    process_1: str
    """Stands on the command line of the first process inside: the proof that it was this one."""

    def open_runner(self) -> contextlib.AbstractAsyncContextManager[Runner]:
        """A runner for jobs; whatever jobs and kernels need is started, and ended."""

    async def prepare_kernels(
        self, home: Path, workspace: Path, limits: Limits, open_line: OpenLine
    ) -> None:
        """Set what the app sets before a kernel is started."""


class Bubblewrap:
    """Cold starts in bubblewrap."""

    users: tuple[str, ...] = ("root", "ordinary")
    places: tuple[str, ...] = ("job", "kernel")
    kernelspec: str = "alphintra-sandboxed"
    process_1: str = "bwrap"

    @contextlib.asynccontextmanager
    async def open_runner(self) -> AsyncIterator[Runner]:
        yield LocalRunner()

    async def prepare_kernels(
        self, home: Path, workspace: Path, limits: Limits, open_line: OpenLine
    ) -> None:
        BubblewrapProvisioner.home, BubblewrapProvisioner.workspace = home, workspace
        BubblewrapProvisioner.limits = limits
        BubblewrapProvisioner.open_line = staticmethod(open_line)


class Forked(Bubblewrap):
    """Forks of a zygote."""

    process_1: str = "zygote_main"

    @contextlib.asynccontextmanager
    async def open_runner(self) -> AsyncIterator[Runner]:
        zygote = Zygote()
        try:
            await zygote.start(test_forks)
        except Unavailable as error:
            raise NotHere(error.message) from None
        BubblewrapProvisioner.zygote = zygote
        try:
            yield LocalRunner(None, zygote)
        finally:
            await zygote.stop()


class Warm(Forked):
    """Kernels that ran, and waited, before anybody asked for one."""

    # A fork that waits is made as one that does not: it is tried as whom the tests run as.
    users: tuple[str, ...] = ("root" if os.geteuid() == 0 else "ordinary",)
    places: tuple[str, ...] = ("kernel",)

    async def prepare_kernels(
        self, home: Path, workspace: Path, limits: Limits, open_line: OpenLine
    ) -> None:
        await super().prepare_kernels(home, workspace, limits, open_line)
        assert BubblewrapProvisioner.zygote is not None
        kernels = WarmKernels(BubblewrapProvisioner.zygote, 1, home, limits)
        filling = asyncio.create_task(kernels.run())
        while not (ready := kernels.take()):
            await asyncio.sleep(0.05)
        filling.cancel()
        await asyncio.wait({filling})
        BubblewrapProvisioner.warm = OneWarm(ready)


class OneWarm(WarmKernels):
    """That one, and no other."""

    def __init__(self, ready: WarmKernel) -> None:
        self.ready: WarmKernel | None = ready

    def take(self) -> WarmKernel | None:
        """It, the first time."""
        ready, self.ready = self.ready, None
        return ready


BACKENDS: dict[str, Backend] = {"bubblewrap": Bubblewrap(), "forked": Forked(), "warm": Warm()}

WHERE = [
    pytest.param(name, user, place, id=f"{name}-{user}-{place}")
    for name, backend in BACKENDS.items()
    for user in backend.users
    for place in backend.places
]
"""Parameters for tests: each place in which user code runs."""
