"""Attacks on what all share: memory, processes, disk, files. The goals are above every limit."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.sandbox.escapes.contract import Contained, World, attack, try_all

MIB = 1024**2
libc = ctypes.CDLL(None, use_errno=True)


def sleep_in_child() -> None:
    """A child that does nothing; it goes with the attack's process group."""
    if os.fork() == 0:
        signal.pause()
        os._exit(0)


@attack()
def bomb_of_processes(world: World) -> str:
    for _ in range(world.processes):
        sleep_in_child()
    return f"{world.processes} processes"


@attack()
def bomb_of_threads(world: World) -> str:
    threading.stack_size(64 * 1024)
    done = threading.Event()
    try:
        for _ in range(world.processes):
            threading.Thread(target=done.wait, daemon=True).start()
    except RuntimeError as error:
        raise Contained(str(error)) from None
    finally:
        done.set()
    return f"{world.processes} threads"


@attack()
def take_memory_in_one_process(world: World) -> str:
    kept = [b"x" * MIB for _ in range(world.mebibytes)]
    return f"{len(kept)} MiB"


@attack(needs_cgroup=True, alone=True)
def take_memory_in_many_processes(world: World) -> str:
    """Each stays below the limit of a process."""
    reader, writer = os.pipe()
    each, count = 100, world.mebibytes // 100 + 2
    for _ in range(count):
        if os.fork() == 0:
            kept = b"x" * (each * MIB)
            os.write(writer, b"1")
            time.sleep(5)
            os._exit(len(kept) & 0)
    os.close(writer)
    have = 0
    while have < count and os.read(reader, 1):
        have += 1
    if have < count:
        raise Contained(f"after {have} of {count} processes")
    return f"{count} processes of {each} MiB"


@attack()
def reserve_shared_memory(world: World) -> str:
    """Which no limit on a process's own data sees."""
    with mmap.mmap(-1, 6 * 1024 * MIB):
        return "6 GiB"


@attack(needs_cgroup=True, alone=True)
def take_shared_memory(world: World) -> str:
    """The same, written to."""
    with mmap.mmap(-1, world.mebibytes * MIB) as block:
        for place in range(0, len(block), 4096):
            block[place] = 1
        return f"{world.mebibytes} MiB"


@attack()
def take_memory_in_files_without_a_name(world: World) -> str:
    """memfd: neither data of a process, nor a file system with a size."""
    kept = []
    for _ in range(world.mebibytes // 4):
        kept.append(os.memfd_create("escape"))
        os.posix_fallocate(kept[-1], 0, 4 * MIB)
    return f"{len(kept) * 4} MiB"


def fill(folder: str, world: World) -> str:
    """Evidence that files of small size, together, pass every limit."""
    own, size = Path(folder, f"fill-{os.getpid()}"), 4
    own.mkdir()
    try:
        for number in range(world.disk_mebibytes // size):
            with open(own / str(number), "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size * MIB)
        return f"{world.disk_mebibytes} MiB in {folder}"
    finally:
        shutil.rmtree(own)


@attack()
def fill_tmp(world: World) -> str:
    return fill(world.scratch, world)


@attack()
def fill_the_shared_memory_folder(world: World) -> str:
    return fill("/dev/shm", world)


@attack(places=("kernel",))
def fill_the_folder_of_its_sockets(world: World) -> str:
    return fill("/run/kernel" if world.inside else world.scratch, world)


@attack(places=("kernel",))
def fill_the_disk_through_its_own_folder(world: World) -> str:
    return fill(world.own or world.scratch, world)


@attack(places=("job",))
def fill_the_disk_through_its_outputs(world: World) -> str:
    paths = world.outputs or [f"{world.scratch}/{name}" for name in ("decisions", "error")]

    def grow(path: str) -> int:
        with open(path, "wb", buffering=0) as file:
            for _ in range(world.disk_mebibytes):
                try:
                    file.write(b"x" * MIB)
                except OSError:
                    break
            return os.stat(path).st_size // MIB

    whole = sum(map(grow, paths))
    for path in paths:
        os.truncate(path, 0)
    if whole < world.disk_mebibytes:
        raise Contained(f"{whole} MiB in all")
    return f"{whole} MiB"


@attack(needs_cgroup=True, alone=True, places=("job",), seconds=40.0)
def make_files_without_end(world: World) -> str:
    """Empty ones: they cost the kernel's memory."""
    folder = Path(world.scratch, f"files-{os.getpid()}")
    folder.mkdir()
    try:
        for number in range(world.files):
            os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
        return f"{world.files} files"
    finally:
        shutil.rmtree(folder)


@attack()
def make_a_huge_file(world: World) -> str:
    """It is sparse, but whoever reads it, or copies it, is busy for long."""
    path = f"{world.own or world.scratch}/huge-{os.getpid()}"
    try:
        with open(path, "wb") as file:
            os.truncate(file.fileno(), 1 << 40)
        return "1 TiB"
    finally:
        os.unlink(path)


@attack()
def open_files_without_end(world: World) -> str:
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(world.processes)]
    return f"{len(kept)} files"


@attack(lacking=("ENOSYS", "EMFILE"))
def leave_messages_in_the_kernel(world: World) -> str:
    """A POSIX queue, which outlives its process."""
    name = f"/escape-{os.getpid()}".encode()
    if libc.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None) < 0:
        raise OSError(ctypes.get_errno(), "mq_open")
    libc.mq_unlink(name)
    return "a queue"


@attack(only_root=True, lacking=("EPERM",))
def raise_its_own_limits(world: World) -> str:
    names = ("NOFILE", "NPROC", "FSIZE", "DATA", "AS", "MEMLOCK", "MSGQUEUE", "NICE", "RTPRIO")

    def lift(name: str) -> str:
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY:
            raise Contained(f"{name} has no limit")
        try:
            resource.setrlimit(kind, (hard + 1, hard + 1))
        except ValueError as error:
            raise OSError(1, str(error)) from None
        return f"{name} is {hard + 1}"

    tries: list[Callable[[], str]] = [partial(lift, name) for name in names]
    return try_all(tries)
