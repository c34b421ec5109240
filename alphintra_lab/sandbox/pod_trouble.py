"""What the cluster says when something does not work, in plain words with the way out."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import msgspec

from ..errors import Conflict, Invalid, LabError, NotFound, Unavailable
from .pod_main import LAUNCHED

if TYPE_CHECKING:
    from kubernetes import client

HOPELESS = {
    "ErrImageNeverPull": "The node has no image {image}, and may not pull it",
    "ImagePullBackOff": "The image {image} cannot be pulled",
    "InvalidImageName": "{image} is no name of an image",
    "CreateContainerConfigError": "The pod's settings do not fit the node",
    "CreateContainerError": "The node could not make the container",
    "RunContainerError": "The node could not start the container",
}
WAYS_OUT = {
    "ErrImageNeverPull": "Load it onto the nodes.",
    "ImagePullBackOff": "Look at KubernetesCluster.image and pull_secret.",
    "InvalidImageName": "Set KubernetesCluster.image.",
}
TEXT_LENGTH = 1_000


class TryAgain(Unavailable):
    """The cluster's API was busy or did not answer: it may have done what was asked, or not."""


class Place(msgspec.Struct, frozen=True):
    """Where the lab's pods are to run."""

    namespace: str
    runtime_class: str


class Ending(msgspec.Struct, frozen=True):
    """How a pod ended."""

    reason: str
    """The cluster's word: `Completed`, `Error`, `OOMKilled`, `DeadlineExceeded`, `Evicted` ..."""
    message: str
    code: int | None
    """The program's exit code; None where it never ran, or nobody knows."""
    started: bool
    launched: bool
    """The lab's own first program ran and said so; else the image is not what it should be."""
    seconds: float


def explain_refusal(status: int, body: str, doing: str, place: Place) -> LabError:
    """An error that the cluster's API answered with."""
    reason, kind = _read_status(body, status)
    where = f"in the namespace {place.namespace}"
    if status == 404 and reason.startswith("namespaces "):
        return Invalid(
            f"The namespace {place.namespace} does not exist. Create it, or set "
            "KubernetesCluster.namespace.",
            field="KubernetesCluster.namespace",
        )
    if status == 404:
        return NotFound(f"The cluster has no such thing {where}: {reason}")
    if status == 409 and kind == "AlreadyExists":
        return Conflict(f"It is there already {where}: {reason}")
    if status == 401:
        return Unavailable(
            "The cluster does not know the lab: its token is wrong or has run out. Renew the "
            "service account's token, or the kubeconfig."
        )
    if status == 403:
        return Unavailable(_explain_forbidden(reason, doing, where, place))
    if status in (400, 422):
        return Invalid(f"The cluster refuses to {doing}: {reason}")
    # 409: two changed a quota at once; the others: overload, or a change of the server.
    return TryAgain(
        f"The cluster could not {doing} (status {status}): {reason}. Try again in a minute."
    )


def _read_status(body: str, status: int) -> tuple[str, str]:
    """The message and the reason of the API's Status object, or what came instead of one."""
    try:
        said = json.loads(body)
        return str(said["message"])[:TEXT_LENGTH], str(said.get("reason"))
    except (ValueError, KeyError, TypeError):
        return body[:TEXT_LENGTH] or f"status {status}", ""


def _explain_forbidden(reason: str, doing: str, where: str, place: Place) -> str:
    if "exceeded quota" in reason:
        return (
            f"The quota {where} is used up: {reason}. Wait until other runs have ended, or ask "
            "the cluster's owner for more."
        )
    if "violates PodSecurity" in reason:
        return (
            f"The pods {where} must keep more than the standard `restricted`: {reason}. Ask the "
            "cluster's owner what they expect."
        )
    if "RuntimeClass" in reason:
        return (
            f"The cluster has no RuntimeClass {place.runtime_class}: {reason}. Set "
            "KubernetesCluster.runtime_class to one that `kubectl get runtimeclass` lists."
        )
    return (
        f"The lab may not {doing} {where}: {reason}. Bind its service account to the Role in "
        "deploy/kubernetes/rbac.yaml."
    )


def find_ending(pod: client.V1Pod) -> Ending | None:
    """How the pod ended, or None while it waits or runs."""
    status = pod.status
    if status is None or status.phase not in ("Succeeded", "Failed"):
        return None
    states = [one.state for one in status.container_statuses or [] if one.state is not None]
    ended = states[0].terminated if states else None
    running = states[0].running if states else None  # the pod's end may be told before its own
    begun = (ended and ended.started_at) or (running and running.started_at) or None
    said = (ended and ended.message) or ""
    launched = said.startswith(LAUNCHED)
    return Ending(
        # The pod's own reason tells who ended it; the container's, how it ended by itself.
        reason=status.reason or (ended and ended.reason) or status.phase,
        message=(status.message or ("" if launched else said))[:TEXT_LENGTH],
        code=ended.exit_code if ended else None,
        started=begun is not None,
        launched=launched,
        seconds=_seconds(begun, ended.finished_at) if ended and begun else 0.0,
    )


def _seconds(begun: dt.datetime, ended: dt.datetime | None) -> float:
    return max((ended - begun).total_seconds(), 0.0) if ended else 0.0


def is_running(pod: client.V1Pod) -> bool:
    """Whether the program runs, on an address that is known."""
    status = pod.status
    return status is not None and status.phase == "Running" and bool(status.pod_ip)


def find_obstacle(pod: client.V1Pod) -> tuple[str, bool]:
    """Why a pod does not run yet, and whether waiting is hopeless."""
    status = pod.status
    for one in (status and status.container_statuses) or []:
        waiting = one.state and one.state.waiting
        if waiting and waiting.reason in HOPELESS:
            why = HOPELESS[waiting.reason].format(image=one.image)
            way_out = WAYS_OUT.get(waiting.reason, "Ask the cluster's owner.")
            return f"{why}: {(waiting.message or waiting.reason)[:TEXT_LENGTH]}. {way_out}", True
    for condition in (status and status.conditions) or []:
        if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
            said = (condition.message or "no reason given")[:TEXT_LENGTH].rstrip(".")
            way_out = "Ask for less memory, or wait for room."
            if "persistentvolumeclaim" in said:
                way_out = "Look at KubernetesCluster.claim."
            # Not hopeless: other pods end, and some clusters grow.
            return f"No node can take it: {said}. {way_out}", False
    return "Its node has not started it yet. Ask the cluster's owner to look at it.", False


def describe_ending(ending: Ending, memory: str) -> str:
    """The end of a kernel, for the log."""
    if ending.reason == "OOMKilled":
        return f"It used all the memory that it may, {memory}, and was ended."
    if ending.reason in ("Error", "Completed", "Failed", "Succeeded"):
        return f"It ended itself with exit code {ending.code}."
    return f"The cluster ended it: {ending.reason}: {ending.message or 'no reason given'}"
