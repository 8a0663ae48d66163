"""How many durable PUTs and how many GETs a second the disk makes, without HTTP: `python bench/disk_put.py [FOLDER]`.

For 1 KiB and 64 KiB: 16 tasks in one process, then 16 in each of two processes, all on one bucket; objects a second,
and the time of a single one at the median and at the 99th percentile. Then look-ups and reads, one after the other.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bucketry.kernel.clock import system_clock_ms
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.segments import RecordFooter, RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import NewObject

TASKS = 16
SECONDS = 3.0
ETAG = "d41d8cd98f00b204e9800998ecf8427e"
BUCKET = ("bench", "0" * 16)
HEADERS = {"content-type": "application/octet-stream"}


async def put(bucket: Bucket, key: str, data: bytes) -> None:
    """One object, as the gateway would put it."""
    writer = await bucket.writer(RecordHeader("object", key, 1, "owner", headers=HEADERS), len(data))
    try:
        await writer.write(data)
        written = await writer.finish(RecordFooter(ETAG))
    finally:
        writer.abort()
    await bucket.put(NewObject(key, ETAG, "123456789012", system_clock_ms(), HEADERS, {}), written)


async def put_for_a_while(bucket: Bucket, name: str, data: bytes) -> list[float]:
    """The seconds that each PUT of TASKS tasks took."""
    took: list[float] = []
    end = time.perf_counter() + SECONDS

    async def work(task: int) -> None:
        number = 0
        while (begin := time.perf_counter()) < end:
            await put(bucket, f"{name}/{task}/{number:08}", data)
            took.append(time.perf_counter() - begin)
            number += 1

    await asyncio.gather(*(work(task) for task in range(TASKS)))
    return took


async def one_process(root: Path, name: str, size: int) -> list[float]:
    disk = Disk(root, clock_ms=system_clock_ms)
    try:
        return await put_for_a_while(disk.bucket(*BUCKET), name, os.urandom(size))
    finally:
        await disk.close()


def run_process(root: Path, name: str, size: int) -> list[float]:
    return run(one_process(root, name, size))


def run(main):  # type: ignore[no-untyped-def]  # any coroutine, any result
    import uvloop

    return uvloop.run(main)


def report(title: str, took: list[float]) -> None:
    took.sort()
    rate = len(took) / SECONDS
    p50, p99 = took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3
    print(f"{title:28} {rate:9.0f} /s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   max {took[-1] * 1e3:6.1f} ms")


async def make(root: Path) -> None:
    disk = Disk(root, clock_ms=system_clock_ms)
    await disk.create_bucket(*BUCKET)
    await disk.close()


async def reads(root: Path) -> None:
    disk = Disk(root, clock_ms=system_clock_ms)
    bucket = disk.bucket(*BUCKET)
    for size in (1 << 10, 64 << 10, 256 << 10, 8 << 20):
        await put(bucket, "read", os.urandom(size))
        count = 5_000 if size < 1 << 20 else 100
        begin = time.perf_counter()
        for _ in range(count):
            version = bucket.get("read")
            assert version is not None
            data = await bucket.read(version)
            if not isinstance(data, (bytes, bytearray, memoryview)):
                async for _block in data:
                    pass
        each = (time.perf_counter() - begin) / count
        print(f"get and read {size >> 10:5} KiB      {1 / each:9.0f} /s   {each * 1e6:8.1f} us")
    for title, look in (
        ("get", lambda: bucket.get("read")),
        ("list 1,000", lambda: bucket.list_objects("1 process")),
        ("list by delimiter", lambda: bucket.list_objects(delimiter="/")),
    ):
        begin = time.perf_counter()
        for _ in range(200):
            look()
        print(f"{title:28} {(time.perf_counter() - begin) / 200 * 1e6:8.1f} us")
    await disk.close()


def main() -> None:
    root = Path(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        run(make(root))
        for size in (1 << 10, 64 << 10):
            report(f"put {size >> 10} KiB, 1 process", run_process(root, f"1 process {size}", size))
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                both = pool.starmap(run_process, [(root, f"2 processes {size} {n}", size) for n in range(2)])
            report(f"put {size >> 10} KiB, 2 processes", both[0] + both[1])
        run(reads(root))
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
