"""Where a job's own code runs. One file for each kind of place; they all speak `Runner`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from ...engine.variants import Variant
from ...sandbox.limits import JOB, Limits
from ..schema import JobError


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy to be run over bars. Paths are the host's; the files must not change meanwhile."""

    job_id: str
    folder: Path
    """The job's own folder: `job.json` and `out/` are made in it."""
    strategy_folder: Path
    """A snapshot of the strategy's folder."""
    entry: str = "strategy.py"
    class_name: str | None = None
    parameters: dict[str, Any] = {}
    bars: dict[str, Path]
    """A Parquet file for each symbol."""
    dataset: str | None = None
    """Its name, for error messages."""
    end: str | None = None
    """Bars from here on are not shown to the strategy (ISO 8601)."""
    variants: list[Variant] = []
    """Not one run but these, for the checks; what they decide is compared elsewhere."""
    budget: float = 60.0
    """Seconds after which variants that are not needed are left out."""
    last_seconds: float = 1800.0
    """Seconds after which even needed ones are; `limits.seconds` holds for each of them."""
    seed: int = 0
    limits: Limits = JOB

    @property
    def decisions(self) -> Path:
        """Where the decisions are after a run that ended well. Untrusted."""
        return self.folder / "out" / "decisions.msgpack"

    @property
    def reruns(self) -> Path:
        """What the variants decided, in the order in which they ran. Untrusted; may be cut off."""
        return self.folder / "out" / "reruns.msgpack"

    @property
    def product(self) -> Path:
        """The file that a run which ended well has written."""
        return self.reruns if self.variants else self.decisions

    @property
    def log(self) -> Path:
        """What the strategy printed; variants print nothing."""
        return self.folder / ("reruns.txt" if self.variants else "log.txt")


class RunStatus(msgspec.Struct, frozen=True):
    """How a run stands. `lost`: this runner knows nothing of it (its worker was restarted)."""

    state: Literal["running", "succeeded", "failed", "stopped", "lost"]
    progress: float = 0.0
    """From 0 to 1, as the strategy's process reports it."""
    seconds: float = 0.0
    error: JobError | None = None
    log_truncated: bool = False


class Runner(Protocol):
    """Starts runs and tells how they stand. What `start` gives is kept in the job's row."""

    async def start(self, spec: RunSpec) -> dict[str, Any]:
        """Start a run. Asked again for the same job id, give the same run."""

    async def status(self, handle: dict[str, Any]) -> RunStatus:
        """How the run stands now."""

    async def wait(self, handle: dict[str, Any]) -> RunStatus:
        """How it ended; waits for that."""

    async def stop(self, handle: dict[str, Any]) -> None:
        """End it at once if it runs, and forget it: the same job id may then be started anew."""
