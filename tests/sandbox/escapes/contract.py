"""What an attack is, and how attacks are run, inside a sandbox or, as a control, outside of it.

Standard library only: this file and the attacks are copied into the sandbox.

An attack is a function that takes the `World` and returns evidence, a text, where it succeeded. It
is contained where it raises OSError, MemoryError or Contained, or where a signal ends it. Any other
exception is a mistake in the attack, and never counts as contained.
"""

from __future__ import annotations

import dataclasses
import errno
import importlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

THEMES = ("files", "network", "calls", "processes", "resources")
SECONDS = 10.0
"""How long one attack may take."""
# What the kernel ends a contained attack with: a call of another architecture, a limit, no memory.
ENDINGS = ("SIGSYS", "SIGKILL", "SIGXFSZ", "SIGSEGV")


class Contained(Exception):
    """The attack came to nothing, and this is how."""


@dataclasses.dataclass(frozen=True)
class World:
    """What the attacker knows of the host, by chance or by guessing. Paths are the host's."""

    mark: str
    """Stands in everything that must not be seen."""
    secret: str
    """A file of the host that nobody was given."""
    home: str
    """The lab's home: database, store, jobs."""
    workspace: str
    other: str
    """Another strategy's folder."""
    other_kernel: str
    """Another kernel's runtime folder."""
    other_job: str
    """Another job's folder."""
    setuid: str
    """A program of root's that would make its caller root, in a folder that is shown."""
    server: int
    """The server's process; it has the mark in its memory and in its environment."""
    tcp: int
    udp: int
    address: str
    """The host's own address in its network, or nothing."""
    abstract: str
    socket: str
    """A unix socket on the host's disk."""
    scratch: str = "/tmp"
    """A folder that may be written."""
    data: str = ""
    """A file of bars that may be read."""
    own: str = ""
    """The kernel's own folder on the host's disk, which it may write."""
    outputs: tuple[str, ...] = ()
    """Files of the host's disk that a job may write."""
    process_1: int = 1
    """Who keeps the namespaces of what is around: outside, the server stands for it."""
    inside: bool = True
    """False for a control, which must harm nothing."""
    processes: int = 400
    """The goals of bombs, above every limit."""
    mebibytes: int = 700
    """Of memory."""
    disk_mebibytes: int = 100
    files: int = 600_000


Attack = Callable[[World], str]


@dataclasses.dataclass(frozen=True)
class Terms:
    """What an attack needs."""

    only_root: bool = False
    """Without a sandbox, root alone could do it."""
    lacking: tuple[str, ...] = ()
    """Errors by which a machine says that it has no such thing, so that there is no control."""
    places: tuple[str, ...] = ("job", "kernel")
    alone: bool = False
    """It may bring its whole sandbox down."""
    needs_cgroup: bool = False
    """Where no cgroup can be made, it is not contained (docs/security.md)."""
    seconds: float = SECONDS


REGISTER: dict[str, tuple[Attack, Terms]] = {}
"""By theme.name."""


def attack(**terms: Any) -> Callable[[Attack], Attack]:
    """Register a function as an attack; the terms are those of `Terms`."""

    def register(function: Attack) -> Attack:
        theme = function.__module__.rsplit(".", 1)[-1]
        REGISTER[f"{theme}.{function.__name__}"] = (function, Terms(**terms))
        return function

    return register


def load() -> ModuleType:
    """Register all attacks; answers this module as the themes know it."""
    for theme in THEMES:
        importlib.import_module(f"tests.sandbox.escapes.{theme}")
    return sys.modules["tests.sandbox.escapes.contract"]


def run(names: Iterable[str], world: dict[str, Any]) -> dict[str, list[str]]:
    """Run attacks one after another, each in a process of its own: [outcome, how] by name.

    Outcomes: `escaped`, `contained`, and `broken` where the attack itself failed.
    """
    load()
    given = World(**world | {"outputs": tuple(world.get("outputs", ()))})
    return {name: _run_one(name, given) for name in names}


def try_all(tries: Iterable[Callable[[], str]]) -> str:
    """The evidence of the first try that works; raises the last refusal where none does."""
    refusal: Exception = Contained("nothing to try")
    for attempt in tries:
        try:
            evidence = attempt()
        except (OSError, Contained) as error:
            refusal = error
        else:
            if evidence:
                return evidence
    raise refusal


def _run_one(name: str, world: World) -> list[str]:
    function, terms = REGISTER[name]
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setpgid(0, 0)  # with the attack goes whatever it has started
        outcome = json.dumps(_attempt(function, world))[:4000].encode()
        os.write(writer, outcome)
        os._exit(0)
    os.close(writer)
    try:
        return _await(reader, child, terms.seconds)
    finally:
        os.close(reader)


def _attempt(function: Attack, world: World) -> list[str]:
    try:
        evidence = function(world)
    except OSError as error:
        number = error.errno or 0
        return ["contained", f"{errno.errorcode.get(number, number)} {error}"[:300]]
    except (MemoryError, Contained) as error:
        return ["contained", f"{type(error).__name__} {error}".strip()[:300]]
    # The boundary of the attack's process: whatever went wrong is told to the test.
    except BaseException as error:  # noqa: BLE001
        return ["broken", f"{type(error).__name__}: {error}"[:300]]
    return ["escaped", evidence[:300]] if evidence else ["broken", "no evidence, and no refusal"]


def _await(reader: int, child: int, seconds: float) -> list[str]:
    deadline, said = time.monotonic() + seconds, b""
    while left := max(deadline - time.monotonic(), 0):
        if select.select([reader], [], [], left)[0]:
            said += (chunk := os.read(reader, 65_536))
            if not chunk or said.endswith(b"]"):
                break
    _kill(child)
    _, status = os.waitpid(child, 0)
    if said:
        outcome: list[str] = json.loads(said)
        return outcome
    if os.WIFSIGNALED(status) and left:
        name = signal.Signals(os.WTERMSIG(status)).name
        return ["contained" if name in ENDINGS else "broken", f"killed by {name}"]
    return ["broken", f"said nothing in {seconds:g} s" if not left else f"ended with {status}"]


def _kill(child: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    # The control: names and world as JSON on standard input, outcomes as JSON on standard output.
    asked = json.load(sys.stdin)
    json.dump(load().run(asked["names"], asked["world"]), sys.stdout)
