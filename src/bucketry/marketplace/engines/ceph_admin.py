"""What is asked of a RADOS Gateway's admin API, and what it answers, as values. Pure; asked by ceph_asking.py.

Reference: Ceph documentation, "Admin Operations", as of 16.2 (Pacific).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from bucketry.marketplace.domain.engine_ports import AccessKey, BucketQuota

_KIB = 1024
PAGE = 1000


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """`target`: path below the admin API's own and query, encoded."""

    method: str
    target: str


@dataclass(frozen=True, slots=True)
class GatewayUser:
    """`uid` with the tenant before it (`TENANT$NAME`), if it has one. `display_name` as it was set. `is_plain`: it may
    do nothing but what policies let it, as create_user() made it."""

    uid: str
    display_name: str
    keys: tuple[AccessKey, ...]
    is_plain: bool = True

    @property
    def arn(self) -> str:
        return arn_of(self.uid)


def arn_of(uid: str) -> str:
    """How a policy names a user."""
    tenant, _, name = uid.rpartition("$")
    return f"arn:aws:iam::{tenant}:user/{name}"


def in_tenant_of(owner_uid: str, name: str) -> str:
    """The uid of a user beside another: buckets are found by their names within a tenant alone."""
    tenant, separator, _ = owner_uid.rpartition("$")
    return f"{tenant}{separator}{name}"


# ---- asking


def find_owner_of_key(access_key_id: str) -> AdminRequest:
    return _request("GET", "user", **{"access-key": access_key_id})


def get_user(uid: str) -> AdminRequest:
    return _request("GET", "user", uid=uid)


def create_user(uid: str, display_name: str) -> AdminRequest:
    """A user with a first key that can make no buckets. The gateway makes the key: what is asked stands in its logs."""
    options = {"display-name": display_name, "max-buckets": "-1", "generate-key": "true", "key-type": "s3"}
    return _request("PUT", "user", uid=uid, **options)


def rename_user(uid: str, display_name: str) -> AdminRequest:
    return _request("POST", "user", uid=uid, **{"display-name": display_name})


def delete_key(uid: str, access_key_id: str) -> AdminRequest:
    return _request("DELETE", "user", "key", uid=uid, **{"access-key": access_key_id, "key-type": "s3"})


def delete_user(uid: str) -> AdminRequest:
    return _request("DELETE", "user", uid=uid)


def list_users(marker: str) -> AdminRequest:
    """A page of uids. `marker`: that of the page before, "" for the first."""
    options = {"max-entries": str(PAGE), **({"marker": marker} if marker else {})}
    return _request("GET", "user", "list", **options)


def set_bucket_quota(owner_uid: str, bucket: str, quota: BucketQuota | None) -> AdminRequest:
    """None: without a limit."""
    size_bytes, objects = limits_of(quota)
    limits = {
        "enabled": "true" if quota else "false",
        "max-size-kb": str(size_bytes // _KIB),  # -1 stays what it is
        "max-objects": str(objects),
    }
    return _request("PUT", "bucket", "quota", uid=owner_uid, bucket=bucket, **limits)


def limits_of(quota: BucketQuota | None) -> tuple[int, int]:
    """Bytes and objects as the gateway keeps them: whole KiB, rounded up; -1: any."""
    size_bytes = quota.size_bytes if quota else None
    objects = quota.objects if quota else None
    return -1 if size_bytes is None else -(-size_bytes // _KIB) * _KIB, -1 if objects is None else objects


def _request(method: str, resource: str, sub_resource: str = "", **options: str) -> AdminRequest:
    query = [sub_resource] if sub_resource else []
    query += [f"{quote(name, safe='-')}={quote(value, safe='')}" for name, value in options.items()]
    return AdminRequest(method, f"{resource}?{'&'.join([*query, 'format=json'])}")


# ---- reading


def parse_user(body: bytes) -> GatewayUser:
    """ValueError for what is no user."""
    try:
        found = json.loads(body)
        tenant, name = found["tenant"], found["user_id"]
        keys = tuple(AccessKey(key["access_key"], key["secret_key"]) for key in found["keys"])
        more = [found.get(name) for name in ("caps", "subusers", "swift_keys")]
        is_plain = (
            not any(more) and found.get("max_buckets") == -1 and "true" not in (found.get("system"), found.get("admin"))
        )
        return GatewayUser(f"{tenant}${name}" if tenant else name, found["display_name"], keys, is_plain)
    except (KeyError, TypeError, UnicodeDecodeError) as problem:
        raise ValueError(f"no description of a user ({type(problem).__name__})") from None


def parse_users(body: bytes) -> tuple[list[str], str]:
    """The uids of a page and the marker of the next one, "" at the end. ValueError for what is no such page."""
    try:
        found = json.loads(body)
        return [str(uid) for uid in found["keys"]], str(found["marker"]) if found.get("truncated") else ""
    except (KeyError, TypeError, UnicodeDecodeError) as problem:
        raise ValueError(f"no list of users ({type(problem).__name__})") from None


def parse_error(body: bytes) -> str:
    """The code of a refusal, "" where it says none."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return ""
    code = found.get("Code") if isinstance(found, dict) else None
    return code if isinstance(code, str) else ""


# ---- what is kept in the display name of a binding's user


_BUCKETS = "buckets"


def describe(buckets: list[str], labels: Mapping[str, str]) -> str:
    """One line for people and for us: the buckets that name the user in their policies, and whose it is."""
    entries = [(_BUCKETS, ",".join(buckets)), *sorted(labels.items())]
    return " ".join(f"{quote(name, safe=':-')}={quote(value, safe=',:-.')}" for name, value in entries)


def described(display_name: str) -> tuple[list[str], dict[str, str]]:
    """Buckets and labels of describe(); nothing of a line that it has not written."""
    labels = {}
    for entry in display_name.split(" "):
        name, separator, value = entry.partition("=")
        if separator:
            labels[unquote(name)] = unquote(value)
    buckets = labels.pop(_BUCKETS, "")
    return [bucket for bucket in buckets.split(",") if bucket], labels
