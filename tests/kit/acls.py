"""Buckets where ACLs count, and everybody who may ask for something there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.kit.store import Key, Store, allow

OFF = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}
CALLERS = (
    "owner",
    "own user",
    "own user with rights",
    "other",
    "other's user",
    "other's user with rights",
    "anonymous",
)


@dataclass(frozen=True)
class People:
    """A key of each kind of caller, seen from the bucket of account one."""

    keys: dict[str, Key | None]

    @classmethod
    def of(cls, store: Store, name: str) -> People:
        return cls(
            {
                "owner": store.one,
                "own user": store.user(f"{name}-1-plain"),
                "own user with rights": store.user(f"{name}-1-all", allow("s3:*")),
                "other": store.two,
                "other's user": store.user(f"{name}-2-plain", account=store.two),
                "other's user with rights": store.user(f"{name}-2-all", allow("s3:*"), store.two),
                "anonymous": None,
            }
        )


def acl_bucket(s3: Any, name: str, ownership: str = "ObjectWriter", **given: Any) -> str:
    """A new bucket with ACLs and without Block Public Access. `given` is of put_bucket_acl."""
    s3.create_bucket(Bucket=name, ObjectOwnership=ownership)
    s3.delete_public_access_block(Bucket=name)
    if given:
        s3.put_bucket_acl(Bucket=name, **given)
    return name


def granted(answer: dict[str, Any]) -> set[tuple[str, str]]:
    """The grants of an answer: (canonical id or name of the group, permission)."""
    return {
        (grant["Grantee"].get("ID") or grant["Grantee"]["URI"].rpartition("/")[2], grant["Permission"])
        for grant in answer["Grants"]
    }
