"""The errors of the IAM and STS APIs: one class an error code, named as the code.

Source: AWS IAM API Reference, "Common Error Types" and the errors of each action. What the identity store refuses, and
what the signature's check found, is put in these words here and nowhere else.
"""

from __future__ import annotations

from typing import ClassVar

from bucketry.store.identity import errors as identity_errors
from bucketry.store.identity.sessions import PackedPolicyTooLarge as PackedTooLarge
from bucketry.store.s3 import errors as s3_errors


class IamError(Exception):
    """Base of all answers that are errors. `text` may be shown to the caller."""

    status: ClassVar[int] = 400

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"{self.code}: {text}")

    @property
    def code(self) -> str:
        return type(self).__name__


class ValidationError(IamError):
    """A parameter outside its constraints."""


class MalformedQueryString(IamError):
    """A body that is no form, or names a parameter twice."""

    status = 404  # as the list of common errors has it


class InvalidAction(IamError):
    """An action that AWS does not have either."""


class MalformedPolicyDocument(IamError):
    pass


class InvalidInput(IamError):
    pass


class IncompleteSignature(IamError):
    pass


class MissingAuthenticationToken(IamError):
    status = 403


class InvalidClientTokenId(IamError):
    status = 403


class ExpiredToken(IamError):
    """Temporary credentials whose time is over: SDKs get new ones."""

    status = 403


class SignatureDoesNotMatch(IamError):
    status = 403


class AccessDenied(IamError):
    status = 403


class NoSuchEntity(IamError):
    status = 404


class EntityAlreadyExists(IamError):
    status = 409


class DeleteConflict(IamError):
    status = 409


class LimitExceeded(IamError):
    status = 409


class PackedPolicyTooLarge(IamError):
    """The policies of a session don't fit into its token."""


class RequestEntityTooLarge(IamError):
    status = 413


class NotImplemented(IamError):
    """An action or parameter that AWS has and this store has not. SDKs don't retry a 501."""

    status = 501


class ServiceFailure(IamError):
    status = 500


_OF_IDENTITY: dict[type[identity_errors.IdentityError], type[IamError]] = {
    identity_errors.NoSuchEntity: NoSuchEntity,
    identity_errors.EntityAlreadyExists: EntityAlreadyExists,
    identity_errors.DeleteConflict: DeleteConflict,
    identity_errors.LimitExceeded: LimitExceeded,
    identity_errors.MalformedPolicyDocument: MalformedPolicyDocument,
    identity_errors.InvalidInput: InvalidInput,
    PackedTooLarge: PackedPolicyTooLarge,
}

_INVALID_KEY = "The security token included in the request is invalid."


def from_identity(error: identity_errors.IdentityError) -> IamError:
    """What the identity store refused, as this API says it."""
    return _OF_IDENTITY[type(error)](error.text)


def from_s3(error: s3_errors.S3Error) -> IamError:
    """What the check of the signature or the reading of the body found, as this API says it."""
    if isinstance(error, s3_errors.ExpiredToken):
        return ExpiredToken("The security token included in the request is expired")
    if isinstance(error, s3_errors.InvalidAccessKeyId | s3_errors.InvalidToken):
        return InvalidClientTokenId(_INVALID_KEY)
    if isinstance(error, s3_errors.SignatureDoesNotMatch | s3_errors.RequestTimeTooSkewed):
        return SignatureDoesNotMatch(error.text)
    if isinstance(error, s3_errors.MaxMessageLengthExceeded | s3_errors.EntityTooLarge):
        return RequestEntityTooLarge(error.text)
    if isinstance(error, s3_errors.NotImplemented):
        return NotImplemented(error.text)
    if error.status >= 500:
        return ServiceFailure(error.text)
    if error.status == 403:
        return AccessDenied(error.text)
    return IncompleteSignature(error.text)
