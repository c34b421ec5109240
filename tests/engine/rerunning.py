"""The checks on a strategy in this very process: what the sandbox does, without its processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alphintra_lab.engine.check import Check
from alphintra_lab.engine.cuts import choose_cuts, decision_rows, plan_variants
from alphintra_lab.engine.decisions import Decisions
from alphintra_lab.engine.futures import vary
from alphintra_lab.engine.market import read_market
from alphintra_lab.engine.outcomes import Outcome
from alphintra_lab.engine.rechecks import recheck
from alphintra_lab.engine.reruns import take_rows
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import simulate
from alphintra_lab.engine.variants import Rerun, Variant
from alphintra_lab.sdk import Strategy
from alphintra_lab.sdk.bars import assemble, normalise
from alphintra_lab.sdk.deciding import decide

Frames = Mapping[str, pd.DataFrame]


def random_walk(rows: int = 400, seed: int = 1, start: str = "2024-01-01") -> pd.DataFrame:
    """One symbol's hourly bars whose close walks at random."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, rows)))
    opens = np.concatenate([[100.0], close[:-1]])
    frame = pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, close) * 1.001,
            "low": np.minimum(opens, close) * 0.999,
            "close": close,
            "volume": random.integers(100, 1000, rows),
        },
        index=pd.date_range(start, periods=rows, freq="h", tz="UTC"),
    )
    return normalise(frame)


def run_variants(
    strategy: Strategy, frames: Frames, variants: Sequence[Variant], recorded: Decisions
) -> list[Outcome]:
    """What each variant decides, as `read_outcomes` would give it."""
    found = []
    for number, variant in enumerate(variants):
        rerun = Rerun(number, warmup=strategy.warmup, expanding=strategy.expanding)
        try:
            decided = decide(strategy, vary(frames, variant))
        except Exception as error:  # noqa: BLE001  a strategy may raise anything
            found.append(Outcome(variant, rerun, error=str(error)))
            continue
        own = take_rows(decided, 0, variant.end - variant.first)
        same = own == take_rows(recorded, variant.first, variant.end)
        found.append(Outcome(variant, rerun, other=None if same else own))
    return found


def check(
    strategy: Strategy,
    frames: Frames | None = None,
    *,
    count: int = 64,
    seed: int = 0,
    suspects: Sequence[str] = (),
    elsewhere: bool = False,
) -> dict[str, Check]:
    """The checks of a strategy over frames (a random walk, if none are given)."""
    frames = {"X": random_walk()} if frames is None else frames
    bars, settings = assemble(frames), Settings()
    recorded = decide(strategy, frames)
    market = read_market(bars, settings)
    decided = decision_rows(recorded, market)
    cuts = choose_cuts(decided, market.start, market.rows, seed, count)
    outcomes = run_variants(strategy, frames, plan_variants(market, cuts), recorded)
    ledger = simulate(bars, recorded, settings).ledger_sha256
    for _ in range(2):
        checks, again = recheck(
            bars,
            recorded,
            settings,
            outcomes,
            ledger_sha256=ledger,
            planned=len(cuts),
            elsewhere=elsewhere,
            suspects=suspects,
        )
        outcomes += run_variants(strategy, frames, again, recorded)
    return checks
