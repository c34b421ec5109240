"""From the start of the process to `/ready`, against a bare Jupyter server."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row, compare, interleave
from benchmarks.servers import make_bare_server, make_jupyterlab, prepare_lab, time_start


def measure(repeats: int, say: Callable[[str], None]) -> list[Row]:
    """Fresh processes over a home that is migrated; the sandbox is not tested at the start."""
    with tempfile.TemporaryDirectory(prefix="alphintra-bench-") as name:
        folder = Path(name)
        servers = {
            "bare": (make_bare_server(folder / "bare"), "/api/status"),
            "lab": (prepare_lab(folder / "lab", "--AlphintraLab.sandbox_test=False"), "/ready"),
            "jupyterlab": (make_jupyterlab(folder / "jupyterlab"), "/api/status"),
        }
        used: dict[str, list[float]] = {kind: [] for kind in servers}

        def start(kind: str) -> float:
            took, processor = time_start(*servers[kind])
            used[kind].append(processor)
            return took

        for kind in servers:
            start(kind)  # compiled and cached: not counted
            used[kind].clear()
        runs = {kind: functools.partial(start, kind) for kind in servers}
        took = interleave(repeats, runs, say)
    what = "Server start to `/ready`"
    return [
        compare(what, took["lab"], took["bare"], "a bare Jupyter server", 1.5),
        compare(f"{what}, its processor time", used["lab"], used["bare"], "bare", None),
        compare(what, took["lab"], took["jupyterlab"], "plain JupyterLab", None),
    ]
