"""What a request needs to know of the running lab; made once by the composition roots."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from ..db import Database


@dataclass
class Lab:
    """The open lab: its database, its folders, its limits, and what is known of its back ends."""

    database: Database
    home: Path
    workspace: Path
    upload_limit: int = 2 * 1024**3
    """Bytes."""
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the schema is at its newest revision; requests wait for it."""
    sandbox: dict[str, object] = field(default_factory=lambda: {"state": "starting"})
    """The self-test's answer."""
    datasets: str = "starting"
    """`ready` once the platform's own datasets are here, or why they are not."""
    worker: str = "starting"
    watchers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """What follows each debug session's kernel, by the session's id."""

    @property
    def store(self) -> Path:
        """The folder of the datasets' files."""
        return self.home / "store"

    @property
    def jobs(self) -> Path:
        """The folder of the jobs' folders."""
        return self.home / "jobs"
