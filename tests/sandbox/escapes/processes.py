"""Attacks on processes: the server's, other users', and what outlives its sandbox."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
from functools import partial
from pathlib import Path

from tests.sandbox.escapes.contract import Contained, World, attack, try_all
from tests.sandbox.escapes.files import read

SERVER = b"tests.sandbox.escapes.server"


def check_is_the_server(pid: int) -> None:
    """Raise unless this number is the server's here, too: inside, others count from 1."""
    if SERVER not in Path(f"/proc/{pid}/cmdline").read_bytes():
        raise Contained(f"{pid} is not the server here")


@attack()
def find_the_server_among_the_processes(world: World) -> str:
    def look(name: str) -> str:
        if SERVER in Path(f"/proc/{name}/cmdline").read_bytes():
            return f"the server is process {name}"
        raise Contained("the server is not among them")

    return try_all(partial(look, name) for name in os.listdir("/proc") if name.isdigit())


@attack()
def read_secrets_from_its_own_environment(world: World) -> str:
    held = f"{dict(os.environ)} {Path('/proc/self/environ').read_text()}"
    if world.mark not in held:
        raise Contained(f"{len(os.environ)} variables, none of the server's")
    return "the server's secret is in the environment"


@attack()
def read_secrets_from_any_processs_environment(world: World) -> str:
    names = [name for name in os.listdir("/proc") if name.isdigit()]
    kinds = ("environ", "cmdline")
    return try_all(partial(read, f"/proc/{n}/{k}", world.mark) for n in names for k in kinds)


@attack()
def read_the_servers_memory(world: World) -> str:
    def look(pid: int) -> str:
        mark = world.mark.encode()
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                if "rw-p" in line and "[v" not in line:
                    start, end = (int(part, 16) for part in line.split()[0].split("-"))
                    memory.seek(start)
                    if mark in memory.read(min(end - start, 1 << 24)):
                        return f"the mark is in the memory of {pid}"
        raise Contained(f"not in the memory of {pid}")

    return try_all(partial(look, pid) for pid in (world.process_1, world.server))


@attack()
def go_through_the_servers_root(world: World) -> str:
    check_is_the_server(world.server)
    return read(f"/proc/{world.server}/root{world.secret}", world.mark)


@attack()
def signal_the_server(world: World) -> str:
    os.kill(world.server, 0)
    check_is_the_server(world.server)
    return "a signal would arrive"


@attack()
def signal_the_server_by_descriptor(world: World) -> str:
    descriptor = os.pidfd_open(world.server)
    check_is_the_server(world.server)
    signal.pidfd_send_signal(descriptor, 0)
    return "a signal would arrive"


@attack()
def limit_the_server(world: World) -> str:
    limits = resource.prlimit(world.server, resource.RLIMIT_NOFILE)
    check_is_the_server(world.server)
    resource.prlimit(world.server, resource.RLIMIT_NOFILE, limits)
    return f"its limit of {limits[0]} files could be set"


@attack()
def slow_the_server_down(world: World) -> str:
    cores = os.sched_getaffinity(world.server)
    check_is_the_server(world.server)
    os.sched_setaffinity(world.server, cores)
    return f"its {len(cores)} cores could be set"


@attack(only_root=True)
def take_the_processor_from_others(world: World) -> str:
    def priority() -> str:
        os.setpriority(os.PRIO_PROCESS, 0, -5)
        return "priority -5"

    def real_time() -> str:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return "real time"

    return try_all([priority, real_time])


@attack(only_root=True, lacking=("EACCES",))
def let_the_server_die_first_when_memory_ends(world: World) -> str:
    Path("/proc/self/oom_score_adj").write_text("-900")
    return "the server would be killed before this"


@attack(only_root=True)
def pretend_to_be_another_caller(world: World) -> str:
    """Send another process's identity along a socket: SCM_CREDENTIALS with the server's number."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    identities = [(world.server, 0, 0), (1, 0, 0), (os.getpid(), 0, 0)]

    def send(*identity: int) -> str:
        credentials = struct.pack("iII", *identity)
        ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])
        return f"sent as process, user and group {identity}"

    return try_all(partial(send, *identity) for identity in identities)
