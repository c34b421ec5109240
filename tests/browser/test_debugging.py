"""Debugging from the page: a breakpoint by a click, the stopped line, a value, on to the end."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab_page import create_strategy, open_lab, open_menu, open_strategy, shoot
from tests.faults.harness import Lab

CODE = """\
from alphintra_lab.sdk import Signals, Strategy, param, ta


class Cross(Strategy):
    fast = param(10, low=2, high=60)

    def signals(self, bars):
        average = ta.sma(bars["close"], self.fast)
        count = len(bars)
        rising = average.diff() > 0
        print("rising on", int(rising.sum()))
        return Signals(entries=rising, exits=~rising)
"""


def click_gutter(editor: Locator, line: int) -> None:
    """Click left of a line's number, as a user does to set a breakpoint."""
    row = editor.locator(".cm-lineNumbers .cm-gutterElement", has_text=f"{line}").first
    box = row.bounding_box()
    gutter = editor.locator(".alp-Breakpoints").bounding_box()
    assert box is not None
    assert gutter is not None
    editor.page.mouse.click(gutter["x"] + gutter["width"] / 2, box["y"] + box["height"] / 2)


def panel_variable(page: Page, name: str) -> Locator:
    """A variable's row in JupyterLab's own panel."""
    return page.get_by_role("region", name="Variables Section").get_by_role("treeitem", name=name)


def test_a_run_stops_at_a_breakpoint_shows_its_values_and_goes_on(page: Page, lab: Lab) -> None:
    create_strategy(lab, "Debugged", code=CODE)
    open_lab(page, lab)
    editor = open_strategy(page, "Debugged")
    editor.locator("select[name=dataset]").select_option("eurusd-1h")
    bar = editor.locator(".alp-DebugBar")
    expect(bar).to_be_hidden()
    click_gutter(editor, 10)
    expect(editor.locator(".alp-Breakpoints .alp-Breakpoint")).to_have_count(2)  # and the spacer
    condition = bar.get_by_label("Condition of the breakpoint at line 10")
    condition.fill("count == 6225")
    condition.press("Enter")

    editor.get_by_role("button", name="Debug", exact=True).click()
    expect(bar).to_contain_text("Stopped before strategy.py line 10", timeout=90_000)
    stopped = editor.locator(".cm-line.alp-StoppedLine")
    expect(stopped).to_have_text("        rising = average.diff() > 0")
    expect(panel_variable(page, "count: 6225")).to_be_visible()
    stack = page.get_by_role("region", name="Callstack Section").get_by_role("listitem")
    expect(stack.first).to_contain_text("signals")
    expect(stack.first).to_contain_text("strategy.py:10")
    # The strategy's own editor shows it, not a copy that cannot be changed.
    expect(page.locator(".lm-TabBar-tab", has_text="strategy.py")).to_have_count(1)
    shoot(page, "debugger")

    bar.get_by_role("button", name="Over").click()
    expect(bar).to_contain_text("Stopped before strategy.py line 11")
    page.reload()  # the session goes on: the page takes it up where it stands
    editor = page.locator(".jp-Document:not(.lm-mod-hidden)").filter(has=page.locator(".alp-Form"))
    bar = editor.locator(".alp-DebugBar")
    expect(bar).to_contain_text("Stopped before strategy.py line 11", timeout=60_000)
    expect(panel_variable(page, "count: 6225")).to_be_visible()
    bar.get_by_role("button", name="Continue").click()
    expect(bar).to_contain_text("It saw 6,225 bars up to 2017-12-29", timeout=30_000)
    expect(bar).to_contain_text("Ended")
    expect(stopped).to_have_count(0)
    bar.get_by_text("Printed").click()
    expect(bar.locator("pre")).to_contain_text("rising on ")
    shoot(page, "debugger-ended")
    assert lab.json("GET", "/api/debug-sessions?active=true")["items"] == []


def test_it_stops_at_a_bar_and_an_error_leads_to_its_line_in_the_dark(
    page: Page, lab: Lab, allowed: list[str]
) -> None:
    failing = CODE.replace("average.diff()", 'bars["clos"].diff()')
    create_strategy(lab, "Debugged in the dark", code=failing)
    open_lab(page, lab)
    open_menu(page, "Settings", "Theme", "JupyterLab Dark")
    editor = open_strategy(page, "Debugged in the dark")
    editor.locator("select[name=dataset]").select_option("eurusd-1h")
    editor.locator(".cm-content").click()
    page.keyboard.press("Alt+Shift+B")  # a breakpoint at the cursor's line, by the keyboard
    bar = editor.locator(".alp-DebugBar")
    allowed.append("status of 422")  # the browser's own word for what the bar says better
    bar.get_by_label("stop at bar").fill("2030-01-01")
    editor.get_by_role("button", name="Debug", exact=True).click()
    expect(bar.get_by_role("alert")).to_contain_text("stop_at_bar=2030-01-01 is no bar of this run")
    bar.get_by_label("stop at bar").fill("2017-03-01 12:00")
    page.keyboard.press("Alt+Shift+D")
    expect(bar).to_contain_text("Stopped before strategy.py line 8", timeout=90_000)
    expect(bar).to_contain_text("on eurusd-1h, up to 2017-03-01 12:00")
    shoot(page, "debugger-dark")
    bar.get_by_role("button", name="Continue").click()
    expect(bar.get_by_role("alert")).to_contain_text("Did you mean 'close'?", timeout=30_000)
    expect(bar).to_contain_text("Failed")
    bar.get_by_role("button", name="Open line 10").click()
    expect(page.locator("#jp-main-statusbar", has_text="Ln 10, Col 1")).to_be_visible()
    shoot(page, "debugger-failed")


def test_a_kernel_that_is_shut_down_ends_the_session_and_the_next_one_starts(
    page: Page, lab: Lab, allowed: list[str]
) -> None:
    # JupyterLab's debugger asks the kernel while it goes, and lets nobody catch that.
    allowed.append("Canceled future for debug_request")
    strategy = create_strategy(lab, "Shut down", code=CODE)
    open_lab(page, lab)
    editor = open_strategy(page, "Shut down")
    bar = editor.locator(".alp-DebugBar")
    page.keyboard.press("Alt+Shift+D")  # without a breakpoint: at the first line
    expect(bar).to_contain_text("Stopped before strategy.py line 8", timeout=90_000)
    (session,) = lab.json("GET", f"/api/debug-sessions?active=true&strategy_id={strategy}")["items"]
    lab.request("DELETE", f"/api/sessions/{session['session_id']}")
    expect(bar).to_contain_text("or its kernel shut down, before its end.", timeout=30_000)
    expect(editor.locator(".alp-StoppedLine")).to_have_count(0)

    editor.get_by_role("button", name="Debug", exact=True).click()
    expect(bar).to_contain_text("Stopped before strategy.py line 8", timeout=90_000)
    bar.get_by_role("button", name="End").click()
    expect(bar).to_contain_text("It was ended.")
    expect(bar.get_by_role("button", name="Continue")).to_have_count(0)
