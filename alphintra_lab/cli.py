"""The command line: the same services as the server's, without a server."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from . import __version__
from .errors import LabError
from .reports import Failure, RunFailed, describe_failure

FAILED, USAGE, STOPPED = 1, 2, 130
OWN_OPTIONS = ("-h", "--help", "--version")


class UsageError(LabError):
    """The command line itself is wrong. `usage` is how it goes."""

    code = "usage"

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """An argument parser that leaves it to `main` to tell the error and to exit."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}.", self.format_usage())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the answer is the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in OWN_OPTIONS):
        return _guard(lambda: open_in_browser(arguments), as_json=False)

    def run() -> int:
        options = read_arguments(arguments)
        from . import commands  # heavy: not for a usage error

        code: int = asyncio.run(getattr(commands, options.run)(options))
        return code

    return _guard(run, as_json="--json" in arguments)


def _guard(run: Callable[[], int], *, as_json: bool) -> int:
    """Run; an error goes to stderr in the asked form, and its kind becomes the exit code."""
    try:
        return run()
    except LabError as error:
        _print_error(as_json, error.message, error.code, error.field)
        if isinstance(error, UsageError) and not as_json:
            sys.stderr.write(error.usage)
        return USAGE
    except RunFailed as failed:
        _print_failure(as_json, failed.failure)
        return FAILED
    except BrokenPipeError:
        # Whoever read the answer has gone. Python flushes once more at its end: into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _print_error(as_json, f"{error.strerror or error}{place}.", "unavailable")
        return USAGE
    except (KeyboardInterrupt, asyncio.CancelledError):
        _print_error(as_json, "Stopped.", "cancelled")
        return STOPPED


def _print_error(as_json: bool, message: str, code: str, field: str | None = None) -> None:
    # A file's name may hold what is no character; the message shows it as a question mark.
    _print_failure(as_json, Failure(message.encode(errors="replace").decode(), code, field))


def _print_failure(as_json: bool, failure: Failure) -> None:
    text = msgspec.json.encode(failure).decode() if as_json else describe_failure(failure)
    sys.stderr.write(text + "\n")


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command and its options; raises UsageError."""
    parser = build_parser()
    known = {"dataset", "backtest", "worker", "line"}
    if not arguments[0].startswith("-") and arguments[0] not in known:
        near = difflib.get_close_matches(arguments[0], known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "There are dataset and backtest."
        raise UsageError(f"There is no command {arguments[0]!r}. {hint}", parser.format_usage())
    options = parser.parse_args(arguments)
    if "run" not in options:
        raise UsageError("Name what to do with datasets.", options.group.format_help())
    return options


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = Parser(
        prog="alphintra-lab",
        description="Write, test and judge trading strategies. Without a command: open the lab in "
        "the browser, on port 8002; Jupyter's own options apply.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    group = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_dataset(group)
    _add_backtest(group)
    _add_hidden(group)
    return parser


def _command(group: Any, name: str, run: str, help: str) -> argparse.ArgumentParser:
    description = f"{help[0].upper()}{help[1:]}."
    parser: argparse.ArgumentParser = group.add_parser(name, help=help, description=description)
    parser.set_defaults(run=run)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object; an error's goes to stderr"
    )
    return parser


def _add_dataset(parent: Any) -> None:
    group = parent.add_parser(
        "dataset", help="add, check, show, list and export datasets", description="Datasets."
    )
    group.set_defaults(group=group)
    actions = group.add_subparsers(title="actions", metavar="ACTION")
    add = _command(actions, "add", "add_dataset", "add a CSV or Parquet file as a dataset")
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--name", required=True, help="lower case: letters, digits, . _ -")
    add.add_argument("--symbol", help="the symbol of a file that has no symbol column")
    check = _command(actions, "check", "check_dataset", "look for errors in a dataset")
    check.add_argument("name", metavar="NAME")
    check.add_argument("--strict", action="store_true", help="exit with 3 when there are errors")
    show = _command(actions, "show", "show_dataset", "describe a dataset")
    show.add_argument("name", metavar="NAME")
    _command(actions, "list", "list_datasets", "list the datasets")
    export = _command(
        actions, "export", "export_dataset", "write a dataset to a CSV or Parquet file"
    )
    export.add_argument("name", metavar="NAME")
    export.add_argument("--out", type=Path, help="FILE.csv or FILE.parquet; default: NAME.csv")


def _add_backtest(group: Any) -> None:
    run = _command(group, "backtest", "backtest", "backtest a strategy over a dataset")
    run.add_argument("strategy", type=Path, metavar="FILE.py|FOLDER")
    run.add_argument("--dataset", required=True, metavar="NAME")
    run.add_argument("--symbols", type=_read_list, metavar="A,B", help="default: all of them")
    run.add_argument("--start", help="first bar that may trade; earlier ones warm up")
    run.add_argument("--end", help="end of the data, excluded")
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="parameters",
        help="a parameter of the strategy, as fast=5",
    )
    run.add_argument("--cash", type=float, default=10_000.0, help="default: 10000")
    run.add_argument("--commission", type=float, help="fraction of the traded value: 0.0002")
    run.add_argument("--slippage-bps", type=float, help="basis points of the price")
    run.add_argument(
        "--fill",
        choices=("next_open", "unsafe_same_close"),
        default="next_open",
        help="default: next_open; the other marks the run",
    )
    run.add_argument("--whole-shares", action="store_true", help="no fractions of a share")
    run.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="CHECK",
        help="run in spite of the errors that this check found in the data",
    )
    run.add_argument("--strict", action="store_true", help="exit with 3 when a check failed")
    run.add_argument(
        "--time-limit", type=int, metavar="SECONDS", help="longest the strategy may take"
    )


def _add_hidden(group: Any) -> None:
    """Processes that the lab itself starts; not for typing."""
    worker = group.add_parser("worker")
    worker.set_defaults(run="work")
    worker.add_argument("--memory-limit", type=int, required=True)
    worker.add_argument("--time-limit", type=int, required=True)
    worker.add_argument("--cores", type=int, required=True)
    worker.add_argument("--zygote", action="store_true")
    line = group.add_parser("line")
    line.set_defaults(run="listen")
    line.add_argument("--socket", type=Path, required=True)


def _read_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def open_in_browser(arguments: list[str]) -> int:
    """Start JupyterLab with the lab in it; what Jupyter is told on the command line wins."""
    from .config import load_environment
    from .startup import postpone_grammars

    load_environment(Path.cwd())
    postpone_grammars()
    from .app import launch

    launch(arguments)
    return 0
