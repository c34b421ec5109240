"""Real kernels in pods of a fake cluster, through Jupyter's own manager; and what is sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from kubernetes.config import incluster_config
from traitlets.config import Config

from alphintra_lab.errors import Conflict, Invalid, LabError, NotFound, Unavailable
from alphintra_lab.sandbox import cluster_setup, pods
from alphintra_lab.sandbox.cluster import INSTANCE, KubernetesCluster
from alphintra_lab.sandbox.kubernetes import KubernetesProvisioner
from alphintra_lab.sandbox.limits import Limits
from alphintra_lab.sandbox.provisioner import BubblewrapProvisioner
from tests.emulators.kubernetes import (
    CLAIM,
    IMAGE,
    NAMESPACE,
    SERVER,
    FakeCluster,
    start_cluster,
)
from tests.emulators.kubernetes_rules import Object, may_connect

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """A cluster whose volume holds a workspace with two strategies and keys, and the lab's home."""
    volume = tmp_path / "volume"
    root = volume / "workspace"
    for name in ("one", "two"):
        (root / "strategies" / name).mkdir(parents=True)
        (root / "strategies" / name / "strategy.py").write_text(f"NAME = {name!r}\n")
    (root / "home").mkdir()
    (root / "home" / "lab.db").write_text("rows")
    (root / ".env").write_text("SECRET_KEY=hunter2")
    monkeypatch.setattr(BubblewrapProvisioner, "workspace", root)
    monkeypatch.setattr(BubblewrapProvisioner, "home", root / "home")
    monkeypatch.setattr(KubernetesProvisioner, "_clusters", {})
    monkeypatch.setattr(KubernetesProvisioner, "_cleared", set())
    with start_cluster(tmp_path / "cluster", volume) as cluster:
        yield cluster


def own_folder(fake: FakeCluster) -> Path:
    """The folder of the strategy whose notebook is open."""
    return fake.claims[CLAIM] / "workspace" / "strategies" / "one"


def settings(fake: FakeCluster, **changes: Any) -> dict[str, Any]:
    """What an owner configures."""
    return {
        "namespace": NAMESPACE,
        "image": IMAGE,
        "claim": CLAIM,
        "volume_path": str(fake.claims[CLAIM]),
        "kubeconfig": str(fake.write_kubeconfig()),
        "lab": "test",
        "start_seconds": 30,
        "check_network": False,
    } | changes


class Kernel:
    """A started kernel and a client of it."""

    def __init__(self, manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        self.manager, self.client = manager, client

    async def run(self, code: str) -> str:
        """What a cell printed, or the name and text of its error."""
        said: list[str] = []

        def note(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                said.append(content["text"])
            elif message["msg_type"] == "error":
                said.append(f"{content['ename']}: {content['evalue']}")

        await self.client.execute_interactive(
            textwrap.dedent(code), timeout=30, output_hook=note, store_history=False
        )
        return "".join(said)


@contextlib.asynccontextmanager
async def open_kernel(fake: FakeCluster, **changes: Any) -> AsyncIterator[Kernel]:
    """A kernel that is ready, in the folder of its strategy."""
    specs = KernelSpecManager(kernel_dirs=[str(ROOT / "kernels")])
    manager = AsyncKernelManager(
        kernel_name="alphintra-kubernetes",
        kernel_spec_manager=specs,
        config=Config({"KubernetesCluster": settings(fake, **changes)}),
    )
    await manager.start_kernel(cwd=str(own_folder(fake)))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def test_a_cell_runs_in_a_pod_that_is_gone_afterwards(fake: FakeCluster) -> None:
    own = own_folder(fake)
    async with open_kernel(fake) as kernel:
        assert await kernel.run("print(Strategy.__name__, 6 * 7)") == "Strategy 42\n"
        assert await kernel.run("import os, strategy; print(os.getcwd(), strategy.NAME)") == (
            f"{own} one\n"
        )
        assert await kernel.run("open('notes.txt', 'w').write('kept')") == ""
        assert await kernel.run("print(open('../two/strategy.py').read())") == "NAME = 'two'\n\n"
        for path in ("../two/strategy.py", "../new.py", "../../new.py", "/new", "/run/alphintra/x"):
            assert "Read-only file system" in await kernel.run(f"open({path!r}, 'w')"), path
        # The server would follow it, and nobody answers for what the cluster's own filter allows.
        assert await kernel.run("import os; os.symlink('/etc/passwd', 'link')") == (
            "PermissionError: [Errno 1] Operation not permitted: '/etc/passwd' -> 'link'"
        )
        (pod,) = fake.of("pods")
        (secret,) = fake.of("secrets")
        assert secret["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
        # Keys stand in the secret alone.
        info = kernel.manager.get_connection_info()
        for key in ("curve_secretkey", "key"):
            assert str(info[key]).strip("b'") not in str(pod)
    assert (own / "notes.txt").read_text() == "kept"
    assert fake.of("pods") == fake.of("secrets") == []


@pytest.mark.slow
async def test_a_kernel_sees_no_key_no_home_and_nothing_of_the_servers_environment(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@db/lab")
    async with open_kernel(fake) as kernel:
        seen = await kernel.run(
            """
            import os, pathlib
            root = pathlib.Path("../..").resolve()
            print(dict(os.environ), open("/proc/1/cmdline").read())
            print(sorted(os.listdir(root)), os.listdir(root / "home"), (root / ".env").read_text())
            print(os.path.exists("/var/run/secrets"), os.getuid() == 0)
            """
        )
    assert "hunter2" not in seen and "rows" not in seen
    assert "['.env', 'home', 'strategies'] [] \nFalse False" in seen


@pytest.mark.slow
async def test_the_sdks_line_says_plainly_that_it_is_not_there(fake: FakeCluster) -> None:
    async with open_kernel(fake) as kernel:
        for call in ("load_bars('sp500-1d')", "datasets()"):
            said = await kernel.run(call)
            assert said.startswith(
                "LineError: load_bars, datasets and backtest ask the lab's server"
            )
            assert "Press Run to backtest this strategy" in said


@pytest.mark.slow
async def test_nobody_without_the_key_reads_what_a_kernel_says(fake: FakeCluster) -> None:
    async with open_kernel(fake) as kernel:
        info = kernel.manager.get_connection_info()
        context = zmq.asyncio.Context()
        stranger, control = context.socket(zmq.SUB), context.socket(zmq.SUB)
        control.curve_serverkey = str(info["curve_publickey"]).encode()
        control.curve_publickey, control.curve_secretkey = zmq.curve_keypair()
        for listener in (stranger, control):
            listener.subscribe("")
            listener.connect(f"tcp://{info['ip']}:{info['iopub_port']}")
        await asyncio.sleep(0.5)
        assert await kernel.run("print('secret')") == "secret\n"
        assert await control.poll(5000) and not await stranger.poll(500)
        context.destroy(linger=0)


@pytest.mark.slow
async def test_a_restart_gets_another_pod_other_ports_and_an_empty_memory(
    fake: FakeCluster,
) -> None:
    async with open_kernel(fake) as kernel:
        assert await kernel.run("x = 1") == ""
        before, ports = fake.of("pods")[0]["metadata"], list(kernel.manager.ports)
        await kernel.manager.restart_kernel(now=True)
        (pod,) = fake.of("pods")
        assert pod["metadata"]["name"] != before["name"] and kernel.manager.ports != ports
        kernel.client.stop_channels()
        kernel.client = kernel.manager.client()
        kernel.client.start_channels()
        await kernel.client.wait_for_ready(timeout=60)
        assert "NameError" in await kernel.run("x")


@pytest.mark.slow
async def test_a_kernel_that_ends_is_noticed_and_its_end_is_told(
    fake: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_kernel(fake) as kernel:
        kernel.client.execute("import os; os._exit(7)")
        while await kernel.manager.is_alive():
            await asyncio.sleep(0.1)
        assert kernel.manager.provisioner is not None
        assert await kernel.manager.provisioner.poll() == 7
    assert "It ended itself with exit code 7." in caplog.text


@pytest.mark.slow
async def test_an_interrupt_reaches_the_cell(fake: FakeCluster) -> None:
    async with open_kernel(fake) as kernel:
        cell = asyncio.create_task(kernel.run("import time; print('up'); time.sleep(60)"))
        await asyncio.sleep(1)
        await kernel.manager.interrupt_kernel()
        assert "KeyboardInterrupt" in await cell


@pytest.mark.slow
async def test_the_debugger_attaches(fake: FakeCluster) -> None:
    async with open_kernel(fake) as kernel:
        session = kernel.client.session
        request = {"type": "request", "command": "initialize", "seq": 1}
        arguments = {"clientID": "test", "adapterID": "python", "pathFormat": "path"}
        message = session.msg("debug_request", request | {"arguments": arguments})
        kernel.client.control_channel.send(message)
        reply = await kernel.client.control_channel.get_msg(timeout=30)
        assert reply["content"]["success"]


@pytest.mark.slow
async def test_orphans_of_an_earlier_server_are_removed_those_of_others_are_not(
    fake: FakeCluster,
) -> None:
    def add(name: str, lab: str, instance: str, kind: str = "kernel") -> None:
        own = {"alphintra-lab/lab": lab, "alphintra-lab/instance": instance}
        managed = {"app.kubernetes.io/managed-by": "alphintra-lab"}
        fake.add("pods", name, managed | own | {"alphintra-lab/kind": kind})

    add("earlier", "test", "before")
    add("present", "test", INSTANCE)
    add("theirs", "other", "before")
    add("job", "test", "before", "job")
    await asyncio.to_thread(KubernetesCluster(**settings(fake)).open)
    assert len(fake.of("pods")) == 4  # a worker has kernels of no server to remove
    async with open_kernel(fake):
        names = {pod["metadata"]["name"] for pod in fake.of("pods")}
    assert names & {"earlier", "present", "theirs", "job"} == {"present", "theirs", "job"}


@pytest.mark.slow
async def test_what_the_lab_owns_goes_with_its_deployment(fake: FakeCluster) -> None:
    fake.add("deployments", "alphintra-lab")
    async with open_kernel(fake, owner="Deployment/alphintra-lab") as kernel:
        assert len(fake.of("pods")) == len(fake.of("secrets")) == 1
        fake.delete("deployments", "alphintra-lab")
        assert fake.of("pods") == fake.of("secrets") == []
        kernel.client.stop_channels()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("image", f"The image {IMAGE} cannot be pulled"),
        ("unschedulable", "No node can take it: 0/3 nodes are available"),
    ],
)
async def test_a_kernel_that_cannot_start_says_why_and_leaves_nothing(
    fake: FakeCluster, fault: Any, said: str
) -> None:
    fake.fault = fault
    with pytest.raises(RuntimeError, match=said):
        async with open_kernel(fake, start_seconds=1):
            raise AssertionError("a kernel started")
    assert fake.of("pods") == fake.of("secrets") == []


async def test_the_cluster_is_never_asked_on_the_event_loop(fake: FakeCluster) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    fake.delay = 0.5
    beating = asyncio.create_task(tick())
    provisioner = KubernetesProvisioner(config=Config({"KubernetesCluster": settings(fake)}))
    provisioner._pod = "gone"
    assert await provisioner.poll() == -9  # opening and looking: four requests and more
    beating.cancel()
    assert ticks > 50


@pytest.mark.slow
async def test_in_a_pod_the_service_account_and_the_pod_itself_are_taken(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = fake.write_service_account()
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(account / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(account / "ca.crt"))
    monkeypatch.setattr(cluster_setup, "SERVICE_ACCOUNT", account)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(fake.port))
    own = fake.add("pods", socket.gethostname())
    async with open_kernel(fake, kubeconfig="", namespace="") as kernel:
        assert await kernel.run("print(1)") == "1\n"
        (pod,) = [one for one in fake.of("pods") if one is not own]
        assert pod["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": socket.gethostname(),
                "uid": own["metadata"]["uid"],
            }
        ]


def test_a_cluster_with_another_certificate_is_not_talked_to(
    fake: FakeCluster, tmp_path: Path
) -> None:
    with start_cluster(tmp_path / "other", tmp_path) as other:
        config = other.write_kubeconfig().read_text()
    path = tmp_path / "kubeconfig"
    path.write_text(config.replace(str(other.port), str(fake.port)))
    with pytest.raises(Unavailable, match="certificate"):
        open_with(fake, kubeconfig=str(path))
    assert fake.requests == []


# What is sent.


def make_plan(**changes: Any) -> pods.PodPlan:
    """A plan as the runner makes it."""
    plan: dict[str, Any] = {
        "name": "alphintra-job-1",
        "kind": "job",
        "id": "1",
        "command": ["sleep", "60"],
        "user": 1_900_000_007,
        "group": 1_899_999_999,
        "own_user": True,
        "limits": Limits(),
        "deadline": 400,
        "readonly": {"/strategy": "workspace/strategies/one"},
        "writable": {},
    }
    return pods.PodPlan(**plan | changes)


def send(fake: FakeCluster, plan: pods.PodPlan, **changes: Any) -> Object:
    """The pod as it reached the cluster."""
    KubernetesCluster(**settings(fake, **changes)).create_pod(plan)
    return fake.of("pods")[-1]


def test_a_pod_keeps_the_restricted_standard_and_more(fake: FakeCluster) -> None:
    spec = send(fake, make_plan(), runtime_class="gvisor", user_namespaces=True)["spec"]
    container = spec["containers"][0]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1_900_000_007,
        "runAsGroup": 1_899_999_999,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert spec["runtimeClassName"] == "gvisor" and spec["hostUsers"] is False
    for name in ("automountServiceAccountToken", "enableServiceLinks", "shareProcessNamespace"):
        assert spec[name] is False
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        assert spec[name] is False
    assert spec["restartPolicy"] == "Never" and spec["activeDeadlineSeconds"] == 400
    profile = send(fake, make_plan(name="two"), seccomp_profile="profiles/lab.json")["spec"]
    assert profile["securityContext"]["seccompProfile"] == {
        "type": "Localhost",
        "localhostProfile": "profiles/lab.json",
    }


def test_limits_are_the_policys(fake: FakeCluster) -> None:
    limits = Limits(memory_bytes=2**30, tmp_bytes=2**26, file_bytes=4096, processes=77)
    spec = send(fake, make_plan(limits=limits), cpus=0.5)["spec"]
    container = spec["containers"][0]
    wanted = {"memory": str(2**30 + 2**26), "cpu": "500m", "ephemeral-storage": str(2**28)}
    assert container["resources"] == {"limits": wanted, "requests": wanted}
    empty = {one["name"]: one["emptyDir"] for one in spec["volumes"] if "emptyDir" in one}
    assert empty["tmp"] == empty["shm"] == {"medium": "Memory", "sizeLimit": str(2**26)}
    assert "FSIZE=4096" in container["command"][-1] and "NPROC=77" in container["command"][-1]


def test_processes_are_not_counted_by_a_user_that_others_share(fake: FakeCluster) -> None:
    shared = send(fake, make_plan(own_user=False))["spec"]["containers"][0]["command"][-1]
    assert "NPROC" not in shared and "DATA=" in shared


def test_no_pod_reaches_anything_and_the_server_alone_reaches_kernels(fake: FakeCluster) -> None:
    job = send(fake, make_plan())["metadata"]["labels"]
    kernel = send(fake, make_plan(name="k", kind="kernel"))["metadata"]["labels"]
    policies, stranger, port = fake.of("networkpolicies"), {"app": "database"}, 55_000
    assert may_connect(policies, SERVER, kernel, port)
    assert may_connect([], kernel, stranger, 5432)  # the control: without them all is open
    for source, target, at in [
        (SERVER, kernel, 22),
        (SERVER, job, port),
        (stranger, kernel, port),
        (kernel, kernel, port),
        (kernel, stranger, 5432),
        (kernel, SERVER, 8002),
        (job, SERVER, 8002),
        (job, kernel, port),
    ]:
        assert not may_connect(policies, source, target, at), (source, target, at)


def test_a_policy_that_was_loosened_is_mended_before_anything_runs(fake: FakeCluster) -> None:
    KubernetesCluster(**settings(fake)).open()
    whole = fake.objects["networkpolicies", "alphintra-sandboxes"]
    whole["spec"] = whole["spec"] | {"policyTypes": ["Ingress"]}
    KubernetesCluster(**settings(fake)).open()
    found = fake.objects["networkpolicies", "alphintra-sandboxes"]["spec"]
    assert found["policyTypes"] == ["Ingress", "Egress"]


def test_nothing_runs_before_a_pod_has_shown_that_the_network_is_shut(fake: FakeCluster) -> None:
    def make(name: str) -> None:
        send(fake, make_plan(name=name), check_network=True)

    make("one")
    assert [pod["metadata"]["name"] for pod in fake.of("pods")] == ["one"]  # the probe is gone
    fake.enforces_policies = False
    with pytest.raises(Unavailable, match="do not hold: a pod reached the cluster's API"):
        make("two")
    fake.enforces_policies, fake.fault = True, "image"
    with pytest.raises(Unavailable, match=f"No pod could be started.*{IMAGE} cannot be pulled"):
        make("three")
    fake.fault = None
    make("four")
    assert [pod["metadata"]["name"] for pod in fake.of("pods")] == ["one", "four"]


# What goes wrong.


def open_with(fake: FakeCluster, **changes: Any) -> None:
    """Open the cluster with these settings."""
    KubernetesCluster(**settings(fake, **changes)).open()


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"image": ""}, Invalid, "KubernetesCluster.image is not set"),
        ({"namespace": "nowhere"}, Invalid, "The namespace nowhere does not exist"),
        ({"kubeconfig": "/nowhere"}, Unavailable, "no way to the cluster"),
        ({"kubeconfig": ""}, Unavailable, "give the lab a service account"),
        ({"server_labels": "app"}, Invalid, "names no label"),
        ({"owner": "Cron/x"}, Invalid, "Write Pod, Deployment, StatefulSet and a name"),
        ({"owner": "Deployment/gone"}, NotFound, 'deployments "gone" not found'),
    ],
)
def test_wrong_settings_name_the_way_out(
    fake: FakeCluster, changes: dict[str, Any], kind: type[LabError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        open_with(fake, **changes)


def test_what_the_cluster_refuses_is_told_in_words(fake: FakeCluster) -> None:
    with pytest.raises(Unavailable, match="has no RuntimeClass kata"):
        send(fake, make_plan(), runtime_class="kata")
    with pytest.raises(Unavailable, match="does not know the lab: its token is wrong"):
        open_with(fake, kubeconfig=str(fake.write_kubeconfig("stolen")))
    with pytest.raises(
        Invalid, match=r"refuses to create the pod: .* metadata.name: Invalid value"
    ):
        send(fake, make_plan(name="No_Name"))
    with pytest.raises(Unavailable, match="must keep more than the standard `restricted`"):
        send(fake, make_plan(user=0))
    send(fake, make_plan())
    with pytest.raises(Conflict, match='pods "alphintra-job-1" already exists'):
        send(fake, make_plan())
    fake.pod_quota = 1
    with pytest.raises(Unavailable, match=r"The quota in the namespace lab is used up: .*limited"):
        send(fake, make_plan(name="two"))
    fake.role = [{"resources": ["networkpolicies", "pods"], "verbs": ["get", "list"]}]
    with pytest.raises(Unavailable, match=r"may not create the pod .*deploy/kubernetes/rbac.yaml"):
        send(fake, make_plan(name="two"))
    fake.role, fake.away = None, True
    with pytest.raises(
        Unavailable, match=r"\(status 503\): the server is not available. Try again"
    ):
        open_with(fake)


def test_without_the_package_the_way_out_is_named() -> None:
    code = """
        import sys
        sys.modules["kubernetes"] = None
        from alphintra_lab.sandbox.cluster import KubernetesCluster
        import alphintra_lab.sandbox.kubernetes, alphintra_lab.jobs.runners.kubernetes
        try:
            KubernetesCluster(image="i", claim="c", volume_path="/v").open()
        except Exception as error:
            print(type(error).__name__, error)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert ran.stdout == (
        "Unavailable kubernetes: the package is not installed. Install it with "
        "`pip install 'alphintra-lab[kubernetes]'`.\n"
    )


# What the cluster's owner applies.


def read_deployed(name: str) -> list[Object]:
    """The objects of a file that ships for the cluster's owner."""
    return list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / name).read_text()))


def test_the_shipped_policies_are_those_that_the_lab_makes(fake: FakeCluster) -> None:
    KubernetesCluster(**settings(fake, lab="alphintra-lab")).open()
    made = {one["metadata"]["name"]: one for one in fake.of("networkpolicies")}
    shipped = {one["metadata"]["name"]: one for one in read_deployed("networkpolicy.yaml")}
    assert made.keys() == shipped.keys()
    for name, one in shipped.items():
        assert one["spec"] == made[name]["spec"]
        assert one["metadata"]["labels"] == made[name]["metadata"]["labels"]


@pytest.mark.slow
async def test_the_shipped_role_is_enough_and_nothing_in_it_is_too_much(fake: FakeCluster) -> None:
    fake.add("deployments", "alphintra-lab")
    (role,) = [one for one in read_deployed("rbac.yaml") if one["kind"] == "Role"]
    fake.role = role["rules"]
    fake.used_rights.clear()
    async with open_kernel(fake, owner="Deployment/alphintra-lab") as kernel:
        assert await kernel.run("print(1)") == "1\n"
    cluster = KubernetesCluster(**settings(fake, lab="other"))
    cluster.create_pod(make_plan())
    cluster.read_log("alphintra-job-1", 100)
    whole = fake.objects["networkpolicies", "alphintra-sandboxes"]
    whole["spec"] = whole["spec"] | {"policyTypes": ["Ingress"]}
    KubernetesCluster(**settings(fake)).open()
    granted = {
        (verb, kind) for rule in fake.role for kind in rule["resources"] for verb in rule["verbs"]
    }
    assert granted - fake.used_rights == {("get", "statefulsets")}


def test_policies_of_the_owner_need_no_right_to_make_them(fake: FakeCluster) -> None:
    KubernetesCluster(**settings(fake)).open()
    fake.role = [
        {"resources": ["pods"], "verbs": ["get", "list", "create"]},
        {"resources": ["networkpolicies"], "verbs": ["get"]},
    ]
    send(fake, make_plan())
    del fake.objects["networkpolicies", "alphintra-sandboxes"]
    with pytest.raises(Unavailable, match="may not create alphintra-sandboxes"):
        send(fake, make_plan(name="two"))


def test_settings_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHINTRA_KUBERNETES_IMAGE", "registry.example/lab:2")
    assert KubernetesCluster().image == "registry.example/lab:2"
    assert KubernetesCluster(image="other").image == "other"
    monkeypatch.setenv("ALPHINTRA_KUBERNETES_START_SECONDS", "90")
    monkeypatch.setenv("ALPHINTRA_KUBERNETES_USER_NAMESPACES", "true")
    cluster = KubernetesCluster()
    assert (cluster.start_seconds, cluster.user_namespaces, cluster.cpus) == (90, True, 1.0)
    monkeypatch.setenv("ALPHINTRA_KUBERNETES_CPUS", "two")
    with pytest.raises(Invalid, match="ALPHINTRA_KUBERNETES_CPUS is 'two', and must be a number"):
        _ = KubernetesCluster().cpus
