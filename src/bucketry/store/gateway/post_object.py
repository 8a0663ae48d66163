"""PostObject: an upload by a form, as browsers make it. Amazon S3 API Reference, "POST Object".

The fields come first, bounded and in memory; the file streams to the disk. Who asks is known only when the fields are
read: the policy's signature says it, and without a policy nobody signed. Then the order is that of all requests, the
rights of the caller before the rest. Nothing is kept unless the form ends as it should and all that it says holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.sealing import Protection
from bucketry.store.disk.segments import RecordHeader
from bucketry.store.disk.stored import Written
from bucketry.store.gateway import authorise, refusals, versions
from bucketry.store.gateway.bodies import MAX_PUT_BYTES, THREAD_FROM_BYTES, Received
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.error_documents import XML_TYPE
from bucketry.store.gateway.http import Response
from bucketry.store.gateway.objects_get import bucket_on_disk
from bucketry.store.gateway.objects_put import describe, make_object, received_fields, record_footer, record_header
from bucketry.store.gateway.post_signatures import accept
from bucketry.store.s3 import checksums, names
from bucketry.store.s3.errors import (
    EntityTooLarge,
    InvalidArgument,
    MissingContentLength,
    PreconditionFailed,
)
from bucketry.store.s3.form_data import MAX_FIELDS_BYTES, FormParser, boundary_of
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.post_form import (
    created_document,
    headers_of,
    key_of,
    location_of,
    redirect_of,
    status_of,
    with_filename,
)
from bucketry.store.s3.post_policy import PostPolicy, claim_of, parse_policy

_MAX_BYTES = MAX_PUT_BYTES + 2 * MAX_FIELDS_BYTES
_KEPT_HEADERS = ("host", "origin", "referer", "user-agent")


async def post_object(context: Context) -> Response:
    """Store the file of a form."""
    form = _Form(context)
    fields = await form.read_fields()
    claim = claim_of(fields)
    if claim is not None:
        accept(context, claim, fields["policy"])
    context.key = key = key_of(fields)
    policy = parse_policy(fields["policy"]) if claim is not None else None
    if policy is not None:
        policy.check({**fields, "bucket": context.bucket_name}, context.now_ms)
    names.check_key(key)
    _take_fields_for_headers(context, fields)
    authorise.demand(context, "s3:PutObject", key)
    context.has_acl_headers = refusals.check_headers(context.request)
    described = describe(context)
    bucket = bucket_on_disk(context)
    received, written = await form.receive(
        bucket, record_header(context, described), policy, described.encryption.protection
    )
    made = await make_object(context, bucket, described, received, written)
    response = _answer(context, fields, made.etag)
    response.headers += [*received_fields(received), *versions.made_fields(made), *described.encryption.fields]
    return response


def _take_fields_for_headers(context: Context, fields: dict[str, str]) -> None:
    """From here on the request is that of a PUT which says what the form says."""
    request = context.request
    kept = {name: request.headers.get(name) for name in _KEPT_HEADERS}
    request.headers = Headers([(name, value) for name, value in kept.items() if value] + [*headers_of(fields).items()])


def _answer(context: Context, fields: dict[str, str], etag: str) -> Response:
    bucket, key, request = context.bucket_name, context.key, context.request
    redirect = redirect_of(fields, bucket, key, etag)
    head = [("ETag", f'"{etag}"')]
    if redirect is not None:
        return Response(status=303, headers=[*head, ("Location", redirect)])
    scheme = "https" if request.is_secure else "http"
    location = location_of(f"{scheme}://{request.headers.get('host') or ''}{request.raw_path}", key)
    head.append(("Location", location))
    status = status_of(fields)
    if status != 201:
        return Response(status=status, headers=head)
    body = created_document(location, bucket, key, etag)
    return Response(status=201, headers=[*head, XML_TYPE], body=body)


class _Form:
    """The body of a form: first `read_fields`, then `receive` its file."""

    def __init__(self, context: Context) -> None:
        request = context.request
        boundary = boundary_of(request.headers.get("content-type") or "")
        if boundary is None:
            text = "Bucket POST must be of the enclosure-type multipart/form-data"
            raise PreconditionFailed(text, {"Condition": text})
        if context.claim is not None:
            raise InvalidArgument(
                "Only one auth mechanism allowed; a form is signed by its policy alone",
                {"ArgumentName": "Authorization"},
            )
        if request.content_length is None:
            raise MissingContentLength
        if request.content_length > _MAX_BYTES:
            raise EntityTooLarge(
                fields={"ProposedSize": str(request.content_length), "MaxSizeAllowed": str(MAX_PUT_BYTES)}
            )
        self._context = context
        self._body = request.body
        self._parser = FormParser(boundary)
        self._first = b""

    async def read_fields(self) -> dict[str, str]:
        """The fields before the file, its name in them."""
        while self._parser.file is None:
            data = await self._body.read_chunk()
            if not data:
                self._parser.finish()
                break
            self._first = self._parser.feed(data)
        file = self._parser.file
        assert file is not None, "finish raises for a form without one"
        return with_filename(self._parser.fields, file)

    async def receive(
        self, bucket: Bucket, header: RecordHeader, policy: PostPolicy | None, protection: Protection | None
    ) -> tuple[Received, Written]:
        """Stream the file to the disk, verified and synced but not yet referred to."""
        headers = self._context.request.headers
        announced, content_md5 = checksums.announced(headers), checksums.content_md5(headers)
        md5 = checksums.md5()
        hashers = [md5] if announced is None else [md5, announced.algorithm.hasher()]

        def update(piece: bytes) -> None:
            for hasher in hashers:
                hasher.update(piece)

        loop = asyncio.get_running_loop()
        writer = bucket.piecewise_writer(header, protection)
        try:
            async for piece in self._pieces():
                if policy is not None:
                    policy.check_least_size(writer.size + len(piece))
                if len(piece) > THREAD_FROM_BYTES:
                    await loop.run_in_executor(None, update, piece)
                else:
                    update(piece)
                await writer.write(piece)
            if writer.size > MAX_PUT_BYTES:
                raise EntityTooLarge(fields={"ProposedSize": str(writer.size), "MaxSizeAllowed": str(MAX_PUT_BYTES)})
            if policy is not None:
                policy.check_size(writer.size)
            if content_md5 is not None:
                checksums.check_md5(content_md5, md5.digest())
            found: dict[str, str] = {}
            if announced is not None:
                digest = hashers[1].digest()
                checksums.check(announced, digest)
                found[announced.algorithm.value] = checksums.encode(digest)
            received = Received(writer.size, md5.digest().hex(), found)
            return received, await writer.finish(record_footer(received))
        except BaseException:
            writer.abort()
            raise

    async def _pieces(self) -> AsyncIterator[bytes]:
        """The bytes of the file, to the end of the form."""
        if self._first:
            yield self._first
        while data := await self._body.read_chunk():
            piece = self._parser.feed(data)
            if piece:
                yield piece
        self._parser.finish()
