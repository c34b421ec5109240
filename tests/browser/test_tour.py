"""The tour: five stops at real controls, by keyboard alone, until Escape."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab_page import open_lab, shoot
from tests.faults.harness import Lab, wait_until


def expect_stop(page: Page, number: int, target: str) -> None:
    """The card says which stop it is, and its ring lies around the control."""
    card = page.get_by_role("dialog")
    expect(card).to_contain_text(f"{number} of 5")
    ring = page.locator(".alp-Tour-ring")
    expect(ring).to_be_visible(timeout=60_000)
    expect(card.get_by_role("button", name="Next" if number < 5 else "Done")).to_be_focused()
    control = page.locator(target).locator("visible=true").first
    wait_until(lambda: surrounds(ring, control), f"the ring is around {target}")
    shoot(page, f"tour-{number}")


def surrounds(ring: Locator, control: Locator) -> bool:
    """Whether the ring lies close around a control."""
    around, inner = ring.bounding_box(), control.bounding_box()
    assert around is not None
    assert inner is not None
    return all(abs(around[side] - inner[side]) < 8 for side in ("x", "y", "width", "height"))


def test_the_tour_runs_on_the_newcomers_first_result_by_keyboard(
    page: Page, empty_lab: Lab
) -> None:
    open_lab(page, empty_lab)
    page.get_by_role("button", name="Take the tour").press("Enter")
    expect_stop(page, 1, "#alphintra-panel")
    page.keyboard.press("Enter")
    expect_stop(page, 2, ".alp-StrategyForm")
    page.keyboard.press("Enter")
    expect_stop(page, 3, ".alp-Result .alp-Verdict")
    page.keyboard.press("Enter")
    expect_stop(page, 4, ".alp-Result .alp-Chips")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect_stop(page, 3, ".alp-Result .alp-Verdict")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect_stop(page, 5, ".alp-Result .alp-Trades-bar")
    page.keyboard.press("Escape")
    expect(page.locator(".alp-Tour")).to_have_count(0)
    page.keyboard.press("j")  # the keyboard is the result's again
    expect(page.locator("tr[aria-selected=true]")).to_have_attribute("data-trade", "1")
    strategies = empty_lab.json("GET", "/api/strategies")["items"]
    assert [strategy["name"] for strategy in strategies] == ["SmaCross"]
