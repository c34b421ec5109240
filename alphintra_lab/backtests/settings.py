"""What a run is made with: every default filled in, every value checked."""

from __future__ import annotations

import datetime as dt

from ..datasets import service as datasets
from ..datasets.findings import CHECKS
from ..datasets.table import DatasetVersionRow
from ..errors import Invalid
from ..strategies import service as strategies
from ..strategies.schema import Outline
from .schema import BacktestCreate, Settings


def complete_settings(
    create: BacktestCreate, outline: Outline, version: DatasetVersionRow
) -> Settings:
    """The settings of a run with each default filled in, or Invalid naming the field."""
    symbols = datasets.choose_symbols(version, create.symbols)
    chosen = [one for one in version.instruments if one.symbol in symbols]
    for one in chosen:
        if one.multiplier != 1:
            raise Invalid(
                f"{one.symbol} has a contract multiplier of {one.multiplier:g}; the engine trades "
                "instruments with a multiplier of 1.",
                field="symbols",
            )
    costs = [one.commission for one in chosen]
    usual = max((c for c in costs if c is not None), default=0.0)
    commission = usual if create.commission is None else create.commission
    slippage = 0.0 if create.slippage_bps is None else create.slippage_bps
    if not 0 < create.cash < 1e15:
        raise Invalid(f"cash={create.cash:g} must be above 0 and below 1e15.", field="cash")
    if not 0 <= commission < 1:
        raise Invalid(
            f"commission={commission:g} is a fraction of the traded value, from 0 to below 1; "
            "0.0002 is 0.02 %.",
            field="commission",
        )
    if not 0 <= slippage < 10_000:
        raise Invalid(
            f"slippage_bps={slippage:g} is in basis points, from 0 to below 10,000.",
            field="slippage_bps",
        )
    start, end = read_window(create.start, create.end, version)
    for name in create.overrides:
        if name not in CHECKS:
            errors = ", ".join(
                check for check, (severity, _) in CHECKS.items() if severity == "error"
            )
            raise Invalid(
                f"There is no check {name[:80]!r} to override. Those that find errors in data are "
                f"{errors}.",
                field="overrides",
            )
    return Settings(
        symbols=symbols,
        start=start.isoformat() if start else None,
        end=end.isoformat() if end else None,
        parameters=strategies.check_parameters(outline, create.parameters),
        cash=create.cash,
        commission=commission,
        slippage_bps=slippage,
        fill=create.fill,
        whole_shares=create.whole_shares,
        overrides=sorted(set(create.overrides)),
    )


def read_window(
    start: str | None, end: str | None, version: DatasetVersionRow
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The times that a run is bounded by, or Invalid where the data has nothing between them.

    A gap in the data that swallows the whole window is found when the run reads its bars.
    """
    first, last = datasets.read_time(start, "start"), datasets.read_time(end, "end")
    if first and last and first >= last:
        raise Invalid(f"start={start} is not before end={end}.", field="start", code="bad_window")
    for text, field, outside in (
        (start, "start", first is not None and first > version.end),
        (end, "end", last is not None and last <= version.start),
    ):
        if outside:
            raise Invalid(
                f"{field}={text} leaves no bars: the data runs from {version.start.isoformat()} "
                f"to {version.end.isoformat()}.",
                field=field,
                code="bad_window",
            )
    return first, last
