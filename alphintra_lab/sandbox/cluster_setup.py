"""What must stand in a cluster before the lab's pods run there: owner, policies, a shut network."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import Invalid, NotFound, Unavailable
from .bubblewrap import choose_user
from .limits import MIB, Limits
from .pod_probe import REACHED
from .pod_trouble import find_ending, find_obstacle

if TYPE_CHECKING:
    from kubernetes import client

    from .cluster import KubernetesCluster
    from .pods import Owner, Site

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PROBE = Limits(memory_bytes=64 * MIB, seconds=None, processes=16, tmp_bytes=MIB)
GROUPS = {"Pod": "v1", "Deployment": "apps/v1", "StatefulSet": "apps/v1"}


def load() -> ModuleType:
    """The client of the `kubernetes` package; raises Unavailable where it is not installed."""
    try:
        from kubernetes import client
    except ImportError:
        raise Unavailable(
            "kubernetes: the package is not installed. Install it with "
            "`pip install 'alphintra-lab[kubernetes]'`."
        ) from None
    return client


def own_namespace() -> str:
    """The namespace of the pod in which we run; empty elsewhere."""
    file = SERVICE_ACCOUNT / "namespace"
    return file.read_text().strip() if file.exists() else ""


def find_owner(cluster: KubernetesCluster, connection: client.ApiClient) -> Owner | None:
    """The object that the pods go with, with its uid; None where nothing is to own them."""
    from .pods import Owner

    wanted = cluster.owner
    if not wanted and not cluster.kubeconfig and own_namespace() == cluster.space:
        wanted = f"Pod/{socket.gethostname()}"
    if wanted in ("", "none"):
        return None
    kind, _, name = wanted.partition("/")
    if kind not in GROUPS or not name:
        raise Invalid(
            f"KubernetesCluster.owner is {wanted!r}. Write {', '.join(GROUPS)} and a name: "
            "Deployment/alphintra-lab.",
            field="KubernetesCluster.owner",
        )
    core, apps = load().CoreV1Api(connection), load().AppsV1Api(connection)
    read: Callable[..., Any] = {
        "Pod": core.read_namespaced_pod,
        "Deployment": apps.read_namespaced_deployment,
        "StatefulSet": apps.read_namespaced_stateful_set,
    }[kind]
    found = cluster.asking(read, f"read {wanted}, with which its pods go")(name, cluster.space)
    return Owner(GROUPS[kind], kind, name, found.metadata.uid)


def ensure_policies(cluster: KubernetesCluster, connection: client.ApiClient, site: Site) -> None:
    """Have the network policies as they must be, before any pod is."""
    from . import pods

    network = load().NetworkingV1Api(connection)
    plain = connection.sanitize_for_serialization
    for policy in pods.make_policies(site):
        name = policy.metadata.name  # type: ignore[union-attr]  # just made
        try:
            found = cluster.asking(network.read_namespaced_network_policy, f"read {name}")(
                name, cluster.space
            )
        except NotFound:
            create = cluster.asking(network.create_namespaced_network_policy, f"create {name}")
            create(cluster.space, policy, field_validation="Strict")
            continue
        if plain(found.spec) != plain(policy.spec):
            replace = cluster.asking(network.replace_namespaced_network_policy, f"mend {name}")
            replace(name, cluster.space, policy, field_validation="Strict")


def probe_network(cluster: KubernetesCluster) -> None:
    """Raise Unavailable unless a pod under the policies fails to reach anything."""
    from .pods import PodPlan

    user = choose_user("probe")
    plan = PodPlan(
        name=f"alphintra-probe-{secrets.token_hex(4)}",
        kind="job",
        id="probe",
        command=["python", "-m", "alphintra_lab.sandbox.pod_probe"],
        user=user.user,
        group=user.group,
        own_user=user.real,
        limits=PROBE,
        deadline=cluster.start_seconds + 30,
        readonly={},
        writable={},
    )
    cluster.create_pod(plan)
    try:
        code = _await_end(cluster, plan.name)
    finally:
        cluster.delete_pod(plan.name)
    if code == REACHED:
        raise Unavailable(
            f"The network policies in the namespace {cluster.space} do not hold: a pod reached "
            "the cluster's API. Nothing is run. The cluster needs a network plugin that "
            "enforces policies, Calico or Cilium say."
        )


def _await_end(cluster: KubernetesCluster, name: str) -> int:
    """The exit code of a pod that ends soon; raises Unavailable where it does not run."""
    deadline, why = time.monotonic() + cluster.start_seconds, ""
    while time.monotonic() < deadline:
        pod = cluster.read_pod(name)
        if pod is None:
            raise Unavailable(f"The pod {name} was deleted while it ran. Try again.")
        ending = find_ending(pod)
        if ending is not None and ending.launched and ending.code in (0, REACHED):
            return ending.code
        if ending is not None:
            said = cluster.read_log(name, 500).decode(errors="replace").strip()
            raise Unavailable(
                f"The image {cluster.image} could not run in the cluster: "
                f"{ending.message or ending.reason}. {said}"
            )
        why, hopeless = find_obstacle(pod)
        if hopeless:
            break
        time.sleep(0.2)
    raise Unavailable(f"No pod could be started in the cluster. {why}")
