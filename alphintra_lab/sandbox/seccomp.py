"""The system calls that a sandbox may make, as a BPF program for the kernel.

What is listed is refused; so is every call newer than the list (`NEWEST`), whatever it may do.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand

# The highest number that was looked at (futex_requeue). What the kernel gained later is ENOSYS,
# which libc takes as "use the older call".
NEWEST = 456
# Between these, no architecture has calls of its own: the numbers from 424 on are the same on all.
FIRST_UNIFIED = 424

AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
LAST_OWN = {"x86_64": 334, "aarch64": 294}

# Refused with EPERM: (x86_64, aarch64), None where the architecture has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # Other processes' memory, and debuggers.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # New namespaces and mounts: the way to more of the kernel. (clone and clone3: see below.)
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # Large and much attacked parts of the kernel that no strategy needs.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "seccomp": (317, 277),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "memfd_secret": (447, 447),
    # Memory that no rlimit counts, and a number of which the whole machine has only one.
    "memfd_create": (319, 279),
    "io_setup": (206, 0),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "remap_file_pages": (216, 234),
    "vmsplice": (278, 75),
    # System V memory outlives its process and is not counted by any rlimit.
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "semget": (64, 190),
    # A link or a pipe laid into a writable folder would be followed, or waited for, by the server.
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    # The machine itself.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "query_module": (178, None),
    "get_kernel_syms": (177, None),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
}

# Calls that are judged by their arguments.
JUDGED: dict[str, tuple[int | None, int | None]] = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "fcntl": (72, 25),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "personality": (135, 92),
    "ioctl": (16, 29),
}

CLONE_NEW_NAMESPACES = 0x7E020080  # user, pid, net, ipc, uts, mount, cgroup, time
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
SOCK_STREAM, SOCK_DGRAM, SOCK_TYPE_MASK = 1, 2, 0xF
IPPROTO_TCP, IPPROTO_UDP = 6, 17
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
F_SETLEASE = 1024
S_ISUID_OR_S_ISGID = 0o6000
MODE_AT = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2}  # which argument it is
# Linux, Linux without address randomisation, and "tell me": what Docker allows too.
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = (
    0x20,  # BPF_LD | BPF_W | BPF_ABS
    0x15,  # BPF_JMP | BPF_JEQ | BPF_K
    0x25,  # BPF_JMP | BPF_JGT | BPF_K
    0x35,  # BPF_JMP | BPF_JGE | BPF_K
    0x45,  # BPF_JMP | BPF_JSET | BPF_K
    0x06,  # BPF_RET | BPF_K
)
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data

ALLOW: Instruction = (RETURN, 0, 0, 0x7FFF0000)
KILL: Instruction = (RETURN, 0, 0, 0x80000000)


def program(machine: str | None = None) -> bytes:
    """The filter for an architecture (`x86_64` or `aarch64`, by default this machine's).

    Raises ValueError for another one: the sandbox must not start without a filter.
    """
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCHITECTURE:
        known = " and ".join(AUDIT_ARCHITECTURE)
        raise ValueError(f"There is no system call filter for {machine!r}; there is for {known}.")
    column = list(AUDIT_ARCHITECTURE).index(machine)
    calls = {name: number for name, n in JUDGED.items() if (number := n[column]) is not None}
    # i386 calls on x86_64 come under another architecture; x32 ones with a number above NEWEST.
    code: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCHITECTURE[machine]),
        KILL,
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_GREATER, 2, 0, NEWEST),
        (JUMP_AT_LEAST, 2, 0, FIRST_UNIFIED),
        (JUMP_GREATER, 0, 1, LAST_OWN[machine]),
        _refuse(errno.ENOSYS),
    ]
    code += _judge(calls["clone3"], [_refuse(errno.ENOSYS)])  # its flags cannot be seen from here
    code += _judge(
        calls["clone"],
        [_argument(0), (JUMP_ANY_BIT, 0, 1, CLONE_NEW_NAMESPACES), _refuse(errno.EPERM), ALLOW],
    )
    code += _judge(calls["socket"], _socket())
    code += _judge(calls["socketpair"], [_argument(0), *_only([AF_UNIX], errno.EOPNOTSUPP)])
    code += _judge(calls["personality"], [_argument(0), *_only(PERSONALITIES, errno.EPERM)])
    code += _judge(calls["ioctl"], [_argument(1), *_never([TIOCSTI, TIOCLINUX])])
    # Whoever opens a leased file waits for its holder, up to 45 s: the server must not.
    code += _judge(calls["fcntl"], [_argument(1), *_never([F_SETLEASE])])
    for name, position in MODE_AT.items():
        if name in calls:
            # A program in a writable folder that makes whoever runs it the sandbox's user.
            verdict = [(JUMP_ANY_BIT, 0, 1, S_ISUID_OR_S_ISGID), _refuse(errno.EPERM), ALLOW]
            code += _judge(calls[name], [_argument(position), *verdict])
    for numbers in DENIED.values():
        number = numbers[column]
        if number is not None:
            code += _judge(number, [_refuse(errno.EPERM)])
    code.append(ALLOW)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _socket() -> list[Instruction]:
    """Unix sockets, and TCP and UDP (debugpy needs the namespace's own loopback).

    EOPNOTSUPP, because libzmq aborts on ENOSYS.
    """
    refuse = _refuse(errno.EOPNOTSUPP)
    return [
        _argument(0),
        (JUMP_EQUAL, 0, 1, AF_UNIX),
        ALLOW,
        (JUMP_EQUAL, 2, 0, AF_INET),
        (JUMP_EQUAL, 1, 0, AF_INET6),
        refuse,
        _argument(1),
        (AND, 0, 0, SOCK_TYPE_MASK),
        (JUMP_EQUAL, 2, 0, SOCK_STREAM),
        (JUMP_EQUAL, 1, 0, SOCK_DGRAM),
        refuse,
        _argument(2),
        *_only([0, IPPROTO_TCP, IPPROTO_UDP], errno.EOPNOTSUPP),
    ]


def _judge(number: int, verdict: list[Instruction]) -> list[Instruction]:
    """For this call, the verdict, which must end in a return; for others, go on behind it."""
    return [(JUMP_EQUAL, 0, len(verdict), number), *verdict]


def _only(values: Iterable[int], error: int) -> list[Instruction]:
    """Allow the loaded argument if it is one of the values."""
    code: list[Instruction] = []
    for value in values:
        code += [(JUMP_EQUAL, 0, 1, value), ALLOW]
    return [*code, _refuse(error)]


def _never(values: Iterable[int]) -> list[Instruction]:
    """Allow the loaded argument unless it is one of the values."""
    code: list[Instruction] = []
    for value in values:
        code += [(JUMP_EQUAL, 0, 1, value), _refuse(errno.EPERM)]
    return [*code, ALLOW]


def _argument(position: int) -> Instruction:
    """Load an argument's low half, which is all that the kernel reads of an int or these flags."""
    return (LOAD, 0, 0, ARGUMENTS_AT + 8 * position)


def _refuse(error: int) -> Instruction:
    return (RETURN, 0, 0, 0x00050000 | error)
