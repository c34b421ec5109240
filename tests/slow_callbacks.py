"""Starts the lab as `alphintra-lab` does, with its event loop in asyncio's debug mode.

What holds the loop for over 100 ms is written to the file that SLOW_CALLBACKS names. Only the
server does so: the processes it starts have loops of their own, whose pauses nobody waits for.
SIGUSR1 makes the loop hold still for 300 ms, to see that this is told.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time

from alphintra_lab.cli import main


class Policy(asyncio.DefaultEventLoopPolicy):
    """Every loop of this process in debug mode."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0.1
        if threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGUSR1, time.sleep, 0.3)
        return loop


if __name__ == "__main__":
    asyncio.set_event_loop_policy(Policy())
    logging.getLogger("asyncio").addHandler(logging.FileHandler(os.environ["SLOW_CALLBACKS"]))
    main()
