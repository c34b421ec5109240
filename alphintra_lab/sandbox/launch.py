"""The first program inside a sandbox: takes on its limits and its user, then becomes the real one.

Run as a script, with nothing but the standard library:
    launch.py LIFELINE USER NAME=LIMIT ... -- PROGRAM ARGUMENT ...
`LIFELINE` is a socket to the server, `USER` a `uid:gid`, or `-` inside a user namespace.
"""

import os
import resource
import select
import sys


def main(arguments: list[str]) -> None:
    """Set hard limits, become the user, and start the program."""
    end = arguments.index("--")
    lifeline, user, *limits = arguments[:end]
    for limit in limits:
        name, _, value = limit.partition("=")
        set_limit(getattr(resource, f"RLIMIT_{name}"), int(value))
    # When memory runs out all over the machine, this goes first, and the server last.
    score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(score, b"1000")
    os.close(score)
    if user != "-":
        give_up(user)
    leave_with_server(int(lifeline))
    program = arguments[end + 1 :]
    os.execv(program[0], program)  # noqa: S606  that is what it is for


def set_limit(kind: int, value: int) -> None:
    """Set a limit for good; one that is tighter already stays."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    # A second between SIGXCPU, which says why, and SIGKILL, which does not.
    last = value + 1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else value
    resource.setrlimit(kind, (value, last))


def give_up(user: str) -> None:
    """Give up every capability, and root for a `uid:gid`, unless it is `-`: one group, no other."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    capability = 0
    while libc.prctl(24, capability, 0, 0, 0) == 0:  # PR_CAPBSET_DROP, up to the last there is
        capability += 1
    if user != "-":
        number, group = map(int, user.split(":"))
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(number, number, number)
    # setresuid empties the effective and permitted sets; bubblewrap left some inheritable.
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    if libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def leave_with_server(lifeline: int) -> None:
    """Tell the server that the sandbox stands, and go no further if the server is gone.

    From here on bubblewrap's own parent-death signal holds; this closes the gap before it was set.
    """
    try:
        os.write(lifeline, b"1")
    except OSError:
        os._exit(1)
    poll = select.poll()
    poll.register(lifeline, select.POLLHUP)
    if poll.poll(0):
        os._exit(1)
    os.close(lifeline)


if __name__ == "__main__":
    main(sys.argv[1:])
