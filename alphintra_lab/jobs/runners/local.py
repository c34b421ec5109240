"""Runs a strategy on this machine: `alphintra_lab.sdk.decide`, or `.rerun`, inside bubblewrap."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import dataclass, field
from io import FileIO
from typing import Any, Literal

import msgspec

from ...sandbox import bubblewrap, process
from ...sandbox.view import TMP
from ...sandbox.zygote import Zygote
from ..schema import JobError
from . import RunSpec, RunStatus
from .folder import (
    describe_end,
    lay_out,
    out_of_memory,
    outputs,
    place_of,
    read_error,
    read_progress,
    show_memory,
)

Ending = Literal["time_limit", "stopped"]


class LocalRunner:
    """Runs in sandboxes that die with this process."""

    def __init__(self, refusal: str | None = None, zygote: Zygote | None = None) -> None:
        """`refusal`: why nothing may run here, as the failed self-test of the sandbox said.

        `zygote`: forks the runs as soon as it is ready; without one each of them starts cold.
        """
        self._refusal, self._zygote = refusal, zygote
        self._runs: dict[str, _Run] = {}

    async def start(self, spec: RunSpec) -> dict[str, Any]:
        """Start a run; the same job id gives the run that is already there."""
        if spec.job_id not in self._runs:
            run = self._runs[spec.job_id] = _Run(spec, self._zygote)
            work = run.execute() if self._refusal is None else _refuse(self._refusal)
            run.task = asyncio.create_task(work)
        return {"runner": "local", "job_id": spec.job_id}

    async def status(self, handle: dict[str, Any]) -> RunStatus:
        """How the run stands now."""
        run = self._runs.get(handle["job_id"])
        if run is None:
            return LOST
        return run.task.result() if run.task.done() else run.describe()

    async def wait(self, handle: dict[str, Any]) -> RunStatus:
        """How it ended. Cancelling this leaves the run alone."""
        run = self._runs.get(handle["job_id"])
        return LOST if run is None else await asyncio.shield(run.task)

    async def stop(self, handle: dict[str, Any]) -> None:
        """Kill the run and everything in its sandbox, also while it starts, and forget it."""
        run = self._runs.pop(handle["job_id"], None)
        if run is not None:
            run.end("stopped")
            await asyncio.wait({run.task})


async def _refuse(reason: str) -> RunStatus:
    message = f"The sandbox cannot be used, so nothing was run: {reason}"
    return RunStatus("failed", error=JobError("sandbox_failed", message))


LOST = RunStatus("lost", error=JobError("worker_lost", "The worker that ran it is gone."))


@dataclass
class _Run:
    spec: RunSpec
    zygote: Zygote | None
    task: asyncio.Task[RunStatus] = field(init=False)
    started: float = field(default_factory=time.monotonic)
    sandbox: process.Sandbox | None = None
    ending: Ending | None = None
    log_truncated: bool = False
    progress: float = 0.0

    def end(self, why: Ending) -> None:
        """Kill the sandbox, now or as soon as it is there; the first reason holds."""
        if self.ending is None:
            self.ending = why
        if self.sandbox is not None and self.sandbox.returncode is None:
            self.sandbox.kill()

    def describe(self) -> RunStatus:
        """A run that goes on."""
        self.progress = read_progress(self.spec) or self.progress
        return RunStatus("running", self.progress, time.monotonic() - self.started)

    async def execute(self) -> RunStatus:
        """Run it to its end, whatever that is; once more where only its zygote had ended."""
        status = await self._execute()
        if self.sandbox is not None and self.sandbox.was_lost() and self.ending is None:
            self.zygote = None
            status = await self._execute()
        return status

    async def _execute(self) -> RunStatus:
        spec = self.spec
        await asyncio.to_thread(lay_out, spec)
        program = "rerun" if spec.variants else "decide"
        self.sandbox = sandbox = await process.start(
            spec.job_id,
            [sys.executable, "-m", f"alphintra_lab.sdk.{program}", "/job/job.json"],
            limits=spec.limits,
            readonly={
                "/job/job.json": str(spec.folder / "job.json"),
                "/strategy": str(spec.strategy_folder),
                **{place_of(i, s): str(path) for i, (s, path) in enumerate(spec.bars.items())},
            },
            # Files, not their folder: what a job can put on the disk has an end.
            writable={f"/out/{name}": str(spec.folder / "out" / name) for name in outputs(spec)},
            cwd=TMP,
            zygote=self.zygote,
        )
        timer: asyncio.TimerHandle | None = None
        try:
            if self.ending is not None:
                sandbox.kill()
            seconds = spec.last_seconds if spec.variants else spec.limits.seconds
            if seconds is not None:
                left = self.started + seconds - time.monotonic()
                timer = asyncio.get_running_loop().call_later(left, self.end, "time_limit")
            with spec.log.open("wb", buffering=0) as log:  # read while it grows
                await self._copy_log(log)
            code = await sandbox.wait()
            return await asyncio.to_thread(self._conclude, code)
        finally:
            if timer is not None:
                timer.cancel()
            if sandbox.returncode is None:
                sandbox.kill()
                await sandbox.wait()
            await sandbox.close()

    async def _copy_log(self, log: FileIO) -> None:
        """Keep the first part of what it prints, and read on, so that it does not block."""
        assert self.sandbox is not None
        left = self.spec.limits.log_bytes
        while chunk := await self.sandbox.stdout.read(64 * 1024):
            log.write(chunk[:left])
            self.log_truncated = self.log_truncated or len(chunk) > left
            left = max(left - len(chunk), 0)

    def _conclude(self, code: int) -> RunStatus:
        seconds = time.monotonic() - self.started
        if self.ending == "stopped":
            error = JobError("cancelled", "The run was stopped.")
            return RunStatus("stopped", self.progress, seconds, error, self.log_truncated)
        failure = self._explain(code)
        state: Literal["succeeded", "failed"] = "failed" if failure else "succeeded"
        progress = self.progress if failure else 1.0
        return RunStatus(state, progress, seconds, failure, self.log_truncated)

    def _explain(self, code: int) -> JobError | None:
        """Why it failed, or None where it did not."""
        assert self.sandbox is not None
        limits = self.spec.limits
        if self.ending == "time_limit" and self.spec.variants:
            text = f"Running it again took longer than {self.spec.last_seconds:g} s, and was ended."
            return JobError("time_limit", text)
        if self.ending == "time_limit":
            return JobError(
                "time_limit",
                f"Stopped at the time limit, {limits.seconds:g} s. "
                "Look for a loop without an end, or use fewer bars.",
            )
        if not self.sandbox.was_launched():
            said = self.spec.log.read_text(errors="replace").strip()[:500]
            return JobError("sandbox_failed", bubblewrap.explain_failure(said))
        if code == 0 and self.spec.product.stat().st_size:
            return None
        if self.sandbox.ran_out_of_memory():
            return out_of_memory(limits)
        reported = read_error(self.spec.folder / "out" / "error.json")
        if code == 1 and reported is not None:
            if reported.code == "memory_limit":
                return msgspec.structs.replace(
                    reported, message=f"{reported.message} The limit is {show_memory(limits)}."
                )
            return reported
        if code == 128 + signal.SIGXCPU:
            return JobError(
                "time_limit", f"Stopped at the limit of {limits.cpu_seconds} s of computing."
            )
        return JobError("process_died", describe_end(code))
