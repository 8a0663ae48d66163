"""What a table says of the machine and the programs it was measured with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def describe(programs: str) -> str:
    """One sentence: when, on what, and which programs."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {os.cpu_count()} cores, {memory_gb():.0f} GB, "
        f"Linux {platform.release().partition('-')[0]}, CPython {platform.python_version()}; "
        f"{programs}."
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def processor_us(seconds: float, requests: int) -> float:
    """Processor time of one request."""
    return seconds / max(requests, 1) * 1e6
