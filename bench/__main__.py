"""Bucketry beside SeaweedFS and below its floors, in one run: `make bench`, or `python -m bench --help`.

Bucketry's writes are durable before they are answered; SeaweedFS answers before it syncs. Both servers run at once and
are put under load in turn, so that each has all cores that the load leaves. A floor is what nginx makes of a static
file of the same size, or what the raw disk writes durably.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import fill, flame, many, objects
from bench.cells import KIB, MIB, Cell, Run
from bench.floors import Nginx
from bench.machine import describe
from bench.many import get_of_many, get_over, list_deep
from bench.objects import COUNTS, disk, get, put, static
from bench.pages import write_between
from bench.report import MARKS, MOST_MEMORY_MB, MOST_READY_SECONDS, Result, Whole, table
from bench.servers import Bucketry, Measured, SeaweedFS

KINDS: dict[str, type[Measured]] = {"bucketry": Bucketry, "seaweedfs": SeaweedFS}
GET_SMALL = "GET 1 KiB"

# Writes come first: the bucket of many keys, made for the reads, keeps the disk busy for a while after it.
CELLS: tuple[Cell, ...] = (
    Cell("PUT 1 KiB", put(KIB), ratio=1.5, most_p99_ms=50, floor=disk(KIB)),
    Cell("PUT 64 KiB", put(64 * KIB), ratio=1.5, most_p99_ms=50, floor=disk(64 * KIB)),
    Cell("PUT 8 MiB", put(8 * MIB), ratio=1, floor=disk(8 * MIB, "MB/s"), floor_share=0.8),
    Cell("PUT 1 GiB", objects.put_large, ratio=1, floor=disk(8 * MIB, "MB/s"), floor_share=0.8, is_long=True),
    Cell("PUT 1 GiB, multipart", objects.multipart_large, ratio=1, floor=disk(8 * MIB, "MB/s"), floor_share=0.8,
         is_long=True),
    Cell("Copy 1 GiB", objects.copy_large, most_ms=50, is_long=True),
    Cell("DELETE 1 KiB", objects.delete, ratio=1, most_seconds=2),
    Cell("DeleteObjects of 1,000", objects.delete_many, is_long=True),
    Cell(GET_SMALL, get(KIB), ratio=3, floor=static(KIB)),
    Cell("GET 1 KiB, bucket of many keys", get_of_many(COUNTS[KIB]), ratio=3, beside=GET_SMALL),
    Cell("GET 1 KiB, 20,000 of many keys", get_of_many(20_000), ratio=1),
    Cell("GET 64 KiB", get(64 * KIB), ratio=3, floor=static(64 * KIB)),
    Cell("GET 8 MiB", get(8 * MIB), ratio=1, floor=static(8 * MIB)),
    Cell("GET 1 GiB", objects.get_large, ratio=1, floor=objects.static_large, is_long=True),
    Cell("GET 64 KiB ranges of 1 GiB", objects.get_ranges, ratio=1),
    Cell("HEAD 1 KiB", objects.head, ratio=1),
    Cell("LIST 1,000", many.list_flat, ratio=3),
    Cell("LIST 1,000, bucket of many keys", list_deep("first"), ratio=3),
    Cell("LIST 1,000 folders of many keys by delimiter", list_deep("delimiter"), ratio=3),
    Cell("LIST 1,000 in the middle of many keys", list_deep("middle"), ratio=3),
    Cell("GET 1 KiB, 64 connections", get_over(64), p99_as_peer=True),
    Cell("GET 1 KiB, 256 connections", get_over(256), p99_as_peer=True),
    Cell("GET 1 KiB beside 1,000 idle connections", many.get_beside_idle, p99_as_peer=True),
)  # fmt: skip


def measure(run: Run, cell: Cell, servers: Sequence[Measured], rounds: int) -> Result:
    """One row: the servers in turn, round by round."""
    result = Result(cell, {server.name: [] for server in servers})
    if cell.most_seconds is not None:
        run = replace(run, seconds=min(run.seconds, cell.most_seconds))
    if cell.beside:
        _measure_beside(run, result, servers, rounds)
    for _ in range(0 if cell.beside else 1 if cell.is_long else rounds):
        for server in servers:
            result.outcomes[server.name].append(cell.measure(run, server))
    if cell.floor is not None:
        result.floor = cell.floor(run)
    return result


def _measure_beside(run: Run, result: Result, servers: Sequence[Measured], rounds: int) -> None:
    """A row and the one that it is bound to, right after each other, in twice as many rounds of half the length. Which
    of the two is first changes, so that what drifts one way favours neither."""
    run = replace(run, seconds=max(1.0, run.seconds / 2))
    cell, other = result.cell, next(other for other in CELLS if other.name == result.cell.beside)
    result.shares = {server.name: [] for server in servers}
    for server in servers:
        cell.measure(run, server)  # makes what both of them need, and warms it
    for number in range(2 * rounds):
        for server in servers:
            pair = (cell, other) if number % 2 else (other, cell)
            outcomes = {one.name: one.measure(run, server) for one in pair}
            result.outcomes[server.name].append(outcomes[cell.name])
            if outcomes[other.name].value:
                result.shares[server.name].append(outcomes[cell.name].value / outcomes[other.name].value)


def ready_with_many(run: Run, folder: Path) -> Whole:
    """The time to ready of a folder with many buckets and objects, made by a script."""
    server = Bucketry(folder)
    server.start()
    server.stop()
    owner = fill.account_of(server.data)
    made = fill.make_buckets(server.data, [f"bench-{number:05}" for number in range(run.ready_buckets)], owner)
    fill.put_objects(server.data, made.items(), run.ready_objects // run.ready_buckets, b"x" * 100, owner)
    server.start()
    took = server.ready_seconds
    server.stop()
    name = f"ready with {run.ready_buckets:,} buckets and {run.ready_objects:,} objects"
    return Whole(name, {server.name: took}, "s", MOST_READY_SECONDS)


def whole_figures(servers: Sequence[Measured]) -> list[Whole]:
    """Memory after all of the cells, and the first start."""
    memory = {server.name: server.memory_mb() for server in servers}
    proportional = {name: both[0] for name, both in memory.items()}
    resident = {name: both[1] for name, both in memory.items()}
    return [
        Whole("memory after all of that, proportional", proportional, "MB", MOST_MEMORY_MB),
        Whole("memory after all of that, resident", resident, "MB"),
        Whole("ready, empty folder", {s.name: s.ready_seconds for s in servers}, "s", MOST_READY_SECONDS),
    ]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the servers in turn; the median counts")
    parser.add_argument("--keys", type=int, default=200_000, help="what “many keys” are")
    parser.add_argument("--only", action="append", metavar="CELL", help="cells whose name holds this; repeatable")
    parser.add_argument("--server", choices=list(KINDS), help="one server alone")
    parser.add_argument("--quick", action="store_true", help="try the runner: all of it tiny; the figures say nothing")
    parser.add_argument("--folder", type=Path, help="where the data folders are made")
    parser.add_argument("--output", type=Path, help="write the table into this Markdown file")
    parser.add_argument(
        "--flame", type=Path, metavar="SVG", help="draw bucketry's workers under GET 1 KiB, and no more"
    )
    return parser.parse_args(arguments)


def make_run(options: argparse.Namespace, folder: Path) -> Run:
    run = Run(folder, seconds=options.seconds, deep_keys=options.keys)
    if options.quick:
        run.seconds, run.large, run.deep_keys, run.ready_buckets, run.ready_objects = 1.0, 16 * MIB, 2000, 5, 500
        options.rounds = 1
    if Nginx.is_installed():
        run.nginx = Nginx(folder / "nginx")
    return run


def chosen(options: argparse.Namespace) -> list[Cell]:
    wanted = options.only
    cells = [cell for cell in CELLS if not wanted or any(word.lower() in cell.name.lower() for word in wanted)]
    if not cells:
        raise SystemExit("No cell has a name with that; they are:\n" + "\n".join(cell.name for cell in CELLS))
    return cells


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    with tempfile.TemporaryDirectory(prefix="bucketry-bench-", dir=options.folder) as name:
        folder = Path(name)
        if options.flame:
            flame.draw(make_run(options, folder), options.flame)
            return
        run, results, wholes = make_run(options, folder), [], []
        kinds = [options.server] if options.server else list(KINDS)
        servers = [KINDS[kind](folder / kind).start() for kind in kinds]
        try:
            if run.nginx is not None:
                run.nginx.start({str(size): size for size in (KIB, 64 * KIB, 8 * MIB, run.large)})
            for cell in chosen(options):
                results.append(measure(run, cell, servers, options.rounds))
                print(results[-1].line(), flush=True)
            wholes = whole_figures(servers)
        finally:
            for server in servers:
                server.stop()
            if run.nginx is not None:
                run.nginx.stop()
        if not options.only and servers[0].name == Bucketry.name:
            wholes.append(ready_with_many(run, folder / "many"))
        for result in results:
            result.judge()
        versions = ", ".join(f"{server.name} {server.version}" for server in servers)
        versions += f", nginx {run.nginx.version()}" if run.nginx is not None else ""
        about = f"{describe(versions)} {run.connections} connections; “many keys” are {run.deep_keys:,}."
        text = table(results, wholes, [server.name for server in servers], about)
        print(text)
        if options.output:
            write_between(options.output, MARKS, text)


if __name__ == "__main__":
    main()
