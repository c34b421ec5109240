"""An API server of Kubernetes with one node, over HTTPS: it checks what it is sent, and runs pods.

What it refuses stands in `kubernetes_rules`, how it runs pods in `kubernetes_node`. It answers only
what a Role allows, if it is given one. Not here: watches, patches, other kinds, admission by
webhooks, and a network that is the pod's own.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from .kubernetes_certificate import write_certificate
from .kubernetes_node import Fault, RunningPod, now
from .kubernetes_rules import (
    Object,
    check_metadata,
    check_pod,
    check_policy,
    check_secret,
    decode_strictly,
    may_connect,
    violates_restricted,
)

IMAGE, CLAIM, NAMESPACE, TOKEN = "registry.example/sandbox:1", "lab-data", "lab", "secret-token"
SERVER = {"app.kubernetes.io/name": "alphintra-lab"}
"""Labels of the pod in which the lab's server runs."""
PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/v1))/namespaces/(?P<space>[^/]+)"
    r"/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>log))?"
)
KINDS = {
    "pods": ("v1", "Pod", "V1Pod"),
    "secrets": ("v1", "Secret", "V1Secret"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy", "V1NetworkPolicy"),
    "deployments": ("apps/v1", "Deployment", "V1Deployment"),
}
VERBS = {"POST": "create", "PUT": "update", "DELETE": "delete"}


class Refused(Exception):
    """An answer that is an error: a Status object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class FakeCluster:
    """The cluster's state, and what a test may change about it."""

    def __init__(self, folder: Path, volume: Path) -> None:
        self.folder = folder
        self.claims = {CLAIM: volume}
        self.images = {IMAGE: True}
        self.runtime_classes = {"gvisor"}
        self.pod_quota: int | None = None
        self.role: list[Object] | None = None
        """Rules of a Role; None allows everything."""
        self.used_rights: set[tuple[str, str]] = set()
        """The verbs and resources that were asked for."""
        self.enforces_policies = True
        """Whether the network plugin knows network policies."""
        self.fault: Fault | None = None
        """What befalls the pods that are created from now on."""
        self.away = False
        self.delay = 0.0
        """Seconds before each answer."""
        self.logs_are_away = False
        """Nodes do not answer for their logs."""
        self.lost_answers = 0
        """So many creations work, and their answer does not arrive."""
        self.busy = 0
        """So many creations of pods meet another one's change of the quota."""
        self.stale_reads = 0
        """So many readings of a pod answer that it is not there."""
        self.objects: dict[tuple[str, str], Object] = {}
        self.running: dict[str, RunningPod] = {}
        self.requests: list[str] = []
        self.lock = threading.RLock()
        self.port = 0

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind, by their plural."""
        with self.lock:
            return [one for (of, _), one in self.objects.items() if of == kind]

    def add(self, kind: str, name: str, labels: dict[str, str] | None = None) -> Object:
        """An object that is simply there: the lab's own deployment, say."""
        metadata = {"name": name, "namespace": NAMESPACE, "uid": str(uuid.uuid4())}
        version, title, _ = KINDS[kind]
        made = {"apiVersion": version, "kind": title, "metadata": metadata | {"labels": labels}}
        if kind == "deployments":
            template: Object = {"metadata": {}, "spec": {"containers": []}}
            made["spec"] = {"selector": {}, "template": template}
        self.objects[kind, name] = made
        return made

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, and with it what it owns."""
        with self.lock:
            gone = self.objects.pop((kind, name), None)
            if gone is None:
                return
            running = self.running.pop(name, None) if kind == "pods" else None
            uid = gone["metadata"]["uid"]
            owned = [
                key
                for key, one in self.objects.items()
                if any(o["uid"] == uid for o in one["metadata"].get("ownerReferences", []))
            ]
        if running is not None:
            running.remove()
        for key in owned:
            self.delete(*key)

    def write_service_account(self) -> Path:
        """The folder that a pod with a service account of the namespace sees."""
        folder = self.folder / "serviceaccount"
        folder.mkdir()
        (folder / "namespace").write_text(NAMESPACE)
        (folder / "token").write_text(TOKEN)
        (folder / "ca.crt").write_bytes((self.folder / "ca.crt").read_bytes())
        return folder

    def write_kubeconfig(self, token: str = TOKEN) -> Path:
        """A kubeconfig for it."""
        path = self.folder / f"kubeconfig-{token}"
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        server = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority-data": authority,
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": server}],
            "users": [{"name": "lab", "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "fake", "user": "lab"}}],
            "current-context": "lab",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        """What the API answers; raises Refused. A log is bytes."""
        found = PATH.fullmatch(path)
        if found is None:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        kind, name = found["kind"], found["name"]
        self._authorize(method, kind, name, found["part"])
        if found["space"] != NAMESPACE:
            raise Refused(404, "NotFound", f'namespaces "{found["space"]}" not found')
        if kind not in KINDS or (found["core"] or found["group"]) != KINDS[kind][0]:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        if method == "POST":
            return self._create(kind, body)
        if name is None:
            return self._list(kind, query)
        with self.lock:
            one = self.objects.get((kind, name))
        if one is not None and method == "GET" and kind == "pods" and self.stale_reads:
            self.stale_reads -= 1
            one = None
        if one is None:
            raise Refused(404, "NotFound", f'{kind} "{name}" not found')
        if found["part"] == "log":
            return self._read_log(name, query)
        if method == "PUT":
            self.objects[kind, name] = one | {"spec": self._decode(kind, body)["spec"]}
            return self.objects[kind, name]
        if method == "DELETE":
            self.delete(kind, name)
        return one

    def _authorize(self, method: str, kind: str, name: str | None, part: str | None) -> None:
        verb = VERBS.get(method, "get" if name else "list")
        resource = f"{kind}/{part}" if part else kind
        self.used_rights.add((verb, resource))
        rules = [{"resources": ["*"], "verbs": ["*"]}] if self.role is None else self.role
        for rule in rules:
            known = set(rule["resources"]) & {resource, "*"}
            if known and set(rule["verbs"]) & {verb, "*"}:
                return
        who = "system:serviceaccount:lab:alphintra-lab"
        said = f'{resource} is forbidden: User "{who}" cannot {verb} resource "{resource}"'
        raise Refused(403, "Forbidden", f'{said} in API group "" in the namespace "{NAMESPACE}"')

    def _decode(self, kind: str, body: bytes) -> Object:
        version, title, model = KINDS[kind]
        sent: Object = json.loads(body)
        if (sent.get("apiVersion"), sent.get("kind")) != (version, title):
            raise Refused(400, "BadRequest", f"the object is no {title} of {version}")
        wrong = list(decode_strictly(sent, model, ""))
        if wrong:
            said = ", ".join(one.replace('".', '"') for one in wrong)
            raise Refused(400, "BadRequest", f"strict decoding error: {said}")
        return sent

    def _create(self, kind: str, body: bytes) -> Object:
        sent = self._decode(kind, body)
        name = sent["metadata"].get("name", "")
        check = {"pods": check_pod, "secrets": check_secret, "networkpolicies": check_policy}[kind]
        wrong = [*check_metadata(sent["metadata"]), *check(sent)]
        if wrong:
            said = f'{KINDS[kind][1]} "{name}" is invalid: {", ".join(wrong)}'
            raise Refused(422, "Invalid", said)
        with self.lock:
            if kind == "pods":
                self._admit(sent, name)
            if (kind, name) in self.objects:
                raise Refused(409, "AlreadyExists", f'{kind} "{name}" already exists')
            made = {"uid": str(uuid.uuid4()), "namespace": NAMESPACE, "creationTimestamp": now()}
            sent["metadata"] |= made
            if kind == "secrets":
                sent["data"] = sent.get("data", {}) | {
                    key: base64.b64encode(value.encode()).decode()
                    for key, value in sent.pop("stringData", {}).items()
                }
            self.objects[kind, name] = sent
            if kind == "pods":
                self.running[name] = RunningPod(
                    sent,
                    self.folder / name,
                    self.claims,
                    self.images,
                    self._find_secret,
                    self.fault,
                    self._is_shut(sent["metadata"].get("labels", {})),
                    ("127.0.0.1", self.port),
                )
        if self.lost_answers:
            self.lost_answers -= 1
            raise ConnectionResetError
        return sent

    def _admit(self, pod: Object, name: str) -> None:
        runtime_class = pod["spec"].get("runtimeClassName")
        if runtime_class and runtime_class not in self.runtime_classes:
            said = f'pod rejected: RuntimeClass "{runtime_class}" not found'
            raise Refused(403, "Forbidden", f'pods "{name}" is forbidden: {said}')
        if wrong := list(violates_restricted(pod)):
            said = f'violates PodSecurity "restricted:latest": {", ".join(wrong)}'
            raise Refused(403, "Forbidden", f'pods "{name}" is forbidden: {said}')
        if self.busy:
            self.busy -= 1
            said = 'Operation cannot be fulfilled on resourcequotas "lab": it has been modified'
            raise Refused(409, "Conflict", said)
        used = len(self.of("pods"))
        if self.pod_quota is not None and used >= self.pod_quota:
            said = (
                f"exceeded quota: lab, requested: pods=1, used: pods={used}, limited: pods={used}"
            )
            raise Refused(403, "Forbidden", f'pods "{name}" is forbidden: {said}')

    def _is_shut(self, labels: Object) -> bool:
        """Whether no policy opens the network to a pod, in either direction."""
        policies, anyone = self.of("networkpolicies"), {"any": "one"}
        ways = [(labels, anyone, 443), (anyone, labels, 443), (SERVER, labels, 55_000)]
        opened = any(may_connect(policies, *way) for way in ways)
        return self.enforces_policies and not opened

    def _find_secret(self, name: str) -> Object | None:
        with self.lock:
            secret = self.objects.get(("secrets", name))
        if secret is None:
            return None
        return {"data": {key: base64.b64decode(value) for key, value in secret["data"].items()}}

    def _list(self, kind: str, query: dict[str, str]) -> Object:
        version, title, _ = KINDS[kind]
        found = [o for o in self.of(kind) if _matches(o, query.get("labelSelector", ""))]
        return {"apiVersion": version, "kind": f"{title}List", "metadata": {}, "items": found}

    def _read_log(self, name: str, query: dict[str, str]) -> bytes:
        pod = self.running[name]
        if self.logs_are_away:
            raise Refused(500, "InternalError", "dial tcp 10.0.0.7:10250: i/o timeout")
        if "running" not in str(pod.pod["status"]) and "terminated" not in str(pod.pod["status"]):
            raise Refused(400, "BadRequest", f'container in pod "{name}" is waiting to start')
        with pod.log.open("rb") as file:
            return file.read(int(query.get("limitBytes", -1)))


def _matches(one: Object, selector: str) -> bool:
    labels = one["metadata"].get("labels") or {}
    for part in filter(None, selector.split(",")):
        key, unequal, value = re.fullmatch(r"([^!=]+)(!?)==?([^=]*)", part).groups()  # type: ignore[union-attr]  # fails the request, as it should
        if (labels.get(key) == value) == bool(unequal):
            return False
    return True


@contextlib.contextmanager
def start_cluster(folder: Path, volume: Path) -> Iterator[FakeCluster]:
    """A cluster with one claim, `CLAIM`, whose files lie in `volume`; all its pods end with it."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = FakeCluster(folder, volume)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            cluster.requests.append(f"{self.command} {url.path}")
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            time.sleep(cluster.delay)
            try:
                if cluster.away:
                    raise Refused(503, "ServiceUnavailable", "the server is not available")
                scheme, _, token = self.headers.get("Authorization", "").partition(" ")
                if (scheme.lower(), token) != ("bearer", TOKEN):
                    raise Refused(401, "Unauthorized", "Unauthorized")
                answer, code = cluster.answer(self.command, url.path, query, body), 200
            except ConnectionResetError:
                self.close_connection = True
                return
            except Refused as error:
                code = error.code
                answer = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
                answer |= {"message": str(error), "reason": error.reason, "code": code}
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(code)
            kind = "text/plain" if isinstance(answer, bytes) else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = handle_one

        def log_message(self, format: str, *args: object) -> None:
            """Tests say what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # The handshake is made by the thread that serves, so that none waits for another.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_certificate(folder))
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    cluster.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for kind, name in list(cluster.objects):
            cluster.delete(kind, name)
