"""The fake cluster refuses what a real one would: else to pass against it says nothing."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from tests.emulators.kubernetes import (
    CLAIM,
    IMAGE,
    NAMESPACE,
    FakeCluster,
    Refused,
    start_cluster,
)
from tests.emulators.kubernetes_rules import Object, may_connect, parse_quantity

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
CONTAINER: Object = {
    "name": "sandbox",
    "image": IMAGE,
    "command": ["true"],
    "resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    },
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
}
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "good"},
    "spec": {
        "restartPolicy": "Never",
        "containers": [CONTAINER],
        "volumes": [
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}},
        ],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    },
}


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    """A cluster with an empty volume."""
    (tmp_path / "volume").mkdir()
    with start_cluster(tmp_path / "cluster", tmp_path / "volume") as cluster:
        yield cluster


def create(fake: FakeCluster, change: Callable[[Object, Object], object]) -> None:
    """Ask for the good pod after a change to its spec and its container."""
    pod = copy.deepcopy(POD)
    change(pod["spec"], pod["spec"]["containers"][0])
    fake.answer("POST", PODS, {}, json.dumps(pod).encode())


def test_a_deleted_pod_leaves_no_process(fake: FakeCluster) -> None:
    mark = f"60.{random.randrange(10**9)}"
    create(fake, lambda spec, container: container.update(command=["sleep", mark]))

    def count() -> int:
        running = psutil.process_iter(["cmdline"])
        return sum((one.info["cmdline"] or [])[:2] == ["sleep", mark] for one in running)

    while count() != 1:
        time.sleep(0.05)
    fake.delete("pods", "good")
    assert count() == 0


def test_a_good_pod_is_taken(fake: FakeCluster) -> None:
    create(fake, lambda spec, container: None)
    assert [pod["metadata"]["name"] for pod in fake.of("pods")] == ["good"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda s, c: s.update(hostNetworks=False), 400, 'unknown field "spec.hostNetworks"'),
        (lambda s, c: c.update(image=7), 400, "str is expected, not 7"),
        (lambda s, c: s.update(containers={}), 400, "a list is expected"),
        (lambda s, c: s.update(containers=[]), 422, "spec.containers: Required value"),
        (lambda s, c: c["volumeMounts"][0].update(name="gone"), 422, "Not found: 'gone'"),
        (lambda s, c: c["volumeMounts"][0].update(subPath="../x"), 422, "relative path below"),
        (lambda s, c: c["volumeMounts"].append(c["volumeMounts"][0]), 422, "duplicate '/tmp'"),
        (lambda s, c: c["resources"]["limits"].update(memory="2 GB"), 422, "is no quantity"),
        (lambda s, c: c["resources"]["requests"].update(memory="1Gi"), 422, "above the limit"),
        (lambda s, c: c["resources"]["limits"].update(pids="9"), 422, "no standard resource"),
        (lambda s, c: s["volumes"][0].update(secret={}), 422, "exactly one volume type"),
        (lambda s, c: s.update(activeDeadlineSeconds=0), 422, "must be greater than 0"),
        (lambda s, c: s.update(dnsPolicy="None"), 422, "dnsConfig.nameservers"),
        (lambda s, c: c.update(env=[{"name": "A B"}]), 422, "env.name: Invalid value"),
        (lambda s, c: s.update(hostPID=True), 403, "host namespaces"),
        (lambda s, c: s["securityContext"].pop("runAsNonRoot"), 403, "runAsNonRoot != true"),
        (lambda s, c: s["securityContext"].update(runAsUser=0), 403, "runAsUser=0"),
        (lambda s, c: s["securityContext"].pop("seccompProfile"), 403, "seccompProfile"),
        (lambda s, c: c["securityContext"].update(privileged=True), 403, "privileged"),
        (lambda s, c: c["securityContext"].pop("capabilities"), 403, "must drop ALL"),
        (
            lambda s, c: c["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
            403,
            "unrestricted capabilities (adds)",
        ),
        (
            lambda s, c: c["securityContext"].pop("allowPrivilegeEscalation"),
            403,
            "allowPrivilegeEscalation != false",
        ),
        (
            lambda s, c: s["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
            403,
            "restricted volume types (x)",
        ),
        (lambda s, c: c.update(ports=[{"containerPort": 1, "hostPort": 1}]), 403, "hostPort"),
        (lambda s, c: s.update(runtimeClassName="kata"), 403, 'RuntimeClass "kata" not found'),
    ],
)
def test_a_pod_that_a_real_server_would_refuse_is_refused(
    fake: FakeCluster, change: Callable[[Object, Object], object], code: int, said: str
) -> None:
    with pytest.raises(Refused) as refused:
        create(fake, change)
    assert refused.value.code == code and said in str(refused.value)
    assert fake.of("pods") == []


# The API's own examples: a suffix is a power of ten, with an i of two, and an exponent is one.
@pytest.mark.parametrize(
    ("text", "value"),
    [("128974848", 128974848), ("129e6", 129_000_000), ("129M", 129_000_000), ("123Mi", 128974848)],
)
def test_quantities_are_read_as_the_api_has_them(text: str, value: int) -> None:
    assert parse_quantity(text) == value
    assert parse_quantity("100m") == Decimal("0.1")


def test_policies_add_up_and_none_opens_all() -> None:
    def policy(way: str, labels: Object, **rules: object) -> Object:
        return {"spec": {"podSelector": {"matchLabels": labels}, "policyTypes": [way]} | rules}

    web, data = {"app": "web"}, {"app": "data"}
    closed = policy("Ingress", {})
    door = policy("Ingress", data, ingress=[{"from": [{"podSelector": {"matchLabels": web}}]}])
    assert may_connect([], web, data, 1)
    assert not may_connect([closed], web, data, 1)
    assert may_connect([closed, door], web, data, 1)
    assert not may_connect([closed, door], data, web, 1)
    assert not may_connect([policy("Egress", web)], web, data, 1)
