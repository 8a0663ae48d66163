"""Which of the suite's tests count: two selections, by its own marks and by names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_NEVER = (
    "fails_on_aws", "bucket_logging", "bucket_logging_cleanup", "cloud_transition", "cloud_restore",
    "lifecycle_transition", "s3select", "sns", "webidentity_test", "test_of_sts", "iam_role", "role_policy",
    "session_policy", "abac_test", "group", "group_policy", "storage_class", "appendobject", "delete_marker",
)  # fmt: skip
_NOT_CORE = (
    "iam_account", "iam_cross_account", "iam_tenant", "encryption", "sse_s3", "bucket_encryption",
    "lifecycle_expiration", "auth_aws2", "iam_user", "user_policy",
)  # fmt: skip
_FOLDER = "s3tests/functional"
_S3 = {"s3": (f"{_FOLDER}/test_s3.py", f"{_FOLDER}/test_headers.py")}
_IAM = {"iam": (f"{_FOLDER}/test_iam.py",)}
_NAMES = r"tenant|torrent|presigned.*v2"


@dataclass(frozen=True, slots=True)
class Selection:
    """`files` by the kind of configuration that they need; `without` are marks and `unnamed` a pattern of
    names (parameters included) of tests that don't count.

    `expected` is how many are left in the suite of May 2026, `goal` how many of them shall pass.
    """

    name: str
    files: Mapping[str, tuple[str, ...]]
    without: tuple[str, ...]
    unnamed: str
    expected: int
    goal: int

    @property
    def marks(self) -> str:
        """pytest's -m."""
        return f"not ({' or '.join(self.without)})"


SELECTIONS = {
    "core": Selection("core", _S3, _NEVER + _NOT_CORE, _NAMES, 488, 470),
    # The marks of IAM come in with test_iam.py: all that it tests of users carries one of them.
    "extended": Selection("extended", _S3 | _IAM, _NEVER, rf"{_NAMES}|kms|oidc", 636, 560),
}
