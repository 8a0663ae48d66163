"""What a process knows of versions without asking the index: true at each moment, whoever writes, and bounded."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bucketry.store.disk import store
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.known import Known, Room
from bucketry.store.disk.store import Disk
from tests.unit.store.disk.objects import ID, NAME, OTHER_ID, Clock, content, make_bucket, open_disk, put, read

SIZES = [0, 1000, 60_000, 300_000]  # none, inline, a segment's, several blocks

# Overwrites one key for ever; says each number that was answered.
_WRITER = """
import asyncio, sys
from pathlib import Path
from tests.unit.store.disk.objects import ID, NAME, open_disk, put

async def main():
    bucket = open_disk(Path(sys.argv[1])).bucket(NAME, ID)
    for number in range(int(sys.argv[2]), 10**9):
        await put(bucket, "key", b"%d" % number)
        print(number, flush=True)

asyncio.run(main())
"""


@contextmanager
def statements(bucket: Bucket) -> Iterator[list[str]]:
    """The statements that look-ups of a bucket make meanwhile."""
    seen: list[str] = []
    connection = bucket._reader.connection

    def note(_cursor: object, sql: str, _bindings: object) -> bool:
        seen.append(sql)
        return True

    connection.exec_trace = note
    try:
        yield seen
    finally:
        connection.exec_trace = None


@pytest.mark.parametrize("size", SIZES[:3])
async def test_read_is_one_statement_and_the_next_one_is_none(bucket: Bucket, size: int) -> None:
    data = b"x" * size
    await put(bucket, "key", data)
    with statements(bucket) as seen:
        assert await read(bucket, "key") == data
        assert len(seen) == 1
        assert await read(bucket, "key") == data
        assert await read(bucket, "key", size // 2) == data[size // 2 :]
        assert len(seen) == 1
        assert bucket.get("missing") is None
        assert bucket.get("missing") is None
        assert len(seen) == 2


@pytest.mark.parametrize("size", SIZES)
async def test_what_another_process_changes_is_seen_at_once(
    disk: Disk, tmp_path: Path, clock: Clock, size: int
) -> None:
    """Two disks on a folder share no more than two processes do."""
    bucket = await make_bucket(disk)
    other_disk = open_disk(tmp_path, clock=clock)
    other = other_disk.bucket(NAME, ID)
    for number in range(5):
        data = bytes([number]) * size
        await put(other, "key", data)
        assert await read(bucket, "key") == data
        await put(bucket, "key", data + b"!")
        assert await read(other, "key") == data + b"!"
        assert await read(bucket, "key") == data + b"!"
        await other.set_tags("key", {"n": str(number)})
        found = bucket.get("key")
        assert found is not None
        assert found.tags == {"n": str(number)}
        await bucket.delete("key")
        assert other.get("key") is None
        assert bucket.get("key") is None
    await other_disk.close()


async def test_no_answered_write_of_a_process_that_is_killed_is_missed(disk: Disk, tmp_path: Path) -> None:
    bucket = await make_bucket(disk)
    answered = -1
    for _ in range(4):
        command = [sys.executable, "-c", _WRITER, str(tmp_path), str(answered + 1)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220  (nothing else runs)
        assert process.stdout is not None
        for _ in range(60):
            answered = int(process.stdout.readline())
            seen = int(await read(bucket, "key"))
            assert seen >= answered
            assert int(await read(bucket, "key")) >= seen
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        answered = max([answered, *map(int, rest.split())])
        seen = int(await read(bucket, "key"))
        assert answered <= seen <= answered + 1
        answered = seen


async def test_bucket_made_anew_under_the_old_name_has_nothing_of_it(disk: Disk) -> None:
    bucket = await make_bucket(disk)
    await put(bucket, "key", b"old")
    assert await read(bucket, "key") == b"old"
    await bucket.delete("key")
    await disk.remove_bucket(NAME, ID)
    await disk.create_bucket(NAME, OTHER_ID)
    assert disk.bucket(NAME, OTHER_ID).get("key") is None


async def test_version_in_hand_can_be_read_after_it_is_replaced(bucket: Bucket) -> None:
    await put(bucket, "key", b"old")
    old = bucket.get("key")
    assert old is not None
    await put(bucket, "key", b"new")
    assert await content(bucket, old) == b"old"
    assert await read(bucket, "key") == b"new"


async def test_rest_forgets_and_gives_the_room_back(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(100_000)
    monkeypatch.setattr(store, "Room", lambda: room)
    disk = open_disk(tmp_path, clock=clock)
    bucket = await make_bucket(disk)
    await put(bucket, "key", b"x" * 1000)
    for _ in range(2):  # the first look-up finds the index not even open
        assert await read(bucket, "key") == b"x" * 1000
    assert room.left < 99_000
    bucket.rest()
    assert room.left == 100_000
    assert await read(bucket, "key") == b"x" * 1000
    await disk.close()


async def test_room_is_never_passed(bucket: Bucket) -> None:
    await put(bucket, "key", b"x" * 5000)
    version = bucket.get("key")
    room = Room(20_000)
    first, second = Known(room), Known(room)
    for number in range(50):
        for known in (first, second):
            known.at(b"moment")
            known.note(b"moment", str(number), version)
            assert 0 <= room.left <= 20_000
    assert "49" in first.versions
    assert len(first.versions) + len(second.versions) == 3
    first.forget()
    second.forget()
    assert room.left == 20_000


def test_nothing_is_known_of_an_earlier_or_unknown_moment() -> None:
    known = Known(Room())
    assert known.at(b"one") == {}
    known.note(b"one", "key", None)
    assert known.at(b"one") == {"key": None}
    known.note(b"two", "late", None)
    assert "late" not in known.at(b"one")
    assert known.at(b"two") == {}
    known.note(b"", "key", None)
    assert known.at(b"") == {}
