"""Writing a strategy: errors are shown where they are, before anything runs."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.lab_page import (
    create_strategy,
    lab_panel,
    open_lab,
    open_strategy,
    result_tab,
    shoot,
)
from tests.faults.harness import Lab

FAILING = """
from alphintra_lab.sdk import Signals, Strategy


class Failing(Strategy):
    def signals(self, bars):
        flow = bars["flow"].diff()
        return Signals(entries=flow > 0, exits=flow < 0)
""".lstrip()


def test_a_syntax_error_is_marked_listed_and_gone_once_it_is_mended(page: Page, lab: Lab) -> None:
    create_strategy(lab, "Typo")
    open_lab(page, lab)
    editor = open_strategy(page, "Typo")
    run = editor.get_by_role("button", name="Run backtest")
    expect(run).to_be_enabled()
    code = editor.locator(".cm-content")
    code.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("x = = 1")

    expect(code.locator(".cm-lintRange-error")).to_have_count(1)
    expect(editor.locator(".cm-gutter-lint .cm-lint-marker-error")).to_have_count(1)
    problems = page.locator("#alphintra-problems")
    row = problems.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("strategy.py")
    expect(row.locator("code")).to_have_text("22:5")  # the second "="
    expect(problems).to_contain_text("Run backtest waits until the error is gone.")
    expect(run).to_be_disabled()
    shoot(page, "problem")
    page.keyboard.press("Control+s")
    listed = lab_panel(page).locator(".alp-Row", has_text="Typo")
    expect(listed.locator(".alp-mod-octagon")).to_be_visible()
    message = (row.get_by_role("button").first.text_content() or "").strip()
    expect(listed).to_contain_text(message)

    page.keyboard.press("Control+Home")
    row.get_by_role("button").first.click()  # a problem leads to its place
    page.keyboard.press("Delete")
    page.keyboard.press("Delete")
    expect(code).to_contain_text("x = 1")
    expect(code.locator(".cm-lintRange-error")).to_have_count(0)
    expect(problems).to_contain_text("No problems found.")
    expect(run).to_be_enabled()
    page.keyboard.press("Control+s")
    expect(listed.locator(".alp-mod-octagon")).to_have_count(0)


def test_a_parameter_out_of_bounds_is_outlined_explained_and_waits(page: Page, lab: Lab) -> None:
    create_strategy(lab, "Bounds")
    open_lab(page, lab)
    editor = open_strategy(page, "Bounds")
    run = editor.get_by_role("button", name="Run backtest")
    slow = editor.locator("input[name=slow]")
    slow.fill("300")
    expect(slow).to_have_attribute("aria-invalid", "true")
    fault = editor.get_by_role("alert")
    expect(fault).to_contain_text("slow: 300 is above high=250.")
    expect(run).to_be_disabled()
    shoot(page, "out-of-bounds")

    slow.fill("50")
    expect(slow).to_have_attribute("aria-invalid", "false")
    expect(fault).to_have_count(0)
    expect(run).to_be_enabled()
    editor.get_by_role("button", name="Save as default").click()
    expect(editor.locator(".cm-content")).to_contain_text("slow = param(50, low=10, high=250)")


def test_an_error_in_the_code_leads_to_its_line(page: Page, lab: Lab) -> None:
    create_strategy(lab, "Failing", code=FAILING)
    open_lab(page, lab)
    editor = open_strategy(page, "Failing")
    editor.locator("select[name=dataset]").select_option("eurusd-1h")
    editor.get_by_role("button", name="Run backtest").click()
    trouble = result_tab(page).locator(".alp-Trouble")
    expect(trouble).to_be_visible(timeout=60_000)
    expect(trouble.get_by_role("heading")).to_contain_text("The strategy stopped: KeyError")
    trace = trouble.locator(".alp-Traceback")
    expect(trace).to_contain_text('flow = bars["flow"].diff()')
    shoot(page, "strategy-error")
    trouble.get_by_role("button", name="Full log").click()
    expect(page.locator("#alphintra-job-log .alp-Log")).to_be_visible()
    page.locator(".lm-TabBar-tab", has_text="strategy.py").locator(
        ".lm-TabBar-tabCloseIcon"
    ).click()

    trace.get_by_role("button", name="line 6").click()
    position = page.locator("#jp-main-statusbar", has_text="Ln 6, Col 1")
    expect(position).to_be_visible()
    line = page.locator(".jp-FileEditor .cm-line:visible", has_text='flow = bars["flow"].diff()')
    expect(line).to_be_in_viewport()
    shoot(page, "error-line")


def test_a_file_without_a_strategy_says_what_is_missing(page: Page, lab: Lab) -> None:
    create_strategy(lab, "Nothing", template="blank")
    open_lab(page, lab)
    editor = open_strategy(page, "Nothing")
    editor.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("import os\n")
    expect(page.locator("#alphintra-problems tbody tr")).to_contain_text("Strategy")
    expect(editor.get_by_role("button", name="Run backtest")).to_be_disabled()
