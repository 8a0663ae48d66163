"""The way of a request: what it names, who signed it, which bucket, whether they may, then its handler.

The order is Amazon S3's: the signature before the bucket, the bucket before the rights, the rights before the rest. So
an unsigned request to a private bucket learns nothing, and a wrong signature is never told apart by what exists. Every
request takes this way; there is no other door to a handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import sha256

from bucketry.kernel import logs
from bucketry.store.disk import errors as disk_errors
from bucketry.store.gateway import access_logs, authorise, cors, iam_api, refusals, routing
from bucketry.store.gateway.authenticate import Authenticator, Signed
from bucketry.store.gateway.bodies import has_body, read_document
from bucketry.store.gateway.context import Context, Services
from bucketry.store.gateway.error_documents import error_response
from bucketry.store.gateway.handlers import BEFORE_AUTHORISING, HANDLERS, Handler
from bucketry.store.gateway.http import Request, Response
from bucketry.store.gateway.server import MAX_CONNECTIONS, HttpServer
from bucketry.store.identity.errors import IdentityUnwritable
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import checksums, names
from bucketry.store.s3.errors import (
    AccessDenied,
    InsufficientStorage,
    InternalError,
    InvalidBucketName,
    MaxMessageLengthExceeded,
    NoSuchBucket,
    OperationAborted,
    S3Error,
)
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.object_lock_errors import protected
from bucketry.store.s3.operations import Body, Operation, Resource

MAX_IAM_BODY_BYTES = 1024 * 1024
MAX_DROPPED_BODY_BYTES = 64 * 1024  # a body where none is expected: read and dropped up to here

_IAM = Operation("IAM", "POST", Resource.SERVICE, None, body=Body.DOCUMENT)
_HEALTH = Response(headers=[("Content-Type", "text/plain"), ("Cache-Control", "no-store")], body=b"ok")
_log = logs.get("gateway")


class Gateway:
    """Answers the S3 and IAM requests of one process. `host_id` is what error documents give as HostId."""

    def __init__(self, services: Services, host_id: str, handlers: Mapping[str, Handler] = HANDLERS) -> None:
        self._services = services
        self._host_id = host_id
        self._handlers = handlers
        self._router = routing.Router(services.settings.s3_domains)
        self._authenticator = Authenticator(services.identity, services.settings.region)
        self._cors = cors.CorsRules()
        self._logs_access = _log.is_enabled_for(10)

    async def answer(self, request: Request) -> Response:
        """The answer to a request, an error document where it fails. Raises nothing but CancelledError."""
        context = Context(self._services, request, _IAM, now_ms=self._services.clock_ms())
        failure: S3Error | None = None
        try:
            response = await self._run(context)
        except S3Error as error:
            failure = error
            response = self._refuse(context, failure)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            failure = self._translate(context, error)
            response = self._refuse(context, failure)
        bucket = context.bucket
        if bucket is not None and bucket.cors is not None and request.method != "OPTIONS":
            response.headers += self._cors.headers_for(bucket, request)
        if bucket is not None and access_logs.SETTING in bucket.settings:
            access_logs.note(context, response, failure, self._host_id)
        if self._logs_access:
            self._log_access(context, response)
        return response

    async def _run(self, context: Context) -> Response:
        request = context.request
        if request.raw_path == routing.HEALTH_PATH:
            return _health(request)
        known = request.known
        target = known.target
        if target is None:
            target = known.target = self._router.locate(request)
        context.bucket_name, context.key = target.bucket, target.key
        self._services.identity.refresh()
        if routing.is_iam(request, target):
            return await self._iam(context)
        if request.method == "OPTIONS":
            context.operation = routing.operation_of(request, target)
            return self._cors.preflight(self._bucket(target.bucket), request)
        signed = self._authenticator.identify(request, context.now_ms)
        if signed is not None:
            self._accept(context, signed)
        operation = known.operation
        if operation is None:
            operation = known.operation = routing.operation_of(context.request, target)
        context.operation = operation
        if target.bucket and operation.name != "CreateBucket":
            context.bucket = bucket = self._bucket(target.bucket)
            _check_expected_owner(request, bucket)
        before = BEFORE_AUTHORISING.get(operation.name)
        if before is not None:
            await before(context)
        authorise.demand_operation(context)
        if known.has_acl_headers is None:
            known.has_acl_headers = refusals.check_headers(context.request)
        context.has_acl_headers = known.has_acl_headers
        if operation.body is Body.NONE and has_body(context):
            await read_document(context, MAX_DROPPED_BODY_BYTES)
        return await self._handlers[operation.name](context)

    def _accept(self, context: Context, signed: Signed, payload_sha256: str | None = None) -> None:
        """Verify the signature; from here on the request is the caller's."""
        claim = signed.claim
        host_bucket = self._router.host_bucket(context.request)
        context.caller = self._authenticator.verify(
            context.request, signed, context.now_ms, payload_sha256, host_bucket
        )
        context.claim = claim
        context.signing_key = signed.signing_key
        if claim.is_presigned:
            known = context.request.known
            if known.headers_as_signed is None:
                known.headers_as_signed = _with_signed_parameters(context.request)
            context.request.headers = known.headers_as_signed
        if context.caller.session is None:
            self._services.identity.note_key_use(
                claim.access_key_id, claim.service, claim.region or self._services.settings.region
            )

    def _bucket(self, name: str) -> BucketRecord:
        bucket = self._services.identity.bucket(name)
        if bucket is not None:
            return bucket
        if not names.is_valid_bucket_name(name):
            raise InvalidBucketName(fields={"BucketName": name[:255]})
        raise NoSuchBucket(fields={"BucketName": name})

    async def _iam(self, context: Context) -> Response:
        """The IAM Query API: its signature covers the body, which therefore is read first, by known keys alone."""
        request = context.request
        try:
            signed = self._authenticator.identify(request, context.now_ms, ("iam", "sts"))
            if signed is None:
                body = b""
            else:
                body = await _read_form(request) if signed.caller is not None else b""
                self._accept(context, signed, sha256(body).hexdigest())
            return await iam_api.answer(self._services, request, context.claim, context.caller, body)
        except S3Error as error:
            return iam_api.refuse(error, request.request_id)
        except Exception as error:
            return iam_api.refuse(self._translate(context, error), request.request_id)

    # --- what went wrong

    def _refuse(self, context: Context, error: S3Error) -> Response:
        request = context.request
        return error_response(error, _shown(request.raw_path), request.request_id, self._host_id)

    def _translate(self, context: Context, error: Exception) -> S3Error:
        """What the disk or a mistake of ours is to a client. All but the expected is logged, once, with its id."""
        if isinstance(error, disk_errors.BucketMissing):
            return NoSuchBucket(fields={"BucketName": context.bucket_name})
        if isinstance(error, disk_errors.Superseded):
            return OperationAborted()
        if isinstance(error, disk_errors.Locked):
            return protected()
        request = context.request
        about = {"request_id": request.request_id, "operation": context.operation.name}
        if isinstance(error, disk_errors.DiskError):
            # What the disk says is said on purpose: it names the bucket and the remedy, and needs no traceback.
            _log.error("request failed", reason=str(error), **about)
            if isinstance(error, disk_errors.DiskFull):
                return InsufficientStorage()
            if isinstance(error, disk_errors.IndexDamaged | disk_errors.NewerFormat):
                return InternalError("This bucket can't be read. Only its operator can mend it; the log says how.")
            return InternalError()
        if isinstance(error, IdentityUnwritable):
            _log.error("request failed", reason=str(error), **about)
            return InsufficientStorage() if error.is_full else InternalError()
        _log.error("request failed", exc_info=error, **about)
        return InternalError()

    def _log_access(self, context: Context, response: Response) -> None:
        """A line a request, at debug level. Of the query only the names: values may be signatures and tokens."""
        request = context.request
        _log.debug(
            "request",
            request_id=request.request_id,
            remote=request.remote_ip,
            method=request.method,
            path=_shown(request.raw_path),
            parameters=sorted(request.parameters),
            operation=context.operation.name,
            access_key_id=context.claim.access_key_id if context.claim else None,
            status=response.status,
            duration_ms=self._services.clock_ms() - context.now_ms,
        )


def _health(request: Request) -> Response:
    if request.method in ("GET", "HEAD"):
        return Response(headers=list(_HEALTH.headers), body=_HEALTH.body)
    raise AccessDenied


def _check_expected_owner(request: Request, bucket: BucketRecord) -> None:
    expected = request.headers.get("x-amz-expected-bucket-owner")
    if expected is not None and expected != bucket.owner.account_id:
        raise AccessDenied


async def _read_form(request: Request) -> bytes:
    pieces: list[bytes] = []
    left = MAX_IAM_BODY_BYTES
    while piece := await request.body.read_chunk():
        left -= len(piece)
        if left < 0:
            raise MaxMessageLengthExceeded(fields={"MaxMessageLengthBytes": str(MAX_IAM_BODY_BYTES)})
        pieces.append(piece)
    return b"".join(pieces)


_SIGNATURE_PARAMETERS = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "X-Amz-Date",
        "X-Amz-SignedHeaders",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-Content-Sha256",
    }
)


def _with_signed_parameters(request: Request) -> Headers:
    """The headers with the x-amz-* parameters of a presigned URL among them.

    Several SDKs put headers to be sent into the URL they sign (x-amz-checksum-sha256, x-amz-meta-…), and S3 takes them
    from there; the signature covers both. The SDK for JavaScript signs a PUT before it has its body, with the checksum
    of nothing: that one says nothing of what will be sent.
    """
    if _SIGNATURE_PARAMETERS.issuperset(request.parameters):
        return request.headers
    hoisted = []
    for parameter, value in request.parameters.items():
        name = parameter.lower()
        if not name.startswith("x-amz-") or parameter in _SIGNATURE_PARAMETERS or name in request.headers:
            continue
        if name != "x-amz-sdk-checksum-algorithm" and not checksums.is_of_nothing(name, value):
            hoisted.append((name, value))
    return Headers([*request.headers.items(), *hoisted]) if hoisted else request.headers


def _shown(raw_path: str) -> str:
    return raw_path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def make_server(services: Services, max_connections: int = MAX_CONNECTIONS) -> HttpServer:
    """The S3 and IAM front of one process: a protocol factory for `loop.create_server(server, sock=…)`; end it by
    `stop`. Call it in the running loop.
    """
    answer = Gateway(services, services.host_id).answer
    return HttpServer(answer, services.clock_ms, services.host_id, max_connections=max_connections)
