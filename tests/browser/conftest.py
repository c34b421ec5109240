"""A real lab, Chromium, and a page that must not complain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.lab_page import (
    create_strategy,
    launch_chromium,
    listen_for_complaints,
    open_context,
    run_over_rest,
    shoot,
)
from tests.faults.conftest import wait_for_datasets
from tests.faults.harness import Lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is in this folder drives a browser, and may wait for one on a busy machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """None, in place of pytest-jupyter's for every test: Playwright's own loop runs here."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Nothing, in place of pytest-jupyter's: no server runs in this process."""


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for all, fresh, as after the first start."""
    folder = tmp_path_factory.mktemp("browser")
    with Lab(folder / "home", folder / "workspace") as running:
        wait_for_datasets(running)
        yield running


@pytest.fixture
def empty_lab(lab: Lab) -> Lab:
    """The lab without a strategy, whatever the tests before have left."""
    for strategy in lab.json("GET", "/api/strategies?limit=100")["items"]:
        lab.json("DELETE", f"/api/strategies/{strategy['id']}")
    return lab


@pytest.fixture(scope="session")
def backtest(lab: Lab) -> str:
    """A backtest that has run there: its id."""
    strategy = create_strategy(lab, "Finished")
    return run_over_rest(lab, strategy, "goog-1d", commission=0.0001, slippage_bps=0.3)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium; for a module, as Playwright's event loop is in the way of other tests' own."""
    with sync_playwright() as playwright, launch_chromium(playwright) as browser:
        yield browser


@pytest.fixture
def allowed() -> list[str]:
    """What the console may show: nothing. A test adds what it provokes, and says why."""
    return []


@pytest.fixture
def page(chromium: Browser, allowed: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A window of a browser that knows nothing yet; the test fails when the page complains."""
    with open_context(chromium) as context:
        page = context.new_page()
        complaints = listen_for_complaints(page, allowed)
        yield page
        shoot(page, f"end-of-{request.node.originalname}")
        assert not complaints, "the page complained:\n" + "\n".join(complaints)
