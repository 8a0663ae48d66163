"""What a test of the suite is about: the first row that fits, by its marks or its name."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

# (area, marks, pattern of names)
_ROWS: tuple[tuple[str, frozenset[str], re.Pattern[str]], ...] = tuple(
    (area, frozenset(marks.split()), re.compile(pattern))
    for area, marks, pattern in (
        ("IAM", "iam_user user_policy", r"^test_(account_|user_|.*_user_policy)"),
        ("encryption", "encryption sse_s3 bucket_encryption", r"encrypt|sse_|kms"),
        ("lifecycle", "lifecycle lifecycle_expiration", r"lifecycle"),
        ("object lock", "object_lock", r"object_lock"),
        ("POST forms", "", r"^test_post_object"),
        ("ownership", "object_ownership", r"ownership|bucket_owner_(enforced|preferred)|object_writer"),
        ("public access block", "", r"public_block|public_access|block_public|ignore_public|restrict_public"),
        ("CORS", "", r"cors"),
        ("website", "s3website s3website_routing_rules s3website_redirect_location", r"website"),
        ("bucket policy", "bucket_policy", r"policy"),
        ("tagging", "tagging", r"tagging|_tags"),
        ("versioning", "versioning delete_marker", r"version"),
        ("ACL", "", r"acl|access_bucket|grant|private_|public_read|_anon|object_raw_(get|authenticated|response|put)"),
        ("headers", "auth_common auth_aws2 auth_aws4", r"_bad_|_badauth_|_headers?_"),
        ("multipart", "", r"multipart|upload_part"),
        ("copy", "copy", r"copy"),
        ("listing", "list_objects_v2", r"list|bucket_delimiter|encoding_basic"),
        ("checksums", "checksum", r"checksum"),
        (
            "conditional requests",
            "conditional_write",
            r"if_?match|if_?none|ifmodified|ifunmodified|conditional|precond",
        ),
        ("ranges", "", r"range"),
        (
            "buckets",
            "",
            r"^test_(bucket_(create|delete|head|get_location|notexist|recreate|concurrent)|bucket|buckets)",
        ),
        ("objects", "", r""),
    )
)

AREAS = tuple(sorted((area for area, _, _ in _ROWS), key=str.lower))


def area_of(name: str, marks: AbstractSet[str]) -> str:
    """The area of a test by its name and the suite's marks."""
    return next(area for area, wanted, pattern in _ROWS if wanted & marks or (pattern.search(name)))
