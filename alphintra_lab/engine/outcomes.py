"""What the reruns of a strategy gave, decoded and compared with the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from .decisions import (
    BoolArray,
    Decisions,
    FloatArray,
    SignalDecisions,
    decode,
    signal_arrays,
    weight_array,
)
from .market import Market
from .reruns import largest_encoding, read_reruns, take_rows, unpack
from .variants import Rerun, Variant

TOLERANCE = 1e-9
"""Numbers differ when they are further apart than this share of the larger, or of 1."""


class Outcome(NamedTuple):
    """What a variant decided on its rows, or why it did not."""

    variant: Variant
    rerun: Rerun
    error: str | None = None
    other: Decisions | None = None
    """Its decisions, where they are not byte for byte those of the run: mostly they are."""

    def decided(self, recorded: Decisions) -> Decisions:
        """Its decisions; the run's own on these rows unless they are others."""
        return self.other or take_rows(recorded, self.variant.first, self.variant.end)

    def changed(self, recorded: Decisions) -> BoolArray:
        """Where they differ from the run's own [rows, symbols]."""
        shape = (self.variant.end - self.variant.first, len(recorded.symbols))
        if self.other is None:
            return np.zeros(shape, dtype=np.bool_)
        kept = take_rows(recorded, self.variant.first, self.variant.end)
        return changed_cells(self.other, kept)


def read_outcomes(path: Path, variants: Sequence[Variant], recorded: Decisions) -> list[Outcome]:
    """The outcomes in a file that a sandbox wrote; each is decoded as strictly as the run itself.

    `recorded` are the run's own decisions, whose kind and symbols all must have.
    """
    base: Decisions | None = None
    outcomes: list[Outcome] = []
    for rerun in read_reruns(path):
        if not 0 <= rerun.variant < len(variants):
            break
        variant = variants[rerun.variant]
        try:
            decisions = _decode(rerun, variant, base, recorded)
        except ValueError as wrong:  # BadDecisions are ValueErrors too
            outcomes.append(Outcome(variant, rerun, error=str(wrong)))
        else:
            base = base or decisions
            own = take_rows(recorded, variant.first, variant.end)
            outcomes.append(Outcome(variant, rerun, other=None if decisions == own else decisions))
        if base is None:
            break
    return outcomes


def _decode(
    rerun: Rerun, variant: Variant, base: Decisions | None, recorded: Decisions
) -> Decisions:
    if rerun.packed is None:
        raise ValueError(rerun.error or "It decided nothing.")
    rows = variant.end - variant.first
    part = None if base is None else take_rows(base, variant.first, variant.end)
    data = unpack(rerun.packed, part, largest_encoding(rows, recorded))
    decisions = decode(data, bars=rows, symbols=recorded.symbols)
    if type(decisions) is not type(recorded):
        raise ValueError("It decided by signals in one run, and by weights in another.")
    return decisions


def named_arrays(decisions: Decisions) -> dict[str, BoolArray | FloatArray]:
    """Every array by name [rows, symbols], whether it was given or not."""
    if not isinstance(decisions, SignalDecisions):
        return {"weights": weight_array(decisions)}
    found = signal_arrays(decisions)._asdict()
    if found["size"] is None:
        found["size"] = np.full(found["entries"].shape, np.nan)
    return found


def changed_cells(one: Decisions, other: Decisions) -> BoolArray:
    """Where two decisions over the same rows differ in any array [rows, symbols]."""
    left, right = named_arrays(one), named_arrays(other)
    cells: BoolArray = np.logical_or.reduce([differ(left[name], right[name]) for name in left])
    return cells


def differ(left: BoolArray | FloatArray, right: BoolArray | FloatArray) -> BoolArray:
    """Where arrays differ: booleans exactly, numbers by the tolerance, NaN equals NaN."""
    if left.dtype == np.bool_:
        return np.asarray(left != right)
    size = np.maximum(1.0, np.fmax(np.abs(left), np.abs(right)))
    with np.errstate(invalid="ignore"):
        near = np.abs(left - right) <= TOLERANCE * size
    return np.asarray(~(near | (np.isnan(left) & np.isnan(right))))


def first_row(cells: BoolArray) -> int:
    """The first row with a True; there must be one."""
    return int(np.flatnonzero(cells.any(axis=1))[0])


def when(market: Market, row: int) -> str:
    """A bar's open time as the lab writes it: `2 May 2017 09:00`; daily bars without the hour."""
    time = pd.Timestamp(market.times[row])
    daily = bool((market.times == market.times.normalize()).all())
    return f"{time.day} {time:%b %Y}" if daily else f"{time.day} {time:%b %Y %H:%M}"


def plural(count: int, word: str) -> str:
    """`1 cut`, `2 cuts`, `2 histories`."""
    many = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{count:,} {word if count == 1 else many}"
