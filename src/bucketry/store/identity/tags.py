"""Tags of users, roles and policies: at most 50, whose keys are compared without regard to case.

AWS IAM User Guide, "Tags for AWS Identity and Access Management resources", "IAM and AWS STS quotas".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bucketry.store.identity.errors import LimitExceeded

MAX_TAGS = 50
_QUOTAS = {"user": "TagsPerUser", "role": "TagsPerRole", "policy": "TagsPerPolicy"}


def merge_tags(old: Mapping[str, str], new: Mapping[str, str], noun: str) -> dict[str, str]:
    """`old` with `new` set: a key that differs in case only is replaced. LimitExceeded beyond 50."""
    folded = {key.casefold() for key in new}
    merged = {key: value for key, value in old.items() if key.casefold() not in folded} | dict(new)
    if len(merged) > MAX_TAGS:
        raise LimitExceeded(f"Cannot exceed quota for {_QUOTAS[noun]}: {MAX_TAGS}")
    return merged


def without_tags(old: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    """`old` without the tags of these keys."""
    folded = {key.casefold() for key in keys}
    return {key: value for key, value in old.items() if key.casefold() not in folded}
