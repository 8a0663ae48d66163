"""Identity: accounts, users, access keys, policies, buckets and their settings, for one process of several.

Look-ups are plain calls on the reader, made in the event loop's thread; changes are coroutines, each one durable
transaction in the writer's thread. What a caller sees of another process's changes begins with `refresh()`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

import apsw

from bucketry.kernel.clock import ClockMs
from bucketry.kernel.envelope import Envelope, EnvelopeError, resealed
from bucketry.kernel.moments import Moments
from bucketry.store.identity import accounts, buckets, callers, keys, sessions, users
from bucketry.store.identity.activity import Activity
from bucketry.store.identity.cache import StampedCache
from bucketry.store.identity.database import Database
from bucketry.store.identity.errors import UnreadableIdentity
from bucketry.store.identity.group_calls import GroupCalls
from bucketry.store.identity.policy_calls import PolicyCalls
from bucketry.store.identity.role_calls import RoleCalls
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import (
    AccessKey,
    Account,
    BucketEntry,
    BucketRecord,
    Caller,
    KeyUse,
    Setting,
    User,
)

T = TypeVar("T")

MAX_CACHED_CALLERS = 50_000
MAX_CACHED_BUCKETS = 50_000
_PROOF = "this text opens with the right master key"
_PROOF_CONTEXT = "store|identity.sqlite"


class Identity:
    """identity.sqlite (and activity.sqlite beside it), opened by one process. Never used across a fork.

    `policies`, `groups` and `roles` hold the calls about those.
    Unless said otherwise, calls raise NoSuchEntity when what they name is not there.
    """

    def __init__(self, path: Path, envelope: Envelope, clock_ms: ClockMs, vfs: str | None = None) -> None:
        """UnreadableIdentity says why the files can't be used: newer format, another program's, another master key."""
        self._envelope = envelope
        self._clock_ms = clock_ms
        self._database = Database(path, vfs)
        try:
            self._database.transaction(self._prove_key)
            self._activity = Activity(path.with_name("activity.sqlite"), self._database, vfs)
        except BaseException:
            self._database.close()
            raise
        self._reader = reader = self._database.reader
        self._moments = Moments(reader)
        self._moment = b""
        self._callers = StampedCache(
            lambda key: callers.stamp(reader, key), lambda key: callers.load(reader, envelope, key), MAX_CACHED_CALLERS
        )
        self._buckets = StampedCache(
            lambda name: buckets.stamp(reader, name), lambda name: buckets.load(reader, name), MAX_CACHED_BUCKETS
        )
        self._sessions = sessions.Sessions(envelope, reader)
        self.policies = PolicyCalls(reader, self._write, clock_ms)
        self.groups = GroupCalls(reader, self._write, clock_ms)
        self.roles = RoleCalls(reader, self._write, clock_ms)
        self._with_setting: dict[str, tuple[int, list[str]]] = {}
        self.refresh()

    def _prove_key(self, db: apsw.Connection) -> None:
        """Fail at the start, not at the first request, when the master key isn't the one of this data."""
        found = rows(db, "SELECT value FROM fact WHERE name = 'master key proof'")
        if not found:
            sealed = self._envelope.seal(_PROOF, _PROOF_CONTEXT)
            db.execute("INSERT INTO fact (name, value) VALUES ('master key proof', ?)", (sealed,))
            return
        try:
            self._envelope.open(found[0][0], _PROOF_CONTEXT)
        except EnvelopeError as error:
            raise UnreadableIdentity(f"{self._database.path}: {error}") from None

    async def reseal(self, after: str, limit: int) -> keys.Resealed:
        """A batch of secrets, and the proof of the master key, under the key that seals now: as keys.reseal."""

        def work(db: apsw.Connection) -> keys.Resealed:
            (proof,) = rows(db, "SELECT value FROM fact WHERE name = 'master key proof'")
            anew = resealed(self._envelope, proof[0], _PROOF_CONTEXT)
            if anew is not None:
                db.execute("UPDATE fact SET value = ? WHERE name = 'master key proof'", (anew,))
            return keys.reseal(db, self._envelope, after, limit)

        return await self._write(work)

    def sealed_with(self) -> dict[bytes, int]:
        """How many secrets need which key, by the key's id."""
        return keys.sealed_with(self._reader)

    def close(self) -> None:
        """Finish what is under way, write what was noted, close the files. Blocks for it."""
        self._activity.flush_soon()
        self._moments.close()
        self._database.close()
        self._activity.close()

    async def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        try:
            return await self._database.write(work)
        finally:
            self._new_moment()  # a process sees its own changes without a refresh

    # --- what each request asks

    def refresh(self) -> None:
        """Begin a request: from here on what was committed before, by any process, is seen. A look at memory."""
        moment = self._moments.now()
        if moment != self._moment or not moment:
            self._moment = moment
            self._new_moment()

    def _new_moment(self) -> None:
        self._callers.moment += 1
        self._buckets.moment += 1
        self._sessions.roles.moment += 1

    def caller(self, access_key_id: str) -> Caller | None:
        """Whom a key speaks for, active or not; None: no such key, or one that cannot be read. Cached."""
        return self._callers.get(access_key_id)

    def session_caller(self, access_key_id: str, session_token: str) -> Caller | None:
        """Whom temporary credentials speak for, run out or not; None: the token isn't one of this key, or what it came
        from is gone or switched off. Cached.
        """
        ticket = self._sessions.ticket(access_key_id, session_token)
        return None if ticket is None else self._sessions.caller(ticket, self.caller(ticket.origin_key_id))

    def session_token(self, ticket: sessions.Ticket) -> str:
        """The token of new temporary credentials. PackedPolicyTooLarge."""
        return sessions.seal(self._envelope, ticket)

    def bucket(self, name: str) -> BucketRecord | None:
        """A bucket with its settings. Cached; the value is the same object until something of it changes."""
        return self._buckets.get(name)

    def note_key_use(self, access_key_id: str, service: str, region: str) -> None:
        """A request was made with this key now. In memory; written every few seconds."""
        self._activity.note(access_key_id, KeyUse(self._clock_ms(), service, region))

    # --- accounts

    async def create_account(self, name: str, email: str = "") -> tuple[Account, str, str]:
        """A new account with a key of its root: (account, access key id, secret). InvalidInput."""
        now_ms = self._clock_ms()

        def work(db: apsw.Connection) -> tuple[Account, str, str]:
            account = accounts.create(db, now_ms, name, email)
            key, secret = keys.create(db, now_ms, self._envelope, account.account_id, None)
            return account, key.access_key_id, secret

        return await self._write(work)

    def accounts(self) -> list[Account]:
        """All accounts, the oldest first."""
        return accounts.every(self._reader)

    def account(self, account_id: str) -> Account | None:
        return accounts.find(self._reader, account_id)

    def account_by_canonical_id(self, canonical_id: str) -> Account | None:
        return accounts.find_by_canonical_id(self._reader, canonical_id)

    def accounts_by_email(self, email: str) -> list[Account]:
        """All accounts with this address, without regard to case."""
        return accounts.find_by_email(self._reader, email)

    def counts(self, account_id: str) -> dict[str, int]:
        """How many users, groups, roles, policies, versions and keys of its root an account has, by table."""
        return accounts.counts(self._reader, account_id)

    async def delete_account(self, account_id: str) -> None:
        """Remove an account with its users, keys and policies. DeleteConflict while it has buckets."""
        dead = await self._write(lambda db: accounts.delete(db, account_id))
        self._activity.forget(dead)

    # --- users

    async def create_user(
        self,
        account_id: str,
        name: str,
        path: str = "/",
        tags: Mapping[str, str] | None = None,
        boundary: str | None = None,
    ) -> User:
        """A new user without rights or keys. EntityAlreadyExists (names differ by more than case), LimitExceeded."""
        now_ms = self._clock_ms()
        return await self._write(lambda db: users.create(db, now_ms, account_id, name, path, tags, boundary))

    def user(self, account_id: str, name: str) -> User | None:
        """A user by name, in whatever case."""
        return users.find(self._reader, account_id, name)

    def users(self, account_id: str, path_prefix: str = "/", after: str | None = None, limit: int = 100) -> list[User]:
        """Users whose path begins so, by name without regard to case, from behind the name `after`."""
        return users.page(self._reader, account_id, path_prefix, after, limit)

    async def update_user(
        self, account_id: str, name: str, new_name: str | None = None, new_path: str | None = None
    ) -> User:
        """Rename or move a user. EntityAlreadyExists."""
        return await self._write(lambda db: users.update(db, account_id, name, new_name, new_path))

    async def delete_user(self, account_id: str, name: str) -> None:
        """DeleteConflict while the user has keys or policies, or is in a group."""
        await self._write(lambda db: users.delete(db, account_id, name))

    async def tag_user(self, account_id: str, name: str, tags: Mapping[str, str]) -> None:
        """Set tags beside the others. LimitExceeded."""
        await self._write(lambda db: users.tag(db, account_id, name, tags))

    async def untag_user(self, account_id: str, name: str, tag_keys: Collection[str]) -> None:
        await self._write(lambda db: users.untag(db, account_id, name, tag_keys))

    # --- access keys; user_name None is the account's root

    async def create_access_key(self, account_id: str, user_name: str | None) -> tuple[AccessKey, str]:
        """A new active key and its secret, which is not shown again. LimitExceeded beyond two."""
        now_ms = self._clock_ms()
        return await self._write(lambda db: keys.create(db, now_ms, self._envelope, account_id, user_name))

    def access_keys(self, account_id: str, user_name: str | None) -> list[AccessKey]:
        """The keys of one owner, the oldest first."""
        return keys.every(self._reader, account_id, user_name)

    def access_key(self, access_key_id: str) -> AccessKey | None:
        """A key of any account: whoever asks must compare `account_id`."""
        return keys.find(self._reader, access_key_id)

    async def set_access_key_status(
        self, account_id: str, user_name: str | None, access_key_id: str, is_active: bool
    ) -> None:
        await self._write(lambda db: keys.set_status(db, account_id, user_name, access_key_id, is_active))

    async def delete_access_key(self, account_id: str, user_name: str | None, access_key_id: str) -> None:
        """Revoke a key: it fails on the next request, in every process."""
        await self._write(lambda db: keys.delete(db, account_id, user_name, access_key_id))
        self._activity.forget([access_key_id])

    async def key_last_use(self, access_key_id: str) -> KeyUse | None:
        """When a key was last used, up to some seconds late; None: not yet."""
        return await self._activity.last_use(access_key_id)

    # --- buckets

    async def create_bucket(
        self,
        name: str,
        bucket_id: str,
        owner: str,
        region: str,
        object_ownership: str,
        limit: int | None = None,
        *,
        is_public_access_blocked: bool = True,
        settings: Mapping[str, Setting] | None = None,
    ) -> BucketRecord:
        """Give a free name to account `owner`. BucketTaken; LimitExceeded when it has `limit` buckets already.

        `settings` are further ones that the bucket has from its first moment, as `set_bucket_setting` takes them.
        """
        now_ms = self._clock_ms()
        return await self._write(
            lambda db: buckets.create(
                db,
                now_ms,
                name,
                bucket_id,
                owner,
                region=region,
                object_ownership=object_ownership,
                is_public_access_blocked=is_public_access_blocked,
                limit=limit,
                settings=settings,
            )
        )

    def buckets(
        self, account_id: str, prefix: str = "", after: str = "", limit: int | None = None
    ) -> list[BucketEntry]:
        """An account's buckets by name, from behind `after`."""
        return buckets.page(self._reader, account_id, prefix, after, limit)

    def all_buckets(self, after: str = "", limit: int | None = None) -> list[BucketEntry]:
        """Buckets of all accounts by name, from behind `after`."""
        return buckets.page(self._reader, None, "", after, limit)

    def buckets_with(self, which: str) -> list[str]:
        """The names of all buckets that have a setting. A walk over all settings where anything changed since the last
        time: for what is done by the clock."""
        moment, names = self._with_setting.get(which, (-1, []))
        if moment != self._buckets.moment:
            moment, names = self._buckets.moment, buckets.with_setting(self._reader, which)
            self._with_setting[which] = (moment, names)
        return names

    async def set_bucket_setting(
        self,
        name: str,
        which: str,
        value: Setting | None,
        bucket_id: str | None = None,
        required: Mapping[str, str | None] | None = None,
    ) -> None:
        """Set a bucket's policy, acl, cors, website, tags, public_access_block, object_ownership, or any other document
        by its name; None removes it. `bucket_id` is the bucket that the caller was authorised for: if its name went to
        another one meanwhile, it is NoSuchBucket. `required` are other settings as they must be at that moment (None:
        not set), else it is SettingConflict. InvalidInput.
        """
        await self._write(lambda db: buckets.set_setting(db, name, which, value, bucket_id, required))

    async def delete_bucket(self, name: str, bucket_id: str) -> bool:
        """Free a name, if the bucket is still the one with that id; whether it was. Again is no error."""
        return await self._write(lambda db: buckets.delete(db, name, bucket_id))
