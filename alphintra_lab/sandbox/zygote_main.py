"""The zygote's process: numpy, pandas and vectorbt loaded, it forks into sandboxes on request.

It runs no user code, holds no secret and has no network. Bubblewrap started it; what a fork then
does by itself, before any user code, is what bubblewrap and the launcher do for a cold start: its
own namespaces, the same view from the same list of mounts, limits, a user, the system call filter.

    zygote ── fork (gone at once) ── first process inside ── the program

The first process inside is number 1 in the sandbox's own PID namespace: whatever ends it ends all.
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import runpy
import select
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import msgspec

from . import linux, seccomp
from .building import NEW_ROOT, build, close_host, enter_user_namespace, lay_out_later
from .gate import GATE, LENGTH, enter, pass_gate, receive
from .launch import give_up, set_limit
from .view import Mount

STARTED, LAUNCHED, ADOPTED, ENDED, FAILED = b"S", b"L", b"A", b"E", b"F"
"""What the first process inside says: the first byte of its messages."""
MOST_DESCRIPTORS = 200
"""In one request: its line, its output, and what was mounted since the zygote started."""


class Fork(msgspec.Struct, frozen=True):
    """What to fork: `python -m module argument ...` in a sandbox."""

    module: str
    arguments: list[str]
    mounts: list[Mount]
    rlimits: dict[str, int]
    user: str
    """`uid:gid`, or `-` in a user namespace."""
    environment: dict[str, str]
    cwd: str
    trees: list[str] = []
    """Sources of mounts that come along as descriptors, in their order."""
    waits: bool = False
    """Start, and wait for an Adoption before anything of a user is seen or run."""


class Adoption(msgspec.Struct, frozen=True):
    """What a sandbox that waits is given in the end."""

    mounts: list[Mount]
    environment: dict[str, str]
    cwd: str


def main(descriptor: int, modules: Sequence[str]) -> None:
    """Load the modules, then fork on request until the server closes the line."""
    environment = dict(os.environ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules:
            importlib.import_module(name)
    for name in set(os.environ) - set(environment):
        del os.environ[name]  # set by a library while it was loaded
    gc.collect()
    gc.freeze()
    line = socket.socket(fileno=descriptor)
    line.send(b"1")
    Path(NEW_ROOT).mkdir()
    while True:
        request, descriptors, _, _ = socket.recv_fds(line, 1, MOST_DESCRIPTORS)
        if not request:
            return
        refuse_threads()
        pid = os.fork()
        if pid == 0:
            line.close()
            begin(*descriptors)
            return  # the program has ended: let the interpreter end, too
        for number in descriptors:
            os.close(number)
        os.waitpid(pid, 0)


def refuse_threads() -> None:
    """A lock that another thread holds would stay locked in the fork for ever."""
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    if len(names) > 1:
        raise RuntimeError(f"The zygote has threads: {', '.join(sorted(names))}.")


def begin(control: int, output: int, *trees: int) -> None:
    """In the fork: become the first process of a new PID namespace, and let the zygote go on."""
    if os.geteuid() != 0:
        enter_user_namespace()
    linux.unshare("pid")
    if os.fork() != 0:
        os._exit(0)
    line = socket.socket(fileno=control)
    try:
        line.send(STARTED)  # the server reads our number outside from its credentials
        fork = msgspec.msgpack.decode(receive(line), type=Fork)
        first = FirstProcess(line, output, fork, trees)
        program = first.launch()
    except BaseException as error:  # noqa: BLE001  whatever fails: the server has to know
        line.sendall(FAILED + f"{type(error).__name__}: {error}"[:2000].encode())
        os._exit(1)
    if program is None:
        os._exit(first.serve())
    program()


class FirstProcess:
    """Number 1 inside: builds the sandbox, starts the program, reaps, and tells of the end."""

    def __init__(self, line: socket.socket, output: int, fork: Fork, trees: Sequence[int]) -> None:
        self.line, self.output, self.fork = line, output, fork
        self.trees = dict(zip(fork.trees, trees, strict=True))
        self.program = 0
        self.gate: socket.socket | None = None
        """What the program waits at."""

    def launch(self) -> Program | None:
        """Build the sandbox and fork; in the fork, answer the program that it is to become."""
        os.umask(0)
        linux.unshare("mount", "net", "ipc", "uts", "cgroup")
        linux.set_hostname("lab")
        linux.start_loopback()
        build(self.fork.mounts, self.trees)
        if not self.fork.waits:
            close_host()
        os.umask(0o022)
        ours, theirs = socket.socketpair()
        wakes, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.wakes = wakes
        self.program = os.fork()
        if self.program == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number in (wakes, wake):
                os.close(number)
            ours.close()
            self.line.close()
            return Program(self.fork, self.output, theirs)
        theirs.close()
        os.close(self.output)
        self.gate = ours
        linux.hide_memory()
        if not self.fork.waits:
            self.open_gate(b"")
        self.line.send(LAUNCHED)
        return None

    def open_gate(self, message: bytes) -> None:
        """Give up all rights, let the program go on, and return when it did."""
        give_up(self.fork.user)
        linux.hide_memory()  # becoming another user undid it
        linux.filter_calls(seccomp.program())
        assert self.gate is not None
        self.gate.sendall(LENGTH.pack(len(message)) + message)
        self.gate.recv(1)
        self.gate.close()
        self.gate = None

    def serve(self) -> int:
        """Reap until the program ends; the server's going ends it, too."""
        poll = select.poll()
        poll.register(self.line, select.POLLIN | select.POLLHUP)
        poll.register(self.wakes, select.POLLIN)
        while True:
            for number, _ in poll.poll():
                if number == self.wakes:
                    os.read(self.wakes, 4096)
                elif not self.adopt():
                    return 1
            status = self.reap()
            if status is not None:
                self.line.sendall(ENDED + LENGTH.pack(status))
                return 0

    def adopt(self) -> bool:
        """Mount what a waiting sandbox is given; False where that cannot be."""
        adoption = msgspec.msgpack.decode(receive(self.line), type=Adoption)
        try:
            lay_out_later(adoption.mounts)
            close_host()
        except OSError as error:
            self.line.sendall(FAILED + str(error)[:2000].encode())
            return False
        self.open_gate(msgspec.msgpack.encode([adoption.environment, adoption.cwd]))
        self.line.send(ADOPTED)
        return True

    def reap(self) -> int | None:
        """Collect who has ended; the program's exit code (128 + n for a signal) when it is it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == 0:
                return None
            if pid == self.program:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


class Program:
    """The process that becomes the user's: takes on limits, user and filter, then runs."""

    def __init__(self, fork: Fork, output: int, gate: socket.socket) -> None:
        self.fork, self.output, self.gate = fork, output, gate

    def __call__(self) -> None:
        """Run to the end; exits and errors pass through, as in any Python program."""
        fork = self.fork
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (self.output, 1), (self.output, 2)):
            os.dup2(source, target)
        os.close(null)
        os.close(self.output)
        for name, value in fork.rlimits.items():
            set_limit(getattr(resource, f"RLIMIT_{name}"), value)
        # When memory runs out all over the machine, this goes first, and the server last.
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(score, b"1000")
        os.close(score)
        give_up(fork.user)
        linux.show_memory()
        linux.filter_calls(seccomp.program())
        os.environ.update(fork.environment)
        reseed()
        if fork.waits:
            # Goes on up to the point where it would serve: see kernel.py.
            os.environ[GATE] = str(self.gate.detach())
        else:
            pass_gate(self.gate)
            enter(fork.cwd)
        sys.argv = [fork.module, *fork.arguments]
        runpy.run_module(fork.module, run_name="__main__", alter_sys=True)


def reseed() -> None:
    """No two forks share a random number."""
    import random

    import numpy as np

    random.seed()
    np.random.seed()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
