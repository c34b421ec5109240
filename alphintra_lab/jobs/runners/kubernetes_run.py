"""A run in a pod: what is kept of it in the job's row, and what its end means."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec

from ...engine.variants import Variant
from ...sandbox.limits import Limits
from ...sandbox.pod_trouble import Ending
from ..schema import JobError
from . import RunSpec

# What a run's process may say of itself is the same wherever it runs.
from .folder import describe_end, out_of_memory, read_error, show_memory

OWN_ENDINGS = ("Completed", "Error", "Succeeded", "Failed")
"""The cluster's words where the program ended by itself."""


class PodRun(msgspec.Struct, frozen=True):
    """What is to be known of a run to tell how it stands; goes into the job's row."""

    pod: str
    folder: str
    checks: bool
    seconds: float | None
    limits: Limits

    @property
    def spec(self) -> RunSpec:
        """As much of it as names files and limits."""
        folder = Path(self.folder)
        variants = [Variant("repeat", 0, 0)] if self.checks else []
        return RunSpec(
            job_id=self.pod,
            folder=folder,
            strategy_folder=folder,
            bars={},
            variants=variants,
            limits=self.limits,
        )


def explain_ending(run: PodRun, ending: Ending, image: str) -> JobError | None:
    """Why it failed, or None where it did not."""
    if ending.reason == "OOMKilled":
        return out_of_memory(run.limits)
    if ending.reason == "DeadlineExceeded" and ending.started:
        return time_limit(run)
    if ending.reason not in OWN_ENDINGS:
        code = "process_died" if ending.launched else "sandbox_failed"
        said = ending.message.rstrip(".") or "no reason given"
        return JobError(
            code,
            f"The cluster ended the run: {ending.reason}: {said}. Run it again; if it happens "
            "again, print less and ask the cluster's owner.",
        )
    if not ending.launched:
        file = run.spec.log
        said = file.read_text(errors="replace").strip()[-500:] if file.exists() else "no log"
        return JobError(
            "sandbox_failed",
            f"The image {image} did not start the lab's program, so nothing was run: "
            f"{said}. It needs python on its PATH, and the lab's package.",
        )
    if ending.code == 0 and run.spec.product.stat().st_size:
        return None
    reported = read_error(run.spec.folder / "out" / "error.json")
    if ending.code == 1 and reported is not None:
        if reported.code == "memory_limit":
            text = f"{reported.message} The limit is {show_memory(run.limits)}."
            return msgspec.structs.replace(reported, message=text)
        return reported
    if ending.code == 128 + signal.SIGXCPU:
        text = f"Stopped at the limit of {run.limits.cpu_seconds} s of computing."
        return JobError("time_limit", text)
    return JobError("process_died", describe_end(ending.code or 0))


def time_limit(run: PodRun) -> JobError:
    """The error of a run that took too long."""
    if run.checks:
        text = f"Running it again took longer than {run.seconds:g} s, and was ended."
    else:
        text = (
            f"Stopped at the time limit, {run.seconds:g} s. "
            "Look for a loop without an end, or use fewer bars."
        )
    return JobError("time_limit", text)
