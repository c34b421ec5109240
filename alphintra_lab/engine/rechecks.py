"""The checks that ran the strategy again, made from what the reruns gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from .check import Check, unchecked
from .cuts import decision_rows
from .decisions import Decisions
from .lookahead import gather_cuts, look_ahead, plan_confirmation
from .market import read_market
from .outcomes import Outcome
from .settings import Settings
from .stability import determinism, find_instability, warm_up
from .variants import Variant


class Rechecked(NamedTuple):
    """`look_ahead`, `warm_up` and `determinism`; and what to run once more before they are true."""

    checks: dict[str, Check]
    again: list[Variant]


def recheck(
    bars: pd.DataFrame,
    recorded: Decisions,
    settings: Settings,
    outcomes: Sequence[Outcome],
    *,
    ledger_sha256: str,
    planned: int,
    elsewhere: bool = False,
    suspects: Sequence[str] = (),
    trouble: str | None = None,
) -> Rechecked:
    """Judge the outcomes of reruns; `planned` is how many cuts there should have been.

    `trouble` is what stopped the reruns before their end, if anything did.
    """
    market = read_market(bars, settings)
    if not outcomes:
        return Rechecked(unchecked(trouble or "The strategy could not be run again."), [])
    unstable = find_instability(outcomes, recorded, market, elsewhere=elsewhere)
    if unstable is not None:
        return Rechecked(_not_assessable(unstable), [])
    cuts = gather_cuts(outcomes, recorded, market)
    columns = list(dict.fromkeys(str(name) for name in bars.columns.get_level_values(0)))
    checks = {
        "look_ahead": look_ahead(
            cuts,
            recorded,
            market,
            decision_rows(recorded, market),
            planned=planned,
            trouble=trouble,
            files=sorted({file for one in outcomes for file in one.rerun.files}),
            suspects=suspects,
        ),
        "warm_up": warm_up(outcomes, recorded, market),
        "determinism": determinism(outcomes, recorded, bars, settings, ledger_sha256),
    }
    return Rechecked(checks, plan_confirmation(cuts, market, columns))


def _not_assessable(unstable: Check) -> dict[str, Check]:
    """Where identical runs differ, a difference says nothing."""
    reason = unstable.findings[0]
    if unstable.passed is None:
        missing = Check(None, [reason], "")
        return {"look_ahead": missing, "warm_up": missing, "determinism": unstable}
    chance = "What another history changes cannot be told from what changes by itself."
    return {
        "look_ahead": Check(None, [reason, chance], unstable.power),
        "warm_up": Check(None, [chance], unstable.power),
        "determinism": unstable,
    }
