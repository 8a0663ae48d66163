"""GET and PUT of three sizes beside SeaweedFS, in one run: rates, latencies, memory, time to ready.

Bucketry's PUT is durable before it is answered; SeaweedFS answers before it syncs. Both servers run at once and are put
under load in turn, so that each has all cores that the load leaves.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import platform
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.load import Rate, run
from bench.report import Cell, print_report
from bench.servers import Bucketry, Measured, SeaweedFS

SIZES = {"1 KiB": 1024, "64 KiB": 64 * 1024, "8 MiB": 8 * 1024 * 1024}
OBJECTS = {"1 KiB": 2000, "64 KiB": 1000, "8 MiB": 24}
BUCKET = "bench-bucket"


def fill(server: Measured) -> None:
    """The objects that GET reads."""
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for size, count in OBJECTS.items():
            body = os.urandom(SIZES[size])
            jobs = [
                pool.submit(client.put_object, Bucket=BUCKET, Key=f"{SIZES[size]}/{i:06}", Body=body)
                for i in range(count)
            ]
            for job in jobs:
                job.result()


def measure(server: Measured, size: str, method: str, folder: Path, seconds: float) -> Rate:
    """One cell of the table for one server."""
    client = server.client()
    operation = {"GET": "get_object", "PUT": "put_object"}[method]
    prefix = str(SIZES[size]) if method == "GET" else f"new-{SIZES[size]}"
    urls = [
        client.generate_presigned_url(operation, {"Bucket": BUCKET, "Key": f"{prefix}/{i:06}"}, ExpiresIn=3600)
        for i in range(OBJECTS[size])
    ]
    body = os.urandom(SIZES[size]) if method == "PUT" else b""
    run(method, urls, folder, body=body, seconds=1)  # warm
    before = server.cpu_seconds()
    rate = run(method, urls, folder, body=body, seconds=seconds)
    return replace(rate, cpu_us=(server.cpu_seconds() - before) / max(rate.requests, 1) * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the servers in turn; the median counts")
    parser.add_argument("--only", choices=["bucketry", "seaweedfs"], help="one server alone")
    parser.add_argument("--output", type=Path, help="write the table into this Markdown file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bucketry-bench-") as name:
        folder = Path(name)
        kinds = {"bucketry": Bucketry, "seaweedfs": SeaweedFS}
        chosen = [options.only] if options.only else list(kinds)
        servers = [kinds[kind](folder / kind).start() for kind in chosen]
        cells: list[Cell] = []
        try:
            for server in servers:
                fill(server)
            for method in ("GET", "PUT"):
                for size in SIZES:
                    rates: dict[str, list[Rate]] = {server.name: [] for server in servers}
                    for _ in range(options.rounds):
                        for server in servers:
                            rates[server.name].append(measure(server, size, method, folder, options.seconds))
                    cells.append(Cell(f"{method} {size}", rates))
                    print(cells[-1].line(), flush=True)
            print_report(servers, cells, platform.platform(), options.output)
        finally:
            for server in servers:
                server.stop()


main()
