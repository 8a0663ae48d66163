"""The clock of the database's machine, so that a hold means the same to every replica, whatever their own clocks say.

It is asked now and then; in between the time that passed here is added, by a clock that nobody sets. That one may stand
still while the machine is paused, so it is asked again where the other clock of the machine has gone otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable

ASK_AFTER_SECONDS = 60.0
_JUMP_SECONDS = 1.0


class SharedClock:
    """`ask`: the database's time in epoch milliseconds; may fail, and the answer of before counts on."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        self._ahead_ms = 0.0  # of this machine's monotonic clock
        self._asked = -ASK_AFTER_SECONDS
        self._asked_by_wall = 0.0

    def now_ms(self) -> int:
        return int(time.monotonic() * 1000 + self._ahead_ms)

    @property
    def is_old(self) -> bool:
        passed = time.monotonic() - self._asked
        jump = time.time() - self._asked_by_wall - passed
        return passed >= ASK_AFTER_SECONDS or abs(jump) > _JUMP_SECONDS

    def set(self) -> None:
        """Ask; blocks. Errors are those of `ask`."""
        begun = time.monotonic()
        theirs_ms = self._ask()
        ended = time.monotonic()
        self._ahead_ms = theirs_ms - (begun + ended) * 500
        self._asked, self._asked_by_wall = ended, time.time()
