"""Orders over the Open Service Broker API: `make bench-broker`, or `python -m bench.broker`.

One cycle is order, bind, unbind, delete, each over a kept connection; first one after the other, then 16 at once, with
no bindings recorded and with 100,000; the records in SQLite and in a PostgreSQL that is started for it on the same
machine and disk, with its own defaults (each commit synced); the buckets in the embedded store, on Ceph and on moto
(broker_engines.py). Also the catalog's rate and the memory of the marketplace's worker. The table goes to
docs/performance.md, between marks of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from tests.kit.postgres import Postgres, postgres

from bench import broker_fill
from bench.broker_engines import ENGINES, Engine, engine_started
from bench.machine import describe, processor_us
from bench.pages import write_between
from bench.servers import Bucketry, cpu_seconds, family

STEPS = ("order", "bind", "unbind", "delete")
DATABASES = ("sqlite", "postgresql")
TARGET_MS = 10.0
CATALOG_TARGET = 3000.0
MEMORY_TARGET_MB = 150.0
MARKS = ("<!-- broker: begin -->", "<!-- broker: end -->")


class Connection:
    """One kept connection to the broker: as little client as possible, since it shares the machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = head

    @classmethod
    async def open(cls, admin: dict[str, Any]) -> Connection:
        parts = urlsplit(admin["api_url"])
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        pair = f"{admin['broker_username']}:{admin['broker_password']}"
        basic = base64.b64encode(pair.encode()).decode()
        head = f"Host: {parts.netloc}\r\nAuthorization: Basic {basic}\r\nX-Broker-API-Version: 2.17\r\n"
        return cls(reader, writer, head)

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        data = b"" if body is None else json.dumps(body).encode()
        kind = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n" if data else ""
        self._writer.write(f"{method} /v2{path} HTTP/1.1\r\n{self._head}{kind}\r\n".encode() + data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


@dataclass
class Figures:
    """What cycles took: milliseconds by step, the seconds of the whole, the processor time of the server."""

    took_ms: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in (*STEPS, "order + bind")})
    seconds: float = 0.0
    cpu_us: float = 0.0
    database_cpu_us: float = 0.0  # of PostgreSQL's processes
    errors: int = 0

    def p50(self, step: str) -> float:
        return statistics.median(self.took_ms[step])

    def p99(self, step: str) -> float:
        took = sorted(self.took_ms[step])
        return took[min(len(took) - 1, len(took) * 99 // 100)]

    def requests(self) -> int:
        return sum(len(self.took_ms[step]) for step in STEPS)


async def cycle(connection: Connection, plan: dict[str, str], figures: Figures) -> None:
    """Order, bind, unbind, delete."""
    instance = f"/service_instances/{uuid.uuid4()}"
    binding = f"{instance}/service_bindings/{uuid.uuid4()}"
    query = f"?service_id={plan['service_id']}&plan_id={plan['plan_id']}"
    order = {**plan, "organization_guid": "org", "space_guid": "space"}
    bind = {**plan, "bind_resource": {"app_guid": str(uuid.uuid4())}}
    asked: tuple[tuple[str, str, str, object, int], ...] = (
        ("order", "PUT", instance, order, 201),
        ("bind", "PUT", binding, bind, 201),
        ("unbind", "DELETE", binding + query, None, 200),
        ("delete", "DELETE", instance + query, None, 200),
    )
    took = {}
    for step, method, path, body, expected in asked:
        begun = time.perf_counter()
        status, text = await connection.ask(method, path, body)
        took[step] = (time.perf_counter() - begun) * 1e3
        figures.took_ms[step].append(took[step])
        if status != expected:
            figures.errors += 1
            print(f"{step}: {status} {text[:300]!r}", flush=True)
    figures.took_ms["order + bind"].append(took["order"] + took["bind"])


async def cycles(server: Bucketry, at_once: int, seconds: float, database: Postgres | None) -> Figures:
    """Cycles for `seconds` over `at_once` connections."""

    def database_cpu() -> float:
        return cpu_seconds(family(database.pid)) if database else 0.0

    plan = await plan_of(server)
    connections = [await Connection.open(server.admin) for _ in range(at_once)]
    for connection in connections:
        await cycle(connection, plan, Figures())  # warm
    figures = Figures()
    cpu, cpu_of_database, begun = server.cpu_seconds(), database_cpu(), time.perf_counter()

    async def work(connection: Connection) -> None:
        while time.perf_counter() < begun + seconds:
            await cycle(connection, plan, figures)

    await asyncio.gather(*map(work, connections))
    figures.seconds = time.perf_counter() - begun
    figures.cpu_us = processor_us(server.cpu_seconds() - cpu, figures.requests())
    figures.database_cpu_us = processor_us(database_cpu() - cpu_of_database, figures.requests())
    for connection in connections:
        connection.close()
    return figures


async def plan_of(server: Bucketry) -> dict[str, str]:
    """The ids of the first plan of the catalog."""
    connection = await Connection.open(server.admin)
    _, text = await connection.ask("GET", "/catalog")
    connection.close()
    service = json.loads(text)["services"][0]
    return {"service_id": service["id"], "plan_id": service["plans"][0]["id"]}


async def catalog(server: Bucketry, at_once: int, seconds: float) -> tuple[float, float]:
    """Catalog requests a second, and the server's processor time for one."""
    connections = [await Connection.open(server.admin) for _ in range(at_once)]
    count, cpu, begun = 0, server.cpu_seconds(), time.perf_counter()

    async def work(connection: Connection) -> None:
        nonlocal count
        while time.perf_counter() < begun + seconds:
            status, _ = await connection.ask("GET", "/catalog")
            assert status == 200
            count += 1

    await asyncio.gather(*map(work, connections))
    took = time.perf_counter() - begun
    for connection in connections:
        connection.close()
    return count / took, processor_us(server.cpu_seconds() - cpu, count)


def marketplace_memory(server: Bucketry) -> tuple[float, float]:
    """Megabytes (proportional, resident) of the marketplace's worker: the one that has SQLAlchemy loaded."""
    for number in server.processes():
        with contextlib.suppress(OSError):
            if "/sqlalchemy/" in Path(f"/proc/{number}/maps").read_text():
                return server.memory_mb([number])
    raise SystemExit("no process of the server has SQLAlchemy's compiled parts loaded")


def row(engine: str, database: str, bindings: int, at_once: int, figures: Figures) -> str:
    cells = [f"{figures.p50(step):.1f} / {figures.p99(step):.1f}" for step in (*STEPS, "order + bind")]
    if engine == "embedded" and at_once == 1 and figures.p50("order + bind") > TARGET_MS:
        cells[-1] += f" ⚠ (target {TARGET_MS:.0f})"
    failed = f" ({figures.errors} errors)" if figures.errors else ""
    rate = figures.requests() / figures.seconds
    cpu = f"{figures.cpu_us:,.0f} µs" + (f" + {figures.database_cpu_us:,.0f}" if figures.database_cpu_us else "")
    fields = [engine, database, f"{bindings:,}", str(at_once), *cells, f"{rate:,.0f}/s{failed}", cpu]
    return f"| {' | '.join(fields)} |"


@contextlib.contextmanager
def started(kind: str, engine: Engine, folder: Path) -> Iterator[tuple[Bucketry, Postgres | None, str]]:
    """A server on a database of that kind: it, the database's, and the database's URL ("" for SQLite)."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres(is_safe=True)) if kind == "postgresql" else None
        url = database.create() if database else ""
        data = folder / f"bucketry-{engine.name}-{kind}"
        server = Bucketry(data, dict(engine.variables) | ({"BUCKETRY_DATABASE__URL": url} if url else {}))
        server.start()
        try:
            yield server, database, url
        finally:
            server.stop()


def measure(
    kind: str, engine: Engine, folder: Path, options: argparse.Namespace, tell: Callable[[str], None]
) -> list[str]:
    """All cells of an engine and a kind of database. Rows go to `tell` as they come; the answer is what is told beside
    them."""
    after = []
    recorded = 0
    with started(kind, engine, folder) as (server, database, url):
        for bindings in options.bindings or [0, 100_000]:
            if bindings > recorded:
                server.stop()
                broker_fill.fill(server.data, bindings - recorded, url, engine.name)
                server.start()
                recorded = bindings
            for at_once in options.at_once or [1, 16]:
                figures = uvloop.run(cycles(server, at_once, options.seconds, database))
                tell(row(engine.name, kind, bindings, at_once, figures))
            rate, cpu_us = uvloop.run(catalog(server, 16, min(options.seconds, 5)))
            proportional, resident = marketplace_memory(server)
            catalog_rate = f"catalog {rate:,.0f}/s{_mark(rate < CATALOG_TARGET)} (16 at once, {cpu_us:,.0f} µs each)"
            memory = (
                f"{proportional:.0f} MB proportional{_mark(proportional > MEMORY_TARGET_MB)}, {resident:.0f} resident"
            )
            after.append(
                f"{engine.name}, {kind}, {bindings:,} bindings: {catalog_rate}, memory of the marketplace's worker "
                f"{memory}, ready in {server.ready_seconds:.2f} s."
            )
            print(after[-1], flush=True)
    return after


def _mark(is_missed: bool) -> str:
    return " ⚠" if is_missed else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.broker", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    parser.add_argument("--bindings", type=int, action="append", help="recorded before; repeatable (0, 100,000)")
    parser.add_argument("--at-once", type=int, action="append", help="connections; repeatable (1, 16)")
    parser.add_argument("--database", choices=DATABASES, action="append", help="repeatable (both)")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="repeatable (all)")
    parser.add_argument("--folder", type=Path, help="where the data folders are made")
    parser.add_argument("--output", type=Path, help="write the table into this Markdown file")
    options = parser.parse_args()
    lines = [
        describe(f"bucketry {version('bucketry')}"),
        "",
        "| buckets in | records in | bindings recorded | at once | "
        + " | ".join(f"{step}, p50 / p99 ms" for step in (*STEPS, "order + bind"))
        + " | requests | cpu a request (+ PostgreSQL's) |",
        "|---|---|---|---" + "|---" * (len(STEPS) + 1) + "|---|---|",
    ]

    def tell(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    after: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bucketry-bench-", dir=options.folder) as name:
        for engine_name in options.engine or ENGINES:
            with engine_started(engine_name, Path(name)) as engine:
                for kind in options.database or DATABASES:
                    after += measure(kind, engine, Path(name), options, tell)
    if options.output:
        write_between(options.output, MARKS, "\n".join([*lines, "", *(f"* {line}" for line in after)]))


if __name__ == "__main__":
    main()
