"""The quality checks: what is wrong in the bars, in which rows, and the score that follows.

Rows are numbered from 0 in the file as it came. Every check is vectorised over one symbol.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .findings import CHECKS
from .schema import Finding, Report, Severity
from .sessions import count_missing

NAMED_ROWS = 100
WEIGHTS: dict[Severity, tuple[float, float]] = {
    "error": (10.0, 0.5),
    "warning": (2.0, 0.1),
    "note": (0.0, 0.0),
}
"""Weight and cap of a finding, as QUANT.md has them."""

FILE_CHECKS = {
    "missing_time",
    "mistyped_value",
    "non_finite",
    "mixed_zone",
    "duplicated_time",
    "unsorted_time",
    "missing_volume",
}
"""Checks that need the uploaded file: the store's bars are sorted, without repeats, and do not tell
an empty value from one that was no number."""

# Prices scaled by an adjustment factor may leave high-low by a rounding error; no more than that.
ROUNDING = 1e-9
STALE_BARS = 5
REACH = 3
DECIMAL_SLIP = 8.0
HUNDREDFOLD = 50.0
SPLITS = np.array([1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30])


@dataclass
class Tally:
    """What the checks found so far: check -> symbol -> row numbers, with remarks on a check."""

    rows: dict[str, dict[str, np.ndarray]] = field(default_factory=lambda: defaultdict(dict))
    unnamed: Counter[str] = field(default_factory=Counter)
    """Bars concerned beyond the rows named: missing in a gap, or further ones of a stale run."""
    remarks: dict[str, str] = field(default_factory=dict)

    def add(self, check: str, symbol: str, rows: np.ndarray, unnamed: int = 0) -> None:
        """Note that `check` fails in these rows of the file, and in so many unnamed bars."""
        if rows.size:
            known = self.rows[check].get(symbol)
            self.rows[check][symbol] = rows if known is None else np.union1d(known, rows)
            self.unnamed[check] += unnamed


def make_report(tally: Tally, total_rows: int, further: Sequence[Finding] = ()) -> Report:
    """The report: findings, errors first, and the score."""
    order, checks = list(WEIGHTS), list(CHECKS)
    findings = [_make_finding(check, tally) for check in CHECKS if tally.rows.get(check)]
    findings += further
    findings.sort(key=lambda one: (order.index(one.severity), checks.index(one.check)))
    return Report(score=score(findings, total_rows), findings=findings)


def score(findings: list[Finding], total_rows: int) -> float:
    """1 - sum over findings of min(cap, weight * share of rows), at least 0 (QUANT.md)."""
    lost = 0.0
    for finding in findings:
        weight, cap = WEIGHTS[finding.severity]
        lost += min(cap, weight * finding.count / total_rows)
    return max(0.0, 1.0 - lost)


def _make_finding(check: str, tally: Tally) -> Finding:
    severity, message = CHECKS[check]
    by_symbol = tally.rows[check]
    rows = np.unique(np.concatenate(list(by_symbol.values())))
    symbols = sorted(symbol for symbol in by_symbol if symbol)
    if len(symbols) > 1:
        more = f" and {len(symbols) - 3} more" if len(symbols) > 3 else ""
        message += f" In {', '.join(symbols[:3])}{more}."
    if remark := tally.remarks.get(check):
        message += f" {remark}"
    return Finding(
        check=check,
        severity=severity,
        count=int(rows.size) + tally.unnamed[check],
        rows=rows[:NAMED_ROWS].tolist(),
        message=message,
        symbol=symbols[0] if len(symbols) == 1 else None,
    )


def check_bars(
    tally: Tally,
    symbol: str,
    time: np.ndarray,
    values: dict[str, np.ndarray],
    rows: np.ndarray,
    spacing: int,
    calendar: str | None,
) -> None:
    """Check one symbol's bars, sorted by `time` (nanoseconds) and without repeats.

    `values` are float64 and hold open, high, low, close, volume; `rows` are the file's numbers.
    """
    open_, high, low, close = (values[name] for name in ("open", "high", "low", "close"))
    prices = np.stack([open_, high, low, close])
    sound = np.isfinite(prices).all(axis=0)
    mistyped = tally.rows.get("mistyped_value", {}).get(symbol, np.empty(0, dtype=np.int64))
    typed = ~np.isin(rows, mistyped) if mistyped.size else np.ones(rows.size, dtype=bool)
    tally.add("non_finite", symbol, rows[~sound & typed])
    positive = (prices > 0).all(axis=0)
    tally.add("non_positive_price", symbol, rows[sound & ~positive])

    slack = ROUNDING * np.abs(close)
    crossed = high < low - slack
    usable = sound & positive  # one cause, one finding
    tally.add("high_below_low", symbol, rows[usable & crossed])
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    outside = (top > high + slack) | (bottom < low - slack)
    tally.add("outside_high_low", symbol, rows[usable & ~crossed & outside])

    volume = values["volume"]
    tally.add("negative_volume", symbol, rows[volume < 0])
    unknown = ~np.isfinite(volume)
    if not unknown.all():  # no volume at all is a property of the file, said in the notes
        tally.add("missing_volume", symbol, rows[unknown & typed])
    missing = count_missing(time, spacing, calendar)
    gaps = missing > 0
    tally.add("gap", symbol, rows[gaps], int((missing[gaps] - 1).sum()))

    slipped = find_decimal_jumps(prices[:, usable])
    tally.add("decimal_jump", symbol, rows[usable][slipped])
    first, length = find_stale_runs(prices, volume)
    tally.add("stale_run", symbol, rows[first], int((length - 1).sum()))
    calm = usable.copy()
    calm[np.flatnonzero(usable)[slipped]] = False
    splits = find_splits(open_[calm], close[calm])
    tally.add("unadjusted_split", symbol, rows[calm][splits])


def find_decimal_jumps(prices: np.ndarray) -> np.ndarray:
    """Bars with a price eight times or more off the six bars around, and bars from which on the
    close is fifty times what it was. `prices`: (4, bars), positive; open, high, low, close.

    Of the six the two middle closes are compared, and the nearer one counts: up to three bars
    in a row are found as slips, and a level that changes for good (a split) is none.
    """
    bars = prices.shape[1]
    if bars < 2 * REACH + 1:
        return np.empty(0, dtype=np.int64)
    logs = np.log(prices)
    before = np.r_[logs[3][0], logs[3][:-1]]
    moved = np.flatnonzero((np.abs(logs - before) > np.log(2)).any(axis=0))
    near = np.unique(np.add.outer(np.arange(-REACH, REACH + 1), moved).ravel())
    near = near[(near >= 0) & (near < bars)]
    offsets = np.r_[-REACH:0, 1 : REACH + 1]
    # At the ends the window moves inward; a bar that meets itself there looks one further.
    places = np.clip(near, REACH, bars - 1 - REACH)[:, None] + offsets
    shifted = np.clip(near, REACH, bars - 1 - REACH)[:, None]
    places = np.where(places == near[:, None], shifted, places)
    middle = np.sort(logs[3][places], axis=1)[:, REACH - 1 : REACH + 1]
    off = np.abs(logs[:, near, None] - middle).min(axis=2).max(axis=0)
    slipped = near[off > np.log(DECIMAL_SLIP)]
    sound = np.ones(bars, dtype=bool)
    sound[slipped] = False
    good = np.flatnonzero(sound)
    lasting = good[1:][np.abs(np.diff(logs[3][good])) > np.log(HUNDREDFOLD)]
    return np.union1d(slipped, lasting)


def find_stale_runs(prices: np.ndarray, volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First bar and length of each run of five or more with the same prices and volume."""
    columns = np.vstack([prices, volume])
    left, right = columns[:, :-1], columns[:, 1:]
    same = ((left == right) | (np.isnan(left) & np.isnan(right))).all(axis=0)
    same &= np.isfinite(prices[:, 1:]).all(axis=0)
    edges = np.diff(np.r_[0, same.astype(np.int8), 0])
    first = np.flatnonzero(edges == 1)
    length = np.flatnonzero(edges == -1) - first + 1
    long = length >= STALE_BARS
    return first[long], length[long]


def find_splits(open_: np.ndarray, close: np.ndarray) -> np.ndarray:
    """Bars that open at a split's ratio to the last close and stay near it, beyond usual moves."""
    if close.size < 10:
        return np.empty(0, dtype=np.int64)
    opened, closed = np.log(open_[1:] / close[:-1]), np.log(close[1:] / close[:-1])
    usual = np.median(np.abs(closed))
    large = np.flatnonzero(np.minimum(np.abs(opened), np.abs(closed)) > max(8 * usual, 0.25))
    ratios = np.log(np.r_[SPLITS, 1 / SPLITS])
    nearest = np.abs(opened[large, None] - ratios).argmin(axis=1)
    at_open = np.abs(opened[large] - ratios[nearest]) < 0.04
    at_close = np.abs(closed[large] - ratios[nearest]) < 0.15
    split: np.ndarray = large[at_open & at_close] + 1
    return split
