"""The IAM Query API and STS on the S3 endpoint: `POST /` with a form, signed for `iam` or `sts`.

AWS IAM API Reference (version 2010-05-08), "Making query requests"; AWS STS API Reference (2011-06-15). OPERATIONS is
the table of all that is answered; a request is read, authorised by policy and handled in that order, and nothing in it
can name another account than the caller's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bucketry.store.gateway.context import Services
from bucketry.store.gateway.http import Request, Response
from bucketry.store.gateway.iam import (
    absent,
    access,
    account,
    errors,
    groups,
    holder_policies,
    keys,
    policies,
    roles,
    simulate,
    sts,
    unsupported,
    users,
)
from bucketry.store.gateway.iam.errors import (
    AccessDenied,
    IamError,
    InvalidAction,
    InvalidClientTokenId,
    MissingAuthenticationToken,
    from_identity,
    from_s3,
)
from bucketry.store.gateway.iam.operations import Call, IamOperation
from bucketry.store.gateway.iam.parameters import Parameters
from bucketry.store.identity.errors import IdentityError
from bucketry.store.identity.types import Caller
from bucketry.store.s3 import xml
from bucketry.store.s3.errors import S3Error
from bucketry.store.s3.sigv4 import Claim

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


@dataclass(frozen=True, slots=True)
class _Api:
    """One of the two APIs."""

    namespace: str
    version: str
    operations: dict[str, IamOperation]
    unsupported: frozenset[str]


def _table(*families: tuple[IamOperation, ...]) -> dict[str, IamOperation]:
    return {operation.name: operation for family in families for operation in family}


_IAM = _Api(
    "https://iam.amazonaws.com/doc/2010-05-08/",
    "2010-05-08",
    _table(
        users.OPERATIONS,
        groups.OPERATIONS,
        roles.OPERATIONS,
        keys.OPERATIONS,
        holder_policies.OPERATIONS,
        policies.OPERATIONS,
        account.OPERATIONS,
        absent.OPERATIONS,
        simulate.OPERATIONS,
    ),
    unsupported.IAM,
)
_STS = _Api("https://sts.amazonaws.com/doc/2011-06-15/", "2011-06-15", _table(sts.OPERATIONS), unsupported.STS)

OPERATIONS: tuple[IamOperation, ...] = (*_IAM.operations.values(), *_STS.operations.values())


async def answer(
    services: Services, request: Request, claim: Claim | None, caller: Caller | None, body: bytes
) -> Response:
    """Answer one request whose signature is verified. `claim` and `caller` None: it had none."""
    service = claim.service if claim else "iam"
    api = _STS if service == "sts" else _IAM
    try:
        operation, result = await _handle(services, request, caller, body, api)
    except IdentityError as error:
        return refuse(from_identity(error), request.request_id, service)
    except IamError as error:
        return refuse(error, request.request_id, service)
    inside = "" if result is None else xml.wrap(f"{operation.name}Result", result)
    inside += xml.wrap("ResponseMetadata", xml.element("RequestId", request.request_id))
    return _response(200, xml.document(f"{operation.name}Response", inside, api.namespace), request.request_id)


async def _handle(
    services: Services, request: Request, caller: Caller | None, body: bytes, api: _Api
) -> tuple[IamOperation, str | None]:
    if caller is None:
        raise MissingAuthenticationToken("Request is missing Authentication Token")
    if not caller.is_active:
        raise InvalidClientTokenId("The security token included in the request is invalid.")
    if api is _IAM and caller.session is not None and caller.role is None:
        # IAM User Guide, "Permissions for GetSessionToken": not without MFA, which nobody has here.
        raise AccessDenied("Cannot call IAM with the credentials of GetSessionToken; use the key itself, or a role.")
    parameters = Parameters.parse(body)
    operation = _find(api, parameters)
    call = Call(services.identity, request, caller, parameters, services.clock_ms())
    if operation.action is not None:
        resources = operation.resources(call)
        access.require(call, operation.action, resources)
        _refuse_foreign(call, operation.action)
    return operation, await operation.handle(call)


def _find(api: _Api, parameters: Parameters) -> IamOperation:
    name, version = parameters.raw("Action"), parameters.raw("Version") or api.version
    operation = api.operations.get(name or "")
    if operation is not None and version == api.version:
        return operation
    if name in api.unsupported:
        raise errors.NotImplemented(f"{name} is not implemented by this store.")
    raise InvalidAction(f"Could not find operation {(name or '')[:128]} for version {version[:32]}")


def _refuse_foreign(call: Call, action: str) -> None:
    """No policy, and no root, reaches into another account."""
    arn = call.parameters.raw("PolicyArn")
    if arn is None:
        return
    owner = arn.split(":")[4:5]
    if owner not in ([call.account_id], ["aws"]):
        raise AccessDenied(f"User: {call.caller.arn} is not authorized to perform: {action} on resource: {arn}")


def refuse(error: IamError | S3Error, request_id: str, service: str = "iam") -> Response:
    """An error as this API's clients read it; S3's errors of signature and body are put in its words."""
    if isinstance(error, S3Error):
        error = from_s3(error)
    text = _UNWRITABLE.sub("\ufffd", error.text)  # SDKs parse strictly: one such character would hide the error
    fields = [("Type", "Sender" if error.status < 500 else "Receiver"), ("Code", error.code), ("Message", text)]
    inside = xml.wrap("Error", xml.elements(fields)) + xml.element("RequestId", request_id)
    api = _STS if service == "sts" else _IAM
    return _response(error.status, xml.document("ErrorResponse", inside, api.namespace), request_id)


def _response(status: int, body: bytes, request_id: str) -> Response:
    return Response(status, [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)], body)
