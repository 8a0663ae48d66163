"""Time, as values that tests can turn: epoch milliseconds and epoch seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

ClockMs = Callable[[], int]


def system_clock_ms() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000
