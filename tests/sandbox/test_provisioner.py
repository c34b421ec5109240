"""Real kernels in the sandbox, through Jupyter's own manager."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from alphintra_lab.sandbox.limits import KERNEL
from alphintra_lab.sandbox.provisioner import BubblewrapProvisioner, hidden_paths, own_folder
from alphintra_lab.sandbox.runtime import Runtime
from alphintra_lab.sandbox.warm import WarmKernels
from tests.sandbox.forking import find_loop, running_zygote

ROOT = Path(__file__).parents[2]


class Kernel:
    """A started kernel and a client of it."""

    def __init__(self, manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        self.manager, self.client = manager, client

    async def run(self, code: str) -> str:
        """What a cell printed, or the name and text of its error."""
        said: list[str] = []

        def note(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                said.append(content["text"])
            elif message["msg_type"] == "error":
                said.append(f"{content['ename']}: {content['evalue']}")

        await self.client.execute_interactive(
            textwrap.dedent(code), timeout=30, output_hook=note, store_history=False
        )
        return "".join(said)

    @property
    def provisioner(self) -> BubblewrapProvisioner:
        """Ours, as the manager holds it."""
        assert isinstance(self.manager.provisioner, BubblewrapProvisioner)
        return self.manager.provisioner


@pytest.fixture(scope="module", autouse=True)
def jp_asyncio_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One loop for all tests here, on which the zygote lives."""
    loop = find_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module", autouse=True, params=["cold", "forked", "warm"])
def start(
    request: pytest.FixtureRequest,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Every kernel here is started in each of the three ways."""
    if request.param == "cold":
        yield "cold"
        return
    loop = jp_asyncio_loop
    with running_zygote(loop) as zygote, pytest.MonkeyPatch.context() as patch:
        patch.setattr(BubblewrapProvisioner, "zygote", zygote)
        if request.param == "forked":
            yield "forked"
        else:
            kernels = WarmKernels(zygote, 1, tmp_path_factory.mktemp("home"), KERNEL)
            patch.setattr(BubblewrapProvisioner, "warm", kernels)
            keeping = loop.create_task(kernels.run())
            yield "warm"
            keeping.cancel()
            loop.run_until_complete(asyncio.wait({keeping}))
        assert zygote.ready, "it has survived all of them"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two strategies, a key at its root, and the lab's home in it."""
    root = tmp_path / "workspace"
    for name in ("one", "two"):
        (root / "strategies" / name).mkdir(parents=True)
        (root / "strategies" / name / "strategy.py").write_text(f"NAME = {name!r}\n")
    (root / "home").mkdir()
    (root / "home" / "lab.db").write_text("rows")
    (root / ".env").write_text("SECRET_KEY=hunter2")
    monkeypatch.setattr(BubblewrapProvisioner, "workspace", root)
    monkeypatch.setattr(BubblewrapProvisioner, "home", root / "home")
    return root


@contextlib.asynccontextmanager
async def open_kernel(cwd: Path) -> AsyncIterator[Kernel]:
    """A kernel that is ready."""
    specs = KernelSpecManager(kernel_dirs=[str(ROOT / "kernels")])
    manager = AsyncKernelManager(kernel_name="alphintra-sandboxed", kernel_spec_manager=specs)
    await manager.start_kernel(cwd=str(cwd))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=30)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def test_no_kernel_starts_where_the_sandbox_failed_its_test(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BubblewrapProvisioner, "refusal", "home folders can be read")
    with pytest.raises(RuntimeError, match="home folders can be read"):
        async with open_kernel(workspace):
            raise AssertionError("a kernel started")


async def test_a_kernel_has_the_sdk_and_writes_only_its_own_folder(workspace: Path) -> None:
    own = workspace / "strategies" / "one"
    async with open_kernel(own) as kernel:
        assert await kernel.run("print(Strategy.__name__, load_bars.__name__)") == (
            "Strategy load_bars\n"
        )
        assert await kernel.run("import os, strategy; print(os.getcwd(), strategy.NAME)") == (
            f"{own} one\n"
        )
        assert await kernel.run("open('notes.txt', 'w').write('kept')") == ""
        assert await kernel.run("print(open('../two/strategy.py').read())") == "NAME = 'two'\n\n"
        for path in ("../two/strategy.py", "../new.py", "../../new.py", "/line/x", "/grants/x"):
            assert "Read-only file system" in await kernel.run(f"open({path!r}, 'w')"), path
        assert await kernel.run("import os; os.symlink('/etc/passwd', 'link')") == (
            "PermissionError: [Errno 1] Operation not permitted: '/etc/passwd' -> 'link'"
        )
    assert (own / "notes.txt").read_text() == "kept"
    (own / "notes.txt").unlink()  # the server may, too


async def test_a_kernel_sees_no_secret_no_network_and_no_other_process(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@db/lab")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with open_kernel(workspace / "strategies" / "one") as kernel:
            seen = await kernel.run(
                f"""
                import os, socket
                print(dict(os.environ), open("/proc/self/environ").read())
                print(os.listdir({str(workspace / "home")!r}))
                try:
                    print(open({str(workspace / ".env")!r}).read())
                except PermissionError:
                    print("refused")
                try:
                    socket.create_connection(("127.0.0.1", {port}), timeout=1)
                except ConnectionRefusedError:
                    print("no network")
                print([p for p in os.listdir("/proc") if p.isdigit() and p != str(os.getpid())])
                """
            )
    assert "hunter2" not in seen
    assert seen.splitlines()[1:] == ["[]", "refused", "no network", "['1']"]


async def test_interrupt_restart_and_shutdown(workspace: Path) -> None:
    async with open_kernel(workspace / "strategies" / "one") as kernel:
        running = asyncio.create_task(kernel.run("import time\nwhile True: time.sleep(0.05)"))
        await asyncio.sleep(0.5)
        await kernel.manager.interrupt_kernel()
        assert (await asyncio.wait_for(running, 5)).startswith("KeyboardInterrupt")
        await kernel.run("x = 1")
        await kernel.manager.restart_kernel()
        await kernel.client.wait_for_ready(timeout=30)
        assert await kernel.run("print('x' in globals())") == "False\n"
        runtime = kernel.provisioner.runtime
        sandbox = kernel.provisioner.prepared or kernel.provisioner.forked
        assert runtime is not None and runtime.folder.exists() and sandbox is not None
        pid, group = kernel.provisioner.process.pid, sandbox.cgroup
        await kernel.manager.shutdown_kernel()
        assert not await kernel.manager.is_alive()
    assert not runtime.folder.exists() and not runtime.grants.exists()
    assert str(runtime.folder) not in Path("/proc/mounts").read_text()
    assert pid is not None and not psutil.pid_exists(pid)
    for folder in group.folders if group else ():
        assert not Path(folder).exists()


async def test_memory_and_a_death_are_told_and_the_kernel_can_be_restarted(workspace: Path) -> None:
    async with open_kernel(workspace / "strategies" / "one") as kernel:
        assert await kernel.run("bytearray(20 * 1024**3)") == "MemoryError: "
        assert await kernel.run("print('still here')") == "still here\n"
        kernel.client.execute("import os; os._exit(3)")
        deadline = time.monotonic() + 5
        while await kernel.manager.is_alive() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert await kernel.provisioner.poll() == 3
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=30)
        assert await kernel.run("print('again')") == "again\n"


async def test_the_line_and_the_grants_reach_the_kernel(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Runtime, str]] = []

    async def open_line(runtime: Runtime, cwd: str) -> Any:
        opened.append((runtime, cwd))
        folder, grants = runtime.line, runtime.grants
        (grants / "bars.txt").write_text("granted")

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"from the server: " + await reader.readline())
            writer.close()

        server = await asyncio.start_unix_server(answer, folder / "sock")
        (folder / "sock").chmod(0o666)

        async def close() -> None:
            server.close()
            opened.clear()

        return close

    monkeypatch.setattr(BubblewrapProvisioner, "open_line", staticmethod(open_line))
    async with open_kernel(workspace / "strategies" / "one") as kernel:
        assert opened == [(kernel.provisioner.runtime, str(workspace / "strategies" / "one"))]
        for _ in range(2):
            said = await kernel.run(
                """
                import os, socket
                print(open("/grants/bars.txt").read())
                with socket.socket(socket.AF_UNIX) as line:
                    line.connect(os.environ["ALPHINTRA_LINE"])
                    line.sendall(b"hello\\n")
                    print(line.recv(100).decode())
                """
            )
            assert said.split("\n")[:2] == ["granted", "from the server: hello"]
            await kernel.manager.restart_kernel(now=True)
            await kernel.client.wait_for_ready(timeout=30)
    assert opened == []


async def test_the_sockets_folder_cannot_fill_the_disk(workspace: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount the small file system; see Runtime")
    async with open_kernel(workspace / "strategies" / "one") as kernel:
        assert kernel.provisioner.runtime is not None
        mounts = Path("/proc/mounts").read_text().splitlines()
        own = [m for m in mounts if str(kernel.provisioner.runtime.sockets) in m]
        assert all(flag in own[0] for flag in ("nosymfollow", "nosuid", "nodev", "noexec"))
        said = await kernel.run("open('/run/kernel/x', 'wb').write(bytes(4 * 1024**2))")
        assert "No space left on device" in said


async def test_a_killed_server_takes_its_kernel_along(workspace: Path, tmp_path: Path) -> None:
    own = workspace / "strategies" / "one"
    server = tmp_path / "server.py"
    server.write_text(
        textwrap.dedent(
            f"""
            import asyncio
            from pathlib import Path
            from tests.sandbox.test_provisioner import BubblewrapProvisioner, open_kernel

            async def main():
                BubblewrapProvisioner.workspace = Path({str(workspace)!r})
                async with open_kernel(Path({str(own)!r})) as kernel:
                    print(kernel.provisioner.pid, kernel.provisioner.runtime.folder, flush=True)
                    await asyncio.sleep(60)

            asyncio.run(main())
            """
        )
    )
    with subprocess.Popen(
        [sys.executable, str(server)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as child:
        assert child.stdout is not None
        pid, folder = child.stdout.readline().split()
        family = [psutil.Process(int(pid)), *psutil.Process(int(pid)).children(recursive=True)]
        assert len(family) == 3  # bubblewrap twice, the kernel
        child.send_signal(signal.SIGKILL)
        child.wait()
    _, alive = psutil.wait_procs(family, timeout=3)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    async with open_kernel(own):  # the next server clears up
        assert not Path(folder).exists()


def test_only_a_folder_without_other_strategies_is_writable(workspace: Path) -> None:
    strategies = workspace / "strategies"
    assert own_folder(workspace, strategies / "one") == strategies / "one"
    assert own_folder(workspace, strategies) is None
    assert own_folder(workspace, workspace) is None


def test_hidden_entries_and_the_labs_home_stay_out_of_sight(workspace: Path) -> None:
    assert set(hidden_paths(workspace, workspace / "home")) == {
        workspace / ".env",
        workspace / "home",
    }


async def test_the_debugger_attaches_on_the_kernels_own_loopback(workspace: Path) -> None:
    async with open_kernel(workspace / "strategies" / "one") as kernel:
        sequence = 0

        async def ask(command: str, **arguments: Any) -> dict[str, Any]:
            nonlocal sequence
            sequence += 1
            client = kernel.client
            content = {"type": "request", "command": command, "seq": sequence}
            message = client.session.msg("debug_request", content | {"arguments": arguments})
            client.control_channel.send(message)
            reply = await client.control_channel.get_msg(timeout=20)
            assert reply["parent_header"]["msg_id"] == message["header"]["msg_id"]
            return dict(reply["content"])

        features = {"clientID": "test", "adapterID": "python", "pathFormat": "path"}
        assert (await ask("initialize", **features))["success"]
        assert (await ask("attach"))["success"]
        cell = await ask("dumpCell", code="x = 41\nx += 1\n")
        place = cell["body"]["sourcePath"]
        lines = {"source": {"path": place}, "breakpoints": [{"line": 2}], "sourceModified": False}
        assert (await ask("setBreakpoints", **lines))["body"]["breakpoints"][0]["verified"]
        assert (await ask("disconnect", restart=False, terminateDebuggee=False))["success"]
