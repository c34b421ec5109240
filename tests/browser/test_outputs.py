"""What a kernel prints is shown, and never run: attacks with the user's cookie, and charts."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from tests.browser.attacks import (
    ATTACKS,
    ELSEWHERE,
    FILES,
    SVG,
    TAKING_OVER,
    TRUSTED,
    WITHSTOOD,
    html,
    script,
)
from tests.browser.lab_page import open_context, open_menu, shoot
from tests.faults.conftest import wait_for_datasets
from tests.faults.harness import Lab

ROOT = Path(__file__).parents[2]
KERNEL = {"kernelspec": {"name": "alphintra-sandboxed", "display_name": "sandbox"}}
NAMES = [*(attack.name for attack in ATTACKS), *TAKING_OVER, *TRUSTED, *FILES]


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The control: JupyterLab's own renderers, and no policies."""
    folder = tmp_path_factory.mktemp("unguarded")
    config = folder / "home" / "jupyter-config" / "labconfig"
    config.mkdir(parents=True)
    disabled = {"disabledExtensions": {"alphintra-lab": True}}
    (config / "page_config.json").write_text(json.dumps(disabled))
    lab = Lab(
        folder / "home",
        folder / "workspace",
        command=(sys.executable, "-m", "tests.browser.unguarded"),
        arguments=["--ServerApp.tornado_settings={'nbconvert_csp_sandbox': False}"],
        env={"PYTHONPATH": str(ROOT)},
    )
    with lab as running:
        wait_for_datasets(running)
        yield running


@pytest.fixture(scope="module")
def succeeded(lab: Lab, chromium: Browser) -> set[str]:
    """The attacks that did what they wanted, in the lab."""
    return attack(lab, chromium)


@pytest.fixture(scope="module")
def succeeded_unguarded(unguarded: Lab, chromium: Browser) -> set[str]:
    """The attacks that did what they wanted, without the lab's renderers and policies."""
    return attack(unguarded, chromium)


@pytest.mark.parametrize("name", NAMES)
def test_an_output_cannot_act_as_the_user(name: str, succeeded: set[str]) -> None:
    assert name not in succeeded


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHSTOOD])
def test_without_the_labs_renderers_it_would(name: str, succeeded_unguarded: set[str]) -> None:
    assert name in succeeded_unguarded


def attack(lab: Lab, chromium: Browser) -> set[str]:
    """Run all attacks in a browser that is logged in; the names of those that succeeded."""
    write_files(lab)
    with open_context(chromium) as context:
        fetched: set[str] = set()

        def hear(route: Route) -> None:
            fetched.add(route.request.url.removeprefix(ELSEWHERE))
            route.fulfill(body="")

        context.route(f"{ELSEWHERE}**", hear)
        print_all(context.new_page(), lab)
        for name in TRUSTED:
            open_notebook(context.new_page(), lab, name)
        xsrf = next(c["value"] for c in context.cookies() if c["name"] == "_xsrf")
        for path in FILES.values():  # with it, as the file browser opens them
            answer = context.new_page().goto(f"{lab.url}{path}?_xsrf={xsrf}")
            assert answer is not None
            assert answer.ok, answer.status
        taken = {name for name in TAKING_OVER if takes_over(context.new_page(), lab, name)}
        time.sleep(3)  # for what does not come
    strategies = lab.json("GET", "/api/strategies?limit=100")["items"]
    return taken | fetched | {strategy["name"] for strategy in strategies}


def print_all(page: Page, lab: Lab) -> None:
    """Let a kernel print them, and click where a user would."""
    page.set_viewport_size({"width": 1440, "height": 6000})  # JupyterLab draws what is in sight
    open_notebook(page, lab, "attacks")
    run_all(page)
    for one in ATTACKS:
        if one.click:
            for frame in page.frames:
                for place in frame.get_by_text(one.name, exact=True).all():
                    place.click(timeout=2000)
    page.wait_for_timeout(3000)


def takes_over(page: Page, lab: Lab, name: str) -> bool:
    """Whether this output leads the page away, or hides what is at the page's top."""
    open_notebook(page, lab, name)
    page.wait_for_timeout(1000)
    for frame in page.frames:
        for place in frame.get_by_text("click here").all():
            place.click(timeout=2000)
            page.wait_for_timeout(1000)
    if not urlsplit(page.url).path.startswith("/lab"):
        return True
    menu = page.locator(".lm-MenuBar-item").first
    if not menu.is_visible():
        return True
    box = menu.bounding_box()
    assert box is not None
    point = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    over = "([x, y]) => !document.elementFromPoint(x, y).closest('.lm-MenuBar')"
    return bool(page.evaluate(over, point))


def write_files(lab: Lab) -> None:
    """The notebooks and files that attack, where a strategy's own would be."""
    write_notebook(lab, "attacks", [one.cell for one in ATTACKS])
    for name, data in {**TAKING_OVER, **TRUSTED}.items():
        write_output(lab, name, data)
    write_output(
        lab, "notebook-as-html", {"text/html": f"<script>{script('notebook-as-html')}</script>"}
    )
    (lab.workspace / "script-from-a-file.js").write_text(script("script-from-a-file"))
    page = f"<!doctype html><p>evil</p><script>{script('file-of-html')}</script>"
    (lab.workspace / "file-of-html.html").write_text(page)
    picture = f"<svg {SVG}><script>{script('file-of-svg')}</script></svg>"
    (lab.workspace / "file-of-svg.svg").write_text(picture)


def write_notebook(lab: Lab, name: str, cells: list[str]) -> None:
    """A notebook that has not run; it ends with a cell that says so."""
    sources = [*cells, "print('all', 'printed')"]
    save_notebook(lab, name, [code_cell(i, source, []) for i, source in enumerate(sources)])


def write_output(lab: Lab, name: str, data: dict[str, str]) -> None:
    """A notebook with a saved output, signed: JupyterLab trusts it."""
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    save_notebook(lab, name, [code_cell(0, "1", [output])])
    answer = lab.request("POST", f"/api/contents/{name}.ipynb/trust")
    assert answer.is_success, answer.text


def code_cell(number: int, source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """A cell of a notebook's file."""
    count = 1 if outputs else None
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "source": source,
        "outputs": outputs,
        "execution_count": count,
        "metadata": {},
    }


def save_notebook(lab: Lab, name: str, cells: list[dict[str, Any]]) -> None:
    """Write it where a strategy's own would be."""
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": KERNEL, "cells": cells}
    (lab.workspace / f"{name}.ipynb").write_text(json.dumps(notebook))


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    """Open it in a JupyterLab of its own; its outputs are drawn then."""
    page.goto(f"{lab.url}/lab/workspaces/{name}/tree/{name}.ipynb?token={lab.token}")
    with contextlib.suppress(PlaywrightError):  # an attack may have led the page away already
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.locator("#jupyterlab-splash").wait_for(state="detached")


def run_all(page: Page) -> None:
    """Run all cells, and wait until the last has run."""
    # Of what is run before the kernel is there, nothing comes.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=60_000)
    open_menu(page, "Run", "Run All Cells")
    expect(page.get_by_text("all printed", exact=True)).to_be_visible(timeout=60_000)


CHARTS = [
    "import pandas as pd\npd.DataFrame({'price': [1.5, 2.25], 'name': ['a', '<b>']})",
    "pd.DataFrame({'gain': [1.5, -2.0]}).style.highlight_max(color='#7fc97f')",
    "import matplotlib.pyplot as plt\nplt.figure(figsize=(4, 2)); plt.plot([1, 3, 2]); plt.show()",
    (
        "from bokeh.plotting import figure, output_notebook, show\noutput_notebook()\n"
        "plot = figure(title='of bokeh', height=200)\nplot.line([1, 2, 3], [3, 1, 2])\nshow(plot)"
    ),
    (
        "import plotly.graph_objects as go\n"
        "go.Figure([go.Scatter(y=[1, 3, 2])], dict(title='of plotly', height=250)).show()"
    ),
    html("<style>p { color: red }</style><p>styled</p><a href='https://example.com'>out</a>"),
]


@pytest.fixture
def charts(page: Page, lab: Lab, allowed: list[str]) -> Page:
    """A notebook that has drawn tables and charts."""
    page.set_viewport_size({"width": 1440, "height": 2000})
    write_notebook(lab, "charts", CHARTS)
    open_notebook(page, lab, "charts")
    run_all(page)
    return page


def test_tables_pictures_and_charts_are_shown(charts: Page) -> None:
    outputs = charts.locator(".jp-Notebook .jp-OutputArea-output")
    table = outputs.locator("table.dataframe")
    expect(table).to_contain_text("<b>")
    expect(table.locator("td")).to_have_count(4)
    image = outputs.locator("img[src^='data:image/png']")
    assert image.evaluate("image => image.complete && image.naturalWidth > 100")

    frames = charts.locator(".jp-Notebook iframe")
    expect(frames).to_have_count(4)
    styler, bokeh, plotly, styled = (frames.nth(i).content_frame for i in range(4))
    cell = styler.locator("td", has_text="1.5")
    expect(cell).to_have_css("background-color", "rgb(127, 201, 127)")
    expect(bokeh.locator("canvas").first).to_be_visible()
    expect(plotly.locator(".main-svg path.js-line")).to_be_visible()
    expect(plotly.get_by_text("of plotly")).to_be_visible()
    expect(styled.locator("p")).to_have_css("color", "rgb(255, 0, 0)")
    expect(styled.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer")
    # As high as what they show.
    heights = [frames.nth(i).evaluate("frame => frame.clientHeight") for i in range(4)]
    assert heights[1:3] == [200, 250]
    assert 50 < heights[0] < 200
    assert 20 < heights[3] < 100
    shoot(charts, "outputs")


def test_frames_follow_the_theme(charts: Page) -> None:
    styled = charts.locator(".jp-Notebook iframe").last.content_frame
    paper = "rgb(255, 255, 255)"
    open_menu(charts, "Settings", "Theme", "JupyterLab Light")  # an earlier page may have left it
    expect(styled.locator("body")).to_have_css("background-color", paper)
    open_menu(charts, "Settings", "Theme", "JupyterLab Dark")
    expect(styled.locator("body")).not_to_have_css("background-color", paper)
    bokeh = charts.locator(".jp-Notebook iframe").nth(1).content_frame
    expect(bokeh.locator("canvas").first).to_be_visible()
    shoot(charts, "outputs-dark")


def test_frames_have_no_origin_and_no_way_out(charts: Page, allowed: list[str]) -> None:
    allowed.append("Content Security Policy")  # what the test tries is refused with that reason
    for frame in charts.locator(".jp-Notebook iframe").all():
        assert "allow-same-origin" not in str(frame.get_attribute("sandbox"))
        inside = frame.content_frame.locator("body")
        assert inside.evaluate("() => self.origin") == "null"
        assert (
            inside.evaluate("() => fetch('/api').then(() => 'sent', () => 'refused')") == "refused"
        )


def test_code_in_a_figure_is_refused_with_the_reason(page: Page, lab: Lab) -> None:
    code = next(one.cell for one in ATTACKS if one.name == "callback-of-bokeh")
    write_notebook(lab, "callback", [code])
    open_notebook(page, lab, "callback")
    run_all(page)
    expect(page.get_by_text("This Bokeh figure holds a CustomJS")).to_be_visible()
