"""What each command does; its answer is the exit code. `cli.py` reads arguments, tells errors."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from . import headless, reports
from .config import LabConfig
from .errors import Invalid, NotFound

if TYPE_CHECKING:
    from .backtests.schema import BacktestCreate

T = TypeVar("T")
OK, CHECK_FAILED = 0, 3


async def add_dataset(options: argparse.Namespace) -> int:
    """`dataset add`."""
    from .datasets import service

    if not options.file.is_file():
        raise NotFound(f"There is no file {str(options.file)!r}.", field="file")
    async with headless.open_lab(LabConfig()) as lab:
        detail = await service.add_file(
            lab.database, lab.store, options.file, name=options.name, symbol=options.symbol
        )
    _print(detail, options.json, reports.describe_dataset)
    return OK


async def check_dataset(options: argparse.Namespace) -> int:
    """`dataset check`."""
    from .datasets import service

    async with headless.open_lab(LabConfig()) as lab:
        report = await service.validate_dataset(lab.database, lab.store, options.name)
    _print(report, options.json, reports.describe_report)
    failed = any(finding.severity == "error" for finding in report.findings)
    return CHECK_FAILED if failed and options.strict else OK


async def show_dataset(options: argparse.Namespace) -> int:
    """`dataset show`."""
    from .datasets import service

    async with headless.open_lab(LabConfig()) as lab:
        async with lab.database.session(write=False) as session:
            detail = await service.get_dataset(session, options.name)
    _print(detail, options.json, reports.describe_dataset)
    return OK


async def list_datasets(options: argparse.Namespace) -> int:
    """`dataset list`."""
    from .datasets import service

    async with headless.open_lab(LabConfig()) as lab:
        async with lab.database.session(write=False) as session:
            page = await service.list_datasets(session, 500, None)
            found = page.items
            while page.next:
                page = await service.list_datasets(session, 500, page.next)
                found += page.items
    listed = reports.DatasetList(sorted(found, key=lambda dataset: dataset.name))
    _print(listed, options.json, lambda all: "\n".join(map(reports.describe_row, all.items)))
    return OK


async def export_dataset(options: argparse.Namespace) -> int:
    """`dataset export`."""
    from .datasets import service

    out = options.out or Path(f"{options.name}.csv")
    async with headless.open_lab(LabConfig()) as lab:
        rows = await service.export_dataset(lab.database, lab.store, options.name, out)
    exported = reports.Exported(str(out), rows)
    _print(exported, options.json, lambda done: f"{done.rows:,} rows written to {done.file}")
    return OK


async def backtest(options: argparse.Namespace) -> int:
    """`backtest`: define, run here, print the result."""
    from .backtests import results
    from .backtests import service as backtests
    from .strategies import service as strategies

    _stop_on_sigterm()
    folder, entry = _find_strategy(options.strategy)
    parameters = dict(_read_setting(text) for text in options.parameters)
    config = _configure(options)
    async with (
        headless.open_lab(config) as lab,
        headless.running_worker(lab, config) as worker,
    ):
        async with lab.database.session() as session:
            strategy = await strategies.register_folder(session, lab.workspace, folder, entry)
            create = _describe_run(options, strategy.id, parameters)
            row = await backtests.create_backtest(session, create)
            started = await backtests.start_backtest(session, lab.workspace, row.id)
        headless.load_ahead()
        job = await headless.run_job(worker, lab.database, started.id)
        if job.error is not None:
            raise reports.RunFailed(job.error)
        if job.state == "cancelled":
            raise asyncio.CancelledError("from elsewhere")
        async with lab.database.session(write=False) as session:
            result = await results.read_result(session, lab.jobs, row.id)
        # MLflow's import and files need not be waited for to see the result.
        _print(result, options.json, reports.describe_result)
        await headless.log_runs(lab, config)
    failed = any(check.passed is False for check in result.checks.values())
    return CHECK_FAILED if failed and options.strict else OK


def _stop_on_sigterm() -> None:
    """Let SIGTERM end the command as Ctrl-C does: the run is cancelled, not left to be found."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _configure(options: argparse.Namespace) -> LabConfig:
    if options.time_limit is None:
        return LabConfig()
    if options.time_limit <= 0:
        raise Invalid(f"--time-limit {options.time_limit} is not above 0.", field="time_limit")
    return LabConfig(time_limit=options.time_limit)


def _describe_run(
    options: argparse.Namespace, strategy_id: str, parameters: dict[str, Any]
) -> BacktestCreate:
    from .backtests.schema import BacktestCreate

    return BacktestCreate(
        strategy_id=strategy_id,
        dataset=options.dataset,
        symbols=options.symbols,
        start=options.start,
        end=options.end,
        parameters=parameters,
        cash=options.cash,
        commission=options.commission,
        slippage_bps=options.slippage_bps,
        fill=options.fill,
        whole_shares=options.whole_shares,
        overrides=options.override,
    )


def _find_strategy(path: Path) -> tuple[Path, str]:
    """The folder and the file's name in it."""
    if path.is_dir():
        if not (path / "strategy.py").is_file():
            raise NotFound(f"There is no strategy.py in {str(path)!r}.", field="strategy")
        return path.resolve(), "strategy.py"
    if not path.is_file():
        raise NotFound(f"There is no file or folder {str(path)!r}.", field="strategy")
    if path.suffix != ".py":
        raise Invalid(f"{str(path)!r} is not a Python file.", field="strategy")
    return path.parent.resolve(), path.name


def _read_setting(text: str) -> tuple[str, Any]:
    """`fast=5` as a name and a value: JSON where it is JSON, else the text itself."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Invalid(f"--set {text!r} is not NAME=VALUE, as in --set fast=5.", field="set")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, {"True": True, "False": False}.get(value, value)


def _print(value: T, as_json: bool, describe: Callable[[T], str]) -> None:
    text = msgspec.json.encode(value).decode() if as_json else describe(value)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def work(options: argparse.Namespace) -> int:
    """The server's worker."""
    names = ("memory_limit", "time_limit", "cores", "zygote")
    await headless.run_worker(LabConfig(**{name: getattr(options, name) for name in names}))
    return OK


async def listen(options: argparse.Namespace) -> int:
    """A plain script's line."""
    await headless.run_line(LabConfig(), options.socket)
    return OK
