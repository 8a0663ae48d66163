"""The errors of access control lists, beside s3/errors.py.

Amazon S3 API Reference, "Error responses"; PutBucketAcl, PutObjectAcl, CreateBucket.
"""

from __future__ import annotations

from bucketry.store.s3.errors import S3Error


class MalformedACLError(S3Error):
    message = "The ACL that you provided was not well formed or did not validate against our published schema."


class UnresolvableGrantByEmailAddress(S3Error):
    message = "The email address that you provided does not match any account on record."


class AmbiguousGrantByEmailAddress(S3Error):
    message = "The email address that you provided is associated with more than one account."


class MissingSecurityHeader(S3Error):
    """A request to set an ACL that names none."""

    message = "Your request was missing a required header"


class UnexpectedContent(S3Error):
    """A request to set an ACL that gives one in its headers and another in its body."""

    message = "This request does not support content"


class InvalidBucketAclWithBlockPublicAccessError(S3Error):
    message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled"
