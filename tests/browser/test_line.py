"""Another lab, under a base URL: the same page, in the dark, and when the server goes away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab_page import (
    asked_backtest,
    create_strategy,
    open_lab,
    open_menu,
    open_strategy,
    run_over_rest,
    shoot,
    wait_for_result,
)
from tests.faults.conftest import wait_for_datasets
from tests.faults.harness import Lab

BASE = "/some/base"


class BasedLab(Lab):
    """A lab that is served under a base URL, as behind a proxy or a hub."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, arguments=[f"--ServerApp.base_url={BASE}/"], **kwargs)
        self.url += BASE

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return super().request(method, BASE + path, **kwargs)


@pytest.fixture(scope="module")
def based_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A fresh lab under a base URL."""
    folder = tmp_path_factory.mktemp("based")
    with BasedLab(folder / "home", folder / "workspace") as running:
        wait_for_datasets(running)
        yield running


@pytest.fixture(scope="module")
def based_backtest(based_lab: Lab) -> str:
    """A backtest that has run there."""
    return run_over_rest(based_lab, create_strategy(based_lab, "Based"), "goog-1d")


def test_the_main_job_works_under_a_base_url(page: Page, based_lab: Lab) -> None:
    create_strategy(based_lab, "Elsewhere")
    open_lab(page, based_lab)
    editor = open_strategy(page, "Elsewhere")
    editor.locator("select[name=dataset]").select_option("goog-1d")
    editor.get_by_role("button", name="Run backtest").click()
    wait_for_result(page)
    assert asked_backtest(page) in page.url
    assert page.url.startswith(f"{based_lab.url}/lab")


def test_the_dark_theme_reaches_the_charts(page: Page, based_lab: Lab, based_backtest: str) -> None:
    open_lab(page, based_lab, f"backtest={based_backtest}")
    result = wait_for_result(page)
    open_menu(page, "Settings", "Theme", "JupyterLab Dark")
    expect(page.locator("body[data-jp-theme-light=false]")).to_be_attached()
    colour = "node => getComputedStyle(node).getPropertyValue('--alp-gain').trim()"
    assert result.evaluate(colour) == "#5bb5ea"
    wait_for_result(page)
    shoot(page, "result-dark")
    open_menu(page, "Settings", "Theme", "JupyterLab Light")
    expect(page.locator("body[data-jp-theme-light=true]")).to_be_attached()
    assert result.evaluate(colour) == "#0072b2"


def test_a_lost_server_leaves_the_page_readable_and_comes_back(
    page: Page, based_lab: Lab, based_backtest: str, allowed: list[str]
) -> None:
    open_lab(page, based_lab, f"backtest={based_backtest}")
    result = wait_for_result(page)
    # What a browser says by itself of a server that is not there.
    allowed += [r"net::ERR_CONNECTION_REFUSED", r"WebSocket connection to .* failed"]
    based_lab.kill9()
    banner = result.locator(".alp-Banner")
    expect(banner).to_contain_text("No connection to the lab for", timeout=30_000)
    expect(result.locator(".alp-Verdict")).to_be_visible()
    expect(result.locator("tr[data-trade]").first).to_be_visible()
    expect(page.locator(".alp-Status").first).to_contain_text("No connection")
    expect(page.locator(".jp-Dialog")).to_have_count(0)  # nothing lies over it
    shoot(page, "connection-lost")

    based_lab.start()
    expect(banner).to_have_count(0, timeout=40_000)  # by itself; "Try now" is for the hasty
    expect(page.locator(".alp-Status").first).to_contain_text("0 running")
    page.keyboard.press("Alt+Shift+H")
    expect(page.locator(".alp-Home:visible")).to_contain_text("Based")
    shoot(page, "connection-back")
