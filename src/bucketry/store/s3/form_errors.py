"""The errors of forms, beside s3/errors.py. Amazon S3 API Reference, "Error responses"; "POST Object"."""

from __future__ import annotations

from bucketry.store.s3.errors import S3Error


class MalformedPOSTRequest(S3Error):
    message = "The body of your POST request is not well-formed multipart/form-data."


class MaxPostPreDataLengthExceeded(S3Error):
    message = "Your POST request fields preceding the upload file were too large."


class IncorrectNumberOfFilesInPostRequest(S3Error):
    message = "POST requires exactly one file upload per request."


class InvalidPolicyDocument(S3Error):
    message = "The content of the form does not meet the conditions specified in the policy document."
