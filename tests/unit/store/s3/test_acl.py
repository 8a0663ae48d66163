"""ACLs as values: canned ones, what they let in, how they are kept."""

from __future__ import annotations

import pytest

from bucketry.store.s3 import acl
from bucketry.store.s3.acl import Grant, Permission, Reach

OWNER, BUCKET_OWNER, OTHER = "a" * 64, "b" * 64, "c" * 64
R, W, RA, WA, F = Permission.READ, Permission.WRITE, Permission.READ_ACP, Permission.WRITE_ACP, Permission.FULL_CONTROL
ALL = frozenset({R, W, RA, WA, F})
NO: frozenset[Permission] = frozenset()

# canned → what the owner of the object, of the bucket, another account and the anonymous are granted
REACHED = {
    "private": (ALL, NO, NO, NO),
    "public-read": (ALL, {R}, {R}, {R}),
    "public-read-write": (ALL, {R, W}, {R, W}, {R, W}),
    "authenticated-read": (ALL, {R}, {R}, NO),
    "aws-exec-read": (ALL, NO, NO, NO),
    "bucket-owner-read": (ALL, {R}, NO, NO),
    "bucket-owner-full-control": (ALL, ALL, NO, NO),
    "log-delivery-write": (ALL, NO, NO, NO),
}


def granted(grants: acl.Acl, canonical_id: str | None, ignores_public: bool = False) -> set[Permission]:
    return {one for one in ALL if acl.reach(grants, one, canonical_id, ignores_public) is not Reach.NONE}


def test_every_canned_acl_is_in_the_table() -> None:
    assert set(REACHED) == acl.CANNED_OF_BUCKETS
    assert {"log-delivery-write"} == acl.CANNED_OF_BUCKETS - acl.CANNED_OF_OBJECTS


@pytest.mark.parametrize("name", sorted(REACHED))
def test_canned_acl_grants_what_it_says(name: str) -> None:
    grants = acl.canned(name, OWNER, BUCKET_OWNER)
    callers = (OWNER, BUCKET_OWNER, OTHER, None)
    assert tuple(granted(grants, caller) for caller in callers) == tuple(map(set, REACHED[name]))


@pytest.mark.parametrize("name", sorted(REACHED))
def test_nothing_public_counts_where_it_is_ignored(name: str) -> None:
    grants = acl.canned(name, OWNER, BUCKET_OWNER)
    assert granted(grants, OWNER, ignores_public=True) == ALL
    assert granted(grants, OTHER, ignores_public=True) == NO
    assert granted(grants, None, ignores_public=True) == NO
    assert acl.is_public(grants) == (name in ("public-read", "public-read-write", "authenticated-read"))


@pytest.mark.parametrize("name", sorted(REACHED))
def test_kept_acl_reads_as_it_was(name: str) -> None:
    grants = acl.canned(name, OWNER, BUCKET_OWNER)
    assert acl.decode(acl.encode(grants)) == grants
    assert len(acl.encode(grants)) < 240


def test_bucket_acl_names_its_owner_once() -> None:
    assert acl.canned("bucket-owner-full-control", OWNER, OWNER) == acl.private(OWNER)
    assert acl.canned("bucket-owner-read", OWNER, OWNER) == acl.private(OWNER)


def test_grant_to_an_account_is_told_from_one_to_a_group() -> None:
    grants = (Grant(OTHER, R), Grant(acl.AUTHENTICATED_USERS, W))
    assert acl.reach(grants, R, OTHER) is Reach.ACCOUNT
    assert acl.reach(grants, W, OTHER) is Reach.GROUP
    assert acl.reach(grants, RA, OTHER) is Reach.NONE
    assert acl.reach((Grant(OTHER, F), Grant(acl.ALL_USERS, F)), WA, OTHER) is Reach.GROUP


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", '["ab"]', '[["x","READ","y"]]', '[["x","EAT"]]', '[["x"]]'])
def test_what_is_no_kept_acl_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no ACL"):
        acl.decode(text)
