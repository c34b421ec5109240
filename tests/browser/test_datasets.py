"""A user's own file: uploaded, looked at, and backtested over in spite of its error."""

from __future__ import annotations

import datetime as dt
import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab_page import (
    asked_backtest,
    create_strategy,
    lab_panel,
    open_lab,
    open_strategy,
    shoot,
    wait_for_result,
)
from tests.faults.harness import Lab

BAD_ROW = 17


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """500 daily bars with one high below its low and one day twice."""
    walk, price, day = random.Random(7), 100.0, dt.date(2020, 1, 1)
    lines = ["date,open,high,low,close,volume"]
    for row in range(500):
        close = price * (1 + walk.gauss(0, 0.01))
        high, low = max(price, close) * 1.004, min(price, close) * 0.996
        if row == BAD_ROW:
            high, low = low, high
        lines.append(f"{day},{price:.2f},{high:.2f},{low:.2f},{close:.2f},{1000 + row}")
        price, day = close, day + dt.timedelta(days=1)
    path = tmp_path / "my-prices.csv"
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    return path


def test_an_uploaded_file_shows_its_findings_and_can_be_used(
    page: Page, lab: Lab, prices: Path, allowed: list[str]
) -> None:
    allowed.append(r"status of 409 .*/api/backtests")  # the browser's own word on a refused run
    create_strategy(lab, "OnMyData")
    open_lab(page, lab)
    with page.expect_file_chooser() as chooser:
        page.locator(".alp-Home:visible").get_by_role(
            "button", name=re.compile("Add data|my own data")
        ).click()
    chooser.value.set_files(prices)
    dialog = page.locator(".jp-Dialog")
    expect(dialog.locator("input")).to_have_value("my-prices")
    dialog.get_by_role("button", name="Add").click()

    tab = page.locator(".alp-DatasetPage:visible")
    expect(tab.get_by_role("heading", level=1)).to_have_text("my-prices")
    expect(tab.locator(".alp-Verdict")).to_contain_text("blocks backtests.")
    findings = tab.locator(".alp-FindingTable tbody tr")
    wrong = findings.filter(has_text="High below low")
    expect(wrong).to_contain_text(str(BAD_ROW))
    expect(findings.filter(has_text="Duplicated time")).to_contain_text("500")
    wrong.click()
    expect(tab.locator(".alp-Rows-scroll tbody tr").first).to_be_visible()
    shoot(page, "dataset")

    editor = open_strategy(page, "OnMyData")
    editor.locator("select[name=dataset]").select_option("my-prices")
    editor.get_by_role("button", name="Run backtest").click()
    blocked = page.get_by_role("alert").filter(has_text="cannot be backtested yet")
    expect(blocked).to_contain_text("my-prices has 1 error")
    shoot(page, "blocked-by-data")
    blocked.get_by_role("button", name="Override by name…").click()
    blocked.get_by_role("checkbox", name="Override high_below_low").check()
    blocked.get_by_role("button", name="Run with 1 override").click()

    result = wait_for_result(page)
    run = lab.json("GET", f"/api/backtests/{asked_backtest(page)}")
    assert "high_below_low" in run["settings"]["overrides"]
    expect(result.locator(".alp-Chip", has_text="Override")).to_contain_text("high_below_low")
    expect(result.locator(".alp-Identity")).to_contain_text("my-prices")
    shoot(page, "override")


def test_a_file_without_a_time_column_is_refused_with_the_reason(
    page: Page, lab: Lab, tmp_path: Path, allowed: list[str]
) -> None:
    allowed.append(r"status of 422 .*/api/datasets/upload")  # that is the refusal
    path = tmp_path / "timeless.csv"
    path.write_text("open,high,low,close\n1,2,0.5,1.5\n")
    open_lab(page, lab)
    with page.expect_file_chooser() as chooser:
        lab_panel(page).get_by_role("button", name="Add data").click()
    chooser.value.set_files(path)
    page.locator(".jp-Dialog").get_by_role("button", name="Add").click()
    upload = page.locator("#alphintra-panel [data-upload=timeless]")
    expect(upload.get_by_role("alert")).to_contain_text("time")
    shoot(page, "upload-refused")
    upload.get_by_role("button", name="Close").click()
    expect(upload).to_have_count(0)
