"""The servers that are measured: the lab, and Jupyter's own without it, in the same environment."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.faults.conftest import wait_for_datasets
from tests.faults.harness import Lab, kill_tree

EXTENSIONS = (
    "alphintra_lab",
    "jupyter_lsp",
    "jupyter_server_terminals",
    "jupyterlab",
    "notebook_shim",
)


def prepare_lab(folder: Path, *arguments: str) -> Lab:
    """A lab that is not running, over a home that is migrated and has the platform's datasets."""
    with running(make_lab(folder), "/ready") as lab:
        wait_for_datasets(lab)
        lab.stop()
    return make_lab(folder, *arguments)


def make_lab(folder: Path, *arguments: str) -> Lab:
    """A lab over the folder's home, as `alphintra-lab` starts it."""
    return Lab(
        folder / "home",
        folder / "workspace",
        arguments=arguments,
        log=folder / "lab.log",
        zygote=True,
    )


def make_bare_server(folder: Path) -> Lab:
    """A Jupyter server without a single extension."""
    off = dict.fromkeys(EXTENSIONS, False)
    return _make_jupyter(folder, "jupyter-server", f"--ServerApp.jpserver_extensions={off}")


def make_jupyterlab(folder: Path, *, others: bool = True) -> Lab:
    """Plain JupyterLab: neither the lab's server extension nor its page.

    Other packages' additions to the page, Plotly's and the widgets', which the lab's dependencies
    bring along, are there, unless `others` is False.
    """
    extensions = folder / "labextensions"
    extensions.mkdir(parents=True)
    for one in (Path(sys.prefix) / "share/jupyter/labextensions").iterdir():
        if others and one.name != "alphintra-lab":
            (extensions / one.name).symlink_to(one)
    return _make_jupyter(
        folder,
        "jupyter-lab",
        "--ServerApp.jpserver_extensions={'alphintra_lab': False}",
        f"--LabApp.labextensions_path={extensions}",
    )


def _make_jupyter(folder: Path, command: str, *arguments: str) -> Lab:
    """The harness starts any of Jupyter's servers; only `/ready` is the lab's alone."""
    return Lab(
        folder / "home",
        folder / "workspace",
        command=(str(Path(sys.executable).with_name(command)),),
        arguments=arguments,
        log=folder / "jupyter.log",
    )


def wait_for(server: Lab, path: str, timeout: float = 180) -> None:
    """Until the server answers `path` with 200."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        assert server.process is not None
        code = server.process.poll()
        assert code is None, f"the server ended with {code}:\n{server.read_log()[-4000:]}"
        with contextlib.suppress(OSError), Client(server) as client:
            if client.get(path)[0] == 200:
                return
        time.sleep(0.02)
    raise AssertionError(
        f"{path} did not answer within {timeout:g} s:\n{server.read_log()[-4000:]}"
    )


@contextlib.contextmanager
def running(server: Lab, ready: str) -> Iterator[Lab]:
    """The server from when `ready` answers until the end of the block."""
    server.launch()
    assert server.process is not None
    try:
        wait_for(server, ready)
        yield server
    finally:
        kill_tree(server.process.pid)  # nothing is left to slow down what is measured next
        server.process.wait(10)


def time_start(server: Lab, ready: str) -> tuple[float, float]:
    """A start in a fresh process: seconds until `ready` answers, and its processor's seconds."""
    begin = time.perf_counter()
    with running(server, ready) as started:
        took = time.perf_counter() - begin
        assert started.process is not None
        used = psutil.Process(started.process.pid).cpu_times()
    return took, used.user + used.system


class Client:
    """One connection that is kept open; lighter than what it measures."""

    def __init__(self, server: Lab) -> None:
        # A browser takes gzip, so the server's time for it counts.
        self.headers = {"Authorization": f"token {server.token}", "Accept-Encoding": "gzip"}
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """The answer's status and body."""
        self.connection.request("GET", path, headers=self.headers)
        return self._read()

    def post(self, path: str, body: Any = None) -> Any:
        """The answer's JSON; anything but success is an error here."""
        raw = None if body is None else json.dumps(body)
        self.connection.request("POST", path, body=raw, headers=self.headers)
        status, content = self._read()
        assert status < 300, f"POST {path}: {status} {content[:2000]!r}"
        return json.loads(content)

    def _read(self) -> tuple[int, bytes]:
        answer = self.connection.getresponse()
        content = answer.read()
        packed = answer.headers["Content-Encoding"] == "gzip"
        return answer.status, gzip.decompress(content) if packed else content
