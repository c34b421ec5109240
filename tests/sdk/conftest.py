from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk.fake_lab import FakeLab, serve
from tests.sdk.market import read_eurusd, read_stock


@pytest.fixture(scope="session")
def granted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Datasets as the server grants them: name -> symbol -> Parquet file."""
    folder = tmp_path_factory.mktemp("grants")
    frames = {"EURUSD": read_eurusd(), "AAPL": read_stock("AAPL"), "GOOG": read_stock("GOOG")}
    for symbol, frame in frames.items():
        frame.to_parquet(folder / f"{symbol}.parquet")
    files = {symbol: str(folder / f"{symbol}.parquet") for symbol in frames}
    stocks = {symbol: files[symbol] for symbol in ("AAPL", "GOOG")}
    return {"eurusd-1h": {"EURUSD": files["EURUSD"]}, "us-stocks-1d": stocks}


@pytest.fixture
def lab(granted: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLab]:
    """A server on the socket that ALPHINTRA_LINE names."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:  # a socket's path must be short
        socket = Path(folder) / "line"
        monkeypatch.setenv("ALPHINTRA_LINE", str(socket))
        with serve(socket, granted) as server:
            yield server
