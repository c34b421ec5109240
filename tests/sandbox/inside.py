"""Runs Python code in a real sandbox, for the tests."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

from alphintra_lab.sandbox import bubblewrap, cgroup
from alphintra_lab.sandbox.limits import Limits


def run_inside(
    code: str, limits: Limits | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """The code's output and exit code (128 + n for a signal n)."""
    argv = [sys.executable, "-S", "-c", textwrap.dedent(code)]
    prepared = bubblewrap.prepare("test", argv, limits=limits or Limits(), **options)
    try:
        return subprocess.run(
            prepared.command,
            pass_fds=prepared.inherited,
            env=prepared.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        prepared.close()


def has_cgroup() -> bool:
    """Whether this machine lets us make a cgroup."""
    made = cgroup.create(Limits())
    if made is not None:
        made.remove()
    return made is not None
