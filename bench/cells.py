"""What is measured: a row of the table each, with its target. How is in the files beside this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.floors import Nginx
from bench.servers import Measured

Unit = Literal["/s", "MB/s", "ms"]
KIB, MIB, GIB = 1024, 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Outcome:
    """One server's figure in one round. `cpu_us`: its processor time a request, or `cpu_what` else."""

    value: float
    unit: Unit
    p99_ms: float = 0.0
    errors: int = 0
    cpu_us: float = 0.0


@dataclass(slots=True)
class Run:
    """What the measurements share: how long, how large, where."""

    folder: Path
    seconds: float = 5.0
    large: int = GIB  # the size called 1 GiB; smaller only to try the runner
    deep_keys: int = 200_000
    ready_buckets: int = 1000
    ready_objects: int = 1_000_000
    connections: int = 16
    nginx: Nginx | None = None
    filled: set[tuple[str, str]] = field(default_factory=set)  # (server, what): made once a run

    def once(self, server: Measured, what: str) -> bool:
        """Whether `what` was not made on this server yet; it is then."""
        if (server.name, what) in self.filled:
            return False
        self.filled.add((server.name, what))
        return True


Measure = Callable[[Run, Measured], Outcome]


@dataclass(frozen=True, slots=True)
class Cell:
    """A row. `ratio`: the least that it may be of the peer. `floor`: how far it could go; `floor_share` the least of
    that. The other bounds are bucketry's alone. Without any target it is only measured."""

    name: str
    measure: Measure
    ratio: float | None = None
    most_p99_ms: float | None = None
    most_ms: float | None = None
    p99_as_peer: bool = False
    beside: str = ""  # another cell, measured in turn with this one, of which it is to reach at least `beside_share`
    beside_share: float = 0.9
    floor: Callable[[Run], float | None] | None = None
    floor_share: float | None = None
    is_long: bool = False  # measured in one round
    most_seconds: float | None = None  # of a round, where preparing it takes longer than that

    def target(self) -> str:
        """In words."""
        parts = [
            f"≥ {self.ratio:g}" if self.ratio is not None else "",
            f"p99 < {self.most_p99_ms:g} ms" if self.most_p99_ms is not None else "",
            f"< {self.most_ms:g} ms" if self.most_ms is not None else "",
            f"≥ {self.beside_share:g} of “{self.beside}”" if self.beside else "",
            "p99 as the peer's" if self.p99_as_peer else "",
            f"≥ {self.floor_share:g} of the disk" if self.floor_share is not None else "",
        ]
        return ", ".join(part for part in parts if part)
