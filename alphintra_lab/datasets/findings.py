"""What can be wrong in bars, by name. Light: whoever overrides an error by its name asks here."""

from __future__ import annotations

from .schema import Severity

CHECKS: dict[str, tuple[Severity, str]] = {
    "missing_time": ("error", "The time is empty; the row was left out."),
    "mistyped_value": ("error", "A value is not a number; it was read as missing."),
    "non_finite": ("error", "A price is missing or infinite."),
    "non_positive_price": ("error", "A price is zero or negative."),
    "high_below_low": ("error", "The high is below the low."),
    "outside_high_low": ("error", "The open or the close lies outside high and low."),
    "negative_volume": ("error", "The volume is negative."),
    "decimal_jump": ("error", "A price is ten times or more off its neighbours: a decimal slip?"),
    "mixed_zone": (
        "warning",
        "The time has no zone, and others have one; it was read as UTC. Write it with its zone.",
    ),
    "duplicated_time": ("warning", "The time was there before; the later row was kept."),
    "unsorted_time": ("warning", "The time steps back; the rows were sorted."),
    "gap": ("warning", "Bars are missing before this one; nothing was filled in."),
    "stale_run": (
        "warning",
        "Five bars or more with the same prices and volume: a feed that hung?",
    ),
    "unadjusted_split": ("warning", "The price steps by a split's ratio overnight."),
    "missing_volume": ("warning", "The volume is missing or infinite."),
}
"""Check -> severity and what it means."""
