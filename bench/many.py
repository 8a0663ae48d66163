"""Many keys, many connections: listings deep in a large bucket, 64, 256 and a thousand idle connections."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Iterator

from bench import fill, plain
from bench.cells import KIB, Measure, Outcome, Run
from bench.load import run
from bench.objects import BUCKET, COUNTS, prepare, timed
from bench.servers import Bucketry, Measured

DEEP = "bench-deep"
IDLE = 1000
_BODY = b"x" * KIB
_PEER_PAGE = 20_000  # URLs in memory at once


def prepare_deep(run_: Run, server: Measured) -> None:
    """A bucket with many keys: through the disk layer where there is one, else by PUTs."""
    if not run_.once(server, DEEP):
        return
    server.client().create_bucket(Bucket=DEEP)
    if isinstance(server, Bucketry):
        bucket = (DEEP, fill.bucket_id_of(server.data, DEEP))
        fill.put_objects(server.data, [bucket], run_.deep_keys, _BODY, fill.account_of(server.data))
        return
    sign = server.presigner().target
    for first in range(0, run_.deep_keys, _PEER_PAGE):
        numbers = range(first, min(first + _PEER_PAGE, run_.deep_keys))
        targets = [sign("PUT", f"/{DEEP}/{fill.key_of(number)}") for number in numbers]
        plain.put_all(server.endpoint, targets, _BODY, at_once=16)


def _listing(run_: Run, server: Measured, bucket: str, query: dict[str, str], connections: int = 0) -> Outcome:
    target = server.presigner().target("GET", f"/{bucket}", {"list-type": "2", "max-keys": "1000", **query})
    at_once = connections or run_.connections

    def load(seconds: float):  # type: ignore[no-untyped-def]  # a Rate
        return run("GET", server.endpoint, [target], run_.folder, seconds=seconds, connections=at_once)

    return timed(run_, server, load)


def list_flat(run_: Run, server: Measured) -> Outcome:
    """1,000 of some thousand keys."""
    prepare(run_, server)
    return _listing(run_, server, BUCKET, {"prefix": f"{KIB}/"})


def list_deep(name: str) -> Measure:
    """A page in the bucket of many keys: its first, by delimiter, or from the middle on."""

    def measure(run_: Run, server: Measured) -> Outcome:
        prepare_deep(run_, server)
        middle = fill.key_of(run_.deep_keys // 2)
        queries: dict[str, dict[str, str]] = {
            "first": {},
            "delimiter": {"delimiter": "/"},
            "middle": {"start-after": middle},
        }
        return _listing(run_, server, DEEP, queries[name])

    return measure


def get_of_many(count: int) -> Measure:
    """GET 1 KiB of `count` keys in turn, from all over the bucket of many."""

    def measure(run_: Run, server: Measured) -> Outcome:
        prepare_deep(run_, server)
        numbers = range(0, run_.deep_keys, max(1, run_.deep_keys // count))
        sign = server.presigner().target
        mixed = [
            *numbers[::7],
            *(number for first in range(1, 7) for number in numbers[first::7]),
        ]  # as no index has it
        targets = [sign("GET", f"/{DEEP}/{fill.key_of(number)}") for number in mixed]

        def load(seconds: float):  # type: ignore[no-untyped-def]  # a Rate
            return run("GET", server.endpoint, targets, run_.folder, seconds=seconds, connections=run_.connections)

        return timed(run_, server, load)

    return measure


def get_over(connections: int) -> Measure:
    """GET 1 KiB over this many busy connections."""

    def measure(run_: Run, server: Measured) -> Outcome:
        prepare(run_, server)
        return timed(run_, server, _gets(run_, server, connections))

    return measure


def _gets(run_: Run, server: Measured, connections: int) -> Callable[[float], object]:
    sign = server.presigner().target
    targets = [sign("GET", f"/{BUCKET}/{KIB}/{number:06}") for number in range(COUNTS[KIB])]
    return lambda seconds: run("GET", server.endpoint, targets, run_.folder, seconds=seconds, connections=connections)


def get_beside_idle(run_: Run, server: Measured) -> Outcome:
    """GET 1 KiB over 16 connections while a thousand others, that asked once, wait; then those ask again."""
    prepare(run_, server)
    target = server.presigner().target("GET", f"/{BUCKET}/{KIB}/000001")
    with _idle(server, target) as talks:
        outcome = timed(run_, server, _gets(run_, server, run_.connections))
        failed = sum(not _answers(talk, target) for talk in talks)
    return Outcome(outcome.value, outcome.unit, outcome.p99_ms, outcome.errors + failed, outcome.cpu_us)


@contextlib.contextmanager
def _idle(server: Measured, target: str) -> Iterator[list[plain.Talk]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE * 2 + 500
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    talks: list[plain.Talk] = []
    try:
        for _ in range(IDLE):
            talks.append(plain.Talk(server.endpoint))
            talks[-1].ask("GET", target)
        yield talks
    finally:
        for talk in talks:
            talk.close()


def _answers(talk: plain.Talk, target: str) -> bool:
    try:
        return talk.ask("GET", target)[0] == 200
    except (OSError, ValueError, IndexError):
        return False
