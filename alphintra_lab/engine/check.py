"""What a check says. Light, so that the verdict can be made wherever it is shown."""

from __future__ import annotations

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One check: passed (None: not assessable), what it found, how hard it looked."""

    passed: bool | None
    findings: list[str]
    """Sentences, the most important first: the verdict quotes that one."""
    power: str


RERUN_CHECKS = ("look_ahead", "warm_up", "determinism")
"""The checks that need the strategy's code to run again."""


def unchecked(reason: str = "The checks were stopped before they ended.") -> dict[str, Check]:
    """Those checks, none of them made: never passed, and each says why."""
    return {name: Check(passed=None, findings=[reason], power="") for name in RERUN_CHECKS}
