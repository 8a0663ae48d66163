"""What can go wrong with an order, as exceptions that every face translates once.

    DomainError
    ├── Invalid ............ the request cannot be right, whenever it is repeated
    │   ├── InvalidParameters, InvalidName, UnknownService, UnknownPlan, NotBindable, PlanChangeRefused,
    │   │   InvalidPredecessor
    ├── NotFound ........... InstanceNotFound, BindingNotFound, CredentialsUnknown, OrgNotFound, SpaceNotFound,
    │   │   AppNotFound, QuotaNotFound
    ├── NotAllowed ......... PaidPlansNotAllowed
    ├── Conflict ........... NameTaken, AmbiguousName, NotEmpty, HasBindings, HasContents, Busy, TakesLong
    ├── EngineRefused ...... the engine says no to this very order
    └── EngineUnavailable .. the engine does not answer, or not to us: nothing is wrong with the order

The text of an error is whole sentences for the person who ordered: what happened, to what, what to do. It holds no
secret and no traceback. `code` is one CamelCase word for programs; `details` are plain JSON values that belong to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class DomainError(Exception):
    """The base: never raised itself."""

    code: ClassVar[str] = "Error"

    @property
    def details(self) -> Mapping[str, Any]:
        return {}


class Invalid(DomainError):
    code = "Invalid"


class InvalidParameters(Invalid):
    """Parameters that the plan's published schema refuses."""

    code = "InvalidParameters"


class InvalidName(Invalid):
    code = "InvalidName"


class UnknownService(Invalid):
    code = "UnknownService"


class UnknownPlan(Invalid):
    code = "UnknownPlan"


class WrongService(Invalid):
    """An order names another service than that of the instance."""

    code = "BadRequest"


class NotBindable(Invalid):
    code = "NotBindable"


class InvalidPredecessor(Invalid):
    """A binding can't be rotated from that one."""

    code = "InvalidPredecessor"


class PlanChangeRefused(Invalid):
    """This instance can't go to that plan."""

    code = "PlanChangeNotSupported"


class NotFound(DomainError):
    code = "NotFound"


class InstanceNotFound(NotFound):
    code = "InstanceNotFound"


class BindingNotFound(NotFound):
    code = "BindingNotFound"


class CredentialsUnknown(NotFound):
    """The binding is there, but another broker gave its credentials."""

    code = "CredentialsUnknown"


class OrgNotFound(NotFound):
    code = "OrgNotFound"


class SpaceNotFound(NotFound):
    code = "SpaceNotFound"


class AppNotFound(NotFound):
    code = "AppNotFound"


class QuotaNotFound(NotFound):
    code = "QuotaNotFound"


class NotAllowed(DomainError):
    code = "NotAllowed"


class PaidPlansNotAllowed(NotAllowed):
    """The quota of the org has no paid plans."""

    code = "PaidPlansNotAllowed"


class Conflict(DomainError):
    code = "Conflict"


class NameTaken(Conflict):
    code = "NameTaken"


class AmbiguousName(Conflict):
    """Several things bear the name where one was meant."""

    code = "AmbiguousName"


class HasBindings(Conflict):
    """An instance with bindings or keys left."""

    code = "InstanceHasBindings"


class HasContents(Conflict):
    """A place (org, space, quota in use, app with bindings) with things left in it."""

    code = "NotEmpty"


class NotEmpty(Conflict):
    """A bucket that holds something, on a plan that keeps it. `uploads` are unfinished multipart uploads. `bucket` is
    given for instances of foreign platforms, whose developers have its credentials and no `bucketry`."""

    code = "BucketNotEmpty"

    def __init__(self, name: str, objects: int, size_bytes: int, uploads: int, bucket: str = "") -> None:
        held = [
            f"{objects:,} object{'' if objects == 1 else 's'} ({size_bytes:,} byte{'' if size_bytes == 1 else 's'})"
        ]
        if uploads:
            held.append(f"{uploads:,} unfinished upload{'' if uploads == 1 else 's'}")
        remedy = f"Empty it first: bucketry empty-bucket {name}"
        if bucket:
            remedy = (
                f"Empty it first, with the credentials of a binding or service key: aws s3 rm s3://{bucket} "
                "--recursive; old versions and unfinished uploads count too (aws s3api list-object-versions and "
                "list-multipart-uploads show them)."
            )
        super().__init__(
            f"The bucket of service instance {name} holds {' and '.join(held)}, so it was not deleted. {remedy}"
        )
        self.objects = objects
        self.size_bytes = size_bytes
        self.uploads = uploads

    @property
    def details(self) -> Mapping[str, Any]:
        return {"objects": self.objects, "size_bytes": self.size_bytes, "uploads": self.uploads}


class Busy(Conflict):
    """Another operation on the same thing is still in progress."""

    code = "OperationInProgress"


class TakesLong(Conflict):
    """It can be done, but not while somebody waits for the answer."""

    code = "TakesLong"


class EngineRefused(DomainError):
    """The engine took the request and said no to it: a limit, a setting it does not know."""

    code = "EngineRefused"


class EngineUnavailable(DomainError):
    """The engine can't be reached, fails, or does not take the marketplace's own credentials."""

    code = "EngineUnavailable"
