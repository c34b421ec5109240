"""The Kubernetes cluster that the lab's pods run in: its settings, its API, its errors in words.

Everything here that asks the cluster blocks: call it in a thread. The `kubernetes` package is an
extra, loaded on first use.
"""

from __future__ import annotations

import functools
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from traitlets.config import Configurable

from ..errors import Invalid, LabError, NotFound, Unavailable
from .cluster_setup import ensure_policies, find_owner, load, own_namespace, probe_network
from .from_environment import Count, Number, Switch, Text
from .pod_trouble import Place, TryAgain, explain_refusal

if TYPE_CHECKING:
    from kubernetes import client

    from .pods import Kind, PodPlan, Site

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and to answer."""
GONE_SECONDS = 30.0
"""How long a deleted pod may take to be gone."""
INSTANCE = secrets.token_hex(4)
"""This process, on the labels of what it starts."""

P = ParamSpec("P")
R = TypeVar("R")


class KubernetesCluster(Configurable):
    """Where kernels and jobs run as pods.

    The worker has only the environment: what stands there holds for it and for the server alike.
    """

    namespace = Text(help="Namespace of the pods. Default: the lab's own, or `default`.").tag(
        config=True
    )
    image = Text(help="Image of the sandbox: Python with the lab's package in it.").tag(config=True)
    claim = Text(help="PersistentVolumeClaim that holds the workspace and the lab's home.").tag(
        config=True
    )
    volume_path = Text(help="Folder in which this claim is mounted here, where the lab runs.").tag(
        config=True
    )
    runtime_class = Text(
        help="RuntimeClass of the pods, `gvisor` say. Default: the cluster's."
    ).tag(config=True)
    seccomp_profile = Text(
        help="Seccomp profile on the nodes, as `Localhost` names it. Default: RuntimeDefault."
    ).tag(config=True)
    pull_secret = Text(help="Secret with which the image is pulled.").tag(config=True)
    kubeconfig = Text(
        help="Path of a kubeconfig. Default: the lab's own service account, in a pod."
    ).tag(config=True)
    owner = Text(
        help="What the pods go with, `Deployment/NAME`, `StatefulSet/NAME` or `Pod/NAME` in their "
        "own namespace, or `none`. Default: the pod in which the lab runs."
    ).tag(config=True)
    lab = Text(help="Name of this lab, one for each server. Default: the machine's.").tag(
        config=True
    )
    server_labels = Text(
        "app.kubernetes.io/name=alphintra-lab",
        help="Labels of the server's own pod, NAME=VALUE,...: it alone reaches kernels.",
    ).tag(config=True)
    cpus = Number(1.0, help="Processors of a pod.").tag(config=True)
    user_namespaces = Switch(
        False, help="Give each pod a user namespace (`hostUsers: false`). The nodes must know it."
    ).tag(config=True)
    check_network = Switch(
        True, help="Start a pod first that tells whether network policies hold, once a process."
    ).tag(config=True)
    start_seconds = Count(300, help="Seconds that a pod may wait for a node and its image.").tag(
        config=True
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._lock = threading.RLock()
        self._opened: tuple[client.CoreV1Api, Site] | None = None

    @functools.cached_property
    def space(self) -> str:
        """The pods' namespace."""
        return self.namespace or own_namespace() or "default"

    def open(self) -> tuple[client.CoreV1Api, Site]:
        """The API, once what pods need stands: settings, owner, policies, a shut network."""
        with self._lock:
            if self._opened is None:
                self._check_settings()
                connection = self._connect()
                api = load().CoreV1Api(connection)
                site = self._describe(connection)
                ensure_policies(self, connection, site)
                self._opened = api, site
                if self.check_network:
                    try:
                        probe_network(self)
                    except LabError:
                        self._opened = None  # nothing runs, and the next one checks again
                        raise
            return self._opened

    def create_pod(self, plan: PodPlan) -> client.V1Pod:
        """Create a pod; raises Conflict where one of this name is there, Invalid or Unavailable."""
        from . import pods

        api, site = self.open()
        create = self.asking(api.create_namespaced_pod, "create the pod")
        return create(self.space, pods.make_pod(plan, site), field_validation="Strict")

    def create_secret(self, name: str, pod: client.V1Pod, text: str) -> None:
        """Create a kernel's secret; it goes with the pod."""
        from . import pods

        api, site = self.open()
        create = self.asking(api.create_namespaced_secret, "create the secret")
        create(self.space, pods.make_secret(name, pod, site, text), field_validation="Strict")

    def read_pod(self, name: str) -> client.V1Pod | None:
        """The pod as it stands, or None."""
        api, _ = self.open()
        try:
            return self.asking(api.read_namespaced_pod, "read the pod")(name, self.space)
        except NotFound:
            return None

    def read_log(self, name: str, size: int) -> bytes:
        """The first `size` bytes that a pod's program printed; nothing where it never started."""
        api, _ = self.open()
        call: Callable[..., Any] = api.read_namespaced_pod_log
        read = self.asking(call, "read the pod's log")
        try:
            # As bytes: the client would fail on what is no text.
            answer = read(name, self.space, limit_bytes=size, _preload_content=False)
        except (NotFound, Invalid):  # gone, or waiting to start
            return b""
        return bytes(answer.data)

    def delete_pod(self, name: str, *, wait: bool = False) -> None:
        """Kill a pod at once, if it is there; with `wait`, return when its name is free again."""
        api, _ = self.open()
        delete = self.asking(api.delete_namespaced_pod, "delete the pod")
        try:
            delete(name, self.space, grace_period_seconds=0)
        except NotFound:
            return
        deadline = time.monotonic() + GONE_SECONDS
        while wait and self.read_pod(name) is not None:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The cluster was told to delete the pod {name} {GONE_SECONDS:g} s ago, and it "
                    "is still there. Its node may be away; ask the cluster's owner to look."
                )
            time.sleep(0.1)

    def remove_orphans(self, kind: Kind, alive: Collection[str] = ()) -> list[str]:
        """Delete this lab's pods of a kind that no process here looks after; their names.

        Kernels of an earlier server are orphans; jobs are, unless their id is in `alive`.
        """
        from . import pods

        api, site = self.open()
        labels = pods.labels_of(site) | {pods.KIND: kind}
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        if kind == "kernel":
            selector += f",{pods.INSTANCE}!={site.instance}"
        list_pods = self.asking(api.list_namespaced_pod, "list the pods")
        found = list_pods(self.space, label_selector=selector)
        delete = self.asking(api.delete_namespaced_pod, "delete the pod")
        removed = []
        for pod in found.items:
            assert pod.metadata is not None and pod.metadata.name is not None
            if (pod.metadata.labels or {}).get(pods.ID) not in alive:
                try:
                    delete(pod.metadata.name, self.space, grace_period_seconds=0)
                except NotFound:
                    continue
                removed.append(pod.metadata.name)
        return removed

    def locate(self, path: Path) -> str:
        """A file or folder of ours as a path in the volume. Raises Invalid for one outside."""
        real, volume = path.resolve(), Path(self.volume_path).resolve()
        if real == volume or not real.is_relative_to(volume):
            raise Invalid(
                f"{real} does not lie below {volume}, where the claim {self.claim} is mounted: "
                "no pod can see it. Put the workspace and the lab's home into folders there.",
                field="KubernetesCluster.volume_path",
            )
        return str(real.relative_to(volume))

    def _check_settings(self) -> None:
        for name in ("image", "claim", "volume_path"):
            if not getattr(self, name):
                raise Invalid(
                    f"KubernetesCluster.{name} is not set, so nothing can run in the cluster: "
                    f"{self.traits()[name].help} Or set ALPHINTRA_KUBERNETES_{name.upper()}.",
                    field=f"KubernetesCluster.{name}",
                )

    def _read_server_labels(self) -> dict[str, str]:
        labels = dict(part.split("=", 1) for part in self.server_labels.split(",") if "=" in part)
        if not labels:  # no label would be every pod
            raise Invalid(
                f"KubernetesCluster.server_labels is {self.server_labels!r}, which names no label. "
                "Write app.kubernetes.io/name=alphintra-lab.",
                field="KubernetesCluster.server_labels",
            )
        return labels

    def _connect(self) -> client.ApiClient:
        client = load()
        from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

        configuration = client.Configuration()
        try:
            if self.kubeconfig:
                load_kube_config(self.kubeconfig, client_configuration=configuration)
            else:
                load_incluster_config(client_configuration=configuration)
        except (ConfigException, OSError) as error:
            raise Unavailable(
                f"kubernetes: no way to the cluster: {error}. In a pod, give the lab a service "
                "account (deploy/kubernetes); elsewhere set KubernetesCluster.kubeconfig."
            ) from error
        return client.ApiClient(configuration)  # type: ignore[no-any-return]  # loaded by name

    def _describe(self, connection: client.ApiClient) -> Site:
        from .pods import Site

        return Site(
            lab=_as_label(self.lab or socket.gethostname()),
            instance=INSTANCE,
            image=self.image,
            claim=self.claim,
            runtime_class=self.runtime_class or None,
            seccomp_profile=self.seccomp_profile or None,
            pull_secret=self.pull_secret or None,
            cpus=self.cpus,
            user_namespaces=self.user_namespaces,
            server_labels=self._read_server_labels(),
            owner=find_owner(self, connection),
        )

    def asking(self, call: Callable[P, R], doing: str) -> Callable[P, R]:
        """The call, with a time limit, and failing with a LabError in plain words."""

        def ask(*args: P.args, **kwargs: P.kwargs) -> R:
            from kubernetes.client import ApiException
            from urllib3.exceptions import HTTPError

            kwargs.setdefault("_request_timeout", TIMEOUT)
            try:
                return call(*args, **kwargs)
            except ApiException as error:
                where = Place(self.space, self.runtime_class)
                raise explain_refusal(error.status or 0, error.body or "", doing, where) from error
            except HTTPError as error:
                raise TryAgain(
                    f"The cluster's API does not answer: {error}. Try again; if that does not "
                    "help, ask the cluster's owner."
                ) from error

        return ask


def _as_label(text: str) -> str:
    """A name that may stand in labels, and in names of objects."""
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:40] or "lab"
