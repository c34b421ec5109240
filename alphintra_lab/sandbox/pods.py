"""What the lab asks of Kubernetes, as the client's own typed objects: pods, secrets, policies.

Pods keep the "restricted" Pod Security Standard, have no network but a kernel's ports, no token,
and see of the volume what they are given. Imported only where the `kubernetes` package is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from kubernetes import client

from .limits import MIB, Limits
from .view import ENVIRONMENT, TMP

Kind = Literal["job", "kernel"]

SHM = "/dev/shm"  # noqa: S108  the sandbox's own
SECRET = "/run/alphintra"  # noqa: S105  a folder
PORTS = range(50_000, 60_000)
"""Of kernels: five in a row, others after each restart, by which the server notices it."""
NOTHING = "nothing"
"""The key of an empty file in a kernel's secret, mounted over files that stay out of sight."""
LOG_ROOM = 256 * MIB
"""The kubelet keeps five log files of 10 MiB; a flood that outruns it ends the pod."""

MANAGED = {"app.kubernetes.io/managed-by": "alphintra-lab"}
LAB, KIND, ID, INSTANCE = (f"alphintra-lab/{name}" for name in ("lab", "kind", "id", "instance"))
CONTAINER = "sandbox"
# Host names, paths and the interpreter are the image's own.
OF_THE_HOST = ("PATH", "PYTHONPATH")


class Owner(msgspec.Struct, frozen=True):
    """An object in the pods' namespace; when it is deleted, so are they."""

    api_version: str
    kind: str
    name: str
    uid: str

    def reference(self) -> client.V1OwnerReference:
        """As the objects that go with it name it."""
        return client.V1OwnerReference(
            api_version=self.api_version, kind=self.kind, name=self.name, uid=self.uid
        )


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster's owner has decided for all pods of a lab."""

    lab: str
    """Names the lab in labels: pods of other labs are left alone."""
    instance: str
    """Names this process of the lab."""
    image: str
    claim: str
    runtime_class: str | None = None
    seccomp_profile: str | None = None
    pull_secret: str | None = None
    cpus: float = 1.0
    user_namespaces: bool = False
    server_labels: dict[str, str] = {}
    owner: Owner | None = None


class PodPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One sandbox: the program, who it is, and what it sees at which path inside."""

    name: str
    kind: Kind
    id: str
    command: list[str]
    user: int
    group: int
    own_user: bool
    """No other pod has this user, so processes can be counted by it."""
    limits: Limits
    deadline: int | None
    readonly: dict[str, str]
    """Paths inside to paths in the volume."""
    writable: dict[str, str]
    hidden_folders: list[str] = []
    hidden_files: list[str] = []
    secret: str | None = None
    environment: dict[str, str] = {}
    annotations: dict[str, str] = {}
    cwd: str = TMP


def make_pod(plan: PodPlan, site: Site) -> client.V1Pod:
    """The pod of one sandbox. It is never started again; whoever made it looks at how it ended."""
    return client.V1Pod(
        api_version="v1",
        kind="Pod",
        metadata=client.V1ObjectMeta(
            name=plan.name,
            labels=labels_of(site) | {KIND: plan.kind, ID: plan.id, INSTANCE: site.instance},
            annotations=plan.annotations or None,
            owner_references=[site.owner.reference()] if site.owner else None,
        ),
        spec=client.V1PodSpec(
            containers=[_make_container(plan, site)],
            volumes=_make_volumes(plan, site),
            restart_policy="Never",
            active_deadline_seconds=plan.deadline,
            # Nothing in a sandbox is worth waiting for.
            termination_grace_period_seconds=1,
            automount_service_account_token=False,
            enable_service_links=False,
            host_network=False,
            host_pid=False,
            host_ipc=False,
            host_users=False if site.user_namespaces else None,
            share_process_namespace=False,
            # Names of other services are nothing for it; the policy keeps it from asking, too.
            dns_policy="None",
            dns_config=client.V1PodDNSConfig(nameservers=["127.0.0.1"]),
            runtime_class_name=site.runtime_class,
            image_pull_secrets=(
                [client.V1LocalObjectReference(name=site.pull_secret)] if site.pull_secret else None
            ),
            security_context=client.V1PodSecurityContext(
                run_as_non_root=True,
                run_as_user=plan.user,
                run_as_group=plan.group,
                seccomp_profile=_make_seccomp_profile(site),
            ),
        ),
    )


def labels_of(site: Site) -> dict[str, str]:
    """By which everything of one lab is found again."""
    return MANAGED | {LAB: site.lab}


def _make_container(plan: PodPlan, site: Site) -> client.V1Container:
    limits = plan.limits
    # /tmp and /dev/shm lie in memory and are counted as such.
    memory = limits.memory_bytes + limits.tmp_bytes
    resources = {
        "memory": str(memory),
        "cpu": f"{round(site.cpus * 1000)}m",
        "ephemeral-storage": str(LOG_ROOM),
    }
    address = client.V1EnvVarSource(
        field_ref=client.V1ObjectFieldSelector(api_version="v1", field_path="status.podIP")
    )
    environment = {k: v for k, v in ENVIRONMENT.items() if k not in OF_THE_HOST}
    environment |= plan.environment
    return client.V1Container(
        name=CONTAINER,
        image=site.image,
        command=["python", "-m", "alphintra_lab.sandbox.pod_main", _rlimits(plan, site)],
        args=plan.command,
        working_dir=plan.cwd,
        env=[
            *(client.V1EnvVar(name=k, value=v) for k, v in environment.items()),
            client.V1EnvVar(name="POD_IP", value_from=address),
        ],
        # As much as it may ever use is set aside: a neighbour never costs it its memory.
        resources=client.V1ResourceRequirements(limits=resources, requests=resources),
        volume_mounts=_make_mounts(plan),
        security_context=client.V1SecurityContext(
            privileged=False,
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            run_as_non_root=True,
            capabilities=client.V1Capabilities(drop=["ALL"]),
            seccomp_profile=_make_seccomp_profile(site),
        ),
        termination_message_policy="File",
    )


def _rlimits(plan: PodPlan, site: Site) -> str:
    limits = plan.limits.rlimits()
    # The kernel counts them by user, over all pods of a node: right only for a user of its own.
    if not (plan.own_user or site.user_namespaces):
        del limits["NPROC"]
    return ",".join(f"{name}={value}" for name, value in limits.items())


def _make_seccomp_profile(site: Site) -> client.V1SeccompProfile:
    if site.seccomp_profile is None:
        return client.V1SeccompProfile(type="RuntimeDefault")
    return client.V1SeccompProfile(type="Localhost", localhost_profile=site.seccomp_profile)


def _make_mounts(plan: PodPlan) -> list[client.V1VolumeMount]:
    mount = client.V1VolumeMount
    mounts = {
        TMP: mount(name="tmp", mount_path=TMP),
        SHM: mount(name="shm", mount_path=SHM),
    }
    for inside, path in plan.readonly.items():
        mounts[inside] = mount(name="data", mount_path=inside, sub_path=path, read_only=True)
    for inside, path in plan.writable.items():
        mounts[inside] = mount(name="data", mount_path=inside, sub_path=path)
    for inside in plan.hidden_folders:
        mounts[inside] = mount(name="empty", mount_path=inside, read_only=True)
    if plan.secret is not None:
        mounts[SECRET] = mount(name="secret", mount_path=SECRET, read_only=True)
    for inside in plan.hidden_files:
        mounts[inside] = mount(name="secret", mount_path=inside, sub_path=NOTHING, read_only=True)
    # Where one lies in another, the inner one holds.
    return [mounts[inside] for inside in sorted(mounts)]


def _make_volumes(plan: PodPlan, site: Site) -> list[client.V1Volume]:
    def memory(name: str, size: int) -> client.V1Volume:
        folder = client.V1EmptyDirVolumeSource(medium="Memory", size_limit=str(size))
        return client.V1Volume(name=name, empty_dir=folder)

    claim = client.V1PersistentVolumeClaimVolumeSource(claim_name=site.claim)
    volumes = [
        client.V1Volume(name="data", persistent_volume_claim=claim),
        memory("tmp", plan.limits.tmp_bytes),
        memory("shm", plan.limits.tmp_bytes),
    ]
    if plan.hidden_folders:
        volumes.append(memory("empty", 4096))
    if plan.secret is not None:
        secret = client.V1SecretVolumeSource(secret_name=plan.secret, default_mode=0o444)
        volumes.append(client.V1Volume(name="secret", secret=secret))
    return volumes


def make_secret(name: str, pod: client.V1Pod, site: Site, text: str) -> client.V1Secret:
    """A kernel's connection, which goes with its pod."""
    assert pod.metadata is not None and pod.metadata.name is not None
    assert pod.metadata.uid is not None
    owner = Owner("v1", "Pod", pod.metadata.name, pod.metadata.uid)
    return client.V1Secret(
        api_version="v1",
        kind="Secret",
        metadata=client.V1ObjectMeta(
            name=name,
            labels=labels_of(site) | {KIND: "kernel"},
            owner_references=[owner.reference()],
        ),
        type="Opaque",
        immutable=True,
        string_data={"kernel.json": text, NOTHING: ""},
    )


def make_policies(site: Site) -> list[client.V1NetworkPolicy]:
    """No sandbox reaches anything; the server alone reaches kernels, on their ports.

    Policies add up: the first shuts everything for every lab's pods, the second opens one door.
    """
    door = client.V1NetworkPolicyIngressRule(
        _from=[_peer(site.server_labels)],
        ports=[
            client.V1NetworkPolicyPort(protocol="TCP", port=PORTS.start, end_port=PORTS.stop - 1)
        ],
    )
    kernels = labels_of(site) | {KIND: "kernel"}
    return [
        _make_policy("alphintra-sandboxes", MANAGED, None, ["Ingress", "Egress"]),
        _make_policy(f"alphintra-kernels-{site.lab}", kernels, [door], ["Ingress"]),
    ]


def _peer(labels: Mapping[str, str]) -> client.V1NetworkPolicyPeer:
    return client.V1NetworkPolicyPeer(pod_selector=client.V1LabelSelector(match_labels={**labels}))


def _make_policy(
    name: str,
    labels: Mapping[str, str],
    ingress: list[client.V1NetworkPolicyIngressRule] | None,
    types: list[str],
) -> client.V1NetworkPolicy:
    return client.V1NetworkPolicy(
        api_version="networking.k8s.io/v1",
        kind="NetworkPolicy",
        metadata=client.V1ObjectMeta(name=name, labels={**MANAGED}),
        spec=client.V1NetworkPolicySpec(
            pod_selector=client.V1LabelSelector(match_labels={**labels}),
            policy_types=types,
            ingress=ingress,
        ),
    )
