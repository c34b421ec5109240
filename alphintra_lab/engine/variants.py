"""How a strategy is run again for the checks: what is asked of its process, and what comes back."""

from __future__ import annotations

from typing import Literal

import msgspec

Mode = Literal["repeat", "rise", "fall", "truncate", "later"]
"""Identical; with a steadily rising or falling future; ended at a bar; begun at a later bar."""


class Variant(msgspec.Struct, frozen=True):
    """One more run over changed bars, and the rows of the full history whose decisions it tells."""

    mode: Mode
    first: int
    """First row that is compared."""
    end: int
    """Row after the last one that is compared."""
    time: int = 0
    """Nanoseconds since 1970 UTC: the last bar left as it was; for `later` the first one kept."""
    columns: list[str] = []
    """The only columns whose future changes; empty: all of them."""
    needed: bool = True
    """Runs also when the time for checks is used up."""


class Rerun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a variant gave. It comes out of the sandbox: untrusted until it is decoded."""

    variant: int
    """Its place in the list."""
    packed: bytes | None = None
    """Its decisions on the variant's rows (see reruns.py); None when it failed."""
    error: str | None = None
    """Why it failed: exception, text and line."""
    warmup: int | None = None
    """What the strategy declares."""
    expanding: bool = False
    files: list[str] = []
    """Files it opened that are neither code nor the environment's."""
