"""One way to measure and to tell: runs interleaved, medians and ratios, a Markdown table."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("jupyter-server", "jupyterlab", "sqlalchemy", "pandas", "vectorbt", "numpy")


@dataclass(frozen=True)
class Row:
    """One line of the table: what the lab takes, what its peer takes, and what was promised."""

    what: str
    lab: str
    peer: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None
    """None where nothing was promised."""


def interleave(
    repeats: int, runs: Mapping[str, Callable[[], float]], say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Each run `repeats` times in turn, so that a busy minute of the machine hits all of them."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats):
        for name in list(runs) if turn % 2 == 0 else reversed(list(runs)):
            found[name].append(runs[name]())
            say(f"  {name}: {found[name][-1]:.2f} s")
    return found


def seconds(values: Sequence[float]) -> str:
    """The median, and the range behind it."""
    return f"{statistics.median(values):.2f} s ({min(values):.2f}–{max(values):.2f})"


def paired_ratio(values: Sequence[float], peers: Sequence[float]) -> float:
    """The median of the pairs' ratios: each pair was measured in the same minute."""
    return statistics.median(a / b for a, b in zip(values, peers, strict=True))


def compare(
    what: str, values: Sequence[float], peers: Sequence[float], peer: str, target: float | None
) -> Row:
    """A row of times against a peer's; `target` is the largest ratio that was promised."""
    ratio = paired_ratio(values, peers)
    return Row(
        what,
        seconds(values),
        f"{peer}: {seconds(peers)}",
        f"{ratio:.2f} ×",
        "" if target is None else f"≤ {target:g} ×",
        None if target is None else ratio <= target,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie; of few values, rather one too high."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def describe_machine() -> str:
    """What it was measured on, and how busy that was."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{len(os.sched_getaffinity(0))} cores of {cpu}, {memory:.0f} GB, "
        f"Linux {platform.release()}, Python {platform.python_version()}, {packages}. "
        f"Load over the last 1, 5 and 15 minutes, this run included: {load}."
    )


def to_markdown(rows: Sequence[Row]) -> str:
    """The table, ready for the README."""
    lines = [
        "| what | the lab | beside it | ratio | promised | kept |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        met = "" if row.met is None else "yes" if row.met else "**no**"
        cells = (row.what, row.lab, row.peer, row.ratio, row.target, met)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
