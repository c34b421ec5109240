"""The user's process for the checks: the same code over many versions of the bars.

`python -m alphintra_lab.sdk.rerun JOBFILE` runs each variant in a fresh process, forked before any
user code was imported, with the same seed and without caches: what then differs, differs because
of the bars. It writes one frame for each (see engine/reruns.py) and judges nothing.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import select
import shutil
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from ..engine.decisions import Decisions, encode
from ..engine.futures import vary
from ..engine.reruns import frame, pack, take_rows
from ..engine.variants import Rerun, Variant
from .bars import cut, read_bars
from .decide import make_strategy, seed_everything
from .deciding import decide
from .failure import describe_failure
from .strategy import whole

KEPT = {"numba", "matplotlib", "ipython"}
"""Caches of compiled code in the sandbox's /tmp; everything else there is state, and goes."""

_LENGTH = struct.Struct("<Q")
_ERROR_LENGTH = 500


class Answer(msgspec.Struct, frozen=True):
    """What a variant's process says before it ends."""

    decisions: bytes | None = None
    error: str | None = None
    warmup: int | None = None
    expanding: bool = False
    files: list[str] = []
    modules: list[str] = []
    """What its code imported from the environment; empty where that started threads."""


class Ended(NamedTuple):
    """A forked process's message, or how it ended without one."""

    data: bytes | None
    reason: str


def main(job_file: str) -> int:
    """Run a job file's variants in order; the answer is the process's exit code."""
    job: dict[str, Any] = json.loads(Path(job_file).read_bytes())
    sys.dont_write_bytecode = True
    folder = Path(job["strategy"]["folder"]).absolute()
    variants = msgspec.convert(job["variants"], list[Variant])
    bars = _read_apart(job)
    gc.collect()
    gc.freeze()
    with Path(job["out"]).open("wb", buffering=0) as out:
        _run_all(job, folder, bars, variants, out.write)
    return 0


def _read_apart(job: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """The bars, read in a process of their own: Arrow's pools of threads must not be forked."""

    def read() -> bytes:
        return pickle.dumps(
            {symbol: cut(read_bars(path), end=job.get("end")) for symbol, path in _files(job)}
        )

    ended = fork(read, 600)
    if ended.data is None:
        raise RuntimeError(f"the bars could not be read: {ended.reason}")
    bars: dict[str, pd.DataFrame] = pickle.loads(ended.data)  # noqa: S301  our own words, above
    # In one block each, which every variant would make again.
    return {symbol: frame.copy() for symbol, frame in bars.items()}


def _files(job: dict[str, Any]) -> list[tuple[str, str]]:
    return list(job["bars"].items())


def _run_all(
    job: dict[str, Any],
    folder: Path,
    bars: dict[str, pd.DataFrame],
    variants: list[Variant],
    write: Callable[[bytes], Any],
) -> None:
    deadline = time.monotonic() + float(job["budget"])
    scratch = [Path(place) for place in job.get("scratch") or []]
    there = {path for place in scratch for path in place.iterdir()}
    base: Decisions | None = None
    cuts = sum(variant.mode == "truncate" for variant in variants) or 1
    done = 0
    for number, variant in enumerate(variants):
        if not variant.needed and time.monotonic() > deadline:
            continue
        _empty(scratch, there)
        ended = fork(partial(_answer, job, folder, bars, variant), float(job["seconds"]))
        answer = _read(ended)
        rerun = Rerun(
            number,
            error=answer.error,
            warmup=answer.warmup,
            expanding=answer.expanding,
            files=answer.files,
        )
        if answer.decisions is not None:
            decided: Decisions = msgspec.msgpack.decode(answer.decisions, type=Decisions)
            own = take_rows(decided, 0, variant.end - variant.first)
            part = None if base is None else take_rows(base, variant.first, variant.end)
            rerun = msgspec.structs.replace(rerun, packed=pack(own, part))
            if base is None:
                base = decided
                _preload(answer.modules)
        write(frame(rerun))
        if base is None:
            return  # without the run itself there is nothing to compare with
        done += variant.mode == "truncate"
        Path(job["progress"]).write_text(f"{done / cuts:.4f}")


def _answer(
    job: dict[str, Any], folder: Path, bars: dict[str, pd.DataFrame], variant: Variant
) -> bytes:
    """In the forked process: load the code, decide, and say all that the checks need."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    files = watch_files(folder)
    before = set(sys.modules)
    seed_everything(int(job.get("seed") or 0))
    try:
        strategy = make_strategy(job, folder)
        modules = _environment_modules(before, folder)
        warmup = None if strategy.warmup is None else whole("warmup", strategy.warmup, low=0)
        answer = Answer(
            decisions=encode(decide(strategy, vary(bars, variant))),
            warmup=warmup,
            expanding=bool(strategy.expanding),
            files=sorted(files)[:20],
            modules=modules,
        )
    except BaseException as error:  # noqa: BLE001  the boundary: user code may raise anything
        message = describe_failure(error, folder)["message"]
        answer = Answer(error=message[:_ERROR_LENGTH], files=sorted(files)[:20])
    return msgspec.msgpack.encode(answer)


def _read(ended: Ended) -> Answer:
    if ended.data is None:
        return Answer(error=ended.reason)
    return msgspec.msgpack.decode(ended.data, type=Answer)


def watch_files(folder: Path) -> set[str]:
    """The files that Python opens from now on, other than code and what the environment holds."""
    opened: set[str] = set()
    quiet = (sys.prefix, sys.base_prefix, *sys.path[1:], "/usr", "/proc", "/dev", "/sys", "/etc")
    kept = tuple(f"{place}/" for place in quiet if place and Path(place) != folder)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100  runs at every open
        if not path.startswith(kept) and not path.endswith((".py", ".pyc")):
            opened.add(os.path.relpath(path, folder) if path.startswith(f"{folder}/") else path)

    sys.addaudithook(hear)
    return opened


def _environment_modules(before: set[str], folder: Path) -> list[str]:
    """What user code imported that is not its own, if importing it starts no thread."""
    if count_threads() > 1:
        return []
    new = [(name, module) for name, module in sys.modules.items() if name not in before]
    return [
        name
        for name, module in new
        if (file := getattr(module, "__file__", None)) and not Path(file).is_relative_to(folder)
    ]


def _preload(modules: list[str]) -> None:
    """Import here what every variant would import again: only the environment's, never the user's.

    A library that does not import by itself is left to the variants.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    gc.collect()
    gc.freeze()


def _empty(folders: list[Path], kept: set[Path]) -> None:
    """Forget what an earlier variant wrote down: no decision may come out of a file."""
    for folder in folders:
        for path in folder.iterdir():
            if path in kept or path.name in KEPT:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def count_threads() -> int:
    """This process's threads. jemalloc's own (it comes with Arrow) minds forks, and is not one."""
    tasks = Path("/proc/self/task")
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
    return sum(name != "jemalloc_bg_thd" for name in names)


def fork(work: Callable[[], bytes], seconds: float) -> Ended:
    """Run `work` in a forked process; its bytes, or why there are none."""
    if count_threads() > 1:
        raise RuntimeError("a process with threads must not be forked")
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # From Python 3.12 on, fork() warns of jemalloc's thread too, which does not matter here.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.setpgid(0, 0)
        said = work()
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(_LENGTH.pack(len(said)) + said)
        os._exit(0)
    os.close(writer)
    try:
        data, late = _receive(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
        _end(pid)
    if data is not None:
        return Ended(data, "")
    if late:
        return Ended(None, f"It took longer than {seconds:g} s.")
    return Ended(None, "The strategy's process ended itself, or was ended, before it decided.")


def _receive(reader: int, deadline: float) -> tuple[bytes | None, bool]:
    """A whole message, or None and whether the time was up."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    data = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return None, True
        chunk = os.read(reader, 1 << 20)
        if not chunk:
            return None, False
        data += chunk
        if len(data) >= _LENGTH.size:
            length = _LENGTH.unpack_from(data)[0]
            if len(data) >= _LENGTH.size + length:
                return bytes(data[_LENGTH.size : _LENGTH.size + length]), False


def _end(pid: int) -> None:
    """End a forked process and what it started."""
    for kill, whom in ((os.killpg, pid), (os.kill, pid)):
        try:
            kill(whom, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os.waitpid(pid, 0)


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
