"""From an address to a visible launcher in Chromium, against plain JupyterLab."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.measure import Row, compare, interleave
from benchmarks.servers import make_jupyterlab, prepare_lab, running
from tests.browser.lab_page import launch_chromium, open_context
from tests.faults.harness import Lab

LAUNCHER, HOME = ".jp-Launcher", ".alp-Home"


def measure(repeats: int, say: Callable[[str], None]) -> list[Row]:
    """Both servers run and are warm; each visit is a browser that was never there."""
    with tempfile.TemporaryDirectory(prefix="alphintra-bench-") as name, sync_playwright() as tools:
        folder = Path(name)
        lab, plain = prepare_lab(folder / "lab"), make_jupyterlab(folder / "jupyterlab")
        browser = launch_chromium(tools)
        home: list[float] = []

        def visit_lab() -> float:
            launcher, own = visit(browser, lab, HOME)
            home.append(own)
            return launcher

        with running(lab, "/ready"), running(plain, "/api/status"), browser:
            visit_lab(), visit(browser, plain)  # the servers' own caches: not counted
            home.clear()
            runs = {"lab": visit_lab, "jupyterlab": lambda: visit(browser, plain)[0]}
            took = interleave(repeats, runs, say)
    peer = "plain JupyterLab"
    return [
        compare("Page to a visible launcher", took["lab"], took["jupyterlab"], peer, 1.1),
        compare("Page to the lab's Home", home, took["jupyterlab"], f"{peer}'s launcher", None),
    ]


def visit(browser: Browser, server: Lab, then: str = LAUNCHER) -> tuple[float, float]:
    """Open the page with nothing cached; seconds to the launcher, and to `then`."""
    with open_context(browser) as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        begin = time.perf_counter()
        # A workspace of its own: empty, as at the first visit.
        page.goto(f"{server.url}/lab/workspaces/{time.time_ns()}?token={server.token}")
        page.wait_for_selector(LAUNCHER, state="visible")
        launcher = time.perf_counter() - begin
        page.wait_for_selector(then, state="visible")
        return launcher, time.perf_counter() - begin
