"""A backtest in the page: progress, then the verdict, numbers, charts and trades."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab_page import (
    SHOTS,
    asked_backtest,
    create_strategy,
    lab_panel,
    number,
    open_lab,
    open_strategy,
    percent,
    result_tab,
    shoot,
    wait_for_result,
)
from tests.faults.harness import Lab


def test_a_run_shows_its_progress_everywhere_then_its_result(page: Page, lab: Lab) -> None:
    create_strategy(lab, "Watched")
    open_lab(page, lab)
    editor = open_strategy(page, "Watched")
    panel = lab_panel(page)
    editor.get_by_role("button", name="Run backtest").click()
    running = result_tab(page).locator(".alp-RunState")
    expect(running.get_by_role("progressbar")).to_be_visible()
    expect(page.locator(".alp-Status").first).to_contain_text("1 running")
    expect(panel.locator(".alp-Running").get_by_role("progressbar")).to_be_visible()
    result = result_tab(page)  # the numbers come before the checks are through
    expect(result.locator(".alp-Verdict")).to_contain_text("Checking.", timeout=60_000)
    expect(result.locator(".alp-Metrics > div", has_text="Sharpe")).to_be_visible()
    expect(running.get_by_role("progressbar")).to_be_visible()
    shoot(page, "running")

    result = wait_for_result(page)
    backtest = asked_backtest(page)
    verdict = lab.json("GET", f"/api/backtests/{backtest}")["verdict"]
    expect(result.locator(".alp-Verdict")).to_contain_text(f"{verdict['title']} {verdict['text']}")
    expect(page.locator(".alp-Status").first).to_contain_text("0 running")
    expect(panel.locator(".alp-Row", has_text="· Watched")).to_be_visible()
    shoot(page, "result-beside-code")

    page.reload()
    result = wait_for_result(page)
    assert asked_backtest(page) == backtest
    expect(result.get_by_role("heading", level=1)).to_have_text("Watched")


def test_the_page_shows_the_numbers_that_the_server_has(
    page: Page, lab: Lab, backtest: str
) -> None:
    results = lab.json("GET", f"/api/backtests/{backtest}/results?points=2000")
    trades = lab.json("GET", f"/api/backtests/{backtest}/trades?limit=20")["items"]
    open_lab(page, lab, f"backtest={backtest}")
    result = wait_for_result(page)
    shoot(page, "result")

    metrics, held = results["backtest"]["metrics"], results["benchmark"]
    shown = read_metrics(result)
    assert shown["Return"] == percent(metrics["total_return"], signed=True)
    assert shown["CAGR"] == percent(metrics["cagr"], signed=True)
    assert shown["Sharpe"] == number(metrics["sharpe"])
    assert shown["Sortino"] == number(metrics["sortino"])
    assert shown["Volatility"] == percent(metrics["volatility"])
    assert shown["Max drawdown"] == percent(metrics["max_drawdown"])
    assert shown["Trades"] == number(results["trades_total"], 0)
    assert shown["Profit factor"] == number(metrics["profit_factor"])
    assert shown["Exposure"] == percent(metrics["exposure"], 0)
    assert shown["Cost share"] == percent(metrics["cost_share"])
    holding = result.locator(".alp-Metrics > div", has_text="Return").locator("small")
    expect(holding).to_have_text(f"hold {percent(held['total_return'], signed=True)}")

    chips = result.locator(".alp-Chip")
    for words in (
        "Look-ahead",
        "Warm-up",
        "Determini",
        "Books balance",
        "Fills at next open",
        "Data",
    ):
        expect(chips.filter(has_text=re.compile(words, re.IGNORECASE))).to_have_count(1)
    expect(result.locator(".alp-Identity")).to_contain_text("commission 0.01\u00a0%")
    expect(page.locator(".alp-Ledger code")).to_have_text(
        f"{results['ledger_sha256'][:4]}…{results['ledger_sha256'][-4:]}"
    )
    for trade in trades[:3]:
        expect_row(result, trade)

    equity = result.locator("figure", has_text="Equity, USD")
    equity.get_by_role("button", name="Show as table").click()
    last = equity.locator("tbody tr").last.locator("td")
    curve = results["curve"]
    expect(last.nth(1)).to_have_text(number(curve["equity"][-1]))
    expect(last.nth(2)).to_have_text(number(curve["benchmark"][-1]))


def read_metrics(result: Locator) -> dict[str, str]:
    """The strip under the verdict: label -> value."""
    cells = result.locator(".alp-Metrics > div")
    labels = cells.locator("dt").all_inner_texts()
    return dict(zip(labels, cells.locator("dd").all_inner_texts(), strict=True))


def expect_row(result: Locator, trade: dict[str, Any]) -> None:
    """A trade's row says what the server knows of it."""
    row = result.locator(f"tr[data-trade='{trade['number']}']")
    expect(row).to_contain_text(f"▲ {trade['side']}")
    expect(row).to_contain_text(number(trade["pnl"], signed=True))
    expect(row).to_contain_text(percent(trade["pnl_fraction"], 2, signed=True))
    expect(row).to_contain_text(number(trade["costs"]))
    expect(row.locator(f"td[title='{trade['entry_price']}']")).to_be_visible()


def test_the_keys_walk_through_the_trades_and_say_why(page: Page, lab: Lab, backtest: str) -> None:
    trades = lab.json("GET", f"/api/backtests/{backtest}/trades?limit=50")["items"]
    open_lab(page, lab, f"backtest={backtest}")
    result = wait_for_result(page)
    selected = result.locator("tr[aria-selected=true]")
    for key, expected in (("j", 1), ("j", 2), ("j", 3), ("k", 2)):
        page.keyboard.press(key)
        expect(selected).to_have_attribute("data-trade", str(expected))
    page.keyboard.press("Shift+J")
    loss = next(t for t in trades if t["number"] > 2 and t["pnl"] < 0)
    expect(selected).to_have_attribute("data-trade", str(loss["number"]))

    page.keyboard.press("w")
    why = page.get_by_role("dialog", name="Why this fill")
    expect(why).to_contain_text(f"exit of trade {loss['number']} of")
    expect(why).to_contain_text(number(loss["exit_price"], 5))
    expect(why).to_contain_text(number(loss["pnl"], signed=True))
    expect(why).to_contain_text("sell")  # the order was read
    why.get_by_role("button", name="Go to this bar").click()
    price = result.locator(".alp-Chart").nth(1)
    bar = datetime.fromisoformat(loss["exit_time"])
    expect(price.locator(".alp-Chart-reading")).to_contain_text(f"{bar.day} {bar:%b %Y}")
    shoot(page, "why-this-fill")
    why.get_by_role("button", name="Close").press("Enter")
    expect(why).to_have_count(0)
    page.keyboard.press("w")  # the keys go on
    expect(why).to_be_visible()
    page.keyboard.press("Escape")
    expect(why).to_have_count(0)

    result.get_by_role("button", name="Losses").click()
    expect(result.get_by_role("button", name="Losses")).to_have_attribute("aria-pressed", "true")
    first = next(t for t in trades if t["pnl"] < 0)
    expect(result.locator("tr[data-trade]").first).to_have_attribute(
        "data-trade", str(first["number"])
    )


def test_the_data_passport_leads_to_the_dataset(page: Page, lab: Lab, backtest: str) -> None:
    open_lab(page, lab, f"backtest={backtest}")
    chip = wait_for_result(page).get_by_role("button", name="Data passport 1.00")
    chip.press("Enter")
    tab = page.locator(".alp-DatasetPage:visible")
    expect(tab.get_by_role("heading", level=1)).to_have_text("goog-1d")


def test_a_tab_that_another_lab_saved_is_dropped_but_a_link_says_what_is_missing(
    page: Page, lab: Lab, allowed: list[str]
) -> None:
    allowed.append(r"status of 404 .*/api/(backtests|datasets)/gone")  # the browser's own word
    tabs = {f"alphintra-{noun}:gone": {"data": {"id": "gone"}} for noun in ("backtest", "dataset")}
    widgets = {"type": "tab-area", "currentIndex": 0, "widgets": list(tabs)}
    layout = {"main": {"dock": widgets, "current": next(iter(tabs))}, "version": 1}
    lab.json(
        "PUT",
        "/lab/api/workspaces/moved",
        {"data": {**tabs, "layout-restorer:data": layout}, "metadata": {"id": "moved"}},
    )
    page.goto(f"{lab.url}/lab/workspaces/moved?token={lab.token}")
    expect(page.locator(".alp-Home:visible")).to_be_visible()
    expect(page.locator(".alp-Result, .alp-DatasetPage")).to_have_count(0)

    open_lab(page, lab, "backtest=gone")
    expect(result_tab(page)).to_contain_text("The backtest could not be read.")


def test_a_chart_is_saved_as_a_picture(page: Page, lab: Lab, backtest: str) -> None:
    open_lab(page, lab, f"backtest={backtest}")
    result = wait_for_result(page)
    number = lab.json("GET", f"/api/backtests/{backtest}")["number"]
    for i, chart in enumerate(("equity", "price")):
        with page.expect_download() as saved:
            result.locator("figure").nth(i).get_by_role("button", name="PNG").click()
        assert saved.value.suggested_filename == f"Finished-run-{number}-{chart}.png"
        path = SHOTS / f"saved-{chart}.png"
        saved.value.save_as(path)
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 5_000


def test_a_narrow_tab_keeps_its_buttons_and_scrolls_its_trades(
    page: Page, lab: Lab, backtest: str
) -> None:
    open_lab(page, lab, f"backtest={backtest}")
    page.set_viewport_size({"width": 1000, "height": 900})
    result = wait_for_result(page)
    figure = result.locator("figure").first
    label, button = figure.locator(".alp-Chart-label"), figure.get_by_text("Show as table")
    above, beside = label.bounding_box(), button.bounding_box()
    assert above is not None
    assert beside is not None
    assert abs(above["y"] - beside["y"]) < 4
    table = result.locator(".alp-Trades-scroll")
    table.locator("tbody tr").nth(3).scroll_into_view_if_needed()
    shoot(page, "result-narrow")
    table.evaluate("node => { node.scrollLeft = node.scrollWidth; }")
    expect(table.locator("th").last).to_be_in_viewport(ratio=0.99)
