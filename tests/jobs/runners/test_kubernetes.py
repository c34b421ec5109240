"""Real strategies in pods of a fake cluster: how each run ends, and what is said about it."""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.engine.decisions import SignalDecisions, decode
from alphintra_lab.engine.variants import Variant
from alphintra_lab.jobs.runners import RunSpec, RunStatus
from alphintra_lab.jobs.runners.kubernetes import KubernetesRunner
from alphintra_lab.sandbox.cluster import KubernetesCluster
from alphintra_lab.sandbox.limits import MIB, Limits
from tests.emulators.kubernetes import CLAIM, IMAGE, NAMESPACE, FakeCluster, start_cluster
from tests.emulators.kubernetes_node import Fault

HEAD = "import os, signal, sys, time\nimport numpy as np\nfrom alphintra_lab.sdk import *\n"
GOOD = """
class Good(Strategy):
    def signals(self, bars):
        print("bars:", len(bars))
        return Signals(entries=bars["close"] > 1.5, exits=bars["close"] < 1.2)
"""


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    """A cluster whose volume is a folder of the test."""
    volume = tmp_path / "volume"
    volume.mkdir()
    with start_cluster(tmp_path / "cluster", volume) as cluster:
        yield cluster


def make_runner(fake: FakeCluster, **changes: Any) -> KubernetesRunner:
    """A runner as a process of the lab has it."""
    settings: dict[str, Any] = {
        "namespace": NAMESPACE,
        "image": IMAGE,
        "claim": CLAIM,
        "volume_path": str(fake.claims[CLAIM]),
        "kubeconfig": str(fake.write_kubeconfig()),
        "lab": "test",
        "start_seconds": 30,
        "check_network": False,
    }
    return KubernetesRunner(KubernetesCluster(**settings | changes))


def make_spec(fake: FakeCluster, code: str, **changes: Any) -> RunSpec:
    """A spec over one symbol with a slash in its name; the strategy's body is given."""
    volume = fake.claims[CLAIM]
    strategy, bars = volume / "strategy", volume / "bars.parquet"
    strategy.mkdir(exist_ok=True)
    (strategy / "strategy.py").write_text(HEAD + textwrap.dedent(code))
    if not bars.exists():
        index = pd.date_range("2024-01-01", periods=500, freq="h", tz="UTC", name="time")
        columns = ["open", "high", "low", "close", "volume"]
        close = np.linspace(1.0, 2.0, 500)
        pd.DataFrame(dict.fromkeys(columns, close), index=index).to_parquet(bars)
        bars.chmod(0o600)
    spec: dict[str, Any] = {
        "job_id": "0199d5ae-8f1c-7cc2-9f55-6a1b1e0c9d11",
        "folder": volume / "jobs" / "one",
        "strategy_folder": strategy,
        "bars": {"EUR/USD ../x": bars},
        "limits": Limits(seconds=30),
    }
    return RunSpec(**spec | changes)


def in_signals(statement: str) -> str:
    """A strategy whose `signals` does this."""
    return f"class S(Strategy):\n    def signals(self, bars):\n        {statement}\n"


SLEEP = in_signals("print('up', flush=True); time.sleep(60)")


async def run(fake: FakeCluster, code: str, **changes: Any) -> tuple[RunStatus, RunSpec]:
    """Run it to its end."""
    spec = make_spec(fake, code, **changes)
    runner = make_runner(fake)
    handle = await runner.start(spec)
    status = await runner.wait(handle)
    await runner.stop(handle)
    assert fake.of("pods") == []
    return status, spec


async def wait_until_up(runner: KubernetesRunner, handle: dict[str, Any], spec: RunSpec) -> None:
    """Until the strategy has said "up", and the log has reached us."""
    while not (spec.log.exists() and spec.log.read_text() == "up\n"):
        assert (await runner.status(handle)).state == "running"
        await asyncio.sleep(0.1)


async def test_a_good_strategy_leaves_decisions_and_a_log(fake: FakeCluster) -> None:
    status, spec = await run(fake, GOOD)
    assert status.error is None and status.state == "succeeded" and status.progress == 1.0
    decisions = decode(spec.decisions.read_bytes(), bars=500, symbols=["EUR/USD ../x"])
    assert isinstance(decisions, SignalDecisions)
    assert spec.log.read_text() == "bars: 500\n"


async def test_variants_run_again_under_the_same_job_id(fake: FakeCluster) -> None:
    await run(fake, GOOD)
    status, spec = await run(fake, GOOD, variants=[Variant("repeat", 400, 500)])
    assert status.state == "succeeded", status.error
    assert spec.reruns.stat().st_size > 0


async def test_an_error_in_the_code_names_its_line(fake: FakeCluster) -> None:
    status, _ = await run(fake, in_signals("return bars['clsoe']"))
    assert status.error is not None and status.error.code == "strategy_error"
    assert (status.error.exception, status.error.line) == ("KeyError", 6)


@pytest.mark.slow
async def test_20_gb_is_a_memory_error_that_names_the_limit(fake: FakeCluster) -> None:
    status, _ = await run(fake, in_signals("np.ones(20 * 1024**3, dtype='u1')"))
    assert status.error is not None and status.error.code == "memory_limit"
    assert "The limit is 2 GiB." in status.error.message and status.error.line == 6


@pytest.mark.slow
async def test_a_loop_without_end_stops_at_the_time_limit(fake: FakeCluster) -> None:
    code = in_signals("while True: pass")
    status, _ = await run(fake, code, limits=Limits(seconds=4))
    assert status.error is not None and status.error.code == "time_limit"
    assert status.error.message.startswith("Stopped at the time limit, 4 s.")


@pytest.mark.slow
async def test_the_deadline_holds_when_no_worker_looks(fake: FakeCluster) -> None:
    runner = make_runner(fake, start_seconds=3)
    handle = await runner.start(make_spec(fake, SLEEP, limits=Limits(seconds=2)))
    (pod,) = fake.of("pods")
    assert pod["spec"]["activeDeadlineSeconds"] == 5
    while pod["status"]["phase"] != "Failed":
        await asyncio.sleep(0.1)
    status = await make_runner(fake).wait(handle)  # another process looks later
    assert status.error is not None and status.error.code == "time_limit"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("os._exit(0)", "ended itself with exit code 0"),
        ("os._exit(3)", "ended itself with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
    ],
)
async def test_a_process_that_ends_itself_is_told(
    fake: FakeCluster, statement: str, said: str
) -> None:
    status, _ = await run(fake, in_signals(statement))
    assert status.error is not None and status.error.code == "process_died"
    assert said in status.error.message


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("oom", "memory_limit", "all the memory that it may, 2 GiB"),
        ("evicted", "process_died", 'Evicted: Usage of EmptyDir volume "tmp" exceeds the limit'),
        ("deadline", "time_limit", "Stopped at the time limit, 30 s."),
        ("image", "sandbox_failed", f"The image {IMAGE} cannot be pulled"),
    ],
)
async def test_what_the_cluster_does_to_a_pod_is_told_in_words(
    fake: FakeCluster, fault: Fault, code: str, said: str
) -> None:
    fake.fault = fault
    status, _ = await run(fake, SLEEP)
    assert status.state == "failed" and status.error is not None
    assert status.error.code == code and said in status.error.message


async def test_a_pod_that_no_node_takes_is_given_up(fake: FakeCluster) -> None:
    fake.fault = "unschedulable"
    runner = make_runner(fake, start_seconds=1)
    status = await runner.wait(await runner.start(make_spec(fake, GOOD)))
    assert status.error is not None and status.error.code == "sandbox_failed"
    assert "No node can take it: 0/3 nodes are available" in status.error.message
    assert fake.of("pods") == []


async def test_a_claim_that_is_not_there_is_named(fake: FakeCluster) -> None:
    runner = make_runner(fake, start_seconds=1, claim="gone")
    status = await runner.wait(await runner.start(make_spec(fake, GOOD)))
    assert status.error is not None
    assert 'persistentvolumeclaim "gone" not found' in status.error.message
    assert status.error.message.endswith("Look at KubernetesCluster.claim.")


async def test_an_image_without_the_lab_is_not_the_strategys_fault(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.emulators.kubernetes_node.IMAGE_FOLDER", "/elsewhere")
    monkeypatch.setattr("sys.prefix", "/usr")  # a Python without the lab in it
    status, _ = await run(fake, GOOD)
    assert status.error is not None and status.error.code == "sandbox_failed"
    assert "did not start the lab's program, so nothing was run" in status.error.message


async def test_a_pod_sees_no_other_job_and_can_make_no_file_or_link(fake: FakeCluster) -> None:
    other = fake.claims[CLAIM] / "jobs" / "other"
    other.mkdir(parents=True)
    code = f"""
    class S(Strategy):
        def signals(self, bars):
            print(os.path.exists({str(other)!r}), os.path.exists({str(fake.folder)!r}))
            print(sorted(os.listdir("/out")), sorted(os.listdir("/job")), os.getuid() != 0)
            for path in ("/out/more", "/job/more", "/strategy/more", "/data/more", "/more"):
                try:
                    open(path, "w")
                except OSError as error:
                    print(error.strerror)
            try:
                with open("/out/decisions.msgpack", "wb", buffering=0) as file:
                    while True:
                        file.write(bytes(1024**2))
            except OSError as error:
                print(error.strerror)
            print(sorted(name for name in os.environ if "SECRET" in name or "TOKEN" in name))
            import socket
            for address in (("127.0.0.1", PORT), ("1.1.1.1", 443)):
                try:
                    print(socket.create_connection(address, 2))
                except OSError as error:
                    print(error.strerror)
            os._exit(0)
    """.replace("PORT", str(fake.port))
    _, spec = await run(fake, code, limits=Limits(seconds=30, file_bytes=4 * MIB))
    assert spec.log.read_text().splitlines() == [
        "False False",
        "['decisions.msgpack', 'error.json', 'progress'] ['job.json'] True",
        *["Read-only file system"] * 5,
        "File too large",
        "[]",
        "Connection refused",
        "Network is unreachable",
    ]
    assert spec.decisions.stat().st_size == 4 * MIB


async def test_a_flood_on_stdout_is_cut_and_the_run_goes_on(fake: FakeCluster) -> None:
    code = GOOD.replace(
        'print("bars:", len(bars))', "[os.write(1, b'\\xff' * 9999) for _ in 'ab' * 99]"
    )
    status, spec = await run(fake, code, limits=Limits(seconds=30, log_bytes=100_000))
    assert status.state == "succeeded" and status.log_truncated
    assert spec.log.stat().st_size == 100_000


@pytest.mark.slow
async def test_a_second_start_and_another_process_find_the_same_pod(fake: FakeCluster) -> None:
    runner, spec = make_runner(fake), make_spec(fake, SLEEP)
    handle = await runner.start(spec)
    assert json.loads(json.dumps(handle)) == handle
    uid = fake.of("pods")[0]["metadata"]["uid"]
    later = make_runner(fake)
    assert await runner.start(spec) == handle == await later.start(spec)
    assert [pod["metadata"]["uid"] for pod in fake.of("pods")] == [uid]
    await wait_until_up(later, handle, spec)
    waiting = asyncio.create_task(later.wait(handle))
    await asyncio.sleep(0)
    await later.stop(handle)
    assert (await waiting).state == "stopped"
    assert (await later.status(handle)).state == "lost"
    await later.stop(handle)  # harmless


async def test_a_creation_whose_answer_is_lost_is_found_again(fake: FakeCluster) -> None:
    runner, spec = make_runner(fake), make_spec(fake, GOOD)
    await asyncio.to_thread(runner.cluster.open)
    fake.lost_answers = 1
    status = await runner.wait(await runner.start(spec))
    assert status.state == "succeeded", status.error
    assert fake.requests.count(f"POST /api/v1/namespaces/{NAMESPACE}/pods") == 1


async def test_a_pod_that_is_there_already_is_taken_on(fake: FakeCluster) -> None:
    runner, spec = make_runner(fake), make_spec(fake, SLEEP)
    handle = await runner.start(spec)
    uid = fake.of("pods")[0]["metadata"]["uid"]
    fake.stale_reads = 1
    assert await runner.start(spec) == handle
    assert fake.requests.count(f"POST /api/v1/namespaces/{NAMESPACE}/pods") == 2  # and a 409
    assert [pod["metadata"]["uid"] for pod in fake.of("pods")] == [uid]


async def test_a_pod_whose_files_were_replaced_is_made_anew(fake: FakeCluster) -> None:
    runner, spec = make_runner(fake), make_spec(fake, GOOD)
    await runner.start(spec)
    fake.of("pods")[0]["metadata"]["labels"]["alphintra-lab/instance"] = "another"
    fake.stale_reads = 1
    status = await runner.wait(await runner.start(spec))
    assert status.state == "succeeded" and spec.decisions.stat().st_size > 0


@pytest.mark.slow
async def test_other_code_under_the_same_job_id_gets_a_pod_of_its_own(fake: FakeCluster) -> None:
    runner = make_runner(fake)
    await runner.start(make_spec(fake, SLEEP))
    handle = await runner.start(make_spec(fake, GOOD, seed=7))
    assert (await runner.wait(handle)).state == "succeeded"


async def test_a_pod_that_somebody_deletes_is_lost(fake: FakeCluster) -> None:
    runner = make_runner(fake)
    handle = await runner.start(make_spec(fake, SLEEP))
    fake.delete("pods", fake.of("pods")[0]["metadata"]["name"])
    status = await runner.wait(handle)
    assert status.state == "lost" and status.error is not None
    assert status.error.code == "worker_lost"


@pytest.mark.slow
async def test_a_cluster_that_is_away_for_a_while_ends_no_run(fake: FakeCluster) -> None:
    runner, spec = make_runner(fake), make_spec(fake, in_signals("time.sleep(2)"))
    handle = await runner.start(spec)
    fake.away = True
    waiting = asyncio.create_task(runner.wait(handle))
    await asyncio.sleep(1)
    assert (await runner.status(handle)).state == "running" and not waiting.done()
    fake.away = False
    status = await waiting
    assert status.error is not None and status.error.code == "bad_decisions"  # it returned None


@pytest.mark.slow
async def test_a_node_without_an_answer_for_its_log_ends_no_run_and_keeps_no_loop(
    fake: FakeCluster,
) -> None:
    fake.logs_are_away = True
    status, spec = await run(fake, GOOD)
    assert status.state == "succeeded" and not spec.log.exists()
    loop = in_signals("while True: pass")
    status, _ = await run(fake, loop, limits=Limits(seconds=3))
    assert status.error is not None and status.error.code == "time_limit"


async def test_a_start_that_is_given_up_leaves_no_pod(fake: FakeCluster) -> None:
    runner = make_runner(fake)
    await asyncio.to_thread(runner.cluster.open)
    fake.delay = 0.5
    starting = asyncio.create_task(runner.start(make_spec(fake, SLEEP)))
    while not any(request.startswith("POST") and "pods" in request for request in fake.requests):
        await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert fake.of("pods") == []


async def test_a_busy_cluster_is_asked_again(fake: FakeCluster) -> None:
    fake.busy = 2
    status, _ = await run(fake, GOOD)
    assert status.state == "succeeded", status.error


async def test_a_pod_that_cannot_be_deleted_spoils_no_result(
    fake: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    runner = make_runner(fake)
    handle = await runner.start(make_spec(fake, GOOD))
    assert (await runner.wait(handle)).state == "succeeded"
    fake.away = True
    await runner.stop(handle)
    assert "is left behind: The cluster could not delete the pod (status 503)" in caplog.text


async def test_a_used_up_quota_runs_nothing_and_says_so(fake: FakeCluster) -> None:
    fake.pod_quota = 0
    runner = make_runner(fake)
    status = await runner.wait(await runner.start(make_spec(fake, GOOD)))
    assert status.error is not None and status.error.code == "sandbox_failed"
    assert status.error.message.startswith(
        "Nothing was run. The quota in the namespace lab is used"
    )


async def test_files_outside_of_the_volume_run_nothing_and_say_where(
    fake: FakeCluster, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    status = await (runner := make_runner(fake)).wait(
        await runner.start(make_spec(fake, GOOD, folder=elsewhere))
    )
    assert status.error is not None and status.error.code == "sandbox_failed"
    assert f"{elsewhere}/job.json does not lie below {fake.claims[CLAIM]}" in status.error.message


async def test_only_jobs_that_nobody_knows_are_orphans(fake: FakeCluster) -> None:
    runner = make_runner(fake)
    for job_id in ("known", "un_known"):
        await runner.start(make_spec(fake, SLEEP, job_id=job_id))
    other = make_runner(fake, lab="another")
    await other.start(make_spec(fake, SLEEP, job_id="theirs"))
    removed = await asyncio.to_thread(runner.remove_orphans, {"known"})
    assert len(removed) == 1 and removed[0].startswith("alphintra-job-un-known-")
    left = {pod["metadata"]["name"] for pod in fake.of("pods")}
    assert left == {"alphintra-job-known", "alphintra-job-theirs"}
