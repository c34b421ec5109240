"""A stand-in for the lab's server: HTTP on a unix socket, three paths, and what it was sent."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from alphintra_lab.backtests.schema import Check, Order, Point, Result, Settings, Trade

Answer = tuple[int, Any]


class FakeLab(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Datasets are folders' Parquet files by symbol; a backtest gets one made-up result."""

    daemon_threads = True

    def __init__(self, socket: Path, datasets: dict[str, dict[str, str]]) -> None:
        super().__init__(str(socket), _Handler)
        self.datasets = datasets
        self.posted: list[dict[str, Any]] = []
        self.refusal: Answer | None = None

    def get(self, path: str, query: dict[str, str]) -> Answer:
        if path == "/datasets":
            return 200, [
                {"name": n, "symbols": list(s), "rows": 3} for n, s in self.datasets.items()
            ]
        if path != "/bars":
            return 404, {"message": f"no {path}", "code": "not_found"}
        files = self.datasets.get(query["dataset"])
        if files is None:
            message = f"There is no dataset {query['dataset']!r}."
            return 404, {"message": message, "code": "not_found", "field": "dataset"}
        wanted = query["symbols"].split(",") if "symbols" in query else list(files)
        granted = {symbol: files[symbol] for symbol in wanted}
        return 200, {"name": query["dataset"], "symbols": granted, "columns": ["close"]}

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/backtests":
            return 404, {"message": f"no {path}", "code": "not_found"}
        self.posted.append(body)
        return self.refusal or (200, make_result(body))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeLab

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self._answer(*self.server.get(url.path, query))

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/msgpack"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(*self.server.post(self.path, msgspec.msgpack.decode(body)))

    def _answer(self, status: int, content: Any) -> None:
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """A unix socket's caller has no address to log."""


def make_result(body: dict[str, Any]) -> Result:
    """A finished run with one closed trade and one that is open."""

    def trade(number: int, status: Any) -> Trade:
        return Trade(
            number=number,
            symbol="EURUSD",
            side="long",
            status=status,
            quantity=9000.0,
            entry_time="2017-01-02T00:00:00Z",
            entry_price=1.05,
            exit_time="2017-01-03T00:00:00Z",
            exit_price=1.06,
            bars=24,
            costs=2.0,
            pnl=88.0,
            pnl_fraction=0.0088,
            entry_rule="signal",
            exit_rule="signal",
        )

    values = [10_000.0 + 250 * (i % 7) - 20 * i for i in range(900)]
    return Result(
        id="0199-run",
        number=41,
        verdict="Before costs. At 0.02 % a side the return is <+4.1 %>.",
        metrics={
            "total_return": 0.1294,
            "benchmark_return": 0.14,
            "trades": 2.0,
            "closed_trades": 1.0,
            "sharpe": 2.2,
            "max_drawdown": -0.047,
            "sortino": None,
        },
        orders=[
            Order(
                time="2017-01-02T00:00:00Z",
                symbol="EURUSD",
                side="buy",
                quantity=9000.0,
                price=1.05,
                commission=1.0,
                rule="signal",
                decided="2017-01-01T23:00:00Z",
            )
        ],
        refused=[],
        trades=[trade(1, "closed"), trade(2, "open")],
        equity=[
            Point(time=f"2017-{1 + i // 28 % 12:02}-{1 + i % 28:02}T00:00:00Z", value=v)
            for i, v in enumerate(values[:300])
        ],
        final_equity=values[299],
        checks={"look_ahead": Check(passed=None, findings=[], power="")},
        ledger_sha256="9f3c" + "0" * 56 + "e17a",
        decisions_sha256="d" * 64,
        dataset_sha256="a" * 64,
        strategy_sha256="b" * 64,
        settings=Settings(
            symbols=body["symbols"],
            start=body["start"],
            end=body["end"],
            parameters=body["parameters"],
            cash=body["cash"],
            commission=0.0,
            slippage_bps=0.0,
            fill=body["fill"],
            whole_shares=body["whole_shares"],
            overrides=body["overrides"],
        ),
        versions={"engine": "1"},
    )


@contextmanager
def serve(socket: Path, datasets: dict[str, dict[str, str]]) -> Iterator[FakeLab]:
    """The server, answering in a thread of its own."""
    with FakeLab(socket, datasets) as lab:
        thread = threading.Thread(target=lab.serve_forever, args=(0.02,))
        thread.start()
        yield lab
        lab.shutdown()
        thread.join()


if __name__ == "__main__":  # as `python -m alphintra_lab line --socket PATH` would be started
    socket, datasets = sys.argv[sys.argv.index("--socket") + 1], json.loads(sys.argv[1])
    FakeLab(Path(socket), datasets).serve_forever()
