"""A real zygote for the tests, with less to load than the lab's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_core.utils import ensure_event_loop

from alphintra_lab.sandbox.self_test import test_forks as check_forks
from alphintra_lab.sandbox.zygote import Zygote

__all__ = ["MODULES", "check_forks", "find_loop", "running_zygote"]

MODULES = (
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "alphintra_lab.sdk",
    "alphintra_lab.sdk.deciding",
    "alphintra_lab.sdk.entry",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
)


def find_loop() -> asyncio.AbstractEventLoop:
    """The loop on which pytest-jupyter runs each asynchronous test."""
    return ensure_event_loop(prefer_selector_loop=True)


@contextmanager
def running_zygote(loop: asyncio.AbstractEventLoop) -> Iterator[Zygote]:
    """One that was checked, as the lab checks it, on this loop."""
    zygote = Zygote(MODULES)
    loop.run_until_complete(zygote.start(check_forks))
    try:
        yield zygote
    finally:
        loop.run_until_complete(zygote.stop())
