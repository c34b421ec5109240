"""How much of the machine a sandbox may use."""

from __future__ import annotations

import msgspec

MIB = 1024**2
GIB = 1024**3

# Address space that costs no memory: mapped libraries and Parquet files, malloc's reserves.
ADDRESS_HEADROOM = 4 * GIB


class Limits(msgspec.Struct, frozen=True):
    """What one sandbox may use; None is no limit.

    Where a memory cgroup can be had, `memory_bytes` and `processes` hold for the whole sandbox;
    elsewhere memory is counted for each process (see `rlimits`).
    """

    memory_bytes: int = 2 * GIB
    seconds: float | None = 300.0
    """Wall time."""
    cpu_seconds: int | None = None
    """CPU time of each process, over all its threads."""
    processes: int = 128
    """Processes and threads together."""
    file_bytes: int = 512 * MIB
    """The largest file that it may write."""
    log_bytes: int = MIB
    """What it may print; the rest is dropped."""
    tmp_bytes: int = 256 * MIB
    """`/tmp` and `/dev/shm`, in memory, each."""
    open_files: int = 1024

    def rlimits(self) -> dict[str, int]:
        """The limits that the kernel holds for each process, by the name in `resource`.

        RLIMIT_DATA counts private writable memory only, so a Python process meets it as a
        MemoryError near the figure given. RLIMIT_AS also counts what is mapped read-only and what
        malloc merely reserves: on its own it would have to be set far too high; here it stops
        shared anonymous memory, which RLIMIT_DATA does not see.
        """
        limits = {
            "DATA": self.memory_bytes,
            "AS": self.memory_bytes + ADDRESS_HEADROOM,
            "NPROC": self.processes,
            "FSIZE": self.file_bytes,
            "NOFILE": self.open_files,
            "CORE": 0,
            "MSGQUEUE": 0,
        }
        if self.cpu_seconds is not None:
            limits["CPU"] = self.cpu_seconds
        return limits


JOB = Limits()
KERNEL = Limits(memory_bytes=4 * GIB, seconds=None, processes=256, open_files=4096)
