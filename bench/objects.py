"""Objects small and large: GET, ranges, HEAD, PUT, DELETE, DeleteObjects, Copy, multipart."""

from __future__ import annotations

import math
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench import floors, plain
from bench.cells import KIB, MIB, Measure, Outcome, Run, Unit
from bench.load import Rate, run
from bench.machine import processor_us
from bench.servers import Measured

BUCKET = "bench-bucket"
COUNTS = {KIB: 2000, 64 * KIB: 1000, 8 * MIB: 24}  # objects that GET and PUT go round
LARGE_KEY = "large"
PART = 8 * MIB
PARTS_AT_ONCE = 4
_RANGE = 64 * KIB
_ONCE_A_SECOND = 6000  # requests that are made once each, for a second of measuring
_MORE_THAN_DELETED = 12_000  # a second, by any server on the machines this was tried on
_BATCH = 1000


def prepare(run_: Run, server: Measured) -> None:
    """The bucket, and the objects that are read."""
    if not run_.once(server, "objects"):
        return
    server.client().create_bucket(Bucket=BUCKET)
    sign = server.presigner().target
    for size, count in COUNTS.items():
        targets = [sign("PUT", f"/{BUCKET}/{size}/{number:06}") for number in range(count)]
        plain.put_all(server.endpoint, targets, os.urandom(size))


def timed(
    run_: Run, server: Measured, load: Callable[[float], Rate], unit: Unit = "/s", warm_seconds: float = 1.0
) -> Outcome:
    """An Outcome of a load that takes the seconds it is to last."""
    if run_.seconds > warm_seconds:
        load(warm_seconds)
    before = server.cpu_seconds()
    rate = load(run_.seconds)
    cpu_us = processor_us(server.cpu_seconds() - before, rate.requests)
    value = rate.mb_per_second if unit == "MB/s" else rate.per_second
    return Outcome(value, unit, rate.p99_ms, rate.errors, cpu_us)


def get(size: int) -> Measure:
    def measure(run_: Run, server: Measured) -> Outcome:
        prepare(run_, server)
        sign = server.presigner().target
        targets = [sign("GET", f"/{BUCKET}/{size}/{number:06}") for number in range(COUNTS[size])]
        return timed(run_, server, lambda seconds: _wrk(run_, server, "GET", targets, seconds))

    return measure


def _wrk(
    run_: Run,
    server: Measured,
    method: str,
    targets: list[str],
    seconds: float,
    body: bytes = b"",
    connections: int = 0,
) -> Rate:
    return run(
        method,
        server.endpoint,
        targets,
        run_.folder,
        body=body,
        seconds=seconds,
        connections=connections or run_.connections,
    )


def put(size: int) -> Measure:
    def measure(run_: Run, server: Measured) -> Outcome:
        prepare(run_, server)
        sign = server.presigner().target
        targets = [sign("PUT", f"/{BUCKET}/new-{size}/{number:06}") for number in range(COUNTS[size])]
        body = os.urandom(size)
        unit: Unit = "MB/s" if size >= MIB else "/s"
        outcome = timed(run_, server, lambda seconds: _wrk(run_, server, "PUT", targets, seconds, body))
        if unit == "/s":
            return outcome
        return Outcome(outcome.value * size / 1e6, unit, outcome.p99_ms, outcome.errors, outcome.cpu_us)

    return measure


# ---- the large object


def large_file(run_: Run) -> Path:
    """Random bytes of the large size, made once a run."""
    file = run_.folder / "large.bin"
    if not file.exists():
        with file.open("wb") as target:
            for at in range(0, run_.large, MIB):
                target.write(os.urandom(min(MIB, run_.large - at)))
    return file


def put_large(run_: Run, server: Measured) -> Outcome:
    """One PUT over one connection."""
    prepare(run_, server)
    file, target = large_file(run_), server.presigner().target("PUT", f"/{BUCKET}/{LARGE_KEY}")
    talk = plain.Talk(server.endpoint)
    before, begun = server.cpu_seconds(), time.perf_counter()
    status, _ = talk.send_file("PUT", target, file, 0, run_.large)
    took = time.perf_counter() - begun
    talk.close()
    run_.filled.add((server.name, LARGE_KEY))
    errors = int(status != 200)
    return Outcome(run_.large / took / 1e6, "MB/s", 0, errors, (server.cpu_seconds() - before) * 1e6)


def multipart_large(run_: Run, server: Measured) -> Outcome:
    """Parts of 8 MiB, four at once, and the completion."""
    prepare(run_, server)
    client, sign, file, key = server.client(), server.presigner().target, large_file(run_), "multipart"
    before, begun = server.cpu_seconds(), time.perf_counter()
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    count = -(-run_.large // PART)
    etags = [""] * count

    def put_part(talk: plain.Talk, number: int) -> None:
        target = sign("PUT", f"/{BUCKET}/{key}", {"partNumber": str(number + 1), "uploadId": upload})
        size = min(PART, run_.large - number * PART)
        status, headers = talk.send_file("PUT", target, file, number * PART, size)
        if status != 200:
            raise SystemExit(f"{server.name} refused a part: {status}")
        etags[number] = headers["etag"]

    plain.in_threads(server.endpoint, PARTS_AT_ONCE, put_part, range(count))
    parts = [{"PartNumber": number + 1, "ETag": etag} for number, etag in enumerate(etags)]
    client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    took = time.perf_counter() - begun
    return Outcome(run_.large / took / 1e6, "MB/s", 0, 0, (server.cpu_seconds() - before) * 1e6)


def _with_large(run_: Run, server: Measured) -> None:
    if (server.name, LARGE_KEY) not in run_.filled:
        put_large(run_, server)


def get_large(run_: Run, server: Measured) -> Outcome:
    """Two connections that read it again and again."""
    _with_large(run_, server)
    targets = [server.presigner().target("GET", f"/{BUCKET}/{LARGE_KEY}")]
    before = server.cpu_seconds()
    rate = _wrk(run_, server, "GET", targets, run_.seconds, connections=2)
    read = rate.mb_per_second * run_.seconds * 1e6 / run_.large  # times the whole object
    return Outcome(rate.mb_per_second, "MB/s", 0, rate.errors, (server.cpu_seconds() - before) * 1e6 / max(read, 1e-9))


def get_ranges(run_: Run, server: Measured) -> Outcome:
    """64 KiB from random places of the large object."""
    _with_large(run_, server)
    target, chance = server.presigner().target("GET", f"/{BUCKET}/{LARGE_KEY}"), random.Random(1)
    starts = [chance.randrange(run_.large - _RANGE) for _ in range(2000)]
    targets = [f"bytes={start}-{start + _RANGE - 1} {target}" for start in starts]
    return timed(run_, server, lambda seconds: _wrk(run_, server, "GET", targets, seconds))


def copy_large(run_: Run, server: Measured) -> Outcome:
    """CopyObject to another key of the bucket; the median of some."""
    _with_large(run_, server)
    client, took, cpu = server.client(), [], server.cpu_seconds()
    for number in range(5):
        begun = time.perf_counter()
        source = {"Bucket": BUCKET, "Key": LARGE_KEY}
        client.copy_object(Bucket=BUCKET, Key=f"copy-{number}", CopySource=source)
        took.append((time.perf_counter() - begun) * 1e3)
    return Outcome(statistics.median(took), "ms", max(took), 0, processor_us(server.cpu_seconds() - cpu, len(took)))


# ---- each request once


def delete(run_: Run, server: Measured) -> Outcome:
    """Keys that are there, each deleted once: more than the load gets through. What is left of them is put anew in the
    next round."""
    prepare(run_, server)
    sign, count = server.presigner().target, round(_MORE_THAN_DELETED * run_.seconds)
    names = [f"/{BUCKET}/doomed/{number:06}" for number in range(count)]
    plain.put_all(server.endpoint, [sign("PUT", name) for name in names], b"x" * KIB, at_once=16)
    targets = [sign("DELETE", name) for name in names]
    outcome = timed(run_, server, lambda seconds: _wrk(run_, server, "DELETE", targets, seconds), warm_seconds=math.inf)
    assert outcome.value * run_.seconds < count, "the load came to keys that were gone"
    return outcome


def head(run_: Run, server: Measured) -> Outcome:
    """By a client in Python, since wrk waits for the body that HEAD announces."""
    prepare(run_, server)
    sign, count = server.presigner().target, round(_ONCE_A_SECOND * run_.seconds)
    targets = [sign("HEAD", f"/{BUCKET}/{KIB}/{number % COUNTS[KIB]:06}") for number in range(count)]
    before, begun = server.cpu_seconds(), time.perf_counter()
    answered = plain.ask_heads(server.endpoint, targets, run_.connections)
    rate = len(answered) / (time.perf_counter() - begun)
    cpu_us = processor_us(server.cpu_seconds() - before, len(answered))
    p99_ms = sorted(took for _, took in answered)[len(answered) * 99 // 100]
    return Outcome(rate, "/s", p99_ms, sum(status != 200 for status, _ in answered), cpu_us)


def delete_many(run_: Run, server: Measured) -> Outcome:
    """DeleteObjects of 1,000 keys that are there, one request after the other."""
    prepare(run_, server)
    client, sign, took, rounds = server.client(), server.presigner().target, [], max(2, min(8, round(run_.seconds)))
    names = [f"batch/{number:06}" for number in range(rounds * _BATCH)]
    plain.put_all(server.endpoint, [sign("PUT", f"/{BUCKET}/{name}") for name in names], b"x" * KIB)
    before, errors = server.cpu_seconds(), 0
    for at in range(0, len(names), _BATCH):
        begun = time.perf_counter()
        doomed = [{"Key": name} for name in names[at : at + _BATCH]]
        answer = client.delete_objects(Bucket=BUCKET, Delete={"Objects": doomed, "Quiet": True})
        took.append((time.perf_counter() - begun) * 1e3)
        errors += len(answer.get("Errors", []))
    cpu_us = processor_us(server.cpu_seconds() - before, rounds)
    return Outcome(statistics.median(took), "ms", max(took), errors, cpu_us)


# ---- floors


def static(size: int, unit: Unit = "/s", connections: int = 16) -> Callable[[Run], float | None]:
    """nginx with a file of this size."""

    def measure(run_: Run) -> float | None:
        if run_.nginx is None:
            return None
        rate = run_.nginx.get(str(size), run_.seconds, connections)
        return rate.mb_per_second if unit == "MB/s" else rate.per_second

    return measure


def static_large(run_: Run) -> float | None:
    return static(run_.large, "MB/s", connections=2)(run_)


def disk(size: int, unit: Unit = "/s") -> Callable[[Run], float | None]:
    """Durable writes of this size to the raw disk, one after the other."""

    def measure(run_: Run) -> float:
        rate = floors.durable_writes(run_.folder, size, run_.seconds)
        return rate * size / 1e6 if unit == "MB/s" else rate

    return measure
