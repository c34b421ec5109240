"""The filter, judged by an interpreter of BPF and by the kernel."""

from __future__ import annotations

import errno
import platform
import re
import struct
from pathlib import Path

import pytest

from alphintra_lab.sandbox import seccomp
from tests.sandbox.inside import run_inside

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003


def judge(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the kernel would do with a call: interprets the program as the kernel's manual says."""
    call = struct.pack(
        "=IIQ6Q",
        number,
        ARCHITECTURES[machine] if architecture is None else architecture,
        0,
        *(arguments + (0,) * 6)[:6],
    )
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    accumulator = place = 0
    while True:
        operation, true, false, operand = code[place]
        place += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", call, operand)[0]
        elif operation == 0x54:
            accumulator &= operand
        elif operation == 0x06:
            return int(operand)
        else:
            holds = {
                0x15: accumulator == operand,
                0x25: accumulator > operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[operation]
            place += true if holds else false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_listed_call_is_refused(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    for name, numbers in seccomp.DENIED.items():
        number = numbers[column]
        if number is not None:
            assert judge(machine, number) == ERRNO | errno.EPERM, name


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_numbers_are_the_kernels_own(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers (linux-libc-dev) are not installed")
    defined = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text()))
    column = list(ARCHITECTURES).index(machine)
    newest = max(int(number) for number in defined.values())
    for name, numbers in (seccomp.DENIED | seccomp.JUDGED).items():
        number = numbers[column]
        if number is not None and number > newest:
            continue  # these headers are older than the call
        assert defined.get(name) == (None if number is None else str(number)), name


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_of_another_architecture_kill(machine: str) -> None:
    assert judge(machine, 1, architecture=I386) == KILL


def test_x32_calls_do_not_exist() -> None:
    assert judge("x86_64", 0x40000000 | 1) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_what_nobody_looked_at_does_not_exist(machine: str) -> None:
    for number in (seccomp.NEWEST + 1, 500, 400, 0xFFFFFFFF):
        assert judge(machine, number) == ERRNO | errno.ENOSYS
    assert judge(machine, seccomp.NEWEST) == ALLOW
    assert judge(machine, seccomp.LAST_OWN["x86_64"]) != KILL


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_sockets_are_unix_tcp_and_udp(machine: str) -> None:
    number = number_of("socket", machine)
    assert number is not None
    refused = ERRNO | errno.EOPNOTSUPP
    cloexec = 0o2000000
    assert judge(machine, number, 1, 1 | cloexec, 0) == ALLOW
    assert judge(machine, number, 2, 1 | cloexec, 0) == ALLOW
    assert judge(machine, number, 10, 2, 17) == ALLOW
    assert judge(machine, number, 2, 1, 6) == ALLOW
    for family in (16, 17, 38, 40, 44):  # netlink, packet, alg, vsock, xdp
        assert judge(machine, number, family, 1, 0) == refused
    assert judge(machine, number, 2, 3, 0) == refused  # raw
    assert judge(machine, number, 2, 1, 132) == refused  # SCTP
    assert judge(machine, number, 2, 1, 262) == refused  # MPTCP
    assert judge(machine, number, 10, 5, 0) == refused  # SEQPACKET


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_clone_makes_threads_and_processes_but_no_namespaces(machine: str) -> None:
    number = number_of("clone", machine)
    assert number is not None
    thread, fork = 0x003D0F00, 0x01200011
    assert judge(machine, number, thread) == ALLOW
    assert judge(machine, number, fork) == ALLOW
    for namespace in (0x10000000, 0x20000000, 0x40000000, 0x00020000, 0x04000000, 0x08000000,
                      0x02000000, 0x00000080):  # fmt: skip
        assert judge(machine, number, fork | namespace) == ERRNO | errno.EPERM
    assert judge(machine, 435) == ERRNO | errno.ENOSYS  # clone3


def number_of(name: str, machine: str) -> int | None:
    return seccomp.JUDGED[name][list(ARCHITECTURES).index(machine)]


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_no_lease_is_given(machine: str) -> None:
    number = number_of("fcntl", machine)
    assert number is not None
    assert judge(machine, number, 3, 1024, 1) == ERRNO | errno.EPERM
    assert judge(machine, number, 3, 4, 0o4000) == ALLOW  # F_SETFL


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "before"), [("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2)]
)
def test_modes_give_no_rights(machine: str, name: str, before: int) -> None:
    number = number_of(name, machine)
    if number is None:
        assert (machine, name) == ("aarch64", "chmod")
        return
    for mode in (0o4755, 0o2755, 0o6777):
        assert judge(machine, number, *[0] * before, mode) == ERRNO | errno.EPERM
    for mode in (0o755, 0o1777, 0):
        assert judge(machine, number, *[0] * before, mode) == ALLOW


def test_another_machine_gets_no_filter_and_so_no_sandbox() -> None:
    with pytest.raises(ValueError, match="'riscv64'; there is for x86_64 and aarch64"):
        seccomp.program("riscv64")


def test_the_kernel_refuses_them_inside() -> None:
    names = ("ptrace", "unshare", "mount", "keyctl", "bpf", "io_uring_setup", "userfaultfd",
             "perf_event_open", "symlinkat", "mknodat", "shmget")  # fmt: skip
    column = list(ARCHITECTURES).index(platform.machine())
    numbers = {name: seccomp.DENIED[name][column] for name in names}
    ended = run_inside(
        f"""
        import ctypes, errno, socket, os
        libc = ctypes.CDLL(None, use_errno=True)
        for name, number in {numbers!r}.items():
            ctypes.set_errno(0)
            if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.EPERM:
                print(name, ctypes.get_errno())
        for family in (16, 17, 38, 40):
            try:
                socket.socket(family, socket.SOCK_STREAM, 0)
                print(family)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    print(family, error)
        import subprocess, threading
        thread = threading.Thread(target=print, args=["threads work"])
        thread.start(); thread.join()
        print(subprocess.check_output(["/bin/echo", "processes work"], text=True))
        """
    )
    assert ended.stdout.split("\n")[:2] == ["threads work", "processes work"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="i386 calls exist on x86_64 only")
def test_an_i386_call_ends_the_process() -> None:
    ended = run_inside(
        """
        import ctypes, mmap
        # mov eax, 20 (getpid); int 0x80; ret
        code = bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3])
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        print("got", call())
        """
    )
    assert "got" not in ended.stdout
    assert ended.returncode in (128 + 31, 128 + 11)  # SIGSYS; SIGSEGV where the kernel has no i386
