"""Jupyter kernels as pods of a Kubernetes cluster: the kernelspec's `alphintra-kubernetes`."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from ..errors import LabError
from . import access, bubblewrap
from .cluster import KubernetesCluster
from .limits import GIB, KERNEL, Limits
from .pod_trouble import describe_ending, find_ending, find_obstacle, is_running
from .provisioner import BubblewrapProvisioner, hidden_paths, own_folder

if TYPE_CHECKING:
    from kubernetes import client

CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
CONNECTION_FILE = "/run/alphintra/kernel.json"
POLL, ALIVE_FOR = 0.2, 1.0
"""Seconds between two looks at a pod that starts, and for which one that runs is not asked again:
Jupyter asks ten times a second while it waits for an end."""
GONE = -9


class KubernetesProvisioner(KernelProvisionerBase):
    """A kernel in a pod of its own, which alone the server reaches, encrypted.

    It sees the workspace at its own path, from the cluster's volume, and may write the notebook's
    folder only. Configured by `KubernetesCluster`.
    """

    limits: ClassVar[Limits] = KERNEL

    # One for all kernels of a server with the same settings: it ensures the policies once.
    _clusters: ClassVar[dict[str, KubernetesCluster]] = {}
    _cleared: ClassVar[set[KubernetesCluster]] = set()
    _pod: str | None = None
    _code: int | None = None
    _looked: float = 0.0
    _root: Path | None = None
    _cwd: Path | None = None

    @property
    def cluster(self) -> KubernetesCluster:
        """The cluster that the server's configuration names."""
        cluster = KubernetesCluster(parent=self)
        known = {name: getattr(cluster, name) for name in sorted(cluster.trait_names(config=True))}
        return self._clusters.setdefault(json.dumps(known), cluster)

    @property
    def has_process(self) -> bool:
        """Whether there is a pod, as far as we know."""
        return self._pod is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Find the folders and the program; nothing of the server's environment goes along."""
        # What is hidden from a kernel is the same everywhere; the app tells it once.
        workspace = BubblewrapProvisioner.workspace
        self._root = (workspace or Path(kwargs.get("cwd") or ".")).resolve()
        cwd = Path(kwargs.get("cwd") or self._root).resolve()
        inside = cwd.is_dir() and cwd.is_relative_to(self._root)
        self._cwd = cwd if inside else self._root
        command = [
            CONNECTION_FILE if a == "{connection_file}" else a for a in self.kernel_spec.argv
        ]
        return {"cmd": command, "env": {}}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Create the pod and wait until it runs; raises RuntimeError with the reason if not."""
        del kwargs
        info = self._choose_connection()
        making = asyncio.ensure_future(asyncio.to_thread(self._create, cmd, info))
        try:
            info["ip"] = await self._wait_for_start(await asyncio.shield(making))
        except BaseException as error:
            await asyncio.wait({making})  # what is made while we give up goes, too
            await self._delete()
            if isinstance(error, LabError):
                raise RuntimeError(error.message) from error
            raise
        self.connection_info = info
        self._code, self._looked = None, time.monotonic()
        return info

    def _choose_connection(self) -> KernelConnectionInfo:
        """Keys, and ports that differ after a restart: by them the server notices the new pod."""
        import zmq

        from .pods import PORTS

        manager = self.parent
        assert manager is not None
        public, secret = (key.decode() for key in zmq.curve_keypair())
        first = random.randrange(PORTS.start, PORTS.stop - len(CHANNELS))  # noqa: S311  no secret
        info: dict[str, Any] = {
            "transport": "tcp",
            "key": manager.session.key,
            "signature_scheme": manager.session.signature_scheme,
            "curve_publickey": public,
            "curve_secretkey": secret,
            **{name: first + i for i, name in enumerate(CHANNELS)},
        }
        return info  # type: ignore[return-value]  # a TypedDict, filled by names

    def _create(self, command: list[str], info: KernelConnectionInfo) -> str:
        from .pods import PodPlan

        assert self._root is not None and self._cwd is not None
        cluster, root, cwd = self.cluster, self._root, self._cwd
        if cluster not in self._cleared:
            cluster.remove_orphans("kernel")
            self._cleared.add(cluster)
        user = bubblewrap.choose_user(self.kernel_id)
        own = own_folder(root, cwd)
        access.allow_reading(user, *[p for p in (cwd, *cwd.parents) if p.is_relative_to(root)])
        if own is not None:
            access.allow_writing(user, own)
        hidden = hidden_paths(root, BubblewrapProvisioner.home)
        name = f"alphintra-kernel-{str(self.kernel_id)[:36].lower()}-{secrets.token_hex(3)}"
        plan = PodPlan(
            name=name,
            kind="kernel",
            id=str(self.kernel_id),
            command=command,
            user=user.user,
            group=user.group,
            own_user=user.real,
            limits=self.limits,
            deadline=None,
            readonly={str(root): cluster.locate(root)},
            writable={str(own): cluster.locate(own)} if own else {},
            hidden_folders=[str(path) for path in hidden if path.is_dir()],
            hidden_files=[str(path) for path in hidden if not path.is_dir()],
            secret=name,
            environment=dict(self.kernel_spec.env),
            cwd=str(cwd),
        )
        self._pod = name
        pod = cluster.create_pod(plan)
        # The pod waits for it: with its uid known, the secret goes when the pod goes.
        text = {k: v.decode() if isinstance(v, bytes) else v for k, v in info.items()}
        cluster.create_secret(name, pod, json.dumps(text))
        return name

    async def _wait_for_start(self, name: str) -> str:
        cluster = self.cluster
        deadline = time.monotonic() + cluster.start_seconds
        why = "its node has not answered"
        while time.monotonic() < deadline:
            pod = await asyncio.to_thread(cluster.read_pod, name)
            if pod is None:
                raise RuntimeError(f"The kernel's pod {name} was deleted while it started.")
            if is_running(pod):
                return _address(pod)
            if ending := find_ending(pod):
                said = await asyncio.to_thread(cluster.read_log, name, 2_000)
                words = describe_ending(ending, self._memory())
                raise RuntimeError(
                    f"The kernel ended at its start. {words} {said.decode(errors='replace')}"
                )
            why, hopeless = find_obstacle(pod)
            if hopeless:
                break
            await asyncio.sleep(POLL)
        raise RuntimeError(f"The kernel's pod could not start, and was removed. {why}")

    async def poll(self) -> int | None:
        """None while it runs, else the exit code; the reason of an end is logged once."""
        if self._pod is None:
            return GONE if self._code is None else self._code
        if self._code is not None or time.monotonic() - self._looked < ALIVE_FOR:
            return self._code
        try:
            pod = await asyncio.to_thread(self.cluster.read_pod, self._pod)
        except LabError as error:
            self.log.warning("Kernel %s may have ended: %s", self.kernel_id, error.message)
            return None  # a cluster that is away for a while ends no kernel
        self._looked = time.monotonic()
        ending = pod and find_ending(pod)
        if pod is None:
            self._code = GONE
            self.log.error("The pod of kernel %s is gone.", self.kernel_id)
        elif ending:
            self._code = GONE if ending.code is None else ending.code
            words = describe_ending(ending, self._memory())
            self.log.error("Kernel %s has ended. %s", self.kernel_id, words)
        return self._code

    async def wait(self) -> int | None:
        """Wait for the end."""
        while self._pod is not None and await self.poll() is None:
            self._looked = 0.0
            await asyncio.sleep(POLL)
        code = await self.poll()
        await self._delete()
        return code

    async def send_signal(self, signum: int) -> None:
        """End the pod. Interrupts go as messages."""
        if signum in (signal.SIGTERM, signal.SIGKILL):
            await self._delete()

    async def kill(self, restart: bool = False) -> None:
        """Delete the pod at once; its secret goes with it."""
        await self._delete()

    async def terminate(self, restart: bool = False) -> None:
        """As `kill`: there is nothing more polite than the shutdown message that came before."""
        await self._delete()

    async def cleanup(self, restart: bool = False) -> None:
        """Delete what is left of it."""
        await self._delete()

    async def _delete(self) -> None:
        name, self._pod = self._pod, None
        if name is None:
            return
        try:
            await asyncio.to_thread(self.cluster.delete_pod, name)
        except LabError as error:
            # The next server of this lab finds it by its labels.
            self.log.error("The pod %s is left behind: %s", name, error.message)

    async def get_provisioner_info(self) -> dict[str, Any]:
        """What another process needs to find the kernel again."""
        return await super().get_provisioner_info() | {"pod": self._pod}

    async def load_provisioner_info(self, provisioner_info: dict[str, Any]) -> None:
        """Take over a kernel that another process started."""
        await super().load_provisioner_info(provisioner_info)
        self._pod = provisioner_info["pod"]

    def get_stable_start_time(self, recommended: float = 10.0) -> float:
        """A pod is slower to serve than a process."""
        return max(recommended, 30.0)

    def resolve_path(self, path: str) -> str | None:
        """A file of the workspace: a kernel sees it at the path that it has here."""
        if self._root is None or self._cwd is None:
            return None
        found = (self._cwd / Path(path).expanduser()).resolve()
        return str(found) if found.exists() and found.is_relative_to(self._root) else None

    def _memory(self) -> str:
        return f"{self.limits.memory_bytes / GIB:g} GiB"


def _address(pod: client.V1Pod) -> str:
    assert pod.status is not None and pod.status.pod_ip is not None
    return pod.status.pod_ip
