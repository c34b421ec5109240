"""The one cell of a debug session: the strategy over its bars, stopped wherever it was asked to.

Nothing is recorded: no version, no run, no trial. The lab writes the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..engine.decisions import BadDecisions, Decisions, WeightDecisions
from .bars import cut, to_utc, union
from .decide import seed_everything
from .deciding import decide
from .entry import fresh_class
from .failure import describe_failure
from .notebook import _fetch
from .strategy import StrategyError

MIME = "application/vnd.alphintra.debug+json"


@dataclass(frozen=True)
class Outcome:
    """How a debug run went: what was decided, or what went wrong and where."""

    kind: str
    message: str
    traceback: str = ""
    file: str | None = None
    line: int | None = None

    def __repr__(self) -> str:
        return f"{self.traceback}\n{self.message}".strip()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        told = {
            "kind": self.kind,
            "message": self.message[:10_000],
            "traceback": self.traceback[:50_000],
            "file": self.file,
            "line": self.line,
        }
        return {"text/plain": repr(self), MIME: told}


def run(
    *,
    entry: str,
    dataset: str,
    class_name: str | None = None,
    symbols: Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    parameters: dict[str, Any] | None = None,
    stop_at_bar: str | None = None,
) -> Outcome:
    """Ask the strategy in the working folder for its decisions, as a backtest would.

    Bars go up to `end` (excluded) and to `stop_at_bar` (included: its close is known). The
    decisions from `start` on are counted.
    """
    folder = Path.cwd()
    bars: dict[str, pd.DataFrame] = {}
    seed_everything(0)
    try:
        bars = {s: cut(frame, end=end) for s, frame in _fetch(dataset, symbols).items()}
        if stop_at_bar is not None:
            last = to_utc(stop_at_bar)
            bars = {s: frame[frame.index <= last] for s, frame in bars.items()}
        with fresh_class(folder, entry, class_name) as (cls, _):
            decisions = decide(cls(**(parameters or {})), bars)
        return Outcome("decisions", _summarise(decisions, bars, start))
    except KeyboardInterrupt:
        raise  # not the strategy's doing: a kernel is interrupted before it is shut down
    except BadDecisions as error:
        return _explain(StrategyError(error.message), folder, bars, dataset)
    except BaseException as error:  # noqa: BLE001  the boundary: user code may raise anything
        return _explain(error, folder, bars, dataset)


def _explain(
    error: BaseException, folder: Path, bars: dict[str, pd.DataFrame], dataset: str
) -> Outcome:
    columns = [str(name) for frame in list(bars.values())[:1] for name in frame.columns]
    told = describe_failure(error, folder, columns, dataset)
    lines = [
        f"{frame['file']} line {frame['line']}, in {frame['function']}\n    {frame['text']}"
        for frame in told["traceback"]
    ]
    return Outcome("error", told["message"], "\n".join(lines), told["file"], told["line"])


def _summarise(decisions: Decisions, bars: dict[str, pd.DataFrame], start: str | None) -> str:
    """How many bars were seen, up to which, and how often each thing was decided from `start`."""
    index = union([frame.index for frame in bars.values()])
    first = 0 if start is None else int(index.searchsorted(to_utc(start)))
    shape = (decisions.bars, len(decisions.symbols))
    if isinstance(decisions, WeightDecisions):
        weights = np.frombuffer(decisions.weights, dtype="<f8").reshape(shape)
        counts = {"weights": int(np.isfinite(weights[first:]).sum())}
    else:
        sides = {
            "entries": decisions.entries,
            "exits": decisions.exits,
            "short entries": decisions.short_entries,
            "short exits": decisions.short_exits,
        }
        counts = {
            name: int(np.frombuffer(packed, dtype=np.uint8).reshape(shape)[first:].sum())
            for name, packed in sides.items()
            if packed is not None
        }
    decided = ", ".join(f"{name} on {count:,}" for name, count in counts.items())
    seen = f"{len(index):,} bars"
    if len(index):
        seen += f" up to {index[-1]:%Y-%m-%d %H:%M} UTC"
    return f"It saw {seen} and decided: {decided}."
