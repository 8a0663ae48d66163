"""docs/s3.md: every S3 operation that the store answers, from the table that it is routed by."""

from __future__ import annotations

from bucketry.store.gateway.iam_api import OPERATIONS as IAM_OPERATIONS
from bucketry.store.s3.operations import NOT_SUPPORTED, OPERATIONS, Resource

INTRODUCTION = """\
# What the store answers

The S3 operations and IAM actions of the embedded store. Errors are AWS's codes and documents. What AWS has and the
store has not is answered `NotImplemented` (501); it never pretends. Signature V4 is verified in headers and in
presigned URLs, with every mode of `x-amz-content-sha256`; addresses are path style and `BUCKET.ENDPOINT`.
URLs presigned by Signature V2, which older tools still make for us-east-1, are verified too.

Rights are those of the whole IAM policy language: identity policies, bucket policies, explicit deny, conditions. Where
a bucket's object ownership is not `BucketOwnerEnforced`, its ACL and those of its objects count as well.

Keys of customers (SSE-C) are taken over TLS alone, as on AWS; behind a proxy that ends TLS set
[`customer_keys_over_http`](settings.md). How the store does in the tests of ceph/s3-tests, and where it differs from
them on purpose: [conformance](conformance.md).

## S3

| operation | method | on | the caller needs |
|---|---|---|---|
"""


def text() -> str:
    rows = [
        f"| {operation.name} | {operation.method} | {operation.resource.value}"
        + (f" `?{operation.marker}`" if operation.marker else "")
        + (f" `{operation.header}`" if operation.header else "")
        + f" | {f'`{operation.action}`' if operation.action else '–'} |\n"
        for operation in OPERATIONS
    ]
    refused = [
        f"* on {article} {resource.value}: "
        + ", ".join(f"`?{name}`" for name in sorted(NOT_SUPPORTED) if resource in NOT_SUPPORTED[name])
        + "\n"
        for article, resource in (("a", Resource.BUCKET), ("an", Resource.OBJECT))
    ]
    read = sorted(row.marker for row in OPERATIONS if row.marker and row.resource in NOT_SUPPORTED.get(row.marker, ()))
    actions = ", ".join(f"`{name}`" for name in sorted(operation.name for operation in IAM_OPERATIONS))
    return (
        INTRODUCTION
        + "".join(rows)
        + "\n## Refused with NotImplemented\n\n"
        + "".join(refused)
        + "\nNo bucket here has "
        + ", ".join(f"`?{name}`" for name in read[:-1])
        + f" or `?{read[-1]}`, and reading them says so.\n"
        + "\n## IAM and STS\n\nOn the same endpoint, as `aws iam`, boto3 and Terraform ask:\n\n"
        + actions
        + "\n"
    )
