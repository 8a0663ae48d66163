"""Names of buckets and identities, made from the ids of instances and bindings.

Ids of the Open Service Broker API are up to a hundred characters and more, case-sensitive, of any letters. A bucket's
name has 63 lower-case characters (Amazon S3 User Guide, "Bucket naming rules"), a user's 64 (IAM User Guide, "IAM and
STS quotas"). Ids that are lower-case UUIDs go in as they are; any other by its SHA-256 in base 32, so that no two ids
share a name: 36 characters there, 52 here, so the two kinds never meet either.
"""

from __future__ import annotations

import base64
import hashlib
import re

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MADE = re.compile(rf"{_UUID.pattern}|[a-z2-7]{{52}}")
_BUCKET_PREFIX = re.compile(r"[a-z0-9][a-z0-9-]{0,9}-")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")


def from_id(prefix: str, guid: str) -> str:
    """`prefix` and 36 or 52 characters of `a-z0-9-` that stand for `guid` alone."""
    if _UUID.fullmatch(guid):
        return prefix + guid
    return prefix + base64.b32encode(hashlib.sha256(guid.encode()).digest()).decode().rstrip("=").lower()


def is_made(prefix: str, name: str) -> bool:
    """Whether from_id() could have made this name."""
    return name.startswith(prefix) and bool(_MADE.fullmatch(name, len(prefix)))


def check_bucket_prefix(prefix: str) -> str:
    """The prefix if every bucket's name that begins with it is valid. Raises ValueError."""
    if not _BUCKET_PREFIX.fullmatch(prefix) or prefix.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"bucket_prefix {prefix!r} must be 1 to 10 of a-z, 0-9 and hyphens, then a hyphen")
    return prefix
