"""A workspace with strategies in it."""

from __future__ import annotations

from pathlib import Path

import pytest

CODE = """from alphintra_lab.sdk import Signals, Strategy, param, ta


class Mine(Strategy):
    fast = param(10, low=2, high=60)

    def signals(self, bars):
        return Signals(entries=bars["close"] > 0, exits=bars["close"] < 0)
"""


@pytest.fixture
def code() -> str:
    """A sound strategy."""
    return CODE


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder
