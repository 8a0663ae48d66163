"""Buckets: who owns which name, and their settings. SQL over one connection; transactions are the caller's.

A bucket's id names its folder on disk and is never used again, so that a bucket made anew under an old name has nothing
of the old one's. Each setting is a row; what cannot be read again counts as the strictest there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import apsw

from bucketry.kernel import logs
from bucketry.store.identity.errors import (
    BucketTaken,
    InvalidInput,
    LimitExceeded,
    NoSuchBucket,
    NoSuchEntity,
    SettingConflict,
)
from bucketry.store.identity.sql import rows
from bucketry.store.identity.types import Account, BucketEntry, BucketRecord, PublicAccessBlock, Setting
from bucketry.store.policy.language import Policy
from bucketry.store.policy.validation import parse_bucket_policy
from bucketry.store.s3 import acl

OWNERSHIPS = ("ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced")
_FIELDS = frozenset({"policy", "acl", "public_access_block", "cors", "website", "tags", "object_ownership"})
_log = logs.get("identity")


def create(
    db: apsw.Connection,
    now_ms: int,
    name: str,
    bucket_id: str,
    owner: str,
    *,
    region: str,
    object_ownership: str,
    is_public_access_blocked: bool,
    limit: int | None,
    settings: Mapping[str, Setting] | None = None,
) -> BucketRecord:
    """A new bucket of account `owner`, with Block Public Access all on or, as before it was the default, without any.

    BucketTaken when the name is in use, LimitExceeded when the account has `limit` buckets already.
    """
    taken = rows(db, "SELECT account_id FROM bucket WHERE name = ?", (name,))
    if taken:
        raise BucketTaken(name, taken[0][0])
    counted = rows(db, "SELECT bucket_count FROM account WHERE account_id = ?", (owner,))
    if not counted:
        raise NoSuchEntity(f"There is no account {owner}.")
    if limit is not None and counted[0][0] >= limit:
        raise LimitExceeded(f"The account {owner} has {limit} buckets, as many as it may have.")
    db.execute(
        "INSERT INTO bucket (name, bucket_id, account_id, region, created_ms) VALUES (?, ?, ?, ?, ?)",
        (name, bucket_id, owner, region, now_ms),
    )
    db.execute("UPDATE account SET bucket_count = bucket_count + 1 WHERE account_id = ?", (owner,))
    if is_public_access_blocked:
        _put(db, bucket_id, "public_access_block", PublicAccessBlock())
    _put(db, bucket_id, "object_ownership", object_ownership)
    for which, document in (settings or {}).items():
        _put(db, bucket_id, which, document)
    record = load(db, name)
    assert record is not None
    return record


def set_setting(
    db: apsw.Connection,
    name: str,
    which: str,
    value: Setting | None,
    expected_id: str | None,
    required: Mapping[str, str | None] | None = None,
) -> None:
    """Set or remove (None) a setting of a bucket, if it still has the id `expected_id` (None: whatever it has).

    The same value again changes nothing. `required` are other settings as they must be (None: not set), else it is
    SettingConflict.
    """
    found = rows(db, "SELECT bucket_id FROM bucket WHERE name = ?", (name,))
    if not found or expected_id not in (None, found[0][0]):
        raise NoSuchBucket(name)
    bucket_id = found[0][0]
    for other, document in (required or {}).items():
        kept = rows(db, "SELECT document FROM bucket_setting WHERE bucket_id = ? AND name = ?", (bucket_id, other))
        if (kept[0][0] if kept else None) != document:
            raise SettingConflict(name, other)
    if value is None:
        db.execute("DELETE FROM bucket_setting WHERE bucket_id = ? AND name = ?", (bucket_id, which))
    else:
        _put(db, bucket_id, which, value)
    if db.changes():
        db.execute("UPDATE bucket SET revision = revision + 1 WHERE name = ?", (name,))


def _put(db: apsw.Connection, bucket_id: str, which: str, value: Setting) -> None:
    db.execute(
        "INSERT INTO bucket_setting (bucket_id, name, document) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document WHERE document <> excluded.document",
        (bucket_id, which, _document(which, value)),
    )


def _document(which: str, value: Setting) -> str:
    """A setting as text. InvalidInput for a value of another kind: it could not be read again."""
    if which == "public_access_block" and isinstance(value, PublicAccessBlock):
        return json.dumps(asdict(value))
    if which == "tags" and isinstance(value, Mapping):
        return json.dumps(dict(value))
    is_text = isinstance(value, str) and which not in ("public_access_block", "tags")
    if not is_text or (which == "object_ownership" and value not in OWNERSHIPS):
        raise InvalidInput(f"The bucket setting {which} cannot be {value!r}.")
    return str(value)


def delete(db: apsw.Connection, name: str, bucket_id: str) -> bool:
    """Remove a bucket, if it is still the one with that id; whether it was there."""
    statement = "DELETE FROM bucket WHERE name = ? AND bucket_id = ? RETURNING account_id"
    owners = rows(db, statement, (name, bucket_id))
    for (owner,) in owners:
        db.execute("UPDATE account SET bucket_count = bucket_count - 1 WHERE account_id = ?", (owner,))
    return bool(owners)


def with_setting(db: apsw.Connection, which: str) -> list[str]:
    """The names of the buckets that have a setting."""
    found = rows(
        db, "SELECT b.name FROM bucket_setting s JOIN bucket b USING (bucket_id) WHERE s.name = ? ORDER BY 1", (which,)
    )
    return [name for (name,) in found]


def stamp(db: apsw.Connection, name: str) -> tuple[str, int] | None:
    """What a cached record of the bucket must have been made from."""
    found = rows(db, "SELECT bucket_id, revision FROM bucket WHERE name = ?", (name,))
    return found[0] if found else None


def load(db: apsw.Connection, name: str) -> BucketRecord | None:
    """A bucket with all of its settings."""
    found = rows(
        db,
        "SELECT b.bucket_id, b.region, b.created_ms, b.revision, a.account_id, a.canonical_id, a.display_name, a.email,"
        " a.created_ms"
        " FROM bucket b JOIN account a USING (account_id) WHERE b.name = ?",
        (name,),
    )
    if not found:
        return None
    bucket_id, region, created_ms, revision, *owner = found[0]
    settings: dict[str, str] = dict(
        rows(db, "SELECT name, document FROM bucket_setting WHERE bucket_id = ? ORDER BY name", (bucket_id,))
    )
    policy_text = settings.get("policy")
    policy = _read_policy(name, policy_text)
    return BucketRecord(
        name=name,
        bucket_id=bucket_id,
        owner=Account(*owner),
        region=region,
        created_ms=created_ms,
        object_ownership=_read_ownership(name, settings.get("object_ownership", "")),
        revision=revision,
        policy_text=policy_text,
        policy=policy,
        is_policy_broken=policy_text is not None and policy is None,
        acl=_read_acl(name, settings.get("acl")),
        public_access_block=_read_block(name, settings.get("public_access_block")),
        cors=settings.get("cors"),
        website=settings.get("website"),
        tags=_read_tags(name, settings.get("tags")),
        settings={which: document for which, document in settings.items() if which not in _FIELDS},
    )


def _read_policy(name: str, text: str | None) -> Policy | None:
    if text is None:
        return None
    try:
        return parse_bucket_policy(text, name)
    except Exception as error:  # whatever it was: what can't be read denies
        _log.error("a bucket's policy cannot be read and denies all", bucket=name, reason=type(error).__name__)
        return None


def _read_acl(name: str, text: str | None) -> acl.Acl | None:
    if text is None:
        return None
    try:
        return acl.decode(text)
    except ValueError:
        _log.error("a bucket's ACL cannot be read and grants nothing", bucket=name)
        return ()


def _read_ownership(name: str, text: str) -> str:
    if text in OWNERSHIPS or not text:
        return text
    _log.error("a bucket's object ownership cannot be read and counts as that of no ACLs", bucket=name)
    return "BucketOwnerEnforced"


def _read_block(name: str, text: str | None) -> PublicAccessBlock | None:
    if text is None:
        return None
    try:
        values = json.loads(text)
        return PublicAccessBlock(**{which: bool(value) for which, value in values.items()})
    except (ValueError, TypeError, AttributeError):
        _log.error("a bucket's public access block cannot be read and counts as all on", bucket=name)
        return PublicAccessBlock()


def _read_tags(name: str, text: str | None) -> Mapping[str, str] | None:
    if text is None:
        return None
    try:
        return {str(key): str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        _log.error("a bucket's tags cannot be read and count as none", bucket=name)
        return {}


def page(db: apsw.Connection, account_id: str | None, prefix: str, after: str, limit: int | None) -> list[BucketEntry]:
    """Buckets of an account (None: of all) by name, from behind `after`; `limit` None: all of them."""
    whose = "account_id = ?1" if account_id is not None else "?1 IS NULL"
    found = rows(
        db,
        f"SELECT name, bucket_id, account_id, region, created_ms FROM bucket WHERE {whose}"  # noqa: S608  (constants)
        " AND name > ?2 AND name >= ?3 AND name < ?4 ORDER BY name LIMIT ?5",
        (account_id, after, prefix, prefix + "\U0010ffff", -1 if limit is None else limit),
    )
    return [BucketEntry(*row) for row in found]
