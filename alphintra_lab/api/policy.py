"""What the browser lets a page do: the Content-Security-Policy of pages, and of files."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.web import RequestHandler

# A file of the workspace may be hostile: no scripts, no origin of its own, nothing loaded.
FILES = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "frame-ancestors 'self'"
)


def page_policy() -> str:
    """JupyterLab's pages: scripts from this server alone, none inside the page but its own.

    JupyterLab checks its settings with code that it makes (`unsafe-eval`), and sets styles in
    elements. Frames: the page's own, and a workspace's HTML and PDF, which it shows from blobs.
    """
    scripts = " ".join(f"'sha256-{digest}'" for digest in sorted(_digests_of_own_scripts()))
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' 'unsafe-eval' {scripts}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "frame-src 'self' blob:",
            "object-src 'self' blob:",
            "base-uri 'self'",
            "form-action 'self'",
        ]
    )


def with_page_policy(settings: dict[str, Any], base_url: str) -> dict[str, str]:
    """The server's headers with the lab's policy before the one there is: both hold.

    Jupyter's handlers add to the last: of two equal directives in one policy the first holds.
    """
    headers: dict[str, str] = dict(settings.get("headers", {}))
    default = f"frame-ancestors 'self'; report-uri {base_url}api/security/csp-report"
    own = headers.get("Content-Security-Policy", default)
    headers["Content-Security-Policy"] = f"{page_policy()}, {own}"
    return headers


def confine_files(handler: type[RequestHandler]) -> type[RequestHandler]:
    """The server's handler of the workspace's files, with a policy that lets them do nothing."""
    return type("ConfinedFiles", (_Confined, handler), {})


class _Confined(JupyterHandler):
    @property
    def content_security_policy(self) -> str:
        """Nothing at all, in place of the scripts that Jupyter allows."""
        return FILES

    def set_header(self, name: str, value: Any) -> None:
        """Scripts are sent as text: a page of this server must not load one from here."""
        if name.lower() == "content-type" and re.search(r"(java|ecma)script", str(value)):
            value = "text/plain; charset=UTF-8"
        super().set_header(name, value)


def _digests_of_own_scripts() -> set[str]:
    """The scripts inside JupyterLab's and Jupyter's own pages, as they are installed."""
    pages = [
        Path(sys.prefix, "share/jupyter/lab/static/index.html"),
        *(
            Path(found.origin).parent / page
            for package, page in [
                ("jupyterlab", "static/index.html"),
                ("jupyter_server", "templates/page.html"),
            ]
            if (found := find_spec(package)) and found.origin
        ),
    ]
    scripts = (
        script
        for page in pages
        if page.is_file()
        for script in re.findall(
            r"<script(?: type=['\"]text/javascript['\"])?>(.*?)</script>",
            page.read_text(encoding="utf-8"),
            re.DOTALL,
        )
    )
    return {
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    }
