"""From an address to a visible launcher in Chromium, against plain JupyterLab."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.measure import Row, compare, interleave
from benchmarks.servers import make_jupyterlab, prepare_lab, running
from tests.browser.lab_page import launch_chromium, open_context
from tests.faults.harness import Lab

SELECTORS = {"launcher": ".jp-Launcher", "home": ".alp-Home"}
# The lab's Home takes the launcher's place soon, so the page itself notes when it showed each.
WATCH = f"""
const selectors = {SELECTORS};
window.shown = {{}};
const look = () => {{
  for (const name of Object.keys(selectors)) {{
    const node = document.querySelector(selectors[name]);
    if (!(name in shown) && node && node.checkVisibility() && node.getClientRects().length) {{
      shown[name] = performance.now() / 1000;
    }}
  }}
  requestAnimationFrame(look);
}};
requestAnimationFrame(look);
"""


def measure(repeats: int, say: Callable[[str], None]) -> list[Row]:
    """Both servers run and are warm; each visit is a browser that was never there."""
    with tempfile.TemporaryDirectory(prefix="alphintra-bench-") as name, sync_playwright() as tools:
        folder = Path(name)
        lab, plain = prepare_lab(folder / "lab"), make_jupyterlab(folder / "jupyterlab")
        alone = make_jupyterlab(folder / "alone", others=False)
        home: list[float] = []

        def visit_lab() -> float:
            shown = visit(browser, lab, "home")
            home.append(shown["home"])
            return shown["launcher"]

        def visit_jupyterlab(server: Lab) -> float:
            return visit(browser, server, "launcher")["launcher"]

        with (
            running(lab, "/ready"),
            running(plain, "/api/status"),
            running(alone, "/api/status"),
            launch_chromium(tools) as browser,
        ):
            runs: dict[str, Callable[[], float]] = {
                "jupyterlab": functools.partial(visit_jupyterlab, plain),
                "lab": visit_lab,
                "alone": functools.partial(visit_jupyterlab, alone),
            }
            for run in runs.values():
                run()  # the servers' own caches: not counted
            home.clear()
            took = interleave(repeats, runs, say)
    what, peer = "Page to a visible launcher", "plain JupyterLab, same environment"
    nothing = "JupyterLab without the extensions of Plotly and widgets that vectorbt brings"
    return [
        compare(what, took["lab"], took["jupyterlab"], peer, 1.1),
        compare(what, took["lab"], took["alone"], nothing, None),
        compare("Page to the lab's Home", home, took["jupyterlab"], f"{peer}, launcher", None),
    ]


def visit(browser: Browser, server: Lab, last: str) -> dict[str, float]:
    """Open the page with nothing cached; seconds from its navigation until each part showed."""
    with open_context(browser) as context:
        page = context.new_page()
        page.add_init_script(WATCH)
        # A workspace of its own: empty, as at the first visit.
        page.goto(f"{server.url}/lab/workspaces/{time.time_ns()}?token={server.token}")
        page.wait_for_function(f"window.shown.{last}", timeout=120_000)
        shown: dict[str, float] = page.evaluate("window.shown")
        return shown
