"""Lifecycle rules carried out on a real disk, with a clock that is turned on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bucketry.kernel.envelope import Envelope
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import Marker
from bucketry.store.gateway.context import Services, StoreSettings
from bucketry.store.identity.store import Identity
from bucketry.store.keeper.lifecycle import Lifecycle
from bucketry.store.s3 import lifecycle
from bucketry.store.s3.expiry import DAY_MS
from bucketry.store.s3.lifecycle import Filter, Rule
from bucketry.store.s3.object_lock import Lock
from tests.unit.store.disk.objects import ID, NAME, Clock, new_object, new_upload, put, write

RULE = Rule("r", True, Filter(), "")


class Kept:
    """A store with one bucket, its rules and its clock."""

    def __init__(self, services: Services, clock: Clock, bucket: Bucket) -> None:
        self.services, self.clock, self.bucket = services, clock, bucket
        self.lifecycle = Lifecycle(services)

    async def set(self, which: str, text: str) -> None:
        await self.services.identity.set_bucket_setting(NAME, which, text)

    async def rule(self, *rules: Rule) -> None:
        text = lifecycle.document(tuple(replace(rule, rule_id=str(at)) for at, rule in enumerate(rules))).decode()
        await self.set("lifecycle", text)

    async def pass_days(self, days: int) -> None:
        self.clock.now_ms += days * DAY_MS
        await self.lifecycle.run(asyncio.Event())

    async def put(
        self, key: str, tags: dict[str, str] | None = None, lock: Lock | None = None, data: bytes = b"data"
    ) -> str:
        """Store a version now: its id."""
        settings = self.services.identity.bucket(NAME)
        assert settings is not None
        is_versioned = settings.settings.get("versioning") == "Enabled"
        new = replace(new_object(key, data, is_versioned=is_versioned), tags=tags or {}, lock=lock)
        new = replace(new, modified_ms=self.clock.now_ms)
        made = await self.bucket.put(new, await write(self.bucket, RecordHeader("object", key, 0), data))
        return made.version_id

    async def hide(self, key: str) -> None:
        await self.bucket.delete(key, None, Marker("owner", self.clock.now_ms, is_versioned=True))

    def keys(self) -> list[str]:
        return [entry.key for entry in self.bucket.list_objects().entries]

    def versions(self) -> list[tuple[str, str, bool]]:
        found = self.bucket.list_versions().entries
        return [(entry.key, entry.version_id, entry.is_delete_marker) for entry in found]


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    clock = Clock()
    disk = Disk(tmp_path, clock_ms=clock)
    identity = Identity(tmp_path / "identity.sqlite", Envelope([b"k" * 32]), clock)
    account, _, _ = await identity.create_account("owner")
    await disk.create_bucket(NAME, ID)
    await identity.create_bucket(NAME, ID, account.account_id, "us-east-1", "BucketOwnerEnforced")
    yield Kept(Services(disk, identity, StoreSettings(), clock), clock, disk.bucket(NAME, ID))
    await disk.close()
    identity.close()


async def test_current_objects_expire_by_prefix_tag_and_age(kept: Kept) -> None:
    await kept.rule(
        replace(RULE, days=3, filter=Filter("logs/")), replace(RULE, days=1, filter=Filter(tags={"a": "b"}))
    )
    for key in ("data", "logs/1", "other"):
        await kept.put(key, {"a": "b"} if key == "other" else None)
    await kept.pass_days(1)
    assert kept.keys() == ["data", "logs/1", "other"]  # until midnight
    await kept.pass_days(1)
    assert kept.keys() == ["data", "logs/1"]
    await kept.put("logs/2")
    await kept.pass_days(2)
    assert kept.keys() == ["data", "logs/2"]
    assert kept.versions() == [("data", "null", False), ("logs/2", "null", False)]


async def test_current_objects_expire_by_size_and_on_a_date(kept: Kept) -> None:
    date_ms = (kept.clock.now_ms // DAY_MS + 5) * DAY_MS
    await kept.rule(
        replace(RULE, days=1, filter=Filter(larger_than=10)), replace(RULE, date_ms=date_ms, filter=Filter("dated/"))
    )
    for key, size in (("small", 10), ("large", 11), ("dated/1", 1)):
        await kept.put(key, data=bytes(size))
    await kept.pass_days(2)
    assert kept.keys() == ["dated/1", "small"]
    await kept.pass_days(2)
    assert kept.keys() == ["dated/1", "small"]
    await kept.pass_days(1)
    assert kept.keys() == ["small"]


async def test_expired_object_is_hidden_where_versions_are_kept(kept: Kept) -> None:
    await kept.set("versioning", "Enabled")
    await kept.rule(replace(RULE, days=1))
    version = await kept.put("k")
    await kept.pass_days(2)
    assert [(entry[0], entry[2]) for entry in kept.versions()] == [("k", True), ("k", False)]
    assert kept.versions()[1][1] == version
    await kept.pass_days(9)
    assert len(kept.versions()) == 2  # no marker upon marker


async def test_noncurrent_versions_go_but_for_the_newest(kept: Kept) -> None:
    await kept.set("versioning", "Enabled")
    versions = [await kept.put("k") for _ in range(5)]
    await kept.rule(replace(RULE, noncurrent_days=1, newer_versions=2))
    await kept.pass_days(2)
    assert [entry[1] for entry in kept.versions()] == [versions[4], versions[3], versions[2]]


async def test_version_is_noncurrent_since_the_next_one_came(kept: Kept) -> None:
    await kept.set("versioning", "Enabled")
    await kept.rule(replace(RULE, noncurrent_days=5))
    old = await kept.put("k")
    await kept.pass_days(20)
    new = await kept.put("k")
    await kept.pass_days(5)
    assert [entry[1] for entry in kept.versions()] == [new, old]
    await kept.pass_days(1)
    assert [entry[1] for entry in kept.versions()] == [new]


async def test_marker_goes_when_it_hides_nothing(kept: Kept) -> None:
    await kept.set("versioning", "Enabled")
    await kept.rule(replace(RULE, noncurrent_days=3, expires_markers=True))
    await kept.put("k")
    await kept.hide("k")
    await kept.pass_days(1)
    assert len(kept.versions()) == 2
    await kept.pass_days(3)
    await kept.pass_days(1)
    assert kept.versions() == []


async def test_lock_outlasts_every_rule(kept: Kept) -> None:
    await kept.set("versioning", "Enabled")
    await kept.rule(replace(RULE, noncurrent_days=1))
    locked = await kept.put("k", lock=Lock("GOVERNANCE", kept.clock.now_ms + 10 * DAY_MS))
    await kept.put("k")
    await kept.pass_days(5)
    assert len(kept.versions()) == 2
    await kept.pass_days(6)
    assert locked not in [entry[1] for entry in kept.versions()]


async def test_unfinished_uploads_are_given_up(kept: Kept) -> None:
    await kept.rule(replace(RULE, abort_days=2, filter=Filter("a/")))
    for key in ("a/1", "b/1"):
        await kept.bucket.create_upload(replace(new_upload(key, key), initiated_ms=kept.clock.now_ms))
    await kept.pass_days(2)
    assert len(kept.bucket.list_uploads().entries) == 2
    await kept.pass_days(1)
    assert [upload.key for upload in kept.bucket.list_uploads().entries] == ["b/1"]


async def test_walk_goes_over_pages_inside_keys_and_between_them(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bucketry.store.keeper.lifecycle._PAGE", 3)
    await kept.set("versioning", "Enabled")
    for key in ("a", "b", "c"):
        for _ in range(4):
            await kept.put(key)
    await kept.rule(replace(RULE, noncurrent_days=1, newer_versions=1))
    await kept.pass_days(2)
    assert [entry[0] for entry in kept.versions()] == ["a", "a", "b", "b", "c", "c"]


async def test_bucket_is_walked_once_a_day_and_when_its_rules_change(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks = []
    walk = Bucket.walk_versions
    monkeypatch.setattr(Bucket, "walk_versions", lambda *given: walks.append(1) or walk(*given))
    await kept.pass_days(0)
    assert len(walks) == 0
    await kept.rule(replace(RULE, days=100))
    for _ in range(3):
        await kept.pass_days(0)
    assert len(walks) == 1
    await kept.rule(replace(RULE, days=101))
    await kept.pass_days(0)
    assert len(walks) == 2
    await kept.pass_days(1)
    assert len(walks) == 3


async def test_what_changed_since_it_was_seen_is_left(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    await kept.rule(replace(RULE, days=1, filter=Filter(tags={"a": "b"})))
    await kept.put("overwritten", {"a": "b"})
    await kept.put("tagged", {"a": "b"})
    expire = Bucket.expire

    async def after_changes(bucket: Bucket, *given: Any) -> object:
        await put(bucket, "overwritten", b"new")
        await bucket.set_tags("tagged", {})
        return await expire(bucket, *given)

    monkeypatch.setattr(Bucket, "expire", after_changes)
    await kept.pass_days(3)
    assert kept.keys() == ["overwritten", "tagged"]


async def test_rules_that_cannot_be_read_remove_nothing(kept: Kept) -> None:
    await kept.put("k")
    await kept.set("lifecycle", "<LifecycleConfiguration><Rule/></LifecycleConfiguration>")
    await kept.pass_days(9)
    assert kept.keys() == ["k"]


async def test_stop_ends_a_run(kept: Kept) -> None:
    await kept.put("k")
    await kept.rule(replace(RULE, days=1))
    kept.clock.now_ms += 9 * DAY_MS
    stop = asyncio.Event()
    stop.set()
    await kept.lifecycle.run(stop)
    assert kept.keys() == ["k"]
    await kept.lifecycle.run(asyncio.Event())
    assert kept.keys() == []
