"""What a real API server refuses, written down anew: strict decoding, validation, Pod Security.

Sources: the API conventions (strict field validation, names, quantities) and the Pod Security
Standards, profile "restricted", as published for Kubernetes 1.34. Defaulting and most cross-field
rules of kinds that the lab does not send are left out.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from kubernetes.client import models

Object = dict[str, Any]

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123
SUBDOMAIN = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
LABEL_KEY = re.compile(rf"({SUBDOMAIN.pattern}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?")
QUANTITY = re.compile(
    r"([+-]?[0-9]+(?:\.[0-9]*)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?"
)
ENVIRONMENT_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
SCALARS: dict[str, type] = {"str": str, "int": int, "bool": bool}
MULTIPLES: dict[str, Decimal | int] = {
    "": 1,
    "m": Decimal("0.001"),
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}
MULTIPLES |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def decode_strictly(value: Any, kind: str, path: str) -> Iterator[str]:
    """What is wrong with JSON that should be of an API type: unknown fields, wrong types."""
    if value is None:
        return
    if kind.startswith("list["):
        if not isinstance(value, list):
            yield f"{path}: a list is expected"
            return
        for i, one in enumerate(value):
            yield from decode_strictly(one, kind[5:-1], f"{path}[{i}]")
    elif kind.startswith("dict("):
        if not isinstance(value, dict):
            yield f"{path}: an object is expected"
            return
        for key, one in value.items():
            yield from decode_strictly(one, kind[5:-1].split(", ", 1)[1], f"{path}.{key}")
    elif kind == "object":  # IntOrString, mostly
        return
    elif kind == "datetime":
        dt.datetime.fromisoformat(value)
    elif kind in SCALARS:
        if type(value) is not SCALARS[kind]:
            yield f"{path}: {kind} is expected, not {value!r}"
    else:
        yield from _decode_model(value, kind, path)


def _decode_model(value: Any, kind: str, path: str) -> Iterator[str]:
    model = getattr(models, kind)
    if not isinstance(value, dict):
        yield f"{path}: an object is expected"
        return
    fields = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
    for key, one in value.items():
        if key not in fields:
            yield f'unknown field "{path}.{key}"'
        else:
            yield from decode_strictly(one, fields[key], f"{path}.{key}")


def parse_quantity(text: str) -> Decimal:
    """A resource quantity; raises ValueError."""
    found = QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    suffix = found[2] or ""
    if suffix[:1] in ("e", "E") and suffix not in ("E", "Ei"):
        return Decimal(text)
    return Decimal(found[1]) * MULTIPLES[suffix]


def check_metadata(metadata: Object, generated: bool = False) -> Iterator[str]:
    """Names, labels, annotations, owners."""
    name = metadata.get("name", "")
    if not SUBDOMAIN.fullmatch(name) or len(name) > 253:
        yield f"metadata.name: Invalid value: {name!r}: not a lowercase RFC 1123 subdomain"
    for key, value in metadata.get("labels", {}).items():
        if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            yield f"metadata.labels: Invalid value: {key}={value}"
    for key in metadata.get("annotations", {}):
        if not LABEL_KEY.fullmatch(key):
            yield f"metadata.annotations: Invalid value: {key}"
    for owner in metadata.get("ownerReferences", []):
        for needed in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(needed):
                yield f"metadata.ownerReferences.{needed}: Required value"
    for field in ("resourceVersion", "uid", "creationTimestamp"):
        if field in metadata and field == "resourceVersion":
            yield "metadata.resourceVersion: must not be set on objects to be created"


def check_pod(pod: Object) -> Iterator[str]:
    """What the validation of pods refuses."""
    spec = pod.get("spec", {})
    if len(pod["metadata"].get("name", "")) > 63 and not spec.get("hostname"):
        yield "metadata.name: longer than a host name may be (63)"
    if spec.get("restartPolicy", "Always") not in ("Always", "OnFailure", "Never"):
        yield "spec.restartPolicy: Unsupported value"
    if spec.get("activeDeadlineSeconds", 1) < 1:
        yield "spec.activeDeadlineSeconds: must be greater than 0"
    if spec.get("dnsPolicy") == "None" and not spec.get("dnsConfig", {}).get("nameservers"):
        yield "spec.dnsConfig.nameservers: Required value"
    volumes = {}
    for volume in spec.get("volumes", []):
        name, sources = volume.get("name", ""), [key for key in volume if key != "name"]
        if not LABEL.fullmatch(name) or name in volumes:
            yield f"spec.volumes: Invalid or duplicate name {name!r}"
        if len(sources) != 1:
            yield f"spec.volumes[{name}]: exactly one volume type is needed"
        volumes[name] = volume
        size = volume.get("emptyDir", {}).get("sizeLimit")
        if size is not None:
            yield from _check_quantity(f"spec.volumes[{name}].emptyDir.sizeLimit", size)
    if not spec.get("containers"):
        yield "spec.containers: Required value"
    for container in spec.get("containers", []):
        yield from _check_container(container, set(volumes))


def _check_container(container: Object, volumes: set[str]) -> Iterator[str]:
    if not LABEL.fullmatch(container.get("name", "")):
        yield "spec.containers.name: Invalid value"
    if not container.get("image"):
        yield "spec.containers.image: Required value"
    seen = set()
    for mount in container.get("volumeMounts", []):
        place, sub = mount.get("mountPath", ""), mount.get("subPath", "")
        if mount.get("name") not in volumes:
            yield f"spec.containers.volumeMounts: Not found: {mount.get('name')!r}"
        if not place or ":" in place or place in seen:
            yield f"spec.containers.volumeMounts.mountPath: Invalid or duplicate {place!r}"
        if sub.startswith("/") or ".." in sub.split("/"):
            yield f"spec.containers.volumeMounts.subPath: must be a relative path below: {sub!r}"
        seen.add(place)
    for one in container.get("env", []):
        if not ENVIRONMENT_NAME.fullmatch(one.get("name", "")):
            yield f"spec.containers.env.name: Invalid value {one.get('name')!r}"
        if "value" in one and "valueFrom" in one:
            yield "spec.containers.env: value and valueFrom exclude each other"
        path = one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        if path not in (
            None,
            "status.podIP",
            "metadata.name",
            "metadata.uid",
            "metadata.namespace",
        ):
            yield f"spec.containers.env.valueFrom.fieldRef.fieldPath: Unsupported value {path!r}"
    resources = container.get("resources", {})
    for part in ("limits", "requests"):
        for name, text in resources.get(part, {}).items():
            if name not in ("cpu", "memory", "ephemeral-storage"):
                yield f"spec.containers.resources.{part}: {name} is no standard resource"
            yield from _check_quantity(f"spec.containers.resources.{part}.{name}", text)
    for name, text in resources.get("requests", {}).items():
        most = resources.get("limits", {}).get(name, text)
        known = QUANTITY.fullmatch(text) and QUANTITY.fullmatch(most)
        if known and parse_quantity(text) > parse_quantity(most):
            yield f"spec.containers.resources.requests.{name}: must not be above the limit"


def _check_quantity(path: str, text: str) -> Iterator[str]:
    try:
        if parse_quantity(text) < 0:
            yield f"{path}: must not be negative"
    except ValueError as error:
        yield f"{path}: quantities must match: {error}"


def check_secret(secret: Object) -> Iterator[str]:
    """What the validation of secrets refuses."""
    for key, value in secret.get("data", {}).items():
        if not SECRET_KEY.fullmatch(key):
            yield f"data: Invalid key {key!r}"
        base64.b64decode(value, validate=True)
    for key in secret.get("stringData", {}):
        if not SECRET_KEY.fullmatch(key):
            yield f"stringData: Invalid key {key!r}"


def check_policy(policy: Object) -> Iterator[str]:
    """What the validation of network policies refuses."""
    spec = policy.get("spec", {})
    if not set(spec.get("policyTypes", [])) <= {"Ingress", "Egress"}:
        yield "spec.policyTypes: Unsupported value"
    rules = [*spec.get("ingress", []), *spec.get("egress", [])]
    for port in [port for rule in rules for port in rule.get("ports", [])]:
        if "endPort" in port and not (
            isinstance(port.get("port"), int) and port["port"] <= port["endPort"] <= 65535
        ):
            yield "spec.ingress.ports.endPort: must be at least port"


def violates_restricted(pod: Object) -> Iterator[str]:
    """What of the profile "restricted" a pod does not keep."""
    spec = pod["spec"]
    whole = spec.get("securityContext", {})
    if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        yield "host namespaces"
    for volume in spec.get("volumes", []):
        allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "secret"}
        allowed |= {"persistentVolumeClaim", "projected", "name"}
        if not set(volume) <= allowed:
            yield f"restricted volume types ({volume['name']})"
    if whole.get("sysctls"):
        yield "unsafe sysctls"
    containers = [
        *spec.get("containers", []),
        *spec.get("initContainers", []),
        *spec.get("ephemeralContainers", []),
    ]
    for container in containers:
        yield from _violations_of(container, whole)


def _violations_of(container: Object, whole: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation != false"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "unrestricted capabilities (must drop ALL)"
    if not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
        yield "unrestricted capabilities (adds)"
    if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot != true"
    if own.get("runAsUser", whole.get("runAsUser")) == 0:
        yield "runAsUser=0"
    profile = own.get("seccompProfile", whole.get("seccompProfile", {})).get("type")
    if profile not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    for context in (own, whole):
        apparmor = context.get("appArmorProfile", {}).get("type", "RuntimeDefault")
        if apparmor not in ("RuntimeDefault", "Localhost"):
            yield "appArmorProfile"
        if set(context.get("seLinuxOptions", {})) & {"user", "role"}:
            yield "seLinuxOptions"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"


def may_connect(policies: list[Object], source: Object, target: Object, port: int) -> bool:
    """Whether network policies of one namespace let labels `source` reach labels `target` over TCP.

    As the NetworkPolicy API has it: a pod that no policy selects for a direction is open in it;
    else the rules of those that do select it add up. Only pod selectors by labels are known here.
    """
    out = _lets(policies, "Egress", source, target, port)
    return out and _lets(policies, "Ingress", target, source, port)


def _lets(policies: list[Object], way: str, pod: Object, peer: Object, port: int) -> bool:
    chosen = [p["spec"] for p in policies if way in p["spec"]["policyTypes"]]
    chosen = [spec for spec in chosen if _selects(spec["podSelector"], pod)]
    side = "from" if way == "Ingress" else "to"
    rules = [rule for spec in chosen for rule in spec.get(way.lower(), [])]
    return not chosen or any(
        (side not in rule or any(_selects(one["podSelector"], peer) for one in rule[side]))
        and (
            "ports" not in rule
            or any(p["port"] <= port <= p.get("endPort", p["port"]) for p in rule["ports"])
        )
        for rule in rules
    )


def _selects(selector: Object, labels: Object) -> bool:
    return bool(selector.get("matchLabels", {}).items() <= labels.items())
