"""Measure and print: `python -m benchmarks [NAME...] [--repeats N]`."""

from __future__ import annotations

import argparse
import signal
import sys

from benchmarks import kernels, lists, numbers, page, startup, warm_backtest
from benchmarks.measure import Row, describe_machine, to_markdown

ALL = {
    "startup": (startup.measure, 7),
    "page": (page.measure, 9),
    "warm_backtest": (warm_backtest.measure, 5),
    "kernels": (kernels.measure, 7),
    "numbers": (numbers.measure, 1),
    "lists": (lists.measure, 500),
}
"""Name -> what measures it, and how often unless told otherwise."""


def main() -> int:
    """Print the table; the exit code is 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}")
    parser.add_argument("--repeats", type=int, help="fewer for a first look")
    options = parser.parse_args()
    if unknown := set(options.names) - set(ALL):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    # Ended from outside, it still ends the servers it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[Row] = []
    for name in options.names or ALL:
        measure, usual = ALL[name]
        say(f"{name} …")
        rows += measure(options.repeats or usual, say)
    print(to_markdown(rows))
    print(f"\nMeasured on {describe_machine()}")
    return int(any(row.met is False for row in rows))


def say(line: str) -> None:
    """Progress goes to stderr: stdout is the table."""
    print(line, file=sys.stderr, flush=True)


raise SystemExit(main())
