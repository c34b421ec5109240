"""The host that is attacked: a lab's folders, a server, and listeners, all for one test run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.escapes.contract import THEMES, World

ROOT = Path(__file__).parents[3]
NOBODY = 65534
MIB = 1024**2
# Roomy enough for what a job imports; the bombs' goals are higher.
LIMITS = {
    "memory_bytes": 512 * MIB,
    "tmp_bytes": 32 * MIB,
    "file_bytes": 8 * MIB,
    "processes": 96,
    "open_files": 256,
    "seconds": 90,
    "log_bytes": 256 * 1024,
}
KEPT_SECRETS = (
    "secret.txt",
    "home/lab.db",
    "home/jobs/other/out/decisions.msgpack",
    "workspace/.env",
    "workspace/.keys/key",
)
SHOWN = ("contract", *THEMES)

# From a small process, which forks faster; what the large one has open, the small one has, too.
RUN = """
import json, os, subprocess, sys
for name in os.listdir("/proc/self/fd"):
    if os.path.lexists(f"/proc/self/fd/{{name}}"):
        os.set_inheritable(int(name), True)
asked = json.dumps({asked!r})
ended = subprocess.run(
    [sys.executable, "-m", "tests.sandbox.escapes.contract"], input=asked, text=True,
    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=False,
    cwd={folder!r}, env=os.environ | {{"PYTHONPATH": {folder!r}}})
print("PROCESS 1: " + open("/proc/1/cmdline").read().replace("\\0", " "))
print("OUTCOMES " + ended.stdout, flush=True)
"""


@dataclasses.dataclass
class Ran:
    """What came of one run of attacks in one sandbox."""

    outcomes: dict[str, list[str]]
    error: str | None
    """How the sandbox ended, if not well."""
    text: str


class Machine:
    """The folders and the server, as root or as an ordinary user."""

    def __init__(self, backend: str, user: str) -> None:
        self.backend, self.user = backend, user
        self.mark = f"hunter2-{secrets.token_hex(8)}"
        self.base = Path(tempfile.mkdtemp(prefix="escapes-"))
        self.base.chmod(0o755)
        self.home, self.workspace = self.base / "home", self.base / "workspace"
        self._kept = contextlib.ExitStack()

    def __enter__(self) -> Machine:
        """Everything stands; the other kernel is ready."""
        self._kept.callback(shutil.rmtree, self.base, ignore_errors=True)
        try:
            self.lay_out()
            self.listeners = self._kept.enter_context(listen(self.mark, self.base / "socket"))
            python = self._kept.enter_context(choose_python(self.user, self.base))
            self.server = self._start_server(python)
            self._kept.callback(self.stop)
            if reason := self.hear().get("not_here"):
                pytest.skip(f"this machine has no {self.backend} sandboxes: {reason}")
            self.other_kernel = self.ask("keep_kernel", strategy="two", limits=LIMITS)["folder"]
        except BaseException:
            self._kept.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def lay_out(self) -> None:
        """The lab's home, a workspace with two strategies, a secret beside them."""
        import numpy as np
        import pandas as pd

        for below in ("store", "strategy", "jobs/other/out"):
            (self.home / below).mkdir(parents=True)
        for below in ("strategies/one", "strategies/two", ".keys"):
            (self.workspace / below).mkdir(parents=True)
        index = pd.date_range("2024-01-01", periods=50, freq="h", tz="UTC", name="time")
        prices = dict.fromkeys(["open", "high", "low", "close", "volume"], np.linspace(1, 2, 50))
        pd.DataFrame(prices, index=index).to_parquet(self.home / "store" / "bars.parquet")
        for name in KEPT_SECRETS:
            (self.base / name).write_text(f"SECRET={self.mark}\n")
        (self.workspace / "strategies/two/strategy.py").write_text("NAME = 'two'\n")
        for folder in (self.home / "strategy", self.workspace / "strategies/one"):
            copy_attacks(folder)
        if self.user == "ordinary" and os.geteuid() == 0:
            for path in (self.base, *self.base.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        for folder in (self.home / "strategy", self.workspace / "strategies/two"):
            # Root's where this is root, whoever runs the server.
            shutil.copyfile("/usr/bin/id", folder / "identify")
            (folder / "identify").chmod(0o4755)

    def _start_server(self, python: str) -> subprocess.Popen[str]:
        drop: dict[str, Any] = {}
        if self.user == "ordinary" and os.geteuid() == 0:
            drop = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return subprocess.Popen(
            [python, "-m", "tests.sandbox.escapes.server", self.backend, str(self.home),
             str(self.workspace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": str(ROOT),
                "SECRET_KEY": self.mark,
                "DATABASE_URL": f"postgresql://lab:{self.mark}@db/lab",
            },
            start_new_session=True,
            **drop,
        )  # fmt: skip

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """One request to the server, and its answer."""
        self.tell(do, **request)
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """The server's next answer."""
        assert self.server.stdout is not None
        line = self.server.stdout.readline()
        assert line, f"the server ended with {self.server.wait(10)}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, do: str, **request: Any) -> None:
        """One request; its answer is not awaited."""
        assert self.server.stdin is not None
        self.server.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self.server.stdin.flush()

    def stop(self) -> None:
        """End the server, by the end of its input."""
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.close()
        try:
            self.server.wait(20)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        self.server.stdout.close()

    def describe(self, **changes: Any) -> World:
        """What an attacker may know of this machine."""
        two = self.workspace / "strategies" / "two"
        world = World(
            mark=self.mark,
            secret=str(self.base / "secret.txt"),
            home=str(self.home),
            workspace=str(self.workspace),
            other=str(two),
            other_kernel=self.other_kernel,
            other_job=str(self.home / "jobs" / "other"),
            setuid=str(two / "identify"),
            server=self.server.pid,
            **self.listeners,
        )
        return dataclasses.replace(world, **changes)

    def attack(
        self, place: str, names: Sequence[str], limits: dict[str, Any] | None = None, **changes: Any
    ) -> Ran:
        """Run attacks in one sandbox: a job, or a kernel."""
        if place == "job":
            outputs = tuple(
                f"/out/{name}" for name in ("decisions.msgpack", "error.json", "progress")
            )
            given = {"data": "/data/0000-EUR.parquet", "setuid": "/strategy/identify",
                     "outputs": outputs}  # fmt: skip
            folder = "/strategy"
        else:
            folder = str(self.workspace / "strategies" / "one")
            given = {"data": "/grants/bars.parquet", "own": folder}
        world = dataclasses.asdict(self.describe(**{**given, **changes}))
        code = RUN.format(folder=folder, asked={"names": list(names), "world": world})
        do = "run_cell" if place == "kernel" else "run_job"
        if place == "job":
            code += "os._exit(0)\n"
        answer = self.ask(do, code=code, limits=limits or LIMITS)
        said = answer["text"].rpartition("OUTCOMES ")[2].splitlines()
        outcomes = json.loads(said[0]) if said and said[0].startswith("{") else {}
        return Ran(outcomes, answer["error"], answer["text"])

    def attack_openly(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The control: the same attacks without a sandbox, as an unsandboxed kernel would run."""
        scratch = self.base / "scratch"
        scratch.mkdir(exist_ok=True)
        data = scratch / "data" / "bars.parquet"
        data.parent.mkdir(exist_ok=True)
        shutil.copyfile(self.home / "store" / "bars.parquet", data)
        world = self.describe(
            scratch=str(scratch),
            data=str(data),
            process_1=self.server.pid,
            inside=False,
            files=2_000,
        )
        ended = subprocess.run(
            [sys.executable, "-m", "tests.sandbox.escapes.contract"],
            input=json.dumps({"names": list(names), "world": dataclasses.asdict(world)}),
            capture_output=True,
            text=True,
            cwd=scratch,
            env=os.environ | {"PYTHONPATH": str(ROOT), "SECRET_KEY": self.mark},
            timeout=100,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        outcomes: dict[str, list[str]] = json.loads(ended.stdout)
        return outcomes


def copy_attacks(folder: Path) -> None:
    """Put the attacks where the code that runs inside can import them."""
    target = folder / "tests" / "sandbox" / "escapes"
    target.mkdir(parents=True)
    for package in (target, target.parent, target.parent.parent):
        (package / "__init__.py").touch()
    for name in SHOWN:
        shutil.copyfile(Path(__file__).with_name(f"{name}.py"), target / f"{name}.py")


@contextlib.contextmanager
def listen(mark: str, path: Path) -> Iterator[dict[str, Any]]:
    """Services of the host that say the mark to whoever connects: where they are."""
    abstract = f"escapes-{secrets.token_hex(8)}"
    tcp = socket.create_server(("", 0))
    unix, hidden = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    unix.bind(str(path))
    path.chmod(0o777)
    hidden.bind(f"\0{abstract}")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))

    def greet(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.send(mark.encode())

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                said, sender = udp.recvfrom(100)
                if not said:
                    return  # shut down
                udp.sendto(mark.encode(), sender)

    unix.listen()
    hidden.listen()
    workers = [threading.Thread(target=greet, args=[one]) for one in (tcp, unix, hidden)]
    workers.append(threading.Thread(target=answer))
    for worker in workers:
        worker.start()
    try:
        yield {
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "abstract": abstract,
            "socket": str(path),
            "address": find_address(),
        }
    finally:
        for listener in (tcp, unix, hidden, udp):
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for worker in workers:
            worker.join(5)


def find_address() -> str:
    """This machine's own address in its network, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def why_not(user: str) -> str:
    """Why the suite cannot be run as this user here, or nothing."""
    if user == "root":
        return "" if os.geteuid() == 0 else "only root can try what root's server does"
    if os.geteuid() != 0:
        return ""
    python = "/usr/bin/python3"
    if not Path(python).exists():
        return f"{python} is not installed, and nobody may not run root's own"
    asked = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    if version != [str(number) for number in sys.version_info[:2]]:
        return f"{python} is another version, which the installed packages are not for"
    unshare = ["/usr/bin/unshare", "--user", "true"]
    ended = subprocess.run(unshare, user=NOBODY, group=NOBODY, check=False)
    return "" if ended.returncode == 0 else "this machine forbids user namespaces to users"


@contextlib.contextmanager
def choose_python(user: str, base: Path) -> Iterator[str]:
    """The interpreter for the server: for nobody, an environment that it may read."""
    if user == "root" or os.geteuid() != 0:
        yield sys.executable
        return
    site = next(path for path in sys.path if path.endswith("site-packages"))
    venv, name = base / "venv", f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to("/usr/bin/python3")
    (venv / "pyvenv.cfg").write_text(
        textwrap.dedent(
            f"""\
            home = /usr/bin
            include-system-site-packages = false
            version = {sys.version.split()[0]}
            """
        )
    )
    packages = venv / "lib" / name / "site-packages"
    packages.mkdir(parents=True)
    subprocess.run(["mount", "--bind", site, str(packages)], check=True)
    try:
        yield str(venv / "bin" / "python")
    finally:
        subprocess.run(["umount", "--lazy", str(packages)], check=True)
