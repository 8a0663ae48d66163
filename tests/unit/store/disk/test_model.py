"""Random operations of two clients, power cuts and garbage runs among them, against a dictionary: the disk holds what
the model holds. A failing story is told in the fewest steps, with the line that repeats it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.reading import Reading
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import NULL_VERSION, Doomed, Marker, Part, Version
from tests.faults.machine import Image, write_out
from tests.faults.seam import Seam
from tests.unit.store.disk.objects import (
    ID,
    NAME,
    OTHER,
    OTHER_ID,
    content,
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
MEMORY = Path("/dev/shm")  # where a sync costs nothing: what one does is modelled


class Kept:
    """What a bucket should hold: of each key (version id, bytes), the newest first; None for a delete marker's."""

    def __init__(self) -> None:
        self.keys: dict[str, list[tuple[str, bytes | None]]] = {}

    def add(self, key: str, version_id: str, data: bytes | None) -> None:
        kept = self.keys.setdefault(key, [])
        if version_id == NULL_VERSION:
            kept[:] = [version for version in kept if version[0] != NULL_VERSION]
        kept.insert(0, (version_id, data))

    def remove(self, key: str, version_id: str) -> tuple[str, bytes | None] | None:
        for version in self.keys.get(key, []):
            if version[0] == version_id:
                self.keys[key].remove(version)
                return version
        return None

    def current(self) -> dict[str, bytes]:
        return {key: kept[0][1] for key, kept in self.keys.items() if kept and kept[0][1] is not None}

    def all(self) -> list[tuple[str, str, bytes | None]]:
        """Every version in the order of a listing."""
        return [(key, *version) for key in sorted(self.keys, key=str.encode) for version in self.keys[key]]


class DiskMachine(RuleBasedStateMachine):
    """Two buckets, a few keys, at most one upload and one reader under way in each; two clients, each with a disk of
    its own, as two processes have."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="disk-model-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        self.root = self.folder / "0"
        self.root.mkdir()
        self.lives = 0
        self.client = 0
        self.kept = [Kept(), Kept()]
        self.versioning = ["", ""]  # as of S3: nothing, "Enabled", "Suspended"
        self.uploads: list[dict[str, tuple[str, dict[int, bytes]]]] = [{}, {}]
        self.readings: list[tuple[Reading, list[bytes], bytes]] = []
        self.count = 0
        self.run(self._open())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _open(self) -> None:
        self.seam = Seam(self.root)
        self.disks = [open_disk(self.root, files=self.seam.files, vfs=self.seam.name) for _ in range(2)]
        await self.disk.recover(BUCKETS if self.count else [])
        for name in BUCKETS:
            await self.disk.create_bucket(*name)

    async def _close(self) -> None:
        for disk in self.disks:
            await disk.close()
        self.seam.unregister()

    async def _go_on_after(self, cut: Image) -> None:
        """The power failed: go on with what it left."""
        await self._close()
        shutil.rmtree(self.root)
        self.lives += 1
        self.root = write_out(cut, self.folder / f"{self.lives}")
        await self._open()

    @property
    def disk(self) -> Disk:
        return self.disks[self.client]

    def bucket(self, number: int, client: int | None = None) -> Bucket:
        return self.disks[self.client if client is None else client].bucket(*BUCKETS[number])

    def new_bytes(self, size: int) -> bytes:
        self.count += 1
        return (b"%08d" % self.count * (size // 8 + 1))[:size]

    @initialize()
    def begin(self) -> None:
        self.count = 1

    @property
    def objects(self) -> list[dict[str, bytes]]:
        return [kept.current() for kept in self.kept]

    def is_versioned(self, number: int) -> bool:
        return self.versioning[number] == "Enabled"

    def add(self, number: int, made: Version, data: bytes | None) -> None:
        assert (made.version_id != NULL_VERSION) == self.is_versioned(number)
        self.kept[number].add(made.key, made.version_id, data)

    def marker(self, number: int) -> Marker | None:
        if not self.versioning[number]:
            return None
        return Marker("owner", 1_700_000_000_000, self.is_versioned(number))

    @rule(number=buckets, state=st.sampled_from(["Enabled", "Suspended"]))
    def set_versioning(self, number: int, state: str) -> None:
        self.versioning[number] = state

    @rule(number=buckets, key=keys, size=sizes)
    def put(self, number: int, key: str, size: int) -> None:
        data = self.new_bytes(size)
        made = self.run(put(self.bucket(number), key, data, is_versioned=self.is_versioned(number)))
        self.add(number, made, data)

    @rule(number=buckets, key=keys, some=st.lists(sizes, min_size=2, max_size=4))
    def put_at_once(self, number: int, key: str, some: list[int]) -> None:
        """Several at the same time on one key: one of them is the last."""
        datas = [self.new_bytes(size) for size in some]

        async def together() -> list[Version]:
            is_versioned = self.is_versioned(number)
            puts = (
                put(self.bucket(number, n % 2), key, data, is_versioned=is_versioned) for n, data in enumerate(datas)
            )
            return await asyncio.gather(*puts)

        made = zip(self.run(together()), datas, strict=True)
        for version, data in sorted(made, key=lambda pair: pair[0].sequence):
            self.add(number, version, data)

    @rule(number=buckets, key=keys)
    def delete(self, number: int, key: str) -> None:
        deleted = self.run(self.bucket(number).delete(key, marker=self.marker(number)))
        if self.versioning[number]:
            self.add(number, deleted, None)
        else:
            assert (deleted is not None) == (self.kept[number].remove(key, NULL_VERSION) is not None)

    def named(self, number: int, key: str, which: int) -> str:
        """The id of one of a key's versions, or one that it has not."""
        kept = self.kept[number].keys.get(key, [])
        return kept[which][0] if which < len(kept) else NULL_VERSION

    @rule(number=buckets, key=keys, which=st.integers(0, 4))
    def delete_version(self, number: int, key: str, which: int) -> None:
        version_id = self.named(number, key, which)
        deleted = self.run(self.bucket(number).delete_version(key, version_id))
        removed = self.kept[number].remove(key, version_id)
        assert (deleted is not None) == (removed is not None)
        if removed is not None:
            assert deleted.is_delete_marker == (removed[1] is None)

    @rule(number=buckets, some=st.lists(keys, max_size=3))
    def delete_many(self, number: int, some: list[str]) -> None:
        marker = self.marker(number)
        done = self.run(self.bucket(number).delete_many([Doomed(key) for key in some], marker))
        for key, version in zip(some, done, strict=True):
            if marker is None:
                self.kept[number].remove(key, NULL_VERSION)
            else:
                self.add(number, version, None)

    @rule(number=buckets, some=st.lists(st.tuples(keys, st.integers(0, 4)), max_size=4))
    def delete_many_versions(self, number: int, some: list[tuple[str, int]]) -> None:
        doomed = [Doomed(key, self.named(number, key, which)) for key, which in some]
        self.run(self.bucket(number).delete_many(doomed, self.marker(number)))
        for key, version_id, _ in doomed:
            assert version_id is not None
            self.kept[number].remove(key, version_id)

    @rule(number=buckets, key=keys, which=st.integers(0, 4))
    def tag(self, number: int, key: str, which: int) -> None:
        self.count += 1
        tags = {"count": str(self.count)}
        version_id = self.named(number, key, which)
        tagged = self.run(self.bucket(number).set_tags(key, tags, version_id=version_id))
        if tagged is not None and not tagged.is_delete_marker:
            assert self.bucket(number).get_version(key, version_id) == tagged
            assert tagged.tags == tags

    @rule(source=buckets, number=buckets, key=keys, copy=keys, which=st.integers(0, 2))
    def copy(self, source: int, number: int, key: str, copy: str, which: int) -> None:
        version_id = self.named(source, key, which)
        version = self.bucket(source).get_version(key, version_id)
        if version is not None and not version.is_delete_marker:
            data = dict(self.kept[source].keys[key])[version_id]
            assert data is not None
            new = new_object(copy, data, is_versioned=self.is_versioned(number))
            self.add(number, self.run(self.bucket(number).copy(self.bucket(source), version, new)), data)

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
        new = new_object(key, data, is_versioned=self.is_versioned(number))
        made = self.run(self.bucket(number).complete_upload(upload_id, named, new))
        del self.uploads[number][upload_id]
        self.add(number, made, data)

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
        self.run(self._close())
        self.run(self._open())

    @rule()
    def another_client(self) -> None:
        self.client = 1 - self.client

    @rule(seed=st.none() | st.integers(0, 1000))
    def cut_power(self, seed: int | None) -> None:
        """All was answered, so all is there, whatever else the disk wrote of what was not synced."""
        self.end_reading()
        self.run(self._go_on_after(self.seam.machine.cut(None if seed is None else Random(seed))))

    @rule(
        number=buckets,
        some=st.lists(st.tuples(keys, sizes), min_size=1, max_size=4),
        at=st.integers(0, 12),
        seed=st.none() | st.integers(0, 1000),
    )
    def cut_power_among_puts(self, number: int, some: list[tuple[str, int]], at: int, seed: int | None) -> None:
        """Before the sync number `at`: what was answered by then is there, each of the others is whole or absent."""
        self.end_reading()
        puts = [(key, self.new_bytes(size)) for key, size in some]
        done: list[int] = []
        cuts: list[tuple[Image, set[int]]] = []
        syncs = 0

        def on_call(kind: str) -> None:
            nonlocal syncs
            if kind == "sync":
                if syncs == at:
                    with self.seam.lock:
                        chance = None if seed is None else Random(seed)
                        cuts.append((self.seam.machine.cut(chance), set(done)))
                syncs += 1

        async def one(n: int, key: str, data: bytes) -> Version:
            made = await put(self.bucket(number, n % 2), key, data, is_versioned=self.is_versioned(number))
            done.append(n)
            return made

        async def together() -> list[Version]:
            return await asyncio.gather(*(one(n, key, data) for n, (key, data) in enumerate(puts)))

        self.seam.on_call = on_call
        made = self.run(together())
        self.seam.on_call = None
        image, answered = cuts[0] if cuts else (self.seam.machine.cut(), set(done))
        self.run(self._go_on_after(image))
        for n in sorted(range(len(puts)), key=lambda n: made[n].sequence):
            if n in answered or self._may_be_there(number, made, n):
                self.add(number, made[n], puts[n][1])

    def _may_be_there(self, number: int, made: list[Version], which: int) -> bool:
        """Whether a put is to be seen, or was and was written over by one that is."""
        version = made[which]
        found = self.bucket(number).get_version(version.key, version.version_id)
        return found is not None and found.sequence >= version.sequence

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        for number, objects in enumerate(self.objects):
            bucket = self.bucket(number)
            listed = {entry.key: (entry.size, entry.etag) for entry in bucket.list_objects().entries}
            assert listed == {key: (len(data), etag_of(data)) for key, data in objects.items()}
            versions = self.kept[number].all()
            totals = bucket.totals()
            assert (totals.objects, totals.versions) == (len(objects), len(versions))
            assert totals.bytes == sum(len(data) for _, _, data in versions if data is not None)
            found = [
                (entry.key, entry.version_id, None if entry.is_delete_marker else entry.etag)
                for entry in bucket.list_versions().entries
            ]
            assert found == [(key, name, None if data is None else etag_of(data)) for key, name, data in versions]
            latest = [entry.version_id for entry in bucket.list_versions().entries if entry.is_latest]
            assert latest == [kept[0][0] for _, kept in sorted(self.kept[number].keys.items()) if kept]
            parts = [part for _, parts in self.uploads[number].values() for part in parts.values()]
            assert (totals.uploads, totals.upload_bytes) == (len(self.uploads[number]), sum(map(len, parts)))

    def teardown(self) -> None:
        try:
            self.end_reading()
            for number, kept in enumerate(self.kept):
                bucket = self.bucket(number)
                for key, data in kept.current().items():
                    assert self.run(read(bucket, key)) == data
                for key, version_id, expected in kept.all():
                    version = bucket.get_version(key, version_id)
                    assert version is not None
                    assert version.is_delete_marker == (expected is None)
                    assert self.run(content(bucket, version)) == (expected or b"")
            self.run(self.disk.collect_garbage())
            assert self.run(self.disk.check(deep=True)) == []
        finally:
            self.run(self._close())
            self.loop.close()
            shutil.rmtree(self.folder)


DiskMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=40)
TestDiskAgainstModel = DiskMachine.TestCase
