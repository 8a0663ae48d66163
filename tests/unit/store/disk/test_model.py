"""Random operations, crashes and garbage runs among them, against a dictionary: the disk holds what the model holds."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.reading import Reading
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.types import Part
from tests.unit.store.disk.objects import (
    ID,
    NAME,
    OTHER,
    OTHER_ID,
    etag_of,
    new_object,
    new_upload,
    open_disk,
    put,
    put_part,
    read,
    write,
)

KEYS = ["a", "a/b", "é"]
BUCKETS = [(NAME, ID), (OTHER, OTHER_ID)]
keys = st.sampled_from(KEYS)
buckets = st.sampled_from([0, 1])
# Inline, shared segments of one block and of several, and segments alone; each with a byte of its own.
sizes = st.sampled_from([0, 10, 16_385, 70_000, 300_000, 4_200_000])


class DiskMachine(RuleBasedStateMachine):
    """Two buckets, a few keys, at most one upload and one reader under way in each."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="disk-model-"))
        self.objects: list[dict[str, bytes]] = [{}, {}]
        self.uploads: list[dict[str, tuple[str, dict[int, bytes]]]] = [{}, {}]
        self.readings: list[tuple[Reading, list[bytes], bytes]] = []
        self.count = 0
        self.run(self._open())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _open(self) -> None:
        self.disk = open_disk(self.root)
        await self.disk.recover(BUCKETS if self.count else [])
        for name in BUCKETS:
            await self.disk.create_bucket(*name)

    def bucket(self, number: int) -> Bucket:
        return self.disk.bucket(*BUCKETS[number])

    def new_bytes(self, size: int) -> bytes:
        self.count += 1
        return (b"%08d" % self.count * (size // 8 + 1))[:size]

    @initialize()
    def begin(self) -> None:
        self.count = 1

    @rule(number=buckets, key=keys, size=sizes)
    def put(self, number: int, key: str, size: int) -> None:
        data = self.new_bytes(size)
        self.run(put(self.bucket(number), key, data))
        self.objects[number][key] = data

    @rule(number=buckets, key=keys, some=st.lists(sizes, min_size=2, max_size=4))
    def put_at_once(self, number: int, key: str, some: list[int]) -> None:
        """Several at the same time on one key: one of them is the last."""
        datas = [self.new_bytes(size) for size in some]

        async def together() -> None:
            await asyncio.gather(*(put(self.bucket(number), key, data) for data in datas))

        self.run(together())
        found = self.run(read(self.bucket(number), key))
        assert found in datas
        self.objects[number][key] = found

    @rule(number=buckets, key=keys)
    def delete(self, number: int, key: str) -> None:
        deleted = self.run(self.bucket(number).delete(key))
        assert (deleted is not None) == (self.objects[number].pop(key, None) is not None)

    @rule(number=buckets, some=st.lists(keys, max_size=3))
    def delete_many(self, number: int, some: list[str]) -> None:
        self.run(self.bucket(number).delete_many(some))
        for key in some:
            self.objects[number].pop(key, None)

    @rule(source=buckets, number=buckets, key=keys, copy=keys)
    def copy(self, source: int, number: int, key: str, copy: str) -> None:
        version = self.bucket(source).get(key)
        if version is not None:
            data = self.objects[source][key]
            self.run(self.bucket(number).copy(self.bucket(source), version, new_object(copy, data)))
            self.objects[number][copy] = data

    @rule(number=buckets, size=sizes)
    def write_and_discard(self, number: int, size: int) -> None:
        bucket = self.bucket(number)

        async def both() -> None:
            bucket.discard(await write(bucket, RecordHeader("object", "k", 1), bytes(size)))

        self.run(both())

    @rule(number=buckets, key=keys, some=st.lists(st.tuples(st.integers(1, 4), sizes), min_size=1, max_size=4))
    def upload(self, number: int, key: str, some: list[tuple[int, int]]) -> None:
        self.count += 1
        upload_id = f"u{self.count}"
        self.run(self.bucket(number).create_upload(new_upload(upload_id, key)))
        parts: dict[int, bytes] = {}
        self.uploads[number][upload_id] = (key, parts)
        for part_number, size in some:
            parts[part_number] = self.new_bytes(size)
            self.run(put_part(self.bucket(number), upload_id, part_number, parts[part_number]))

    @rule(number=buckets, source=buckets, key=keys, part_number=st.integers(1, 4), cut=st.integers(0, 100))
    def copy_part(self, number: int, source: int, key: str, part_number: int, cut: int) -> None:
        version = self.bucket(source).get(key)
        if version is None or not self.uploads[number]:
            return
        upload_id, (_, parts) = next(iter(self.uploads[number].items()))
        start = version.size * cut // 200
        data = self.objects[source][key][start : version.size - start]
        part = Part(part_number, len(data), etag_of(data), 1, {})
        self.run(self.bucket(number).copy_part(upload_id, part, self.bucket(source), version, start))
        parts[part_number] = data

    @rule(number=buckets, without=st.integers(1, 4))
    def complete(self, number: int, without: int) -> None:
        if not self.uploads[number]:
            return
        upload_id, (key, parts) = next(iter(self.uploads[number].items()))
        listed = [part for part in sorted(parts) if part != without] or sorted(parts)
        data = b"".join(parts[part] for part in listed)
        named = [(part, etag_of(parts[part])) for part in listed]
        self.run(self.bucket(number).complete_upload(upload_id, named, new_object(key, data)))
        del self.uploads[number][upload_id]
        self.objects[number][key] = data

    @rule(number=buckets)
    def abort(self, number: int) -> None:
        if self.uploads[number]:
            upload_id = next(iter(self.uploads[number]))
            self.run(self.bucket(number).abort_upload(upload_id))
            del self.uploads[number][upload_id]

    @rule(number=buckets, key=keys)
    def begin_reading(self, number: int, key: str) -> None:
        version = self.bucket(number).get(key)
        if version is None or version.size <= 300_000:
            return
        reading = self.run(self.bucket(number).read(version))
        self.readings.append((reading, [bytes(self.run(anext(reading)))], self.objects[number][key]))

    @rule()
    def end_reading(self) -> None:
        async def rest(reading: Reading) -> list[bytes]:
            return [bytes(block) async for block in reading]

        while self.readings:
            reading, got, expected = self.readings.pop()
            assert b"".join(got + self.run(rest(reading))) == expected

    @rule()
    def collect_garbage(self) -> None:
        self.run(self.disk.collect_garbage())

    @rule(number=buckets)
    def rest(self, number: int) -> None:
        self.bucket(number).rest()

    @rule()
    def reopen(self) -> None:
        self.end_reading()
        self.run(self.disk.close())
        self.run(self._open())

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        for number, objects in enumerate(self.objects):
            bucket = self.bucket(number)
            listed = {entry.key: (entry.size, entry.etag) for entry in bucket.list_objects().entries}
            assert listed == {key: (len(data), etag_of(data)) for key, data in objects.items()}
            totals = bucket.totals()
            assert (totals.objects, totals.bytes) == (len(objects), sum(map(len, objects.values())))
            parts = [part for _, parts in self.uploads[number].values() for part in parts.values()]
            assert (totals.uploads, totals.upload_bytes) == (len(self.uploads[number]), sum(map(len, parts)))

    def teardown(self) -> None:
        try:
            self.end_reading()
            for number, objects in enumerate(self.objects):
                for key, data in objects.items():
                    assert self.run(read(self.bucket(number), key)) == data
            self.run(self.disk.collect_garbage())
            assert self.run(self.disk.check(deep=True)) == []
        finally:
            self.run(self.disk.close())
            self.loop.close()
            shutil.rmtree(self.root)


DiskMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None, print_blob=True)
TestDiskAgainstModel = DiskMachine.TestCase
