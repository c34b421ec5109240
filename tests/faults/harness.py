"""The harness for faults: real labs that are killed, disks that fill, lines that are cut."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psutil
import pytest

from alphintra_lab.processes import die_with_parent

T = TypeVar("T")


def free_port() -> int:
    """A port on the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(
    condition: Callable[[], T | None], what: str, *, timeout: float = 30, every: float = 0.1
) -> T:
    """The first true value of `condition`, or a failure that says what did not happen."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:g} s, but never: {what} (last seen: {value!r})")
        time.sleep(every)


def kill_tree(pid: int, sig: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process and all that descends from it, and wait until they are gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(sig)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, f"still alive after {sig.name}: {alive}"


class Lab:
    """A real lab, started as a user starts it, in a process group of its own.

    `home` and `workspace` outlive it: `kill9()` then `start()` is a crash and a new start.
    """

    def __init__(
        self,
        home: Path,
        workspace: Path,
        *,
        command: Sequence[str] = (str(Path(sys.executable).with_name("alphintra-lab")),),
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        zygote: bool = False,
    ) -> None:
        self.home, self.workspace = home, workspace
        self.port, self.token = free_port(), secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log or home.with_name(f"{home.name}-{self.port}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self._command = [
            *command,
            "--no-browser",
            "--allow-root",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={workspace}",
            # Loading one takes longer than most tests; those that are about it ask for it.
            *([] if zygote else ["--LabConfig.zygote=False"]),
            *arguments,
        ]
        # Nothing of the tester's own Jupyter, and nothing that the lab itself is set up with.
        ours = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "SECRET_KEY"}
        kept = {k: v for k, v in os.environ.items() if k not in ours and "JUPYTER" not in k}
        self._env = {
            **kept,
            "ALPHINTRA_HOME": str(home),
            "JUPYTER_CONFIG_DIR": str(home / "jupyter-config"),
            "JUPYTER_RUNTIME_DIR": str(home / "jupyter-runtime"),
            **(env or {}),
        }

    def start(self, *, timeout: float = 90) -> Self:
        """Start it, and come back when it is ready."""
        self.launch()
        self.wait_until_ready(timeout=timeout)
        return self

    def launch(self) -> None:
        """Start it, and come back at once."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.workspace.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._env,
                cwd=self.workspace,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,  # a run that is killed leaves no lab behind
            )

    def wait_until_ready(self, *, timeout: float = 90) -> None:
        """Until /ready answers 200; fails with the log when the lab ends instead."""
        wait_until(self._is_ready, f"{self.url}/ready answered 200", timeout=timeout)

    def _is_ready(self) -> bool:
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"the lab ended with {code}:\n{self.read_log()[-4000:]}"
        try:
            return self.request("GET", "/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def request(
        self, method: str, path: str, *, port: int | None = None, timeout: float = 30, **kwargs: Any
    ) -> httpx.Response:
        """One request with the token; `port` sends it through a line that can be cut."""
        url = f"http://127.0.0.1:{port or self.port}{path}"
        headers = {"Authorization": f"token {self.token}", **kwargs.pop("headers", {})}
        # No TLS here; without `verify=False` each request would read all certificates, in 30 ms.
        return httpx.request(
            method, url, headers=headers, timeout=timeout, trust_env=False, verify=False, **kwargs
        )

    def json(self, method: str, path: str, body: Any = None, *, status: int | None = None) -> Any:
        """The answer's JSON; the status has to be `status`, or else any success."""
        answer = self.request(method, path, **({} if body is None else {"json": body}))
        fits = answer.is_success if status is None else answer.status_code == status
        assert fits, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None

    def children(self) -> list[psutil.Process]:
        """All processes that the lab has started and that live."""
        if self.process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def read_log(self) -> str:
        """What it has printed, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill9(self) -> None:
        """Kill the server alone, as a full memory does; its children are on their own."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self, *, timeout: float = 20) -> int:
        """Ask it to end, as a terminal's owner does, and wait; the exit code."""
        assert self.process is not None
        family = self.children()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        _, alive = psutil.wait_procs(family, timeout=5)
        assert not alive, f"outlived the lab: {alive}"
        return code

    def restart(self) -> Self:
        """Stop it properly and start it again, over the same home."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Leave no process behind, whatever the test did; pytest shows the log of a failed one."""
        sys.stdout.write(self.read_log()[-8000:])
        if self.process is not None:
            kill_tree(self.process.pid)
            self.process.wait(10)
            self._sweep()

    def _sweep(self) -> None:
        """Kill what a killed server left: processes that carry this lab's home."""
        mark = f"ALPHINTRA_HOME={self.home}"
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                environ = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
                if process.pid != os.getpid() and mark.encode() in environ:
                    kill_tree(process.pid)


@contextlib.contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of its own of `size` ("8m"), which a test can fill."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system to fill needs root")
    with tempfile.TemporaryDirectory(prefix="alphintra-disk-") as folder:
        options = f"size={size},mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            # Lazily: a process that is being killed may still have its working folder there.
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill_disk(folder: Path, *, leave: int = 0) -> Path:
    """Write until only `leave` bytes are free; the file that takes up the rest."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize - leave
            if free <= 0:
                break
            file.write(b"\0" * min(free, 1 << 20))
    return filler


class CutLine:
    """A TCP line to a port of this machine, which can be halted and cut.

    Clients connect to `port`. `cut_after=N` cuts when N bytes have gone to the server.
    """

    def __init__(self, target: int, *, cut_after: int | None = None) -> None:
        self.target, self.cut_after = target, cut_after
        self.sent = 0
        self.is_cut = False
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def halt(self) -> None:
        """Let nothing through, and keep all connections: a line gone silent."""
        self._flows.clear()

    def resume(self) -> None:
        """Let what was held through again."""
        self._flows.set()

    def cut(self) -> None:
        """Reset every connection, and refuse new ones."""
        with self._lock:
            self.is_cut = True
            for end in self._sockets:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # Closed by the shutdown for readers in other threads, reset by the linger.
                    end.shutdown(socket.SHUT_RD)
                    end.close()
            self._sockets.clear()
        self._flows.set()

    def mend(self) -> None:
        """Take connections again."""
        self.cut_after, self.is_cut = None, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)  # a close alone would leave the thread in accept
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            with self._lock:
                self._sockets += [near, far]
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                self._flows.wait()
                if counted and self.cut_after is not None:
                    data = data[: self.cut_after - self.sent]
                sink.sendall(data)
                if counted:
                    self.sent += len(data)
                    if self.cut_after is not None and self.sent >= self.cut_after:
                        self.cut()
                        return
            sink.shutdown(socket.SHUT_WR)
