"""Run inside a sandbox by its self-test: tries what must not work, prints what it found as JSON.

A script of the standard library only: `probe.py PORT MEMORY PATH ...`, a port that the host
listens on, the memory limit in bytes, and what of the host must not be seen.
"""

import json
import os
import socket
import sys

PLACES = ("/probe", "/usr/probe", "/etc/probe", "/dev/probe", "/proc/sys/vm/swappiness")


def main(port: str, memory: str, *paths: str) -> None:
    """Print an object: what was found, by the name of what must hold."""
    with open("/proc/self/status") as file:  # noqa: PTH123  pathlib costs more than all the rest
        status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    found = {
        "user": os.getuid(),
        "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16),
        "no_new_privileges": status["NoNewPrivs"].strip() == "1",
        "filter": status["Seccomp"].strip() == "2" and not can_open_vsock(),
        "network": can_connect(int(port)),
        "seen": [path for path in paths if os.path.lexists(path)],
        "environment": sorted(os.environ),
        "processes": sum(entry.name.isdigit() for entry in os.scandir("/proc")),
        "writable": [path for path in PLACES if can_write(path)],
        "memory": holds_memory(int(memory)),
    }
    sys.stdout.write(json.dumps(found))


def can_open_vsock() -> bool:
    """Whether the way to the machine's hypervisor is open."""
    try:
        socket.socket(40, socket.SOCK_STREAM).close()  # AF_VSOCK
    except OSError:
        return False
    return True


def can_connect(port: int) -> bool:
    """Whether the host's loopback is reached."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
    except OSError:
        return False
    return True


def can_write(path: str) -> bool:
    """Whether the file can be made or opened for writing."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
    except OSError:
        return False
    return True


def holds_memory(limit: int) -> bool:
    """Whether more than the limit is refused, and refused so that Python can say so."""
    try:
        bytearray(limit + limit // 2)
    except MemoryError:
        return True
    return False


if __name__ == "__main__":
    main(*sys.argv[1:])
