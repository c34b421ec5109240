"""Each check finds what was planted, in the rows where it was planted, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.datasets.checks import score
from alphintra_lab.datasets.schema import Finding, Severity
from alphintra_lab.datasets.sources import find_file
from tests.datasets.files import prepare

Change = Callable[[pd.DataFrame], pd.DataFrame]


def make_frame(rows: int = 600) -> pd.DataFrame:
    """Sound hourly bars, around the clock: a seeded random walk."""
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.005, rows)))
    open_ = np.r_[100.0, close[:-1]] * np.exp(rng.normal(0, 0.001, rows))
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=rows, freq="h", tz="UTC"),
            "open": open_,
            "high": top * 1.001,
            "low": bottom * 0.999,
            "close": close,
            "volume": rng.integers(1, 1000, rows).astype(float),
        }
    )


def found(folder: Path, frame: pd.DataFrame) -> dict[str, tuple[int, list[int]]]:
    report = prepare(folder, frame.to_csv(index=False)).report
    return {finding.check: (finding.count, finding.rows) for finding in report.findings}


def set_value(column: str, row: int, value: float) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row, column] = value
        return frame

    return change


def scale(rows: slice, factor: float) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[rows, ["open", "high", "low", "close"]] *= factor
        return frame

    return change


def repeat_row(row: int, *, at_end: bool) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        place = len(frame) if at_end else row + 1
        return pd.concat([frame[:place], frame[row : row + 1], frame[place:]], ignore_index=True)

    return change


def swap(row: int) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        order = np.arange(len(frame))
        order[[row, row + 1]] = order[[row + 1, row]]
        return frame.iloc[order]

    return change


def freeze(first: int, count: int) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        names = ["open", "high", "low", "close", "volume"]
        frame.loc[first : first + count - 1, names] = frame.loc[first, names].to_numpy()
        return frame

    return change


def take_out(rows: list[int]) -> Change:
    return lambda frame: frame.drop(index=rows)


def test_sound_bars_are_clean(tmp_path: Path) -> None:
    assert found(tmp_path, make_frame()) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (set_value("high", 40, 1.0), {"high_below_low": (1, [40]), "decimal_jump": (1, [40])}),
        (set_value("high", 40, 99.0), {"high_below_low": (1, [40])}),
        (set_value("open", 40, 95.0), {"outside_high_low": (1, [40])}),
        (set_value("close", 40, -3.0), {"non_positive_price": (1, [40])}),
        (set_value("low", 40, 0.0), {"non_positive_price": (1, [40])}),
        (set_value("volume", 40, -1.0), {"negative_volume": (1, [40])}),
        (set_value("volume", 40, np.nan), {"missing_volume": (1, [40])}),
        (set_value("close", 40, np.nan), {"non_finite": (1, [40])}),
        (set_value("high", 40, np.inf), {"non_finite": (1, [40])}),
        (repeat_row(40, at_end=False), {"duplicated_time": (1, [41])}),
        (
            repeat_row(40, at_end=True),
            {"duplicated_time": (1, [600]), "unsorted_time": (1, [600])},
        ),
        (swap(40), {"unsorted_time": (1, [41])}),
        (take_out([40, 41, 42]), {"gap": (3, [40])}),
        (take_out([40, 90]), {"gap": (2, [40, 89])}),
        (freeze(40, 5), {"stale_run": (5, [40])}),
        (freeze(40, 4), {}),
        (scale(slice(40, 40), 100), {"decimal_jump": (1, [40])}),
        (scale(slice(40, 40), 0.1), {"decimal_jump": (1, [40])}),
        (scale(slice(40, 42), 10), {"decimal_jump": (3, [40, 41, 42])}),
        (scale(slice(0, 0), 100), {"decimal_jump": (1, [0])}),
        (scale(slice(599, 599), 100), {"decimal_jump": (1, [599])}),
        (scale(slice(300, 599), 0.01), {"decimal_jump": (1, [300])}),
        (scale(slice(300, 599), 1 / 2), {"unadjusted_split": (1, [300])}),
        (scale(slice(300, 599), 2 / 3), {"unadjusted_split": (1, [300])}),
        (scale(slice(300, 599), 1 / 7), {"unadjusted_split": (1, [300])}),
        (scale(slice(300, 599), 1 / 20), {"unadjusted_split": (1, [300])}),
        (scale(slice(300, 599), 10), {"unadjusted_split": (1, [300])}),
        (scale(slice(300, 599), 0.88), {}),
    ],
)
def test_what_is_planted_is_found_in_its_rows(
    tmp_path: Path, change: Change, expected: dict[str, tuple[int, list[int]]]
) -> None:
    frame = make_frame()
    if expected.keys() & {"high_below_low", "outside_high_low"}:
        frame.loc[40, ["open", "high", "low", "close"]] = [100, 101, 99.5, 100.5]
        frame.loc[41, ["open", "high", "low", "close"]] = [100, 101, 99.5, 100.5]
    assert found(tmp_path, change(frame)) == expected


def test_rows_are_those_of_the_file_even_where_it_is_not_sorted(tmp_path: Path) -> None:
    frame = make_frame()
    frame.loc[100, "volume"] = -5
    turned = frame.iloc[::-1]  # row 100 of 600 now stands in row 499
    assert found(tmp_path, turned)["negative_volume"] == (1, [499])


def test_only_the_first_hundred_rows_are_named_and_all_are_counted(tmp_path: Path) -> None:
    frame = make_frame()
    frame.loc[50:349, "volume"] = -1.0
    assert found(tmp_path, frame)["negative_volume"] == (300, list(range(50, 150)))


def test_unequal_repeats_keep_the_later_row_and_say_how_many(tmp_path: Path) -> None:
    frame = make_frame(50)
    again = frame.iloc[[10, 20]].copy()
    again.loc[20, "volume"] = 12345
    text = pd.concat([frame, again]).to_csv(index=False)
    prepared = prepare(tmp_path, text)
    (message,) = [f.message for f in prepared.report.findings if f.check == "duplicated_time"]
    assert "1 of the repeats differ" in message
    assert prepared.rows == 50


def test_a_finding_names_its_symbol_when_there_is_one(tmp_path: Path) -> None:
    frames = [make_frame(50).assign(symbol=name) for name in ("A", "B", "C")]
    frames[1].loc[7, "volume"] = -1
    report = prepare(tmp_path, pd.concat(frames).to_csv(index=False)).report
    assert [(f.check, f.symbol, f.rows) for f in report.findings] == [
        ("negative_volume", "B", [57])
    ]


def test_real_splits_are_found_and_a_real_crash_is_not(tmp_path: Path) -> None:
    """Apple split 2:1 on 21 June 2000 and 28 February 2005, and fell by half on 29 September 2000.
    Microsoft split 2:1 on 18 February 2003.
    """
    stocks = pd.read_csv(find_file("bokeh_sampledata", "_data/stocks.csv.gz"))
    raw = stocks[stocks["Ticker"].isin(["AAPL", "MSFT"])].drop(columns="Adj Close")
    report = prepare(tmp_path, raw.to_csv(index=False)).report
    (splits,) = report.findings
    assert splits.check == "unadjusted_split"
    days = raw.reset_index(drop=True).loc[splits.rows]
    assert list(zip(days["Ticker"], days["Date"], strict=True)) == [
        ("AAPL", "2000-06-21"),
        ("AAPL", "2005-02-28"),
        ("MSFT", "2003-02-18"),
    ]


def test_the_score_is_one_less_what_each_finding_costs() -> None:
    def finding(severity: Severity, count: int) -> Finding:
        return Finding(check="x", severity=severity, count=count, rows=[], message="")

    # 10 of 1000 rows: 10 x 0.01 = 0.1. 30 of 1000: 2 x 0.03 = 0.06.
    assert score([finding("error", 10), finding("warning", 30)], 1000) == pytest.approx(0.84)
    # Caps: 0.5 for an error, 0.1 for a warning, nothing for a note.
    assert score([finding("error", 900)], 1000) == 0.5
    assert score([finding("warning", 900), finding("note", 900)], 1000) == 0.9
    assert score([finding("error", 900)] * 3, 1000) == 0.0
    assert score([], 1000) == 1.0


def test_the_score_of_a_file_counts_the_rows_it_came_with(tmp_path: Path) -> None:
    frame = make_frame(100)
    frame.loc[[5, 6], "volume"] = -1
    report = prepare(tmp_path, frame.to_csv(index=False)).report
    assert report.score == pytest.approx(1 - 10 * 2 / 100)
