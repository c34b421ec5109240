"""Alphintra Lab: a browser IDE for trading strategies."""

from __future__ import annotations

from typing import Any

__version__ = "1.0.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "alphintra-lab"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .app import AlphintraLab

    return [{"module": "alphintra_lab.app", "app": AlphintraLab}]
