"""The errors of server access logging, beside s3/errors.py. Amazon S3 API Reference, "Error responses"."""

from __future__ import annotations

from bucketry.store.s3.errors import S3Error


class InvalidTargetBucketForLogging(S3Error):
    message = "The target bucket for logging does not exist, is not owned by you, or does not have the right grants."
