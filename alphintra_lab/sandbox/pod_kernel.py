"""The kernel in a pod: bound to the pod's address, and plain about what it cannot do there."""

from __future__ import annotations

import json
import os
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from . import kernel

CONNECTION_FILE, LINE = Path("/tmp/kernel.json"), "/tmp/line"  # noqa: S108  the pod's own
NO_LINE = (
    "load_bars, datasets and backtest ask the lab's server, to which a kernel in a Kubernetes pod "
    "has no line: the pod has no network, and the server's socket is on another machine. Press Run "
    "to backtest this strategy, use a sandboxed kernel of the server itself, or read files of this "
    "folder with pandas."
)


def main() -> None:
    """Serve on the pod's own address, which the connection file could not name yet."""
    given = sys.argv[-1]
    info = json.loads(Path(given).read_text()) | {"ip": os.environ["POD_IP"]}
    CONNECTION_FILE.touch(mode=0o600)
    CONNECTION_FILE.write_text(json.dumps(info))
    sys.argv[-1] = str(CONNECTION_FILE)
    refuse_line(LINE)
    kernel.main()


def refuse_line(path: str) -> None:
    """Answer every request of the SDK with the reason why it cannot be served."""
    server = socketserver.ThreadingUnixStreamServer(path, _Refusal)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["ALPHINTRA_LINE"] = path


class _Refusal(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps({"code": "unavailable", "message": NO_LINE}).encode()
        self.send_response(503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # their names are http.server's

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what is printed would be the notebook's."""


if __name__ == "__main__":
    main()
