"""What every worker does around its work: the loop, the signal to stop, the parent's death, the word that it serves."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import uvloop

# Switching threads every 5 ms (Python's default) lets a busy loop delay each commit's thread by as much.
SWITCH_INTERVAL_SECONDS = 0.0005
# Buffers of large objects leave holes in glibc's heap that it keeps for itself: some 10 MiB a worker. Looking for them
# takes 0.1 ms where there are none.
_TRIM_SECONDS = 5.0


class Life:
    """A worker's life as its work sees it: say `ready()`, then wait for `stop`. `on_reload` is called at SIGHUP."""

    def __init__(self, ready_pipe: int) -> None:
        self.stop = asyncio.Event()
        self.on_reload: Callable[[], None] = lambda: None
        self._ready_pipe = ready_pipe

    def reload(self) -> None:
        self.on_reload()

    def ready(self) -> None:
        """Tell the parent that this worker serves."""
        gc.collect()
        gc.freeze()  # what is here now stays: collections need not look at it again
        gc.enable()
        os.write(self._ready_pipe, b"r")
        os.close(self._ready_pipe)


def run(work: Callable[[Life], Awaitable[None]], life_pipe: int, ready_pipe: int) -> None:
    """Run `work` on uvloop until SIGTERM, SIGINT or the parent's death sets `life.stop`, and it returns."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)

    async def main() -> None:
        life = Life(ready_pipe)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, life.stop.set)

        loop.add_signal_handler(signal.SIGHUP, life.reload)

        def parent_is_gone() -> None:
            loop.remove_reader(life_pipe)
            life.stop.set()

        loop.add_reader(life_pipe, parent_is_gone)  # nobody writes: readable means closed
        trimming = asyncio.create_task(_give_back_memory())
        await work(life)
        trimming.cancel()

    uvloop.run(main())


async def _give_back_memory() -> None:
    """Now and then return to the system what the heap has free, where the C library can (glibc)."""
    with contextlib.suppress(AttributeError):
        trim = ctypes.CDLL(None).malloc_trim
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            trim(0)
