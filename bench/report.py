"""The table of a run: medians over the rounds, the ratio to the peer, memory and time to ready."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load import Rate
from bench.servers import Measured


@dataclass(frozen=True, slots=True)
class Cell:
    """What was measured of one operation and size: rates by server's name, one a round."""

    name: str
    rates: dict[str, list[Rate]]

    def median(self, server: str) -> float:
        return statistics.median(rate.per_second for rate in self.rates[server])

    def p99_ms(self, server: str) -> float:
        return statistics.median(rate.p99_ms for rate in self.rates[server])

    def errors(self, server: str) -> int:
        return sum(rate.errors for rate in self.rates[server])

    def cpu_us(self, server: str) -> float:
        return statistics.median(rate.cpu_us for rate in self.rates[server])

    def ratio(self) -> float | None:
        """Of the first server to the second."""
        names = list(self.rates)
        return self.median(names[0]) / max(self.median(names[1]), 1e-9) if len(names) > 1 else None

    def line(self) -> str:
        figures = [
            f"{name} {self.median(name):,.0f}/s (p99 {self.p99_ms(name):.1f} ms, cpu {self.cpu_us(name):,.0f} µs"
            + (f", {self.errors(name)} ERRORS)" if self.errors(name) else ")")
            for name in self.rates
        ]
        ratio = self.ratio()
        return f"{self.name:12} " + "   ".join(figures) + (f"   ratio {ratio:.2f}" if ratio else "")


def table(servers: Sequence[Measured], cells: Sequence[Cell], machine: str) -> str:
    """The whole run in Markdown."""
    names = [server.name for server in servers]
    rows = [
        f"{machine}, {os.cpu_count()} cores; load by wrk, 16 connections, presigned URLs, on the same machine; "
        + ", ".join(f"{server.name} {server.version}" for server in servers)
        + ".",
        "",
        "| | "
        + " | ".join(names)
        + " | ratio | p99 "
        + " | p99 ".join(names)
        + " | cpu "
        + " | cpu ".join(names)
        + " |",
        "|---" * (3 * len(names) + 2) + "|",
    ]
    for cell in cells:
        ratio = cell.ratio()
        errors = {name: f" ({cell.errors(name)} errors)" if cell.errors(name) else "" for name in names}
        rows.append(
            f"| {cell.name} | "
            + " | ".join(f"{cell.median(name):,.0f}/s{errors[name]}" for name in names)
            + f" | {f'{ratio:.2f}' if ratio else '–'} | "
            + " | ".join(f"{cell.p99_ms(name):.1f} ms" for name in names)
            + " | "
            + " | ".join(f"{cell.cpu_us(name):,.0f} µs" for name in names)
            + " |"
        )
    memory = [server.memory_mb() for server in servers]
    blank = " | " + " | ".join([""] * (2 * len(names) + 1)) + " |"
    rows.append("| memory after it, proportional | " + " | ".join(f"{m[0]:.0f} MB" for m in memory) + blank)
    rows.append("| memory after it, resident | " + " | ".join(f"{m[1]:.0f} MB" for m in memory) + blank)
    rows.append("| time to ready, first start | " + " | ".join(f"{s.ready_seconds:.2f} s" for s in servers) + blank)
    return "\n".join(rows) + "\n"


def print_report(servers: Sequence[Measured], cells: Sequence[Cell], machine: str, output: Path | None) -> None:
    """To stdout, and between the marks of a Markdown file."""
    text = table(servers, cells, machine)
    print(text)
    if output is None:
        return
    begin, end = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
    page = output.read_text() if output.exists() else f"# Performance\n\n{begin}{end}"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    output.write_text(f"{before}{begin}{text}{end}{after}")
