"""The command line: the same services as the server's, without a server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

from . import __version__
from .errors import Invalid, LabError, NotFound

USAGE, FAILED, CHECK_FAILED = 2, 1, 3


def main(argv: list[str] | None = None) -> int:
    """Run one command; the answer is the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in _OWN_OPTIONS):
        return _guard(lambda: open_in_browser(arguments), as_json=False)
    options = build_parser().parse_args(arguments)
    return _guard(
        lambda: asyncio.run(options.run(options)), as_json=getattr(options, "json", False)
    )


_OWN_OPTIONS = ("-h", "--help", "--version")


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(
        prog="alphintra-lab",
        description="Write, test and judge trading strategies. Without a command: open the lab in "
        "the browser, on port 8002; Jupyter's own options apply.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_dataset(commands)
    _add_backtest(commands)
    _add_hidden(commands)
    return parser


def _command(
    commands: Any, name: str, run: Callable[..., Any], help: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _add_dataset(commands: Any) -> None:
    group = commands.add_parser("dataset", help="add, check, show, list and export datasets")
    actions = group.add_subparsers(title="actions", required=True, metavar="ACTION")
    add = _command(actions, "add", dataset_add, "add a CSV or Parquet file as a dataset")
    add.add_argument("file", type=Path)
    add.add_argument("--name", required=True, help="lower case: letters, digits, . _ -")
    add.add_argument("--symbol", help="the symbol of a file that has no symbol column")
    check = _command(actions, "check", dataset_check, "look for errors in a dataset")
    check.add_argument("name")
    check.add_argument("--strict", action="store_true", help="exit with 3 when there are errors")
    show = _command(actions, "show", dataset_show, "describe a dataset")
    show.add_argument("name")
    _command(actions, "list", dataset_list, "list the datasets")
    export = _command(actions, "export", dataset_export, "write a dataset to a CSV or Parquet file")
    export.add_argument("name")
    export.add_argument("--out", type=Path, help="FILE.csv or FILE.parquet; default: NAME.csv")


def _add_backtest(commands: Any) -> None:
    run = _command(commands, "backtest", backtest, "backtest a strategy over a dataset")
    run.add_argument("strategy", type=Path, metavar="FILE.py|FOLDER")
    run.add_argument("--dataset", required=True, metavar="NAME")
    run.add_argument("--symbols", type=lambda text: text.split(","), metavar="A,B")
    run.add_argument("--start", help="first bar that may trade; earlier ones warm up")
    run.add_argument("--end", help="end of the data, excluded")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="parameters")
    run.add_argument("--cash", type=float, default=10_000.0)
    run.add_argument("--commission", type=float, help="fraction of the traded value: 0.0002")
    run.add_argument("--slippage-bps", type=float, help="basis points of the price")
    run.add_argument("--fill", choices=("next_open", "unsafe_same_close"), default="next_open")
    run.add_argument("--whole-shares", action="store_true")
    run.add_argument("--override", action="append", default=[], metavar="CHECK")
    run.add_argument("--strict", action="store_true", help="exit with 3 when a check failed")


def _add_hidden(commands: Any) -> None:
    """Processes that the lab itself starts; not for typing."""
    worker = commands.add_parser("worker")
    worker.set_defaults(run=run_worker)
    worker.add_argument("--memory-limit", type=int, required=True)
    worker.add_argument("--time-limit", type=int, required=True)
    worker.add_argument("--cores", type=int, required=True)
    line = commands.add_parser("line")
    line.set_defaults(run=run_line)
    line.add_argument("--socket", type=Path, required=True)


def _guard(run: Callable[[], int], *, as_json: bool) -> int:
    """Run; an error goes to stderr in the asked form, and its kind becomes the exit code."""
    from .jobs.worker import JobFailed

    try:
        return run()
    except LabError as error:
        shape = {"message": error.message, "code": error.code, "field": error.field}
        _print_error(shape, as_json)
        return USAGE
    except JobFailed as failed:
        _print_error({"field": None} | msgspec.to_builtins(failed.error), as_json)
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    except BrokenPipeError:
        return FAILED


def _print_error(shape: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stderr.write(msgspec.json.encode(shape).decode() + "\n")
        return
    sys.stderr.write(f"alphintra-lab: {shape['message']}\n")
    for frame in shape.get("traceback") or []:
        sys.stderr.write(f"  {frame['file']}, line {frame['line']}, in {frame['function']}\n")
        sys.stderr.write(f"    {frame['text']}\n")


def _print(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    out = msgspec.json.encode(value).decode() if as_json else text()
    sys.stdout.write(out + "\n")


def open_in_browser(arguments: list[str]) -> int:
    """Start JupyterLab with the lab in it; what Jupyter is told on the command line wins."""
    from .config import load_environment
    from .startup import postpone_grammars

    load_environment(Path.cwd())
    postpone_grammars()
    from .app import launch

    launch(arguments)
    return 0


@contextlib.asynccontextmanager
async def open_lab(config: Any = None) -> AsyncIterator[Any]:
    """The lab over the environment's configuration, migrated, with the platform's datasets."""
    from .config import LabConfig, load_environment
    from .datasets.platform import ensure_platform_datasets
    from .db import upgrade

    load_environment(Path.cwd())
    lab = (config or LabConfig()).open_lab(Path.cwd())
    try:
        await upgrade(lab.database)
        await ensure_platform_datasets(lab.database, lab.store)
        yield lab
    finally:
        await lab.database.close()


async def dataset_add(options: argparse.Namespace) -> int:
    """`dataset add`."""
    from .datasets import service

    if not options.file.is_file():
        raise NotFound(f"There is no file {str(options.file)!r}.", field="file")
    async with open_lab() as lab:
        detail = await service.add_file(
            lab.database, lab.store, options.file, name=options.name, symbol=options.symbol
        )
    _print(detail, options.json, lambda: _describe_dataset(detail))
    return 0


async def dataset_check(options: argparse.Namespace) -> int:
    """`dataset check`."""
    from .datasets import service

    async with open_lab() as lab:
        report = await service.validate_dataset(lab.database, lab.store, options.name)
    _print(report, options.json, lambda: _describe_report(report))
    failed = any(finding.severity == "error" for finding in report.findings)
    return CHECK_FAILED if failed and options.strict else 0


async def dataset_show(options: argparse.Namespace) -> int:
    """`dataset show`."""
    from .datasets import service

    async with open_lab() as lab, lab.database.session(write=False) as session:
        detail = await service.get_dataset(session, options.name)
    _print(detail, options.json, lambda: _describe_dataset(detail))
    return 0


async def dataset_list(options: argparse.Namespace) -> int:
    """`dataset list`."""
    from .datasets import service

    found: list[Any] = []
    async with open_lab() as lab, lab.database.session(write=False) as session:
        page = await service.list_datasets(session, 500, None)
        found += page.items
        while page.next:
            page = await service.list_datasets(session, 500, page.next)
            found += page.items
    found.sort(key=lambda dataset: dataset.name)
    _print({"items": found}, options.json, lambda: "\n".join(_row(one) for one in found))
    return 0


async def dataset_export(options: argparse.Namespace) -> int:
    """`dataset export`."""
    from .datasets import service

    out = options.out or Path(f"{options.name}.csv")
    async with open_lab() as lab:
        rows = await service.export_dataset(lab.database, lab.store, options.name, out)
    answer = {"file": str(out), "rows": rows}
    _print(answer, options.json, lambda: f"{rows:,} rows written to {out}")
    return 0


def _row(one: Any) -> str:
    return (
        f"{one.name:<20} {len(one.symbols):>3} symbols {one.rows:>9,} rows  {one.frequency:<5} "
        f"{one.start:%Y-%m-%d} to {one.end:%Y-%m-%d}  score {one.score:.2f}"
    )


def _describe_dataset(detail: Any) -> str:
    one = detail.dataset
    lines = [
        _row(one),
        f"  version {one.version}, sha256 {one.sha256}",
        f"  symbols {', '.join(one.symbols)}; columns {', '.join(one.columns)}",
        f"  {one.source}",
        *(f"  {note}" for note in one.notes),
        _describe_report(detail.report),
    ]
    return "\n".join(lines)


def _describe_report(report: Any) -> str:
    lines = [f"score {report.score:.2f}"]
    lines += [f"  {f.severity}: {f.check}, {f.count} rows: {f.message}" for f in report.findings]
    return "\n".join(lines if report.findings else [*lines, "  nothing found"])


async def backtest(options: argparse.Namespace) -> int:
    """`backtest`: define, run here, print the result."""
    from .backtests import results
    from .backtests import service as backtests
    from .backtests.mlflow_log import log_pending
    from .backtests.schema import BacktestCreate
    from .config import LabConfig
    from .experiments.service import TrackingError
    from .strategies import service as strategies

    folder, entry = _find_strategy(options.strategy)
    config = LabConfig()
    async with open_lab(config) as lab, running_worker(lab, config) as worker:
        async with lab.database.session() as session:
            strategy = await strategies.register_folder(session, lab.workspace, folder, entry)
            create = BacktestCreate(
                strategy_id=strategy.id,
                dataset=options.dataset,
                symbols=options.symbols,
                start=options.start,
                end=options.end,
                parameters=dict(_read_setting(text) for text in options.parameters),
                cash=options.cash,
                commission=options.commission,
                slippage_bps=options.slippage_bps,
                fill=options.fill,
                whole_shares=options.whole_shares,
                overrides=options.override,
            )
            row = await backtests.create_backtest(session, create)
            job = await backtests.start_backtest(session, lab.workspace, row.id)
        await _run_to_end(worker, lab.database, job.id)
        async with lab.database.session(write=False) as session:
            result = await results.read_result(session, lab.jobs, row.id)
        _print(result, options.json, lambda: describe_result(result))
        sys.stdout.flush()
        # The result is out already: MLflow's import and files need not be waited for to see it.
        with contextlib.suppress(TrackingError):
            await log_pending(lab.database, lab.jobs, config.mlflow_tracking_uri)
    failed = any(check.passed is False for check in result.checks.values())
    return CHECK_FAILED if failed and options.strict else 0


def _find_strategy(path: Path) -> tuple[Path, str]:
    if path.is_dir():
        if not (path / "strategy.py").is_file():
            raise NotFound(f"There is no strategy.py in {str(path)!r}.", field="strategy")
        return path.resolve(), "strategy.py"
    if not path.is_file():
        raise NotFound(f"There is no file or folder {str(path)!r}.", field="strategy")
    if path.suffix != ".py":
        raise Invalid(f"{str(path)!r} is not a Python file.", field="strategy")
    return path.resolve().parent, path.name


def _read_setting(text: str) -> tuple[str, Any]:
    """`fast=5` as a name and a value: JSON where it is JSON, else the text itself."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Invalid(f"--set {text!r} is not NAME=VALUE.", field="set")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, {"True": True, "False": False}.get(value, value)


@contextlib.asynccontextmanager
async def running_worker(lab: Any, config: Any) -> AsyncIterator[Any]:
    """A worker in this process, with an engine that warms up while other things happen."""
    from .backtests.engine_process import EngineProcess
    from .backtests.execute import executors
    from .jobs.runners.local import LocalRunner
    from .jobs.worker import Worker

    engine = EngineProcess()
    await engine.start()
    runner = LocalRunner()
    try:
        run = executors(lab.database, lab.store, runner, engine, config.limits)
        yield Worker(lab.database, lab.jobs, run, lab.cores)
    finally:
        await engine.stop()


async def _run_to_end(worker: Any, database: Any, job_id: str) -> None:
    """Run the job here, or wait for the worker elsewhere that took it first."""
    from .jobs import service as jobs
    from .jobs.worker import JobFailed

    while True:
        await worker.reclaim()
        claimed = await worker.claim(job_id)
        if claimed is not None:
            await worker.execute(claimed)
        async with database.session(write=False) as session:
            job = await jobs.get_job(session, job_id)
        if job.state not in ("waiting", "running"):
            break
        await asyncio.sleep(0.1)
    if job.error is not None:
        raise JobFailed(job.error)
    if job.state == "cancelled":
        raise Invalid("The run was cancelled from elsewhere.")


async def run_worker(options: argparse.Namespace) -> int:
    """The server's worker: serves the queue until the server ends."""
    from .backtests.mlflow_log import log_backtests
    from .config import LabConfig
    from .processes import die_with_parent

    die_with_parent()
    config = LabConfig(
        memory_limit=options.memory_limit, time_limit=options.time_limit, cores=options.cores
    )
    lab = config.open_lab(Path.cwd())
    async with running_worker(lab, config) as worker, asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        group.create_task(log_backtests(lab.database, lab.jobs, config.mlflow_tracking_uri))
    return 0


async def run_line(options: argparse.Namespace) -> int:
    """What a plain script's `backtest()` talks to: the kernels' socket, served by this process."""
    from .api.line import serve_line
    from .config import LabConfig
    from .processes import die_with_parent

    die_with_parent()
    config = LabConfig()
    async with open_lab(config) as lab, running_worker(lab, config) as worker:
        lab.opened.set()
        closer = await serve_line(lab, options.socket, Path.cwd(), grants=None)
        try:
            await worker.run()
        finally:
            await closer()
    return 0


def describe_result(result: Any) -> str:
    """A result for a terminal: the verdict before the numbers."""
    metrics = result.metrics

    def show(name: str, form: str) -> str:
        value = metrics.get(name)
        return "–" if value is None else format(value, form).replace("-", "−")

    rows = [
        ("Return", show("total_return", "+.1%")),
        ("CAGR", show("cagr", "+.1%")),
        ("Sharpe", show("sharpe", ".2f")),
        ("Max drawdown", show("max_drawdown", ".1%")),
        ("Trades", show("trades", ".0f")),
        ("Buy and hold", show("benchmark_return", "+.1%")),
        ("Final equity", f"{result.final_equity:,.2f}"),
        ("Ledger", result.ledger_sha256),
    ]
    lines = [f"run {result.number}  {result.verdict}", ""]
    return "\n".join(lines + [f"  {name:<14}{value}" for name, value in rows])
