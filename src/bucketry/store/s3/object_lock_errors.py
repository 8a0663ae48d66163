"""The errors of Object Lock, beside s3/errors.py.

Amazon S3 API Reference, PutObjectLockConfiguration, GetObjectRetention, GetObjectLegalHold, DeleteObject.
"""

from __future__ import annotations

from bucketry.store.s3.errors import AccessDenied, S3Error


class InvalidRetentionPeriod(S3Error):
    message = "The retention period is not valid."


class NoSuchObjectLockConfiguration(S3Error):
    """A version without the retention or legal hold that is asked for."""

    status = 404
    message = "The specified object does not have a ObjectLock configuration"


def protected() -> AccessDenied:
    """The error for what a lock does not let happen."""
    return AccessDenied("Access Denied because object protected by object lock.")
