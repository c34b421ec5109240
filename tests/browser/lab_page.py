"""What the browser's tests do with a page: open it, find its parts, wait for what happens."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    expect,
)

from tests.faults.conftest import wait_for_end
from tests.faults.harness import Lab

SHOTS = Path(__file__).parent / "shots"
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
expect.set_options(timeout=20_000)


def launch_chromium(playwright: Playwright) -> Browser:
    """Debian's Chromium, or where there is none the one that Playwright brought."""
    # Chromium refuses to sandbox itself for root.
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)


def open_context(browser: Browser, **options: Any) -> BrowserContext:
    """A browser without a past, in the size that the design was drawn for."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
    context.set_default_timeout(20_000)
    return context


def listen_for_complaints(page: Page, allowed: list[str]) -> list[str]:
    """Errors that nobody caught and errors on the console, as they come, but for those allowed.

    `allowed`: patterns; the list may grow while the page is open.
    """
    complaints: list[str] = []

    def note(text: str) -> None:
        if not any(re.search(pattern, text) for pattern in allowed):
            complaints.append(text)

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            note(f"{message.text} ({message.location.get('url', '')})")

    page.on("console", hear)
    page.on("pageerror", lambda error: note(f"{error.message}\n{error.stack}"))
    return complaints


def shoot(page: Page, name: str) -> Path:
    """A picture of the page, in the folder that git ignores."""
    path = SHOTS / f"{name}.png"
    page.screenshot(path=path)
    return path


def open_lab(page: Page, lab: Lab, query: str = "") -> None:
    """Open the lab with its token, in a workspace that nobody has used, and wait until it stands.

    Not with `?reset`: JupyterLab takes the whole query away a second later.
    """
    workspace = uuid.uuid4().hex[:8]
    page.goto(f"{lab.url}/lab/workspaces/{workspace}?token={lab.token}&{query}")
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
    # By itself where the workspace is new: a newcomer does not know of its icon.
    expect(lab_panel(page)).to_be_visible()


def lab_panel(page: Page) -> Locator:
    """The lab's panel in the left sidebar."""
    return page.locator("#alphintra-panel")


def create_strategy(lab: Lab, name: str, **more: str) -> str:
    """A strategy that is there already, made over REST; its id."""
    body = {"name": name, **(more or {"template": "sma_cross"})}
    return str(lab.json("POST", "/api/strategies/code/create", body)["id"])


def run_over_rest(lab: Lab, strategy_id: str, dataset: str = "eurusd-1h", **settings: Any) -> str:
    """A backtest that has run, made over REST; its id."""
    create = {"strategy_id": strategy_id, "dataset": dataset, **settings}
    backtest: str = lab.json("POST", "/api/backtests", create)["id"]
    job = wait_for_end(lab, lab.json("POST", f"/api/backtests/{backtest}/run"))
    assert job["state"] == "succeeded", job
    return backtest


def open_strategy(page: Page, name: str) -> Locator:
    """Open a strategy from the panel: notebook and code; the code's tab."""
    lab_panel(page).locator(".alp-Row", has_text=name).first.click()
    return editor_tab(page)


def editor_tab(page: Page) -> Locator:
    """The tab with strategy.py, with the lab's bar and form over it."""
    tab = page.locator(".jp-Document:not(.lm-mod-hidden)").filter(has=page.locator(".alp-Form"))
    expect(tab.locator(".cm-content")).to_be_visible()
    return tab


def result_tab(page: Page) -> Locator:
    """The backtest's tab that is in front."""
    return page.locator(".alp-Result:visible")


def wait_for_result(page: Page) -> Locator:
    """The tab in front, once its run and its checks have ended and its charts are drawn."""
    result = result_tab(page)
    verdict = result.locator(".alp-Verdict:not([data-rule=checking])")
    expect(verdict).to_be_visible(timeout=90_000)
    expect(result.locator("tr[data-trade]").first).to_be_visible()
    for chart in ("equity", "drawdown", "price"):
        wait_for_drawing(result.locator(f".alp-Chart-{chart}"))
    return result


def wait_for_drawing(chart: Locator) -> None:
    """Until something is painted on a chart's canvas."""
    canvas = chart.locator("canvas").first
    expect(canvas).to_be_visible()
    for _ in range(200):
        if canvas.evaluate(COUNT_PAINTED) > 200:
            return
        chart.page.wait_for_timeout(100)
    raise AssertionError("nothing was painted on the chart")


# Bokeh may paint on any of the canvases that lie over each other.
COUNT_PAINTED = """
canvas => {
  const all = canvas.getRootNode().querySelectorAll('canvas');
  return Math.max(...[...all].map(one => {
    if (one.width * one.height === 0 || !one.getContext('2d')) return 0;
    const { data } = one.getContext('2d').getImageData(0, 0, one.width, one.height);
    const seen = new Set();
    let painted = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 0 && (data[i] !== data[i + 1] || data[i] !== data[i + 2])) painted++;
    }
    return painted;
  }));
}
"""


def asked_backtest(page: Page) -> str:
    """The id of the backtest that the address names."""
    page.wait_for_url(re.compile(r"[?&]backtest="))
    return parse_qs(urlsplit(page.url).query)["backtest"][0]


def open_menu(page: Page, *labels: str) -> None:
    """Choose from JupyterLab's menu: "Run", "Run All Cells"."""
    first, *others = labels
    page.locator(".lm-MenuBar-item", has_text=re.compile(f"^{first}$")).click()
    for label in others:
        page.locator(".lm-Menu-item", has_text=re.compile(f"^{re.escape(label)}")).first.click()


def percent(value: float, decimals: int = 1, *, signed: bool = False) -> str:
    """A fraction as the page shows it: true minus, a narrow no-break space before %."""
    return f"{number(value * 100, decimals, signed=signed)}\u00a0%"


def number(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """A number as the page shows it."""
    text = f"{abs(value):,.{decimals}f}"
    sign = "" if float(text.replace(",", "")) == 0 else "\u2212" if value < 0 else "+" * signed
    return sign + text
