"""A bucket's policy: set, read, removed, and whether it is public.

Amazon S3 API Reference, PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus; User Guide,
"Blocking public access to your Amazon S3 storage". A policy that can't be parsed can't be set, and one that Block
Public Access forbids neither.
"""

from __future__ import annotations

from bucketry.store.gateway.acl_rights import has_public_acl
from bucketry.store.gateway.authorise import has_public_policy
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.policy import malformed
from bucketry.store.policy.public import is_public
from bucketry.store.policy.validation import parse_bucket_policy
from bucketry.store.s3.buckets import policy_status_document
from bucketry.store.s3.errors import AccessDenied, MalformedPolicy, NoSuchBucketPolicy

_READ_BYTES = 64 * 1024  # the parser tells what is beyond its 20 KiB; more is not even read


async def put_bucket_policy(context: Context) -> Response:
    bucket = bucket_of(context)
    body = await read_document(context, _READ_BYTES)
    try:
        text = body.decode("utf-8")
        policy = parse_bucket_policy(text, bucket.name)
    except malformed.MalformedPolicy as error:
        raise MalformedPolicy(error.message) from None
    except UnicodeDecodeError:
        raise MalformedPolicy("The policy is not valid UTF-8.") from None
    block = bucket.public_access_block
    if block is not None and block.block_public_policy and is_public(policy):
        raise _prevented(context)
    await set_setting(context, "policy", text)
    return Response(status=204)


def _prevented(context: Context) -> AccessDenied:
    if context.caller is None:
        return AccessDenied()
    return AccessDenied(
        f"User: {context.caller.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "
        f'"arn:aws:s3:::{context.bucket_name}" because public policies are prevented by the BlockPublicPolicy setting '
        "in S3 Block Public Access."
    )


async def get_bucket_policy(context: Context) -> Response:
    text = bucket_of(context).policy_text
    if text is None:
        raise NoSuchBucketPolicy(fields={"BucketName": context.bucket_name})
    return Response(headers=[("Content-Type", "application/json")], body=text.encode())


async def delete_bucket_policy(context: Context) -> Response:
    await set_setting(context, "policy", None)
    return Response(status=204)


async def get_bucket_policy_status(context: Context) -> Response:
    """Whether the bucket is public, by its policy or by its ACL: one with neither is not."""
    bucket = bucket_of(context)
    return xml_response(policy_status_document(has_public_policy(bucket) or has_public_acl(bucket)))
