"""Times as files write them. Truth: Python's own datetime, and times worked out by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from alphintra_lab.datasets.times import MISSING, NO_ZONE, parse_times
from alphintra_lab.errors import Invalid

EVENING = int(dt.datetime(2017, 1, 13, 22, 5, 9, tzinfo=dt.UTC).timestamp())


def parse(*texts: str | None, day_first: bool | None = None) -> tuple[list[int], list[str]]:
    """Seconds since 1970, and the notes."""
    time, notes, _ = parse_times(pa.chunked_array([pa.array(texts, pa.string())]), day_first)
    assert not np.any(time % 10**9), "whole seconds were given"
    return (time // 10**9).tolist(), notes


@pytest.mark.parametrize(
    "text",
    [
        "2017-01-13T22:05:09Z",
        "2017-01-13 22:05:09+00:00",
        "2017-01-13T23:05:09+01:00",
        "2017-01-13 16:35:09-0530",
        "2017-01-13T22:05:09 UTC",
        "2017/01/13 22:05:09",
        "2017.1.13 22:05:09",
        " 2017-01-13 22:05:09.000 ",
        "13.01.2017 22:05:09.000",
        "13/01/2017 22:05:09",
        "01/13/2017 10:05:09 PM",
        "13-Jan-2017 22:05:09",
        "13 January 2017 22:05:09",
        "Jan 13, 2017 22:05:09",
        "20170113 220509",
        "20170113T22:05:09",
        "20170113220509",
        "1484345109",
        "1484345109000",
        "1484345109000000",
        "1484345109000000000",
        "1484345109.0",
    ],
)
def test_one_moment_is_read_alike_however_it_is_written(text: str) -> None:
    assert EVENING == 1_484_345_109  # what `date -d 2017-01-13T22:05:09Z +%s` prints
    assert parse(text)[0] == [EVENING]


@pytest.mark.parametrize("text", ["2017-01-13", "20170113", "13/01/2017", "2017-01-13 00:00"])
def test_a_date_alone_is_midnight(text: str) -> None:
    assert parse(text)[0] == [int(dt.datetime(2017, 1, 13, tzinfo=dt.UTC).timestamp())]


def test_half_past_noon_and_midnight_keep_their_halves() -> None:
    noon, midnight = parse("01/13/2017 12:30 PM", "01/13/2017 12:30 AM")[0]
    assert noon - midnight == 12 * 3600
    assert noon == int(dt.datetime(2017, 1, 13, 12, 30, tzinfo=dt.UTC).timestamp())


def test_nanoseconds_survive() -> None:
    time, *_ = parse_times(pa.chunked_array([["2017-01-13T22:05:09.123456789Z"]]))
    assert time.tolist() == [1_484_345_109_123_456_789]
    time, *_ = parse_times(pa.chunked_array([["1484345109123456789"]]))
    assert time.tolist() == [1_484_345_109_123_456_789]


def test_times_without_a_zone_are_said_to_be_read_as_utc() -> None:
    assert parse("2017-01-13 22:05:09")[1] == [NO_ZONE]
    assert parse("2017-01-13T22:05:09Z", "2017-01-13T22:05:09+01:00")[1] == []


def test_times_of_which_some_have_a_zone_are_counted_and_named() -> None:
    texts = ["2017-01-13T22:05:09Z", "2017-01-14 22:05:09", "", "2017-01-15 22:05:09", None]
    _, notes, unzoned = parse_times(pa.chunked_array([texts, ["2017-01-16T22:05:09+01:00"]]))
    assert notes == ["2 of 4 times had no zone and were read as UTC"]
    assert unzoned.tolist() == [1, 3]
    assert parse_times(pa.chunked_array([texts[1:2]])).unzoned.tolist() == [], "all alike"


def test_a_number_above_twelve_anywhere_tells_day_from_month() -> None:
    day_first, notes = parse("03/04/2017", "13/04/2017")
    assert day_first[0] == int(dt.datetime(2017, 4, 3, tzinfo=dt.UTC).timestamp())
    assert "dates were read day first" in notes
    month_first, notes = parse("03/04/2017", "04/13/2017")
    assert month_first[0] == int(dt.datetime(2017, 3, 4, tzinfo=dt.UTC).timestamp())
    assert "dates were read month first" in notes


def test_an_ambiguous_date_is_refused_by_name_until_somebody_says() -> None:
    with pytest.raises(Invalid, match=r"row 1 is '03/04/2017'.*day or month") as refused:
        parse("04/04/2017", "03/04/2017")
    assert refused.value.field == "day_first"
    april = parse("04/04/2017", "03/04/2017", day_first=True)[0][1]
    march = parse("04/04/2017", "03/04/2017", day_first=False)[0][1]
    assert april == int(dt.datetime(2017, 4, 3, tzinfo=dt.UTC).timestamp())
    assert march == int(dt.datetime(2017, 3, 4, tzinfo=dt.UTC).timestamp())


def test_what_the_file_shows_wins_over_what_was_said() -> None:
    assert parse("13/04/2017", day_first=False) == parse("13/04/2017")


def test_dates_with_dots_are_day_first_and_say_so() -> None:
    time, notes = parse("03.04.2017")
    assert time == [int(dt.datetime(2017, 4, 3, tzinfo=dt.UTC).timestamp())]
    assert any("day first" in note for note in notes)


def test_days_and_months_that_swap_within_a_file_are_refused() -> None:
    with pytest.raises(Invalid, match=r"row 2 is '04/13/2017'.*row 0"):
        parse("13/04/2017", "03/04/2017", "04/13/2017")


@pytest.mark.parametrize(
    "text", ["2017-02-29", "2017-13-01", "2017-01-13 24:00", "2017-01-13 22:60", "31.04.2017"]
)
def test_a_time_that_does_not_exist_is_refused_with_its_row(text: str) -> None:
    good = "13.01.2017" if "." in text else "2017-01-13"
    with pytest.raises(Invalid, match="time at row 2"):
        parse(good, None, text)


def test_a_leap_day_exists() -> None:
    assert parse("2016-02-29")[0] == [int(dt.datetime(2016, 2, 29, tzinfo=dt.UTC).timestamp())]


def test_a_word_among_times_is_refused_with_value_and_row() -> None:
    with pytest.raises(Invalid, match="time at row 1 is 'soon'"):
        parse("2017-01-13", "soon")


@pytest.mark.parametrize("text", ["0", "17", "42737.5", "hello", "1/2/17"])
def test_what_is_no_time_we_know_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="time at row 0"):
        parse(text)


def test_empty_times_are_missing_not_wrong() -> None:
    time, *_ = parse_times(pa.chunked_array([["2017-01-13", "", None, "NaN", "2017-01-14"]]))
    assert (time == MISSING).tolist() == [False, True, True, True, False]


def test_long_files_number_their_rows_across_slices() -> None:
    texts = ["2017-01-13"] * 500_010 + ["2017-02-30"]
    with pytest.raises(Invalid, match="time at row 500010"):
        parse_times(pa.chunked_array([texts]))
