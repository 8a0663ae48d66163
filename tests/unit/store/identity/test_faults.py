"""A disk that fails at any write or sync: a change is there whole or not at all, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from bucketry.kernel.envelope import Envelope
from bucketry.store.identity.errors import IdentityUnwritable
from bucketry.store.identity.store import Identity

from .clock import TurnableClock


class _FailingFile(apsw.VFSFile):
    """A file whose writes and syncs count down to a failure."""

    def __init__(self, disk: FailingDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "").name
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  (apsw's name)
        self._disk.step(apsw.FullError)
        super().xWrite(data, offset)
        self._disk.unsynced.add(self._name)

    def xSync(self, flags: int) -> None:  # noqa: N802  (apsw's name)
        self._disk.step(apsw.IOError)
        super().xSync(flags)
        self._disk.unsynced.discard(self._name)


class FailingDisk(apsw.VFS):
    """SQLite's file system, failing once when `steps_left` reaches zero."""

    def __init__(self) -> None:
        self.steps_left: int | None = None
        self.unsynced: set[str] = set()
        super().__init__("failing", "")

    def xOpen(self, name: Any, flags: list[int]) -> _FailingFile:  # noqa: N802  (apsw's name)
        return _FailingFile(self, name, flags)

    def step(self, error: type[apsw.Error]) -> None:
        if self.steps_left is None:
            return
        self.steps_left -= 1
        if self.steps_left == 0:
            self.steps_left = None
            raise error("the disk failed, as the test asked for")


@pytest.fixture
def disk() -> Iterator[FailingDisk]:
    failing = FailingDisk()
    yield failing
    failing.unregister()


async def test_change_that_is_given_up_midway_leaves_nothing(identity: Identity) -> None:
    def give_up(db: apsw.Connection) -> None:
        db.execute("INSERT INTO account VALUES ('123456789012', 'c', 'half', '', 1, 0)")
        raise ValueError("midway")

    with pytest.raises(ValueError, match="midway"):
        await identity._database.write(give_up)
    assert identity.accounts() == []
    await identity.create_account("whole")
    assert [account.display_name for account in identity.accounts()] == ["whole"]


async def test_change_is_on_the_disk_before_it_is_answered(
    disk: FailingDisk, tmp_path: Path, envelope: Envelope, clock: TurnableClock
) -> None:
    identity = Identity(tmp_path / "identity.sqlite", envelope, clock, vfs="failing")
    for number in range(3):
        disk.unsynced.clear()
        account, *_ = await identity.create_account(f"tenant {number}")
        assert disk.unsynced == set()
        disk.unsynced.add("nothing was written")
        await identity.create_user(account.account_id, "alice")
        assert disk.unsynced == {"nothing was written"}
    identity.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_change_on_a_failing_disk_is_whole_or_not_there(
    disk: FailingDisk, tmp_path: Path, envelope: Envelope, clock: TurnableClock
) -> None:
    path = tmp_path / "identity.sqlite"
    failures = 0
    for step in range(1, 100):
        identity = Identity(path, envelope, clock, vfs="failing")
        before = {account.account_id for account in identity.accounts()}
        disk.steps_left = step
        try:
            account, key_id, _ = await identity.create_account(f"tenant {step}")
        except IdentityUnwritable:
            failures += 1
            assert {found.account_id for found in identity.accounts()} == before
            identity.refresh()
            account, key_id, _ = await identity.create_account("after the failure")
        passed = disk.steps_left is not None
        disk.steps_left = None
        caller = identity.caller(key_id)
        assert caller is not None
        assert caller.account == account
        identity.close()
        identity = Identity(path, envelope, clock)
        for found in identity.accounts():
            [key] = identity.access_keys(found.account_id, None)
            assert identity.caller(key.access_key_id) is not None
        identity.close()
        if passed:
            break
    assert failures >= 3
    assert passed
    assert apsw.Connection(str(path)).pragma("integrity_check") == "ok"
