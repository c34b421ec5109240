"""Look-ahead: does a decision already made change when only what came after it changes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .check import Check
from .cuts import CUTS, FEWEST_CUTS, time_of
from .decisions import BoolArray, Decisions
from .market import IntArray, Market
from .outcomes import Outcome, changed_cells, differ, first_row, named_arrays, plural, when
from .variants import Variant

SHOWN = 5
"""At most so many changed decisions are told one by one."""

CONFIRMED = 3
"""At most so many cuts are looked at a second time."""

UNCOVERED = "leaks inside the data, the researcher's own choices"


@dataclass
class Cut:
    """One cut, and where decisions up to it changed [rows, symbols]."""

    row: int
    by_future: BoolArray
    """With another future of the same length."""
    by_end: BoolArray
    """With no future at all."""
    futures: list[Outcome] = field(default_factory=list)
    shorter: Outcome | None = None
    one_more: Outcome | None = None
    """Decided with the history ended one bar after the cut."""
    errors: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    """Columns whose future alone changed a decision."""

    @property
    def changed(self) -> BoolArray:
        """What the futures changed, or what the end did where they changed nothing."""
        return self.by_future if self.by_future.any() else self.by_end

    def hangs_on_next_bar(self, recorded: Decisions) -> bool:
        """Whether one bar more or less after the cut changes decisions up to it."""
        if self.shorter is None or self.one_more is None:
            return False
        left, right = self.shorter.decided(recorded), self.one_more.decided(recorded)
        return bool(changed_cells(left, right).any())


def gather_cuts(outcomes: Sequence[Outcome], recorded: Decisions, market: Market) -> list[Cut]:
    """The outcomes of each cut together, in the order of time."""
    cuts: dict[int, Cut] = {}
    for one in outcomes:
        if one.variant.mode not in ("rise", "fall", "truncate"):
            continue
        row = one.variant.end - 1
        if row not in cuts:
            nothing = np.zeros((row + 1, len(recorded.symbols)), dtype=np.bool_)
            cuts[row] = Cut(row, nothing, nothing)
        _add(cuts[row], one, recorded, market)
    return [cuts[row] for row in sorted(cuts)]


def _add(cut: Cut, one: Outcome, recorded: Decisions, market: Market) -> None:
    variant = one.variant
    if one.error is not None:
        cut.errors.append(one.error)
        return
    changed = one.changed(recorded)
    if variant.columns:
        if changed.any():
            cut.columns += [name for name in variant.columns if name not in cut.columns]
    elif variant.mode != "truncate":
        cut.futures.append(one)
        cut.by_future = cut.by_future | changed
    elif variant.time == time_of(market, cut.row):
        cut.shorter, cut.by_end = one, changed
    else:
        cut.one_more = one


def plan_confirmation(cuts: Sequence[Cut], market: Market, columns: Sequence[str]) -> list[Variant]:
    """What to run once more before anybody is accused; nothing where nothing was found.

    The cuts that found something again, with the future of one column at a time; where only the
    end of the history mattered, with one bar more.
    """
    leaks = _leaks(cuts)
    if not leaks:
        ends = _ends(cuts)
        more = ends[:CONFIRMED] if len(ends) > 1 else []
        rows = [(cut.row, time_of(market, cut.row)) for cut in more]
        again = [Variant("truncate", 0, row + 1, time) for row, time in rows]
        again += [Variant("truncate", 0, row + 1, time_of(market, row + 1)) for row, _ in rows]
    else:
        again = []
        for cut in leaks[:CONFIRMED]:
            time = time_of(market, cut.row)
            again += [Variant("rise", 0, cut.row + 1, time), Variant("fall", 0, cut.row + 1, time)]
        cut = leaks[0]
        for column in columns if len(columns) > 1 else ():
            time = time_of(market, cut.row)
            again.append(Variant("rise", 0, cut.row + 1, time, [column]))
            again.append(Variant("fall", 0, cut.row + 1, time, [column]))
    repeat = Variant("repeat", 0, market.rows)
    return [repeat, *again, repeat] if again else []


def look_ahead(
    cuts: Sequence[Cut],
    recorded: Decisions,
    market: Market,
    decided: IntArray,
    *,
    planned: int = CUTS,
    files: Sequence[str] = (),
    suspects: Sequence[str] = (),
    trouble: str | None = None,
) -> Check:
    """The check. `decided`: rows with a decision; `files`: what the code opened beside its bars;
    `suspects`: places in the code that look like it, as `strategy.py line 14`; `trouble`: what
    stopped the reruns before all `planned` cuts were made.
    """
    looked = [cut for cut in cuts if cut.futures]
    power = _power(cuts, looked, decided)
    if len(cuts) < planned:
        why = trouble or "The time for checks was over."
        power += f" {planned} cuts were planned. {why}"
    leaks, ends = _leaks(cuts), _ends(cuts)
    hanging = [cut for cut in ends if cut.hangs_on_next_bar(recorded)]
    found = leaks or (hanging if len(hanging) > 1 else [])
    failed = [cut for cut in cuts if cut.errors]
    notes = []
    if failed:
        notes.append(
            f"At {len(failed)} of {plural(len(cuts), 'cut')} the strategy failed, so they say "
            f"less: {failed[0].errors[0]}"
        )
    if found:
        at = leaks or ends
        how = "reads the future" if leaks else "knows where its history ends"
        text = f"The strategy {how}: {_accuse(at, len(cuts), recorded, market, suspects)}"
        told = [_tell(cut, recorded, market) for cut in at[:SHOWN]]
        return Check(False, [text, *told, *notes], power)
    if not looked or len(looked) < min(FEWEST_CUTS, planned):
        reason = trouble or "There is no bar after which the history could be cut."
        return Check(None, notes or [reason], power)
    power += " Nothing already decided changed."
    if failed and not any(cut.shorter for cut in cuts):
        # What it reads by its place from the end, say, shows only where the end is elsewhere.
        text = (
            "The strategy failed on every shorter history, so it was only tried with other futures "
            f"of the same length: {failed[0].errors[-1]}"
        )
        return Check(None, [text], power)
    if ends:
        notes.insert(
            0,
            f"length_dependent: at {len(ends)} of {plural(len(cuts), 'cut')} a shorter history "
            "changed decisions, and no other future of the same length did. Something depends on "
            "how long the history is.",
        )
    count = len(looked)
    share = 100 * (1 - 0.05 ** (1 / count))
    listed = f"{UNCOVERED}, files read: {', '.join(files)}" if files else UNCOVERED
    power += (
        f" A leak visible at share f of such bars is missed with "
        f"(1−f)^{count}: {plural(count, 'cut')} find f ≥ {share:.1f} % with 95 %. "
        f"Not covered: {listed}."
    )
    return Check(True, notes, power)


def _leaks(cuts: Sequence[Cut]) -> list[Cut]:
    """Cuts at which another future changed a decision; that of the earliest decision first."""
    found = [(first_row(cut.by_future), cut.row, cut) for cut in cuts if cut.by_future.any()]
    return [cut for _, _, cut in sorted(found, key=lambda one: one[:2])]


def _ends(cuts: Sequence[Cut]) -> list[Cut]:
    """Cuts at which the end of the history changed a decision and no other future did."""
    return [cut for cut in cuts if cut.by_end.any() and not cut.by_future.any()]


def _accuse(
    at: Sequence[Cut], count: int, recorded: Decisions, market: Market, suspects: Sequence[str]
) -> str:
    row = first_row(at[0].changed)
    place = f"First at {when(market, row)}"
    if len(recorded.symbols) > 1:
        place += f" in {recorded.symbols[_first_column(at[0].changed, row)]}"
    columns = next((cut.columns for cut in at if cut.columns), [])
    if columns:
        place += f", {'column' if len(columns) == 1 else 'columns'} {', '.join(columns)}"
    if suspects:
        sure = "" if len(suspects) == 1 else "probably "
        place += f", {sure}through {' or '.join(suspects[:3])}"
    return f"{len(at)} of {plural(count, 'cut')} changed a decision already made. {place}."


def _tell(cut: Cut, recorded: Decisions, market: Market) -> str:
    """A changed decision, that next to the cut: what it was, and what another future makes it."""
    row = int(np.flatnonzero(cut.changed.any(axis=1))[-1])
    column = _first_column(cut.changed, row)
    runs = [*cut.futures, *([cut.shorter] if cut.shorter is not None else [])]
    one = next(run for run in runs if run.changed(recorded)[row, column])
    was, now = named_arrays(recorded), named_arrays(one.decided(recorded))
    name = next(n for n in now if differ(now[n][row], was[n][row])[column])
    future = {"rise": "a rising", "fall": "a falling"}.get(one.variant.mode, "no")
    return (
        f"{when(market, row)}: {name.replace('_', ' ')} of {recorded.symbols[column]} is "
        f"{_value(was[name][row, column])} with all data, {_value(now[name][row, column])} with "
        f"{future} future after {when(market, cut.row)}."
    )


def _first_column(cells: BoolArray, row: int) -> int:
    return int(np.flatnonzero(cells[row])[0])


def _value(value: np.bool_ | np.float64) -> str:
    return str(bool(value)) if isinstance(value, np.bool_) else f"{value:.6g}"


def _power(cuts: Sequence[Cut], looked: Sequence[Cut], decided: IntArray) -> str:
    ended = sum(cut.shorter is not None for cut in cuts)
    at = int(np.isin([cut.row for cut in cuts], decided).sum())
    text = f"{plural(ended, 'history')} cut, {at} at decisions; "
    text += f"{len(looked)} with the future perturbed."
    return text
