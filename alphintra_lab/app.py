"""The server extension: wires the lab into a Jupyter server, and starts its worker."""

from __future__ import annotations

import asyncio
import gc
import importlib
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Int
from traitlets.config import Config

from . import __version__, events
from .api.bodies import refuse_large_bodies
from .api.debug_kernels import stop_watching
from .api.handler import tornado_handlers
from .api.lab import Lab
from .api.line import serve_line
from .api.policy import confine_files, with_page_policy
from .api.routes import ROUTES
from .config import LabConfig
from .datasets.platform import ensure_platform_datasets
from .datasets.service import remove_unused_files
from .db import upgrade
from .errors import LabError
from .processes import command_of, environment_of_child
from .sandbox.limits import KERNEL as KERNEL_LIMITS
from .sandbox.provisioner import BubblewrapProvisioner
from .sandbox.runtime import Runtime
from .sandbox.self_test import self_test, test_forks
from .sandbox.warm import WarmKernels
from .sandbox.zygote import Zygote

KERNEL = "alphintra-sandboxed"
LOAD_FRAMES_AFTER, WARM_AFTER = 5.0, 6.0
"""Seconds after the start."""


class AlphintraLab(ExtensionApp):
    """Alphintra Lab: strategies, datasets and backtests in JupyterLab."""

    name = "alphintra_lab"
    app_version = __version__
    default_url = "/lab"
    load_other_extensions = True
    classes = [LabConfig]  # noqa: RUF012  # traitlets' own declaration

    worker = Bool(True, help="Run jobs beside this server.").tag(config=True)
    warm_kernels = Int(1, help="Kernels that run before they are asked for, about 60 MB each.").tag(
        config=True
    )
    sandbox_test = Bool(True, help="Test the sandbox when the server starts.").tag(config=True)

    def initialize_settings(self) -> None:
        """Open the lab; nothing is read or written yet."""
        self.lab_config = LabConfig(parent=self)
        assert self.serverapp is not None
        self.lab: Lab = self._open_lab(Path(self.serverapp.root_dir))
        self.settings["alphintra"] = self.lab
        self.settings["alphintra_routes"] = ROUTES
        self.settings["headers"] = with_page_policy(self.settings, self.serverapp.base_url)
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.subprocess.Process | None = None
        BubblewrapProvisioner.workspace = self.lab.workspace
        BubblewrapProvisioner.home = self.lab.home
        BubblewrapProvisioner.open_line = self._open_line

    def _open_lab(self, workspace: Path) -> Lab:
        """The lab; where it cannot be, the server ends: a page without it would only puzzle."""
        try:
            return self.lab_config.open_lab(workspace)
        except LabError as error:
            self.log.critical("Alphintra Lab cannot start. %s", error.message)
        except OSError as error:
            self.log.critical("Alphintra Lab cannot start. %s: %s", error.filename, error.strerror)
        raise SystemExit(2)

    def initialize_handlers(self) -> None:
        """Put the handler table under the server's base URL."""
        self.handlers.extend(tornado_handlers(ROUTES))
        assert self.serverapp is not None
        contents = self.serverapp.contents_manager
        if contents.files_handler_class is not None:
            files = confine_files(contents.files_handler_class)
            self.handlers.append((r"/files/(.*)", files, contents.files_handler_params))
        refuse_large_bodies(self.serverapp.web_app, self.serverapp.base_url, ROUTES)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        assert serverapp.event_logger is not None
        serverapp.event_logger.register_event_schema(events.SCHEMA)
        await self.open_database()
        self._keep(self._add_datasets())
        self._keep(self._pump_events(serverapp))
        if self.sandbox_test:
            BubblewrapProvisioner.refusal = "it is being tested, try again in a second."
            self._keep(self._test_sandbox())
        else:
            self.lab.sandbox = {"state": "untested", "message": "not tested, as configured"}
        if self.worker:
            self._keep(self._keep_worker())
        else:
            self.lab.worker = "elsewhere, as configured"
        self._keep(_load_frames())

    async def open_database(self) -> None:
        """Bring the schema up to date; requests wait for it."""
        await upgrade(self.lab.database)
        self.lab.opened.set()

    def _keep(self, work: Any) -> None:
        """Run beside the server; a failure is logged, not swallowed."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._log_failure)

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.log.error("A part of the lab stopped", exc_info=error)

    async def _add_datasets(self) -> None:
        try:
            await ensure_platform_datasets(self.lab.database, self.lab.store)
            self.lab.datasets = "ready"
            await remove_unused_files(self.lab.database, self.lab.store)
        except BaseException:
            self.lab.datasets = "failed"
            raise

    async def _pump_events(self, serverapp: ServerApp) -> None:
        assert serverapp.event_logger is not None
        async for event in events.listen(self.lab.database):
            change = {
                "kind": event.kind,
                "id": event.subject_id,
                "status": event.status,
                "progress": event.progress,
            }
            serverapp.event_logger.emit(schema_id=events.SCHEMA_ID, data=change)

    async def _test_sandbox(self) -> None:
        result = await asyncio.to_thread(self_test, [self.lab.home])
        self.lab.sandbox = result.describe()
        BubblewrapProvisioner.refusal = None if result.passed else result.message
        if not result.passed:
            self.log.error("The sandbox cannot be used: %s", result.message)
        elif self.lab_config.zygote:
            self._keep(self._keep_warm())

    async def _keep_warm(self) -> None:
        """Load what kernels need before somebody waits for it, but not at once."""
        await asyncio.sleep(WARM_AFTER)
        zygote = Zygote()
        kernels = WarmKernels(zygote, self.warm_kernels, self.lab.home, KERNEL_LIMITS)
        BubblewrapProvisioner.zygote, BubblewrapProvisioner.warm = zygote, kernels
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(zygote.run(lambda it: test_forks(it, [self.lab.home])))
                group.create_task(kernels.run())
        finally:
            BubblewrapProvisioner.zygote = BubblewrapProvisioner.warm = None

    async def _keep_worker(self) -> None:
        """Run the worker; start it again when it dies, more slowly each time."""
        pause = 1.0
        while True:
            self._worker = await asyncio.create_subprocess_exec(
                *command_of("alphintra_lab", "worker", *self.lab_config.arguments()),
                env=environment_of_child() | self.lab_config.environment(),
                cwd=self.lab.workspace,
            )
            self.lab.worker = "running"
            status = await self._worker.wait()
            self.lab.worker = f"ended with {status}; starting again"
            self.log.error("The worker ended with %s; starting it again", status)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 30.0)

    async def _open_line(self, runtime: Runtime, cwd: str) -> Any:
        """A kernel's own socket to the server, through which its SDK asks."""
        user = runtime.user.user
        return await serve_line(
            self.lab, runtime.line / "sock", Path(cwd), runtime.grants, user=user
        )

    async def stop_extension(self) -> None:
        """End what this server started, and close the database."""
        await stop_watching(self.lab)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._worker is not None and self._worker.returncode is None:
            self._worker.terminate()
            try:
                await asyncio.wait_for(self._worker.wait(), 5)
            except TimeoutError:
                self._worker.kill()
        await self.lab.database.close()


async def _load_frames() -> None:
    """Load what reads results and datasets before somebody waits for it, but not at once.

    First the server has to answer and the page to load. What is loaded then stays: the garbage
    collector need not look through it again and again, which held the loop for 100 ms each time.
    """
    await asyncio.sleep(LOAD_FRAMES_AFTER)
    for name in ("pandas", "pyarrow.parquet"):
        await asyncio.to_thread(importlib.import_module, name)
    gc.freeze()


def launch(arguments: list[str]) -> None:
    """`alphintra-lab`: JupyterLab with the lab in it, on the lab's port, sandboxed kernels only."""
    from jupyterlab.labapp import LabApp

    # LabApp makes no second server, and would not pass a configuration on to the one it makes.
    # Configuration files and the command line are read on top of this one.
    ServerApp.instance(config=default_configuration())
    LabApp.launch_instance(argv=arguments)


def default_configuration() -> Config:
    """What the lab sets where the user's own configuration is silent."""
    config = Config()
    config.ServerApp.port = 8002
    config.ServerApp.jpserver_extensions = {"alphintra_lab": True, "jupyterlab": True}
    config.ServerApp.terminals_enabled = False
    config.KernelSpecManager.ensure_native_kernel = False
    config.KernelSpecManager.allowed_kernelspecs = {KERNEL}
    config.MultiKernelManager.default_kernel_name = KERNEL
    return config
