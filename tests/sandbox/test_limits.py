"""Limits hold: for one process, and for all of a sandbox where there is a cgroup."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from alphintra_lab.sandbox import cgroup
from alphintra_lab.sandbox.limits import MIB, Limits
from tests.sandbox.inside import has_cgroup, run_inside

SMALL = Limits(memory_bytes=256 * MIB, tmp_bytes=8 * MIB, file_bytes=2 * MIB, processes=32)


def test_asking_for_20_gb_is_a_memory_error() -> None:
    ended = run_inside(
        """
        try:
            bytearray(20 * 1024**3)
        except MemoryError:
            print("MemoryError")
        """
    )
    assert (ended.stdout, ended.returncode) == ("MemoryError\n", 0)


def test_growing_slowly_is_a_memory_error_near_the_limit() -> None:
    ended = run_inside(
        """
        blocks = []
        try:
            while True:
                blocks.append(bytearray(1024**2))
        except MemoryError:
            count = len(blocks)
            del blocks
            print(count)
        """,
        SMALL,
    )
    assert 200 <= int(ended.stdout) <= 256


def test_shared_memory_that_no_data_limit_counts_is_bounded_too() -> None:
    ended = run_inside(
        """
        import mmap
        try:
            mmap.mmap(-1, 20 * 1024**3)
        except OSError as error:
            print(error.strerror)
        """
    )
    assert ended.stdout == "Cannot allocate memory\n"


@pytest.mark.skipif(
    not has_cgroup(), reason="no cgroup may be made here; memory is held by rlimits"
)
def test_many_processes_together_are_held_by_the_cgroup() -> None:
    ended = run_inside(
        """
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                block = bytearray(120 * 1024**2)
                for i in range(0, len(block), 4096):
                    block[i] = 1
                time.sleep(3)
                os._exit(0)
        print(sum(os.WIFSIGNALED(os.wait()[1]) for _ in range(8)))
        """,
        SMALL,
    )
    # 264 MiB for all: version 1 kills the largest until two are left, version 2 the whole sandbox.
    assert ended.returncode == 128 + 9 or int(ended.stdout) >= 6


def test_a_fork_bomb_stays_within_its_processes() -> None:
    ended = run_inside(
        """
        import os, time
        children = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(30)
                    os._exit(0)
                children += 1
        except OSError as error:
            print(children, error.strerror)
        """,
        SMALL,
    )
    children, why = ended.stdout.split(" ", 1)
    assert 10 <= int(children) <= 32
    assert why == "Resource temporarily unavailable\n"


def test_files_and_tmp_have_a_size() -> None:
    ended = run_inside(
        """
        def fill(path):
            written = 0
            try:
                with open(path, "wb", buffering=0) as file:
                    while True:
                        written += file.write(b"x" * 65536)
            except OSError as error:
                return written, error.strerror
        print(fill("/tmp/one"))
        print(sum(fill(f"/tmp/{i}")[0] for i in range(10)) <= 8 * 1024**2)
        print(sum(fill(f"/dev/shm/{i}")[0] for i in range(10)) <= 8 * 1024**2)
        """,
        SMALL,
    )
    assert ended.stdout.splitlines() == [f"({2 * MIB}, 'File too large')", "True", "True"]


def test_limits_cannot_be_raised_again() -> None:
    ended = run_inside(
        """
        import resource
        for name in ("DATA", "AS", "NPROC", "FSIZE", "NOFILE", "CORE", "CPU"):
            kind = getattr(resource, f"RLIMIT_{name}")
            soft, hard = resource.getrlimit(kind)
            try:
                resource.setrlimit(kind, (hard + 1, hard + 1))
                print("raised", name)
            except (ValueError, OSError):
                pass
        print(resource.getrlimit(resource.RLIMIT_CORE))
        """,
        Limits(cpu_seconds=60),
    )
    assert ended.stdout == "(0, 0)\n"


def test_computing_too_long_is_a_signal() -> None:
    ended = run_inside("while True: pass", Limits(cpu_seconds=1))
    assert ended.returncode == 128 + signal.SIGXCPU


@pytest.mark.skipif(
    not has_cgroup(), reason="no cgroup may be made here; memory is held by rlimits"
)
def test_a_cgroup_goes_with_its_sandbox() -> None:
    made = cgroup.create(SMALL)
    assert made is not None
    assert all(Path(folder).is_dir() for folder in made.folders)
    assert made.count_oom_kills() == 0
    made.remove()
    assert not any(Path(folder).exists() for folder in made.folders)
