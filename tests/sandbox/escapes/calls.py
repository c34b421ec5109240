"""Attacks on the kernel itself, by system calls that no strategy needs."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.sandbox.escapes.contract import Contained, World, attack, try_all

libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
# By name: (x86_64, aarch64), written down from the kernel's tables, not taken from the filter.
NUMBERS = {
    "ptrace": (101, 117), "personality": (135, 92), "modify_ldt": (154, -1), "unshare": (272, 97),
    "pivot_root": (155, 41), "chroot": (161, 51), "acct": (163, 89), "sethostname": (170, 161),
    "iopl": (172, -1), "init_module": (175, 105), "io_setup": (206, 0), "kexec_load": (246, 104),
    "add_key": (248, 217), "keyctl": (250, 219), "perf_event_open": (298, 241),
    "fanotify_init": (300, 262), "setns": (308, 268), "process_vm_readv": (310, 270),
    "kcmp": (312, 272), "seccomp": (317, 277), "bpf": (321, 280), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "open_tree": (428, 428), "fsopen": (430, 430),
    "clone3": (435, 435), "pidfd_getfd": (438, 438), "memfd_secret": (447, 447),
    "syslog": (103, 116), "shmget": (29, 194), "clone": (56, 220), "swapon": (167, 224),
    "quotactl": (179, 60), "settimeofday": (164, 170), "fork": (57, -1), "pidfd_open": (434, 434),
}  # fmt: skip
NAMESPACES = {
    "user": 0x10000000, "mount": 0x00020000, "process": 0x20000000, "network": 0x40000000,
    "IPC": 0x08000000, "UTS": 0x04000000, "cgroup": 0x02000000, "time": 0x00000080,
}  # fmt: skip


def call(name: str, *arguments: object) -> int:
    """A system call's result, or OSError."""
    number = NUMBERS[name][0 if X86 else 1]
    # As long ones: what goes over the stack is not extended.
    whole = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *whole))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def reach(name: str, *arguments: object, past: tuple[int, ...]) -> str:
    """Evidence that a call got past the check of rights: it succeeds, or complains of the rest."""
    try:
        result = call(name, *arguments)
    except OSError as error:
        if error.errno in past:
            return f"{name} got as far as {errno.errorcode[error.errno or 0]}"
        raise
    return f"{name} gave {result}"


def in_child(function: Callable[[], str]) -> str:
    """Evidence from a child, for what would change this process for good."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, f"+{function()}".encode())
        except OSError as error:
            os.write(writer, f"{error.errno}".encode())
        os._exit(0)
    os.close(writer)
    said = b""
    while chunk := os.read(reader, 1000):
        said += chunk
    os.waitpid(child, 0)
    if said[:1] == b"+":
        return said[1:].decode()
    number = int(said or 0)
    raise OSError(number, os.strerror(number))


@attack(lacking=("killed by SIGSEGV", "not x86_64"))
def call_as_i386(world: World) -> str:
    """32-bit calls go past a filter that knows 64-bit numbers only: getpid by int 0x80."""
    if not X86:
        raise OSError("not x86_64")
    code = bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3])  # mov eax, 20; int 0x80; ret
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    machine_code = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    return f"getpid() gave {machine_code()}"


@attack(lacking=("ENOSYS", "not x86_64"))
def call_as_x32(world: World) -> str:
    if not X86:
        raise OSError("not x86_64")
    result = libc.syscall(ctypes.c_long(0x40000000 | 39))
    if result < 0:
        raise OSError(ctypes.get_errno(), "x32")
    return f"getpid() gave {result}"


@attack()
def queue_calls_in_io_uring(world: World) -> str:
    return f"a ring: {call('io_uring_setup', 1, ctypes.create_string_buffer(200))}"


@attack()
def use_up_the_machines_asynchronous_io(world: World) -> str:
    """fs.aio-max-nr is one number for the whole machine, and databases need their share."""
    context = ctypes.c_ulong(0)
    call("io_setup", 64, ctypes.byref(context))
    return "a context was taken from all"


@attack(lacking=("EPERM", "ENOSPC"))
def make_a_user_namespace(world: World) -> str:
    """In one this process would be root, and reach much more of the kernel."""
    return in_child(lambda: f"unshare gave {call('unshare', NAMESPACES['user'])}")


@attack()
def make_a_user_namespace_by_clone(world: World) -> str:
    def by_clone() -> str:
        child = call("clone", NAMESPACES["user"] | signal.SIGCHLD, 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return "clone made one"

    def by_clone3() -> str:
        flags = struct.pack("=8Q", NAMESPACES["user"], 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
        child = call("clone3", flags, len(flags))
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return "clone3 made one"

    return try_all([by_clone, by_clone3])


@attack(only_root=True)
def make_any_other_namespace(world: World) -> str:
    return try_all(
        partial(in_child, lambda flag=flag: f"{call('unshare', flag)}")  # type: ignore[misc]
        for name, flag in NAMESPACES.items()
        if name != "user"
    )


@attack(only_root=True)
def enter_the_namespaces_of_process_1(world: World) -> str:
    def enter(name: str) -> str:
        file = os.open(f"/proc/{world.process_1}/ns/{name}", os.O_RDONLY)
        return in_child(lambda: f"setns({name}) gave {call('setns', file, 0)}")

    return try_all(partial(enter, name) for name in ("mnt", "net", "pid", "ipc", "uts", "user"))


@attack(only_root=True)
def mount_a_file_system(world: World) -> str:
    def mount(source: bytes, kind: bytes | None, flags: int) -> str:
        target = os.fsencode(world.scratch)
        if libc.mount(source, target, kind, ctypes.c_ulong(flags), None) < 0:
            raise OSError(ctypes.get_errno(), "mount")
        libc.umount2(target, 2)
        return "mounted"

    return try_all(
        [
            partial(mount, b"escape", b"tmpfs", 0),
            partial(mount, b"/proc", None, 4096),  # a bind
            partial(mount, b"escape", b"proc", 0),
        ]
    )


@attack(only_root=True)
def make_what_is_shown_writable(world: World) -> str:
    """Remount it; outside, a mount of its own is made first, in a namespace of its own."""

    def remount() -> str:
        target = os.fsencode(os.path.dirname(world.data))
        if not world.inside:
            call("unshare", NAMESPACES["mount"])
            libc.mount(None, b"/", None, ctypes.c_ulong(0x44000), None)  # private, below too
            libc.mount(target, target, None, ctypes.c_ulong(4096), None)
        if libc.mount(None, target, None, ctypes.c_ulong(4096 | 32), None) < 0:
            raise OSError(ctypes.get_errno(), "mount")
        return "remounted"

    return in_child(remount)


@attack(only_root=True)
def unmount_what_hides(world: World) -> str:
    """A mask over the keys is a mount, and without it they are seen. -1 and EINVAL: no mount."""
    path = os.fsencode(f"{world.workspace}/.env")
    if libc.umount2(path, 2) < 0 and ctypes.get_errno() not in (errno.EINVAL, errno.ENOENT):
        raise OSError(ctypes.get_errno(), "umount2")
    return "umount2 got past the check of rights"


@attack(only_root=True)
def mount_by_the_new_calls(world: World) -> str:
    return try_all(
        [
            lambda: f"fsopen gave {call('fsopen', b'tmpfs', 0)}",
            lambda: f"open_tree gave {call('open_tree', -100, b'/', 1)}",
        ]
    )


@attack(only_root=True)
def change_the_root(world: World) -> str:
    def chroot() -> str:
        call("chroot", os.fsencode(world.scratch))
        return "chroot, the first half of the old way out"

    return in_child(chroot)


@attack()
def trace_another_process(world: World) -> str:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        call("ptrace", 16, child, 0, 0)  # PTRACE_ATTACH
        os.waitpid(child, 0)
        return "attached"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@attack()
def read_another_processs_memory(world: World) -> str:
    found = ctypes.create_string_buffer(64)
    wanted = ctypes.create_string_buffer(world.mark.encode())
    local = (ctypes.c_void_p * 2)(ctypes.addressof(found), 64)
    remote = (ctypes.c_void_p * 2)(ctypes.addressof(wanted), len(world.mark))
    pid = os.getpid()
    call("process_vm_readv", pid, local, 1, remote, 1, 0)
    return f"{found.value!r}"


@attack()
def take_another_processs_files(world: World) -> str:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        pidfd = os.pidfd_open(child)
        return f"descriptor {call('pidfd_getfd', pidfd, 0, 0)} was another's"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@attack()
def compare_kernel_addresses(world: World) -> str:
    return f"kcmp gave {call('kcmp', os.getpid(), os.getpid(), 0, 0, 0)}"


@attack(lacking=("EPERM", "ENOSYS"))
def load_a_bpf_program(world: World) -> str:
    attributes = (ctypes.c_uint32 * 32)(2, 4, 4, 1)  # an array of one value
    return f"a map: {call('bpf', 0, attributes, 72)}"


@attack(lacking=("EACCES", "EPERM", "ENOSYS", "ENOENT"))
def watch_the_processor(world: World) -> str:
    event = (ctypes.c_uint32 * 32)(1, 112)  # software, CPU clock
    return f"an event: {call('perf_event_open', event, 0, -1, -1, 0)}"


@attack(lacking=("EPERM", "ENOSYS"))
def stop_the_kernel_at_a_page(world: World) -> str:
    return f"userfaultfd gave {call('userfaultfd', 1)}"  # UFFD_USER_MODE_ONLY


@attack()
def keep_a_key_in_the_kernel(world: World) -> str:
    return try_all(
        [
            lambda: f"add_key gave {call('add_key', b'user', b'escape', b'x', 1, -2)}",
            lambda: f"keyctl gave {call('keyctl', 0, -3, 0)}",
        ]
    )


@attack(only_root=True, lacking=("ENOSYS",))
def watch_all_files(world: World) -> str:
    return f"fanotify_init gave {call('fanotify_init', 0, 0)}"


@attack(lacking=("ENOSYS",))
def hide_memory_from_the_kernel(world: World) -> str:
    return f"memfd_secret gave {call('memfd_secret', 0)}"


@attack()
def leave_shared_memory_behind(world: World) -> str:
    """System V memory outlives its process."""
    number = call("shmget", 0, 4096, 0o1600)
    libc.shmctl(number, 0, None)
    return f"segment {number}"


@attack()
def put_a_filter_above_the_filter(world: World) -> str:
    """SECCOMP_GET_ACTION_AVAIL: the way to filters that hand calls to another process."""
    return f"seccomp gave {call('seccomp', 2, 0, ctypes.byref(ctypes.c_uint32(0x7FC00000)))}"


@attack()
def change_the_personality(world: World) -> str:
    """READ_IMPLIES_EXEC."""
    before = call("personality", ctypes.c_ulong(0xFFFFFFFF))
    call("personality", before | 0x0400000)
    call("personality", before)
    return "every page can be executed"


@attack(lacking=("ENOSYS",))
def make_old_segments(world: World) -> str:
    return f"modify_ldt gave {call('modify_ldt', 0, ctypes.create_string_buffer(64), 64)}"


@attack(only_root=True, lacking=("ENOSYS",))
def reach_the_ports_of_the_machine(world: World) -> str:
    return f"iopl gave {call('iopl', 0)}"


@attack(only_root=True, lacking=("ENOSYS",))
def load_a_module_into_the_kernel(world: World) -> str:
    return reach("init_module", b"x", 1, b"", past=(errno.ENOEXEC, errno.EINVAL, errno.EFAULT))


@attack(only_root=True)
def use_the_machines_own_controls(world: World) -> str:
    """Each with arguments that change nothing."""
    name = os.uname().nodename.encode()
    path = os.fsencode(world.data or "/bin/true")
    return try_all(
        [
            partial(reach, "sethostname", name, len(name), past=()),
            partial(reach, "acct", 0, past=()),
            partial(reach, "settimeofday", 0, 0, past=()),
            partial(reach, "swapon", path, 0, past=(errno.EINVAL,)),
        ]
    )


@attack(only_root=True)
def read_the_kernels_log(world: World) -> str:
    size = 4096

    def by_call() -> str:
        return f"{call('syslog', 3, ctypes.create_string_buffer(size), size)} bytes of it"

    def by_file() -> str:
        return f"{len(os.read(os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK), 8192))} bytes"

    return try_all([by_call, by_file])


@attack(only_root=True)
def write_a_setting_of_the_kernel(world: World) -> str:
    """The value that it has, so that nothing changes."""
    names = ("kernel/core_pattern", "vm/swappiness", "kernel/hostname", "fs/file-max")

    def rewrite(name: str) -> str:
        path = Path("/proc/sys", name)
        path.write_text(path.read_text())
        return f"{path} was written"

    return try_all(partial(rewrite, name) for name in names)


@attack(only_root=True, lacking=("ENOENT",))
def press_the_magic_key(world: World) -> str:
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
    return "/proc/sysrq-trigger could be written"


@attack(only_root=True)
def change_the_devices_in_sys(world: World) -> str:
    path = "/sys/kernel/mm/transparent_hugepage/enabled"
    paths = [path, "/sys/kernel/profiling", "/sys/power/state", "/sys/kernel/uevent_helper"]
    return try_all(partial(open_for_writing, path) for path in paths)


def open_for_writing(path: str) -> str:
    """Evidence that a file may be written; nothing is."""
    os.close(os.open(path, os.O_WRONLY))
    return f"{path} could be written"


@attack(only_root=True)
def leave_the_cgroup(world: World) -> str:
    """For the root of each hierarchy, where nothing is limited."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
    places += [f"/sys/fs/cgroup/{line.split(':')[1]}" for line in lines]
    return try_all(partial(open_for_writing, f"{place}/cgroup.procs") for place in places)


@attack(lacking=("EIO",))
def type_into_the_terminal(world: World) -> str:
    """TIOCSTI puts a character into a terminal's input, as if its user had typed it."""

    def push() -> str:
        os.setsid()
        leader, follower = os.openpty()
        fcntl.ioctl(follower, 0x540E, 0)  # TIOCSCTTY
        fcntl.ioctl(follower, 0x5412, b"#")
        return f"typed into {leader}"

    return in_child(push)


@attack(only_root=True)
def become_root_again(world: World) -> str:
    def become() -> str:
        os.setresuid(0, 0, 0)
        return f"user {os.getuid()}"

    def group() -> str:
        os.setgroups([0])
        return f"groups {os.getgroups()}"

    def capability() -> str:
        lines = Path("/proc/self/status").read_text().splitlines()
        status = dict(line.split(":\t") for line in lines if ":\t" in line)
        held = {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd")}
        if any(held.values()):
            return f"{held}"
        raise Contained("no capability, nor the way to one")

    def without_new_privileges() -> str:
        if libc.prctl(39, 0, 0, 0, 0) == 0:  # PR_GET_NO_NEW_PRIVS
            return "programs may still give privileges"
        raise Contained("no new privileges")

    return try_all([partial(in_child, become), partial(in_child, group), capability,
                    without_new_privileges])  # fmt: skip
