"""How large it gets: `python -m bench.scale`. Not for CI: minutes, and gigabytes of index for ten million keys.

An object of 100 GiB is made of 10,000 parts by UploadPartCopy, which shares the bytes of one part; so it needs the room
of one. The keys are put through the disk layer, 5,000 a commit, then measured through the server.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from bench import fill, plain
from bench.cells import GIB, KIB, MIB
from bench.load import run
from bench.machine import describe
from bench.pages import write_between
from bench.servers import Bucketry

MARKS = ("<!-- scale: begin -->", "<!-- scale: end -->")
LARGE, MANY = "scale-large", "scale-many"
PARTS = 10_000
_AT_ONCE = 8
_TIMES = 21


def median_ms(work: Callable[[], object], times: int = _TIMES) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took)


def used_bytes(folder: Path) -> int:
    """What a folder takes of the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def large_object(server: Bucketry, size: int) -> list[tuple[str, str]]:
    """An object of `size` bytes and PARTS parts."""
    client, sign = server.client(), server.presigner().target
    client.create_bucket(Bucket=LARGE)
    part = max(5 * MIB, -(-size // PARTS))
    client.put_object(Bucket=LARGE, Key="part", Body=os.urandom(part))
    upload = client.create_multipart_upload(Bucket=LARGE, Key="whole")["UploadId"]
    etags = [""] * PARTS

    def copy(talk: plain.Talk, number: int) -> None:
        query = {"partNumber": str(number + 1), "uploadId": upload}
        target = sign("PUT", f"/{LARGE}/whole", query, {"x-amz-copy-source": f"/{LARGE}/part"})
        status, text = talk.ask("PUT", target, headers=f"x-amz-copy-source: /{LARGE}/part\r\n")
        if status != 200:
            raise SystemExit(f"part {number + 1} was refused: {status} {text[:300]!r}")
        etags[number] = text.partition(b"<ETag>")[2].partition(b"</ETag>")[0].decode().replace("&quot;", '"')

    begun = time.perf_counter()
    plain.in_threads(server.endpoint, _AT_ONCE, copy, range(PARTS))
    copied = time.perf_counter() - begun
    begun = time.perf_counter()
    parts = [{"PartNumber": number + 1, "ETag": etag} for number, etag in enumerate(etags)]
    client.complete_multipart_upload(Bucket=LARGE, Key="whole", UploadId=upload, MultipartUpload={"Parts": parts})
    completed = time.perf_counter() - begun
    whole = client.head_object(Bucket=LARGE, Key="whole")["ContentLength"]

    def tail() -> None:
        body = client.get_object(Bucket=LARGE, Key="whole", Range=f"bytes={whole - 64 * KIB}-{whole - 1}")["Body"]
        assert len(body.read()) == 64 * KIB

    rate = run("GET", server.endpoint, [sign("GET", f"/{LARGE}/whole")], server.folder, seconds=10, connections=2)
    last = median_ms(tail)
    on_disk = used_bytes(server.data / "buckets")
    begun = time.perf_counter()
    client.delete_object(Bucket=LARGE, Key="whole")
    deleted = time.perf_counter() - begun
    return [
        (f"object of {whole / GIB:.1f} GiB in {PARTS:,} parts: UploadPartCopy", f"{PARTS / copied:,.0f} parts/s"),
        ("its completion", f"{completed:.2f} s"),
        ("its last 64 KiB by a range", f"{last:.1f} ms"),
        ("reading it, 2 connections", f"{rate.mb_per_second:,.0f} MB/s"),
        ("what it takes of the disk", f"{on_disk / MIB:,.1f} MiB"),
        ("its deletion", f"{deleted:.2f} s"),
    ]


def many_keys(server: Bucketry, count: int) -> list[tuple[str, str]]:
    """`count` empty objects in one bucket."""
    server.client().create_bucket(Bucket=MANY)
    bucket_id = fill.bucket_id_of(server.data, MANY)
    seen = [(0, 0.0)]

    def told(done: int, seconds: float) -> None:
        if done // 1_000_000 > seen[-1][0] // 1_000_000 or done == count:
            print(f"  {done:,} keys after {seconds:.0f} s", flush=True)
            seen.append((done, seconds))

    fill.put_objects(server.data, [(MANY, bucket_id)], count, b"", fill.account_of(server.data), told)
    rates = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in itertools.pairwise(seen) if b[1] > a[1]]
    size = used_bytes(server.data / "buckets" / f"{MANY}.{bucket_id}")
    server.stop()
    server.start()
    ready = server.ready_seconds
    rows = [
        (f"{count:,} keys in one bucket, 5,000 a commit: the first and the last million", _first_and_last(rates)),
        ("its index, by key (18 characters, empty objects)", f"{size / count:,.0f} bytes"),
        ("ready with it", f"{ready:.2f} s"),
    ]
    return rows + _measured(server, count) + [("memory of all processes after it, proportional", _memory(server))]


def _first_and_last(rates: list[float]) -> str:
    return " and ".join(f"{rate:,.0f}/s" for rate in ((rates[0], rates[-1]) if len(rates) > 1 else rates))


def _measured(server: Bucketry, count: int) -> list[tuple[str, str]]:
    sign = server.presigner().target
    pages: dict[str, dict[str, str]] = {
        "LIST of 1,000, its first page": {},
        "LIST of 1,000, from the middle on": {"start-after": fill.key_of(count // 2)},
        "LIST of 1,000, near the end": {"start-after": fill.key_of(count - 1001)},
        "LIST of 1,000 folders by delimiter": {"delimiter": "/"},
    }
    talk, rows = plain.Talk(server.endpoint), []
    for name, query in pages.items():
        target = sign("GET", f"/{MANY}", {"list-type": "2", "max-keys": "1000", **query})
        rows.append((name, f"{median_ms(lambda target=target: talk.ask('GET', target)):.1f} ms"))
    talk.close()
    step = max(1, count // 20_000)
    keys = [fill.key_of(number) for number in range(0, count, step)][::-1]
    gets = [sign("GET", f"/{MANY}/{key}") for key in keys]
    rate = run("GET", server.endpoint, gets, server.folder, seconds=5)
    rows.append(("GET of any of them, 16 connections", f"{rate.per_second:,.0f}/s, p99 {rate.p99_ms:.1f} ms"))
    puts = [sign("PUT", f"/{MANY}/{key}-new") for key in keys]
    rate = run("PUT", server.endpoint, puts, server.folder, body=b"x" * KIB, seconds=5)
    rows.append(("PUT 1 KiB among them, 16 connections", f"{rate.per_second:,.0f}/s, p99 {rate.p99_ms:.1f} ms"))
    return rows


def _memory(server: Bucketry) -> str:
    return f"{server.memory_mb()[0]:,.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000_000, help="keys in one bucket; 0: leave it out")
    parser.add_argument("--gib", type=int, default=100, help="size of the large object; 0: leave it out")
    parser.add_argument("--folder", type=Path, help="where the data folder is made")
    parser.add_argument("--output", type=Path, help="write the table into this Markdown file")
    options = parser.parse_args()
    needed = options.keys * 600 + GIB
    with tempfile.TemporaryDirectory(prefix="bucketry-scale-", dir=options.folder) as name:
        if (free := shutil.disk_usage(name).free) < needed:
            raise SystemExit(f"{needed / GIB:.0f} GiB are needed and {free / GIB:.0f} are free; ask for fewer --keys")
        rows: list[tuple[str, str]] = []
        server = Bucketry(Path(name) / "bucketry")
        server.start()
        try:
            if options.gib:
                rows += large_object(server, options.gib * GIB)
                print(*rows, sep="\n", flush=True)
            if options.keys:
                rows += many_keys(server, options.keys)
        finally:
            server.stop()
    about = describe(f"bucketry {version('bucketry')}")
    text = "\n".join([about, "", "| | |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])
    print(text)
    if options.output:
        write_between(options.output, MARKS, text)


if __name__ == "__main__":
    main()
