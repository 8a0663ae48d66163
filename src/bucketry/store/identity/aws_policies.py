"""The managed policies of AWS that speak of what this store has, by their well-known ARNs.

AWS Managed Policy Reference: AdministratorAccess, PowerUserAccess, AmazonS3FullAccess, AmazonS3ReadOnlyAccess,
IAMFullAccess, IAMReadOnlyAccess. They say here what they say there of S3, IAM and STS. They belong to no account, are
the same in each, and cannot be changed.
"""

from __future__ import annotations

import json
from hashlib import sha256

from bucketry.store.identity.types import ManagedPolicy, PolicyVersion

ACCOUNT = "aws"
PREFIX = "arn:aws:iam::aws:policy/"
_CREATED_MS = 1_423_161_640_000  # 2015-02-05, when AWS began to have managed policies


def _statement(actions: list[str], field: str = "Action") -> dict[str, object]:
    return {"Effect": "Allow", field: actions, "Resource": "*"}


_READ_IAM = [
    *("iam:GenerateCredentialReport", "iam:GenerateServiceLastAccessedDetails", "iam:Get*", "iam:List*"),
    *("iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy"),
]
_STATEMENTS: dict[str, tuple[str, list[dict[str, object]]]] = {
    "AdministratorAccess": ("All of every service.", [_statement(["*"])]),
    "AmazonS3FullAccess": ("All of S3.", [_statement(["s3:*"])]),
    "AmazonS3ReadOnlyAccess": ("Reading all of S3.", [_statement(["s3:Get*", "s3:List*", "s3:Describe*"])]),
    "IAMFullAccess": ("All of IAM.", [_statement(["iam:*"])]),
    "IAMReadOnlyAccess": ("Reading all of IAM.", [_statement(_READ_IAM)]),
    "PowerUserAccess": (
        "All of every service but IAM, accounts and organizations.",
        [_statement(["iam:*", "organizations:*", "account:*"], "NotAction"), _statement(["iam:ListRoles"])],
    ),
}
_DOCUMENTS = {
    name: json.dumps({"Version": "2012-10-17", "Statement": statements})
    for name, (_, statements) in _STATEMENTS.items()
}
NAMES = tuple(sorted(_STATEMENTS))


def is_aws(arn: str) -> bool:
    """Whether an ARN names a policy of AWS's own, known here or not."""
    return arn.startswith(PREFIX)


def document(arn: str) -> str | None:
    """The text of a policy; None for one that isn't known here."""
    return _DOCUMENTS.get(arn.removeprefix(PREFIX)) if is_aws(arn) else None


def policy(arn: str, attachment_count: int, boundary_count: int) -> ManagedPolicy | None:
    """A policy as an account sees it that uses it so often; None for one that isn't known here."""
    name = arn.removeprefix(PREFIX)
    if not is_aws(arn) or name not in _STATEMENTS:
        return None
    return ManagedPolicy(
        account_id=ACCOUNT,
        name=name,
        path="/",
        policy_id=f"ANPA{sha256(arn.encode()).hexdigest().upper()[:17]}",
        description=_STATEMENTS[name][0],
        created_ms=_CREATED_MS,
        updated_ms=_CREATED_MS,
        default_version="v1",
        attachment_count=attachment_count,
        tags={},
        boundary_count=boundary_count,
    )


def version(arn: str) -> PolicyVersion:
    """The only version of a known policy."""
    return PolicyVersion("v1", _DOCUMENTS[arn.removeprefix(PREFIX)], True, _CREATED_MS)
