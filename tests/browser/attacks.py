"""What a hostile kernel prints: each attack tries to act as the user whose page shows it.

An attack's source is a cell of a notebook. Its name stands in what it does, so that what happened
tells which attack came through.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

ELSEWHERE = "https://elsewhere.invalid/"
"""Where data would be carried off to; the tests' browser answers for it."""


@dataclass(frozen=True)
class Attack:
    """A cell to run, and what the user does then: nothing, or click on the attack's name."""

    name: str
    cell: str
    click: bool = False


def script(name: str) -> str:
    """JavaScript that creates a strategy of this name with the user's cookie; without quotes."""
    source = f"""
      (() => {{
        let xsrf = '';
        try {{ xsrf = (document.cookie.match(/_xsrf=([^;]*)/) || [])[1] || ''; }} catch (_) {{}}
        fetch('/api/strategies/code/create', {{
          method: 'POST', credentials: 'include',
          headers: {{ 'Content-Type': 'application/json', 'X-XSRFToken': xsrf }},
          body: JSON.stringify({{ name: '{name}', template: 'sma_cross' }})
        }});
      }})()"""
    return f"eval(atob(`{base64.b64encode(source.encode()).decode()}`))"


def html(text: str) -> str:
    """A cell that prints HTML."""
    return f"from IPython.display import HTML, display\ndisplay(HTML({text!r}))"


def bundle(mime: str, text: str) -> str:
    """A cell that prints one mime type alone."""
    return f"from IPython.display import display\ndisplay({{{mime!r}: {text!r}}}, raw=True)"


SVG = 'xmlns="http://www.w3.org/2000/svg" width="20" height="20"'
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
WIDGET = """import anywidget
class Widget(anywidget.AnyWidget):
    _esm = {!r}
Widget()"""
BOKEH = """from bokeh.models import CustomJS
from bokeh.plotting import figure, output_notebook, show
from bokeh.resources import INLINE
output_notebook(INLINE, hide_banner=True)
plot = figure(height=100)
plot.line([1, 2], [1, 2])
plot.x_range.js_on_change('start', CustomJS(code={!r}))
show(plot)"""

_PRINTED: dict[str, Callable[[str], str]] = {
    "script-tag": lambda name: html(f"<script>{script(name)}</script>"),
    "script-from-a-file": lambda name: html(f'<script src="/files/{name}.js"></script>'),
    "image-that-fails": lambda name: html(f'<img src="x" onerror="{script(name)}">'),
    "svg-inside-html": lambda name: html(
        f'<svg><animate onbegin="{script(name)}" attributeName="x" dur="1s"></svg>'
    ),
    "opened-details": lambda name: html(f'<details open ontoggle="{script(name)}">x</details>'),
    "frame-with-html": lambda name: html(
        f"<iframe srcdoc='&lt;script&gt;{script(name)}&lt;/script&gt;'></iframe>"
    ),
    "frame-with-a-script-as-address": lambda name: html(
        f'<iframe src="javascript:{script(name)}"></iframe>'
    ),
    "javascript": lambda name: bundle("application/javascript", script(name)),
    "javascript-as-text": lambda name: bundle("text/javascript", script(name)),
    "markdown-with-html": lambda name: bundle(
        "text/markdown", f'# x\n<img src="x" onerror="{script(name)}">'
    ),
    "widget-of-html": lambda name: "import ipywidgets\nipywidgets.HTML({!r})".format(
        f'<img src="x" onerror="{script(name)}">'
    ),
    "widget-with-a-module": lambda name: WIDGET.format(
        f"{script(name)}; export default {{ render() {{}} }}"
    ),
    "callback-of-bokeh": lambda name: BOKEH.format(script(name)),
    # What needs no script: addresses that are fetched.
    "image-from-elsewhere": lambda name: html(f'<img src="{ELSEWHERE}{name}">'),
    "background-from-elsewhere": lambda name: html(
        f'<p style="background: url({ELSEWHERE}{name})">x</p>'
    ),
    "style-sheet-for-the-page": lambda name: html(
        f"<style>.jp-Notebook {{ background: url({ELSEWHERE}{name}) }}</style>"
    ),
    "image-of-markdown": lambda name: bundle("text/markdown", f"![x]({ELSEWHERE}{name})"),
}

_CLICKED: dict[str, Callable[[str], str]] = {
    "button-with-a-handler": lambda name: html(f'<button onclick="{script(name)}">{name}</button>'),
    "form-with-a-script": lambda name: html(
        f'<form action="javascript:{script(name)}"><button>{name}</button></form>'
    ),
}

# JupyterLab as it is now withstands these: there is no control for them.
_WITHSTOOD: dict[str, Callable[[str], str]] = {
    "svg-with-a-handler": lambda name: bundle(
        "image/svg+xml", f'<svg {SVG} onload="{script(name)}"></svg>'
    ),
    "svg-with-html-inside": lambda name: bundle(
        "image/svg+xml",
        f'<svg {SVG}><foreignObject><img {XHTML} src="x" onerror="{script(name)}"/>'
        "</foreignObject></svg>",
    ),
}

_WITHSTOOD_CLICKED: dict[str, Callable[[str], str]] = {
    "link-with-a-script": lambda name: html(f'<a href="javascript:{script(name)}">{name}</a>'),
}

ATTACKS = [
    *(Attack(name, cell(name)) for name, cell in _PRINTED.items()),
    *(Attack(name, cell(name), click=True) for name, cell in _CLICKED.items()),
    *(Attack(name, cell(name)) for name, cell in _WITHSTOOD.items()),
    *(Attack(name, cell(name), click=True) for name, cell in _WITHSTOOD_CLICKED.items()),
]

# These take the page away or hide it: each is the saved output of a trusted notebook of its own.
COVER = "position: fixed; inset: 0; z-index: 99999; background: white"
TAKING_OVER: dict[str, dict[str, str]] = {
    "refresh": {"text/html": '<meta http-equiv="refresh" content="0; url=/api?refresh">'},
    "form-to-the-api": {
        "text/html": '<form action="/api" target="_top"><button>click here</button></form>'
    },
    "link-to-the-api": {"text/html": '<a href="/api?link" target="_top">click here</a>'},
    "fixed-over-the-page": {"text/html": f'<div style="{COVER}">covered</div>'},
    "class-of-a-dialog": {"text/html": '<div class="jp-Dialog">covered</div>'},
    "class-of-a-dialog-in-markdown": {"text/markdown": '<div class="jp-Dialog">covered</div>'},
    "style-that-hides-the-menu": {
        "text/html": "<style>#jp-top-panel, .lm-MenuBar { display: none }</style>"
    },
}

# The same from a notebook whose outputs were saved and signed.
TRUSTED: dict[str, dict[str, str]] = {
    "trusted-html": {"text/html": f"<script>{script('trusted-html')}</script>"},
    "trusted-javascript": {"application/javascript": script("trusted-javascript")},
}

# Files of the workspace, by their path on the server.
FILES: dict[str, str] = {
    "file-of-html": "/files/file-of-html.html",
    "file-of-svg": "/files/file-of-svg.svg",
    "notebook-as-html": "/nbconvert/html/notebook-as-html.ipynb",
}

WITHSTOOD = {
    *_WITHSTOOD,
    *_WITHSTOOD_CLICKED,
    "fixed-over-the-page",
    "class-of-a-dialog",
    "class-of-a-dialog-in-markdown",
}
"""What plain JupyterLab withstands too."""
