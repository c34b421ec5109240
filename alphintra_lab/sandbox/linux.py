"""Calls of the Linux kernel that Python has no names for, each raising OSError when it fails."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

NEW_NAMESPACES = {
    "mount": 0x0002_0000,
    "cgroup": 0x0200_0000,
    "uts": 0x0400_0000,
    "ipc": 0x0800_0000,
    "user": 0x1000_0000,
    "pid": 0x2000_0000,
    "net": 0x4000_0000,
}
NOSUID, NODEV, NOEXEC, BIND, RECURSIVE, PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
DETACH = 2  # umount2
ATTRIBUTES = {"read-only": 1, "nosuid": 2, "nodev": 4, "noexec": 8}  # mount_setattr
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_CLONE_TREE, _CLOSE_ON_EXEC, _MOVE_DESCRIPTOR = 1, 0x80000, 4
# These have one number everywhere, pivot_root has not.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SET_DEATH_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP = 1, 4, 22
_SET_NO_NEW_PRIVILEGES = 38
_SECCOMP_FILTER = 2
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1  # of a network interface

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(*kinds: str) -> None:
    """Leave these namespaces for new ones; that of process numbers holds for children."""
    flags = sum(NEW_NAMESPACES[kind] for kind in kinds)
    _check(_libc.unshare(flags), f"unshare {', '.join(kinds)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or with BIND a file or folder."""
    arguments = [os.fsencode(text) or None for text in (source, target, kind)]
    _check(_libc.mount(*arguments, flags, os.fsencode(options) or None), f"mount {target}")


def set_attributes(target: str, *attributes: str, recursive: bool = True) -> None:
    """Take these attributes on, at the mount and at all that are mounted in it."""
    request = struct.pack("=QQQQ", sum(ATTRIBUTES[name] for name in attributes), 0, PRIVATE, 0)
    flags = _AT_RECURSIVE if recursive else 0
    path = os.fsencode(target)
    result = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path, flags, request, len(request))
    _check(result, f"mount_setattr {target}")


def open_tree(path: str) -> int:
    """A copy of what is mounted at a path, which another process can put in its own place."""
    flags = _CLONE_TREE | _CLOSE_ON_EXEC | _AT_RECURSIVE
    tree = _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)
    _check(min(tree, 0), f"open_tree {path}")
    return int(tree)


def move_tree(tree: int, target: str) -> None:
    """Put it in place."""
    result = _libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_DESCRIPTOR)
    _check(result, f"move_mount {target}")


def unmount(target: str) -> None:
    """Take a mount and all in it out of sight; it is gone once nobody uses it."""
    _check(_libc.umount2(os.fsencode(target), DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root; what was the root before is then at `old`, a folder in it."""
    number = _PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(number, os.fsencode(new), os.fsencode(old)), f"pivot_root {new}")


def set_hostname(name: str) -> None:
    """Name this namespace's machine."""
    data = name.encode()
    _check(_libc.sethostname(data, len(data)), "sethostname")


def start_loopback() -> None:
    """Bring up the loopback interface of this network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(any_socket, _GET_FLAGS, request))[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH22x", b"lo", flags | _UP))


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends. Becoming another user undoes it."""
    _check(_libc.prctl(_SET_DEATH_SIGNAL, 9, 0, 0, 0), "prctl")


def hide_memory() -> None:
    """Let no process of the same user look into this one."""
    _check(_libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0), "prctl")


def show_memory() -> None:
    """Let this process look into itself, /proc/self, again after it became another user."""
    _check(_libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


def filter_calls(program: bytes) -> None:
    """Load a BPF program that judges every system call from here on, and gain no rights by exec."""
    _check(_libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count of 8-byte instructions and their address.
    request = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _check(_libc.prctl(_SET_SECCOMP, _SECCOMP_FILTER, request, 0, 0), "seccomp")
