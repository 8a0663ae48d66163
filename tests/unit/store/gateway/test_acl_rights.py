"""What counts where the ACL of an object can't be read."""

from __future__ import annotations

import pytest

from bucketry.store.disk.types import Version
from bucketry.store.gateway.acl_rights import acl_of
from bucketry.store.s3 import acl

OWNER = "a" * 64


def version(kept: str) -> Version:
    return Version("k", "null", 1, 0, 0, "", "123456789012", {}, {}, "", {}, False, 0, acl=kept)


@pytest.mark.parametrize("kept", ["{", "x", "[1]", '[["AllUsers","EVERYTHING"]]', '{"AllUsers":"READ"}'])
def test_acl_that_cannot_be_read_grants_nobody_anything(kept: str) -> None:
    assert acl_of(version(kept), OWNER) == ()


def test_object_without_acl_is_its_owners() -> None:
    assert acl_of(version(""), OWNER) == acl.private(OWNER)
    assert acl_of(version(acl.encode(acl.canned("public-read", OWNER, OWNER))), OWNER)[-1:] == acl.private(OWNER)
