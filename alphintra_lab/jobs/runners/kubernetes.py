"""Runs a strategy as a pod of a Kubernetes cluster: the same program as the local runner's.

Its files lie on a volume that the lab mounts, too. The pod is found again by its name, so the lab
that looks how a run stands need not be the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import math
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import Conflict, LabError, Unavailable
from ...sandbox import bubblewrap
from ...sandbox.cluster import INSTANCE, KubernetesCluster
from ...sandbox.pod_trouble import Ending, TryAgain, find_ending, find_obstacle, is_running
from ..schema import JobError
from . import RunSpec, RunStatus

# What a run's folder holds, and what its process may say of itself, is the same wherever it runs.
from .folder import lay_out, outputs, place_of, read_progress
from .kubernetes_run import PodRun, explain_ending, time_limit

if TYPE_CHECKING:
    from ...sandbox.pods import PodPlan

log = logging.getLogger(__name__)

POLL = 0.3
LOG_EVERY, LOG_ATTEMPTS = 2.0, 10
AWAY_SECONDS = 120.0
"""For so long the cluster's API may be away while a run is waited for."""
SPEC = "alphintra-lab/spec"
"""The annotation by which a pod is known to run just this."""
LONGEST = 45


@dataclass
class _Watch:
    """What this process has seen of a run."""

    since: float = field(default_factory=time.monotonic)
    begun: float | None = None
    logged: float = 0.0
    log_truncated: bool = False
    log_failures: int = 0
    looked: float = 0.0
    last: RunStatus = field(default_factory=lambda: RunStatus("running"))
    ended: RunStatus | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class KubernetesRunner:
    """Runs in pods, configured by `KubernetesCluster`."""

    def __init__(self, cluster: KubernetesCluster | None = None) -> None:
        """`cluster`: the settings; by default those of the environment."""
        self.cluster = cluster or KubernetesCluster()
        self._watches: dict[str, _Watch] = {}

    async def start(self, spec: RunSpec) -> dict[str, Any]:
        """Start a run; a pod that already runs just this, whoever started it, is taken on."""
        run = PodRun(
            pod=_name_pod(spec.job_id),
            folder=str(spec.folder),
            checks=bool(spec.variants),
            seconds=spec.last_seconds if spec.variants else spec.limits.seconds,
            limits=spec.limits,
        )
        watch = self._watches.get(run.pod)
        if watch is None or watch.ended is not None:
            watch = self._watches[run.pod] = _Watch()
        making = asyncio.ensure_future(asyncio.to_thread(self._create, spec, run))
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.wait({making})  # nobody is told of a pod that is made now
            with contextlib.suppress(LabError):
                await asyncio.to_thread(self.cluster.delete_pod, run.pod)
            raise
        except LabError as error:
            message = f"Nothing was run. {error.message}"
            watch.ended = RunStatus("failed", error=JobError("sandbox_failed", message))
        return {"runner": "kubernetes", "job_id": spec.job_id, "run": msgspec.to_builtins(run)}

    async def status(self, handle: dict[str, Any]) -> RunStatus:
        """How the run stands; what was last seen of it while the cluster's API is away."""
        run = msgspec.convert(handle["run"], PodRun)
        watch = self._watches.setdefault(run.pod, _Watch())
        with contextlib.suppress(Unavailable):
            await asyncio.to_thread(self._look, run, watch)
        return watch.ended or watch.last

    async def wait(self, handle: dict[str, Any]) -> RunStatus:
        """How it ended. Cancelling this leaves the run alone."""
        run = msgspec.convert(handle["run"], PodRun)
        watch = self._watches.setdefault(run.pod, _Watch())
        answered = time.monotonic()
        while watch.ended is None:
            try:
                await asyncio.to_thread(self._look, run, watch)
                answered = time.monotonic()
            except Unavailable as error:
                if time.monotonic() - answered > AWAY_SECONDS:
                    return RunStatus("lost", error=JobError("worker_lost", error.message))
            if watch.ended is None:
                await asyncio.sleep(POLL)
        return watch.ended

    async def stop(self, handle: dict[str, Any]) -> None:
        """Delete the pod, and forget the run; whoever waits for it is told."""
        run = msgspec.convert(handle["run"], PodRun)
        watch = self._watches.pop(run.pod, None)
        if watch is not None and watch.ended is None:
            error = JobError("cancelled", "The run was stopped.")
            watch.ended = RunStatus("stopped", watch.last.progress, error=error)
        try:
            await asyncio.to_thread(self.cluster.delete_pod, run.pod)
        except LabError as problem:
            # It ends by its deadline, and goes when the job is started again, or with its owner.
            log.warning("The pod %s is left behind: %s", run.pod, problem.message)

    def remove_orphans(self, alive: set[str]) -> list[str]:
        """Delete the pods of this lab's jobs whose ids are not `alive`; blocks."""
        return self.cluster.remove_orphans("job", {_label(job_id) for job_id in alive})

    def _create(self, spec: RunSpec, run: PodRun) -> None:
        from ...sandbox import pods

        mark, laid_out = _fingerprint(spec), False
        for _ in range(3):
            pod = self.cluster.read_pod(run.pod)
            if pod is not None and pod.metadata is not None:
                same = (pod.metadata.annotations or {}).get(SPEC) == mark
                # Made by another process just now, it would write into files that are replaced.
                ours = (pod.metadata.labels or {}).get(pods.INSTANCE) == INSTANCE
                if same and pod.metadata.deletion_timestamp is None and (ours or not laid_out):
                    return
                self.cluster.delete_pod(run.pod, wait=True)
            lay_out(spec)
            laid_out = True
            with contextlib.suppress(Conflict, TryAgain):  # made meanwhile, or the answer was lost
                self.cluster.create_pod(self._plan(spec, run, mark))
                return
            time.sleep(POLL)
        raise Unavailable(
            f"The pod {run.pod} could not be made in three attempts: the cluster's API does not "
            "answer, or somebody else deletes it. Try again in a minute."
        )

    def _plan(self, spec: RunSpec, run: PodRun, mark: str) -> PodPlan:
        from ...sandbox.pods import PodPlan

        user = bubblewrap.choose_user(spec.job_id)
        program = "rerun" if spec.variants else "decide"
        locate = self.cluster.locate
        start = self.cluster.start_seconds
        return PodPlan(
            name=run.pod,
            kind="job",
            id=_label(spec.job_id),
            command=["python", "-m", f"alphintra_lab.sdk.{program}", "/job/job.json"],
            user=user.user,
            group=user.group,
            own_user=user.real,
            limits=spec.limits,
            # The cluster's clock starts before the image is there, and holds when we are gone.
            deadline=None if run.seconds is None else math.ceil(run.seconds) + start,
            readonly={
                "/job/job.json": locate(spec.folder / "job.json"),
                "/strategy": locate(spec.strategy_folder),
                **{place_of(i, s): locate(path) for i, (s, path) in enumerate(spec.bars.items())},
            },
            # Files, not their folder: no link can be made there, and each has its largest size.
            writable={f"/out/{name}": locate(spec.folder / "out" / name) for name in outputs(spec)},
            annotations={SPEC: mark},
        )

    def _look(self, run: PodRun, watch: _Watch) -> None:
        """See how the pod stands; not again within `POLL` seconds."""
        with watch.lock:
            if watch.ended is not None or time.monotonic() - watch.looked < POLL:
                return
            status = self._read(run, watch)
            watch.looked = time.monotonic()
            if status.state == "running":
                watch.last = status
            elif watch.ended is None:  # else it was stopped while we looked
                watch.ended = status

    def _read(self, run: PodRun, watch: _Watch) -> RunStatus:
        pod = self.cluster.read_pod(run.pod)
        if pod is None:
            return LOST
        if ending := find_ending(pod):
            try:
                self._save_log(run, watch)
            except Unavailable:  # a node that is gone has no log any more
                watch.log_failures += 1
                if watch.log_failures < LOG_ATTEMPTS:
                    raise
            return self._conclude(run, watch, ending)
        now = time.monotonic()
        if not is_running(pod):
            why, hopeless = find_obstacle(pod)
            if hopeless or now - watch.since > self.cluster.start_seconds:
                self.cluster.delete_pod(run.pod)
                error = JobError("sandbox_failed", f"Nothing was run. {why}")
                return RunStatus("failed", error=error)
            return watch.last
        watch.begun = watch.begun or now
        seconds = now - watch.begun
        late = run.seconds is not None and seconds > run.seconds
        if late or now - watch.logged > LOG_EVERY:
            with contextlib.suppress(Unavailable):  # a loop without an end must still be ended
                self._save_log(run, watch)
            watch.logged = time.monotonic()
        if late:
            self.cluster.delete_pod(run.pod)
            return self._fail(run, watch, time_limit(run), seconds)
        progress = read_progress(run.spec) or watch.last.progress
        return RunStatus("running", progress, seconds, log_truncated=watch.log_truncated)

    def _save_log(self, run: PodRun, watch: _Watch) -> None:
        """Keep the first part of what it printed."""
        size = run.limits.log_bytes
        data = self.cluster.read_log(run.pod, size + 1)
        watch.log_truncated = len(data) > size
        run.spec.log.write_bytes(data[:size])

    def _conclude(self, run: PodRun, watch: _Watch, ending: Ending) -> RunStatus:
        error = explain_ending(run, ending, self.cluster.image)
        if error is not None:
            return self._fail(run, watch, error, ending.seconds)
        return RunStatus("succeeded", 1.0, ending.seconds, log_truncated=watch.log_truncated)

    def _fail(self, run: PodRun, watch: _Watch, error: JobError, seconds: float) -> RunStatus:
        progress = read_progress(run.spec) or watch.last.progress
        return RunStatus("failed", progress, seconds, error, watch.log_truncated)


LOST = RunStatus(
    "lost", error=JobError("worker_lost", "The pod that ran it is gone. Run it again.")
)


def _fingerprint(spec: RunSpec) -> str:
    """Tells two runs apart that have the same job id: a run, and its checks, part by part."""
    return hashlib.sha256(msgspec.json.encode(spec, enc_hook=str, order="sorted")).hexdigest()[:32]


def _label(job_id: str) -> str:
    """The job's id as labels and names of objects may hold it: itself, where it is a UUID."""
    safe = re.sub(r"[^a-z0-9-]+", "-", job_id.lower()).strip("-")
    if safe == job_id and len(safe) <= LONGEST:
        return safe
    return f"{safe[: LONGEST - 9]}-{hashlib.sha256(job_id.encode()).hexdigest()[:8]}"


def _name_pod(job_id: str) -> str:
    return f"alphintra-job-{_label(job_id)}"
