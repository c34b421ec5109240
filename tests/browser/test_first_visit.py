"""A newcomer's first minutes: what the page offers, and a strategy from a template."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.lab_page import editor_tab, lab_panel, open_lab, shoot
from tests.faults.harness import Lab, wait_until

DATASETS = ["eurusd-1h", "us-stocks-1d", "sp500-1d", "aapl-1d", "ibm-1d", "msft-1d", "goog-1d"]
ACTIONS = [
    "Home",
    "Show Alphintra Panel",
    "Take the Tour",
    "New Strategy…",
    "Blank Strategy",
    "Open Strategy…",
    "Run Backtest",
    "Open Backtest…",
    "Add Data…",
    "Open Dataset…",
    "Problems",
    "Job Log",
    "API Documentation",
]


def test_a_fresh_lab_opens_on_home_with_the_panel_beside_it(page: Page, empty_lab: Lab) -> None:
    open_lab(page, empty_lab)
    home = page.locator(".alp-Home:visible")
    title = home.get_by_role("heading", level=1)
    expect(title).to_have_text("A strategy you can believe, in five minutes")
    expect(home.get_by_role("button", name="Start with the moving-average cross")).to_be_enabled()
    expect(home.get_by_role("button", name="Bring my own data")).to_be_visible()
    expect(home.locator("[data-template]")).to_have_count(4)
    for name in DATASETS:
        expect(home.locator("tr", has_text=name)).to_contain_text("1.00")

    panel = lab_panel(page)
    titles = panel.locator(".jp-AccordionPanel-title .lm-AccordionPanel-titleLabel")
    expect(titles).to_have_text(["Strategies", "Datasets", "Backtests"])
    expect(panel).to_contain_text("No strategies yet.")
    expect(panel.locator(".alp-Row", has_text="eurusd-1h")).to_be_visible()
    shoot(page, "home-first-visit")

    # The drop zone is drawn after the sections, and they make room for it.
    drop = panel.locator(".alp-Drop")
    drop.evaluate("node => { node.style.minHeight = '150px' }")
    page.wait_for_function(
        """() => {
            const sections = [...document.querySelectorAll('#alphintra-panel .alp-Section')];
            const drop = document.querySelector('#alphintra-panel .alp-Drop');
            const { top } = drop.getBoundingClientRect();
            return sections.every(section => section.getBoundingClientRect().bottom <= top + 1);
        }"""
    )


def test_the_launcher_offers_the_labs_cards_and_no_kernel_outside_the_sandbox(
    page: Page, lab: Lab
) -> None:
    open_lab(page, lab)
    expect(page.locator(".alp-Home:visible")).to_be_visible()
    page.locator(".lm-DockPanel-tabBar .lm-TabBar-addButton").first.click()
    launcher = page.locator(".jp-Launcher:visible")
    for card in ("New Strategy…", "Add Data…", "Home"):
        expect(launcher.locator(".jp-LauncherCard", has_text=card)).to_be_visible()
    shoot(page, "launcher")
    for category in ("Notebook", "Console"):
        cards = launcher.locator(f".jp-LauncherCard[data-category={category}]")
        expect(cards).to_have_text([re.compile("sandbox")])
    expect(launcher.locator(".jp-LauncherCard", has_text="Terminal")).to_have_count(0)


def test_the_palette_has_an_entry_for_each_action(page: Page, lab: Lab) -> None:
    open_lab(page, lab)
    page.keyboard.press("Control+Shift+C")
    palette = page.locator(".lm-CommandPalette:visible")
    palette.locator("input").fill("alphintra")
    labels = palette.locator(".lm-CommandPalette-itemLabel")
    for action in ACTIONS:
        expect(labels.get_by_text(action, exact=True).first).to_be_visible()
    shoot(page, "palette")


def test_a_template_opens_as_notebook_and_code_side_by_side(page: Page, empty_lab: Lab) -> None:
    open_lab(page, empty_lab)
    page.get_by_role("button", name="Start with the moving-average cross").click()
    editor = editor_tab(page)
    expect(editor.locator(".cm-content")).to_contain_text("class SmaCross(Strategy):")
    notebook = page.locator(".jp-NotebookPanel:visible")
    expect(notebook.get_by_role("heading", name="A moving-average cross")).to_be_visible()
    left, right = notebook.bounding_box(), editor.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    assert (left["y"], left["height"]) == (right["y"], right["height"])

    form = editor.locator(".alp-Form")
    for field, value in (("fast", "10"), ("slow", "30"), ("cash", "10,000")):
        expect(form.locator(f"input[name={field}]")).to_have_value(value)
    expect(page.locator("#alphintra-panel .alp-Row", has_text="SmaCross")).to_be_visible()
    expect(editor.get_by_role("button", name="Run backtest")).to_be_enabled()
    kernel = wait_for_kernel(empty_lab, "SmaCross.ipynb")
    assert kernel["name"] == "alphintra-sandboxed"
    # What the kernel writes into a new notebook is saved: closing it asks nothing.
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
    page.wait_for_timeout(1000)
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
    shoot(page, "strategy")


def test_the_template_can_be_chosen_and_named(page: Page, lab: Lab) -> None:
    open_lab(page, lab)
    lab_panel(page).get_by_role("button", name="New strategy").first.click()
    dialog = page.locator(".jp-Dialog")
    dialog.get_by_text("RSI mean reversion", exact=True).click()
    name = dialog.locator("input[name=name]")
    expect(name).to_have_value("RsiReversion")
    name.fill("My reversion")
    shoot(page, "picker")
    dialog.get_by_role("button", name="Create").click()
    expect(editor_tab(page).locator(".cm-content")).to_contain_text("class RsiReversion(Strategy)")
    expect(lab_panel(page).locator(".alp-Row", has_text="My reversion")).to_be_visible()


def wait_for_kernel(lab: Lab, notebook: str) -> dict[str, Any]:
    """A notebook's kernel, once it is idle."""

    def find() -> dict[str, Any] | None:
        for session in lab.json("GET", "/api/sessions"):
            kernel: dict[str, Any] = session["kernel"]
            if session["path"].endswith(notebook) and kernel["execution_state"] == "idle":
                return kernel
        return None

    return wait_until(find, f"the kernel of {notebook} is idle")
