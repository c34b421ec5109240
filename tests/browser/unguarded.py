"""The lab without what keeps outputs and files from running: only the control of the attacks.

`python -m tests.browser.unguarded`: no policy for pages nor files; the page's own part is turned
off by JupyterLab's configuration.
"""

from __future__ import annotations

import sys
from typing import Any

from jupyter_server.base.handlers import AuthenticatedFileHandler
from tornado.web import RequestHandler

from alphintra_lab import app, cli


def _keep_headers(settings: dict[str, Any], base_url: str) -> dict[str, str]:
    headers: dict[str, str] = settings.get("headers", {})
    return headers


def _keep_handler(handler: type[RequestHandler]) -> type[RequestHandler]:
    return handler


if __name__ == "__main__":
    vars(app)["with_page_policy"] = _keep_headers
    vars(app)["confine_files"] = _keep_handler
    # Jupyter's own sandbox of files too: the attack has to be one.
    AuthenticatedFileHandler.content_security_policy = "frame-ancestors 'self'"  # type: ignore[assignment, method-assign]  # in place of a property
    sys.exit(cli.main())
