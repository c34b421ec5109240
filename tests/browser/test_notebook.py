"""The template's notebook: every cell runs in the sandbox, and a result is the same card."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.lab_page import (
    create_strategy,
    number,
    open_lab,
    open_menu,
    open_strategy,
    shoot,
    wait_for_result,
)
from tests.faults.harness import Lab


def test_all_cells_run_and_the_card_leads_to_the_result(page: Page, lab: Lab) -> None:
    create_strategy(lab, "Notes", template="momentum")
    open_lab(page, lab)
    open_strategy(page, "Notes")
    notebook = page.locator(".jp-NotebookPanel:visible")
    notebook.locator(".jp-MarkdownCell").first.click()
    open_menu(page, "Run", "Run All Cells")

    card = notebook.locator(".jp-OutputArea-output", has=page.get_by_text("Open result"))
    expect(card).to_be_visible(timeout=90_000)
    link = card.get_by_text("Open result")
    backtest = link.get_attribute("data-backtest")
    run = lab.json("GET", f"/api/backtests/{backtest}")
    expect(card).to_contain_text(run["verdict"]["title"])
    expect(card).to_contain_text(number(run["metrics"]["sharpe"]))
    closed, trades = run["metrics"]["closed_trades"], run["metrics"]["trades"]
    still_open = f", {trades - closed:,.0f} open" if trades > closed else ""
    expect(card).to_contain_text(f"{trades:,.0f}{still_open}")
    last = notebook.locator(".jp-CodeCell").last
    expect(last).to_contain_text("worst months")
    expect(notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    # The card says it: nothing else does.
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    card.scroll_into_view_if_needed()
    shoot(page, "notebook")

    link.click()
    result = wait_for_result(page)
    expect(result.get_by_role("heading", level=1)).to_have_text("Notes")
