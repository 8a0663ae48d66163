"""The errors of the S3 API: one class an error code, named as the code.

Source: Amazon S3 API Reference, "Error responses" (list of error codes). A class carries the code (its name), the HTTP
status and the default message; `fields` are the extra elements that some codes add to the error document. Nothing else
in the store makes error texts: the gateway turns an exception into a status and a document, and knows no codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class S3Error(Exception):
    """Base of all answers that are errors.

    `message` replaces the class's text; `fields` are added to the error document as elements, in order, and must never
    hold a secret; `headers` are added to the response.
    """

    status: ClassVar[int] = 400
    message: ClassVar[str] = ""

    def __init__(
        self,
        message: str | None = None,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.text = message if message is not None else self.message
        self.fields: Mapping[str, str] = fields or {}
        self.headers: Mapping[str, str] = headers or {}
        super().__init__(f"{self.code}: {self.text}")

    @property
    def code(self) -> str:
        return type(self).__name__


# --- who asks, and how it was signed


class AccessDenied(S3Error):
    status = 403
    message = "Access Denied"


class InvalidAccessKeyId(S3Error):
    status = 403
    message = "The AWS Access Key Id you provided does not exist in our records."


class SignatureDoesNotMatch(S3Error):
    status = 403
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )


class RequestTimeTooSkewed(S3Error):
    status = 403
    message = "The difference between the request time and the server's time is too large."


class AuthorizationHeaderMalformed(S3Error):
    message = "The authorization header that you provided is not valid."


class AuthorizationQueryParametersError(S3Error):
    message = "The authorization query parameters that you provided are not valid."


class InvalidToken(S3Error):
    message = "The provided token is malformed or otherwise not valid."


class ExpiredToken(S3Error):
    message = "The provided token has expired."


# --- the request as such


class BadRequest(S3Error):
    message = "An error occurred when parsing the HTTP request."


class AccessForbidden(S3Error):
    """A preflight request that no CORS rule allows."""

    status = 403
    message = "CORSResponse: This CORS request is not allowed."


class InvalidRequest(S3Error):
    message = "The request is not valid."


class InvalidArgument(S3Error):
    message = "Invalid Argument"


class InvalidURI(S3Error):
    message = "Couldn't parse the specified URI."


class MethodNotAllowed(S3Error):
    status = 405
    message = "The specified method is not allowed against this resource."


class NotImplemented(S3Error):
    status = 501
    message = "A header or query you provided implies functionality that is not implemented."


class MissingContentLength(S3Error):
    status = 411
    message = "You must provide the Content-Length HTTP header."


class MissingRequestBodyError(S3Error):
    message = "Request body is empty."


class RequestTimeout(S3Error):
    message = "Your socket connection to the server was not read from or written to within the timeout period."


class RequestHeaderSectionTooLarge(S3Error):
    message = "Your request header section exceeds the maximum allowed size."


class MetadataTooLarge(S3Error):
    message = "Your metadata headers exceed the maximum allowed metadata size"


class MaxMessageLengthExceeded(S3Error):
    message = "Your request was too large."


class PreconditionFailed(S3Error):
    status = 412
    message = "At least one of the pre-conditions you specified did not hold"


class NotModified(S3Error):
    status = 304
    message = "Not Modified"


class InvalidRange(S3Error):
    status = 416
    message = "The requested range is not satisfiable"


class ConditionalRequestConflict(S3Error):
    status = 409
    message = "The conditional request cannot succeed due to a conflicting operation against this resource."


class OperationAborted(S3Error):
    status = 409
    message = "A conflicting conditional operation is currently in progress against this resource. Try again."


class InternalError(S3Error):
    status = 500
    message = "We encountered an internal error. Please try again."


class InsufficientStorage(S3Error):
    status = 507
    message = "There is no room left on the store's disk. Reading and deleting still work."


class SlowDown(S3Error):
    status = 503
    message = "Please reduce your request rate."


class ServiceUnavailable(S3Error):
    status = 503
    message = "Service is unable to handle request."


# --- bodies and checksums


class BadDigest(S3Error):
    message = "The Content-MD5 or checksum value that you specified did not match what the server received."


class InvalidDigest(S3Error):
    message = "The Content-MD5 you specified was invalid."


class XAmzContentSHA256Mismatch(S3Error):
    message = "The provided 'x-amz-content-sha256' header does not match what was computed."


class XAmzContentChecksumMismatch(S3Error):
    message = "The provided x-amz-checksum header does not match what was computed."


class IncompleteBody(S3Error):
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header"


class EntityTooLarge(S3Error):
    message = "Your proposed upload exceeds the maximum allowed size"


class EntityTooSmall(S3Error):
    message = "Your proposed upload is smaller than the minimum allowed size"


class InvalidChunkSizeError(S3Error):
    message = "Only the last chunk is allowed to have a size less than 8192 bytes"


class MalformedTrailerError(S3Error):
    message = "The request contained trailing data that was not well-formed or did not conform to our published schema."


class MalformedXML(S3Error):
    message = "The XML you provided was not well-formed or did not validate against our published schema"


# --- buckets


class InvalidBucketName(S3Error):
    message = "The specified bucket is not valid."


class NoSuchBucket(S3Error):
    status = 404
    message = "The specified bucket does not exist"


class BucketAlreadyExists(S3Error):
    status = 409
    message = (
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again."
    )


class BucketAlreadyOwnedByYou(S3Error):
    status = 409
    message = "Your previous request to create the named bucket succeeded and you already own it."


class BucketNotEmpty(S3Error):
    status = 409
    message = "The bucket you tried to delete is not empty"


class TooManyBuckets(S3Error):
    message = "You have attempted to create more buckets than allowed"


class InvalidLocationConstraint(S3Error):
    message = "The specified location-constraint is not valid"


class IllegalLocationConstraintException(S3Error):
    message = "The location constraint is incompatible for the region specific endpoint this request was sent to."


class IllegalVersioningConfigurationException(S3Error):
    message = "The Versioning element must be specified"


class InvalidBucketState(S3Error):
    status = 409
    message = "The request is not valid with the current state of the bucket."


class NoSuchBucketPolicy(S3Error):
    status = 404
    message = "The bucket policy does not exist"


class MalformedPolicy(S3Error):
    message = "This policy contains invalid Json"


class NoSuchCORSConfiguration(S3Error):
    status = 404
    message = "The CORS configuration does not exist"


class NoSuchWebsiteConfiguration(S3Error):
    status = 404
    message = "The specified bucket does not have a website configuration"


class NoSuchLifecycleConfiguration(S3Error):
    status = 404
    message = "The lifecycle configuration does not exist"


class NoSuchTagSet(S3Error):
    status = 404
    message = "The TagSet does not exist"


class InvalidTag(S3Error):
    message = "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation."


class NoSuchPublicAccessBlockConfiguration(S3Error):
    status = 404
    message = "The public access block configuration was not found"


class OwnershipControlsNotFoundError(S3Error):
    status = 404
    message = "The bucket ownership controls were not found"


class ServerSideEncryptionConfigurationNotFoundError(S3Error):
    status = 404
    message = "The server side encryption configuration was not found"


class ObjectLockConfigurationNotFoundError(S3Error):
    status = 404
    message = "Object Lock configuration does not exist for this bucket"


class ReplicationConfigurationNotFoundError(S3Error):
    status = 404
    message = "The replication configuration was not found"


class NoSuchConfiguration(S3Error):
    status = 404
    message = "The specified configuration does not exist."


class AccessControlListNotSupported(S3Error):
    message = "The bucket does not allow ACLs"


class InvalidBucketAclWithObjectOwnership(S3Error):
    message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"


# --- objects and uploads


class NoSuchKey(S3Error):
    status = 404
    message = "The specified key does not exist."


class NoSuchVersion(S3Error):
    status = 404
    message = "The specified version does not exist."


class KeyTooLongError(S3Error):
    message = "Your key is too long"


class NoSuchUpload(S3Error):
    status = 404
    message = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    )


class InvalidPart(S3Error):
    message = (
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag."
    )


class InvalidPartOrder(S3Error):
    message = "The list of parts was not in ascending order. Parts must be ordered by part number."


class InvalidStorageClass(S3Error):
    message = "The storage class you specified is not valid"


class InvalidObjectState(S3Error):
    status = 403
    message = "The action is not valid for the object's storage class"
