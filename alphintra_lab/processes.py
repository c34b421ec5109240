"""Child processes of ours: they end with the process that started them, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PARENT = "ALPHINTRA_PARENT"


def command_of(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours.

    With -P nothing is imported from the current folder: it is the user's, and a `random.py` of
    theirs would otherwise run outside of the sandbox.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment_of_child() -> dict[str, str]:
    """This process's environment, and who the parent is, for `die_with_parent`."""
    return os.environ | {PARENT: str(os.getpid())}


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent does; a parent already gone counts too.

    The parent's number is told, not guessed: in a container the lab itself may be number 1, which
    elsewhere means that the parent has gone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
        raise SystemExit("the process that started this one is gone")
