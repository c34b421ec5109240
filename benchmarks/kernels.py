"""From asking for a kernel to the answer of its first cell: warm, forked, cold and plain."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from alphintra_lab.sandbox.limits import KERNEL
from alphintra_lab.sandbox.provisioner import BubblewrapProvisioner
from alphintra_lab.sandbox.self_test import test_forks
from alphintra_lab.sandbox.warm import WarmKernels
from alphintra_lab.sandbox.zygote import Zygote
from benchmarks.measure import Row, compare, paired_ratio, seconds

ROOT = Path(__file__).parents[1]
CELL = "import vectorbt as vbt; vbt.MA"
POOL_MS, FORK_MS, TIMES, PRIVATE_MB, COLD = 50.0, 250.0, 20.0, 60.0, 1.3
MB = 1024**2


def measure(repeats: int, say: Callable[[str], None]) -> list[Row]:
    """Warm, forked, cold and plain kernels in turn, in one process, through Jupyter's manager."""
    with tempfile.TemporaryDirectory(prefix="alphintra-bench-") as name:
        return asyncio.run(_measure(Path(name), repeats, say))


async def _measure(folder: Path, repeats: int, say: Callable[[str], None]) -> list[Row]:
    workspace = folder / "workspace"
    (workspace / "strategies" / "one").mkdir(parents=True)
    provisioner = BubblewrapProvisioner
    provisioner.workspace, provisioner.home = workspace, folder / "home"
    own = workspace / "strategies" / "one"
    zygote = Zygote()
    await zygote.start(test_forks)
    pool = WarmKernels(zygote, 1, folder / "home", KERNEL)
    keeping = asyncio.create_task(pool.run())
    took: dict[str, list[float]] = {}
    bare: dict[str, list[float]] = {}
    private: list[float] = []

    async def run(kind: str) -> None:
        provisioner.zygote = zygote if kind in ("warm", "forked") else None
        provisioner.warm = pool if kind == "warm" else None
        if kind == "warm":
            await _until(lambda: bool(pool._ready))
            await asyncio.sleep(0.5)  # it has started to serve
        async with open_kernel(own, plain=kind == "plain") as first:
            took.setdefault(kind, []).append(await first(CELL))
            say(f"  {kind}: {took[kind][-1] * 1000:.0f} ms")
        async with open_kernel(own, plain=kind == "plain") as first:
            bare.setdefault(kind, []).append(await first("import pandas"))

    async def weigh() -> None:
        await _until(lambda: bool(pool._ready))
        await asyncio.sleep(0.5)
        forked = pool._ready[0].forked
        private.append(sum(_private(pid) for pid in _family(forked.pid)) / MB)

    try:
        for _ in range(repeats):
            for kind in ("warm", "forked", "cold", "plain"):
                await run(kind)
            provisioner.warm = None
            await weigh()
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await zygote.stop()
    what = "Kernel asked for to the first cell's answer, vectorbt imported,"
    plain = f"a plain ipykernel: {seconds(took['plain'])}"
    rows = []
    for kind, limit in (("warm", POOL_MS), ("forked", FORK_MS)):
        median = statistics.median(took[kind]) * 1000
        ratio = paired_ratio(took["plain"], took[kind])
        rows.append(
            Row(
                f"{what} {kind}",
                f"{median:.0f} ms ({min(took[kind]) * 1000:.0f}–{max(took[kind]) * 1000:.0f})",
                plain,
                f"{ratio:.0f} × faster",
                f"≤ {limit:g} ms, ≥ {TIMES:g} ×",
                median <= limit and ratio >= TIMES,
            )
        )
    cold = "Cold sandboxed kernel to a first cell with pandas, which the SDK brings"
    rows.append(compare(cold, bare["cold"], bare["plain"], "a plain ipykernel", COLD))
    weight = statistics.median(private)
    rows.append(
        Row(
            "Private memory of a warm kernel",
            f"{weight:.0f} MB",
            target=f"≤ {PRIVATE_MB:g} MB",
            met=weight <= PRIVATE_MB,
        )
    )
    return rows


@asynccontextmanager
async def open_kernel(
    cwd: Path, *, plain: bool
) -> AsyncIterator[Callable[[str], Awaitable[float]]]:
    """A started kernel; gives what runs the first cell: seconds since the kernel was asked for."""
    specs = KernelSpecManager(kernel_dirs=[str(ROOT / "kernels")])
    manager = AsyncKernelManager(kernel_name="alphintra-sandboxed", kernel_spec_manager=specs)
    if plain:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        manager._kernel_spec = KernelSpec(argv=argv, display_name="plain", language="python")
    begin = time.perf_counter()
    await manager.start_kernel(cwd=str(cwd))
    client = manager.client()
    client.start_channels()

    async def first(code: str) -> float:
        client.execute(code, store_history=False)
        reply = await client.get_shell_msg(timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
        return time.perf_counter() - begin

    try:
        yield first
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.02)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _private(pid: int) -> int:
    """Bytes that this process alone holds."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
