"""The first program in a pod: takes on limits, starts the real one, and tells how it ended.

    python -m alphintra_lab.sandbox.pod_main NAME=LIMIT,... PROGRAM ARGUMENT ...
Number 1 of a PID namespace takes no signal that it has not asked for and must reap orphans, so a
strategy is better not number 1. With number 1 ends everything in the pod.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from . import linux, seccomp

LAUNCHED = "launched"
SAID = Path("/dev/termination-log")
"""What stands here, the cluster tells with the pod's end."""


def main(limits: str, program: list[str]) -> int:
    """Run the program under these limits; its exit code, 128 and more for a signal."""
    SAID.write_text(LAUNCHED)
    # The lab's own filter, inside the cluster's: no links in the volume, which the server would
    # follow. Before the fork: the program could else have this process do what it may not.
    linux.filter_calls(seccomp.program())
    child = os.fork()
    if child == 0:
        for limit in limits.split(","):
            name, _, value = limit.partition("=")
            _set_limit(getattr(resource, f"RLIMIT_{name}"), int(value))
        os.execvp(program[0], program)  # noqa: S606  that is what it is for
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _set_limit(kind: int, value: int) -> None:
    """Set a limit for good; one that is tighter already stays."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    # A second between SIGXCPU, which says why, and SIGKILL, which does not.
    last = value + 1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else value
    resource.setrlimit(kind, (value, last))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
