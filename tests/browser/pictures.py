"""Draw the README's pictures anew, with a fresh lab: `python -m tests.browser.pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.lab_page import (
    editor_tab,
    launch_chromium,
    open_context,
    open_lab,
    open_menu,
    run_over_rest,
    wait_for_result,
)
from tests.faults.conftest import wait_for_datasets
from tests.faults.harness import Lab

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def draw_all(page: Page, lab: Lab, folder: Path) -> None:
    """A newcomer's way through the lab: home, strategy, result."""
    open_lab(page, lab)
    start = page.get_by_role("button", name="Start with the moving-average cross")
    expect(start).to_be_enabled()
    expect(page.locator("#alphintra-panel .alp-Row", has_text="eurusd-1h")).to_be_visible()
    page.screenshot(path=folder / "home.png")

    start.click()
    editor_tab(page)
    notebook = page.locator(".jp-NotebookPanel:visible")
    cell = notebook.locator(".jp-CodeCell", has_text="result = backtest(")
    cell.locator(".cm-content").click()
    page.keyboard.press("Escape")
    open_menu(page, "Run", "Run All Above Selected Cell")
    page.keyboard.press("Control+Enter")
    card = notebook.get_by_text("Open result")
    expect(card).to_be_visible(timeout=120_000)
    expect(notebook.get_by_text("[*]:")).to_have_count(0)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    card.scroll_into_view_if_needed()
    page.screenshot(path=folder / "strategy.png")

    (strategy,) = lab.json("GET", "/api/strategies")["items"]
    backtest = run_over_rest(lab, strategy["id"], commission=0.0001, slippage_bps=0.3)
    open_lab(page, lab, f"backtest={backtest}")
    wait_for_result(page)
    page.screenshot(path=folder / "result.png")


def main() -> None:
    """Write them into docs/images."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab(Path(folder, "home"), Path(folder, "workspace")) as lab,
        sync_playwright() as playwright,
        launch_chromium(playwright) as browser,
        open_context(browser) as context,
    ):
        wait_for_datasets(lab)
        draw_all(context.new_page(), lab, IMAGES)


if __name__ == "__main__":
    main()
