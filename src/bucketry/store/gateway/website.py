"""Buckets as websites: what a browser gets at BUCKET.s3-website-REGION.DOMAIN.

Amazon S3 User Guide, "Hosting a static website", "Website endpoints", "Configuring a custom error document". Only GET
and HEAD, only what anyone may read, pages instead of XML. A visitor who may not read a key learns nothing of it: where
AWS says 404 for every key that is missing, this says it only of keys that could be read if they were there.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from secrets import token_urlsafe

from bucketry.kernel import logs
from bucketry.store.disk import errors as disk_errors
from bucketry.store.gateway import authorise, objects_get
from bucketry.store.gateway.context import Context, Services
from bucketry.store.gateway.cors import CorsRules
from bucketry.store.gateway.http import Request, Response
from bucketry.store.gateway.server import MAX_CONNECTIONS, HttpServer
from bucketry.store.gateway.website_pages import error_page, error_parts
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import website, website_routing
from bucketry.store.s3.errors import (
    AccessDenied,
    InternalError,
    MethodNotAllowed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchWebsiteConfiguration,
    S3Error,
)
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.names import check_key, decode_path
from bucketry.store.s3.operations import BY_NAME
from bucketry.store.s3.stored_headers import REDIRECT
from bucketry.store.s3.website import Website
from bucketry.store.s3.website_routing import SiteAddress, directory_location, find_rule, index_key, rule_location

_METHODS = {"GET": "GetObject", "HEAD": "HeadObject"}
_ALLOW = {"Allow": "GET, HEAD"}
# What a request says of the object it asks for; an error document is sent whole whatever it says.
_ABOUT_THE_OBJECT = frozenset(
    {"range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)
_KEPT = 4096
_log = logs.get("gateway.website")


class WebsiteFront:
    """Answers the website requests of one process. `host_id` is what error pages give as HostId."""

    def __init__(self, services: Services, host_id: str) -> None:
        self._services = services
        self._host_id = host_id
        self._cors = CorsRules()
        self._parsed: dict[str, tuple[int, Website]] = {}

    async def answer(self, request: Request) -> Response:
        """The answer to a request, a page where it fails. Raises nothing but CancelledError."""
        visit = _Visit(self._services, request, self._host_id)
        try:
            response = await self._run(visit)
        except S3Error as error:
            response = visit.page(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            response = visit.page(_translate(error, request))
        bucket = visit.bucket
        if bucket is not None and bucket.cors is not None:
            response.headers += self._cors.headers_for(bucket, request)
        return response

    async def _run(self, visit: _Visit) -> Response:
        request, settings = visit.request, self._services.settings
        if request.method not in _METHODS:
            raise MethodNotAllowed(fields={"Method": request.method, "ResourceType": "OBJECT"}, headers=_ALLOW)
        host = request.headers.get("host") or ""
        name = website_routing.site_bucket(host, settings.website_domains, settings.region)
        self._services.identity.refresh()
        bucket = self._services.identity.bucket(name) if name else None
        if bucket is None:
            raise NoSuchBucket(fields={"BucketName": name or ""})
        visit.bucket = bucket
        return await visit.serve(self._website(bucket))

    def _website(self, bucket: BucketRecord) -> Website:
        """The bucket's configuration, parsed once a revision."""
        if bucket.website is None:
            raise NoSuchWebsiteConfiguration(fields={"BucketName": bucket.name})
        kept = self._parsed.get(bucket.bucket_id)
        if kept is not None and kept[0] == bucket.revision:
            return kept[1]
        try:
            parsed = website.parse(bucket.website.encode())
        except S3Error as error:
            _log.error("a bucket's website configuration can't be read", bucket=bucket.name, reason=str(error))
            raise InternalError from None
        if len(self._parsed) >= _KEPT:
            del self._parsed[next(iter(self._parsed))]
        self._parsed[bucket.bucket_id] = (bucket.revision, parsed)
        return parsed


def _translate(error: Exception, request: Request) -> S3Error:
    """What the disk or a mistake of ours is to a visitor. All but the expected is logged, once, with its id."""
    if isinstance(error, disk_errors.BucketMissing):
        return NoSuchBucket()
    if isinstance(error, disk_errors.DiskError):  # said on purpose, with bucket and remedy
        _log.error("request failed", request_id=request.request_id, reason=str(error))
    else:
        _log.error("request failed", request_id=request.request_id, exc_info=error)
    return InternalError()


class _Visit:
    """One request of a website."""

    __slots__ = ("_host_id", "_services", "bucket", "request")

    def __init__(self, services: Services, request: Request, host_id: str) -> None:
        self._services = services
        self._host_id = host_id
        # The query is the page's business: nothing in it is an operation here.
        self.request = replace(request, parameters={})
        self.bucket: BucketRecord | None = None

    def page(self, error: S3Error, nested: S3Error | None = None) -> Response:
        """The page for an error; a 304 has none."""
        headers = list(error.headers.items())
        if error.status == 304:
            return Response(status=304, headers=headers)
        parts = [*error_parts(error), ("RequestId", self.request.request_id), ("HostId", self._host_id)]
        body = error_page(error.status, parts, error_parts(nested) if nested else ())
        fields = [("Content-Type", "text/html; charset=utf-8"), ("x-amz-error-code", error.code)]
        return Response(status=error.status, headers=[*fields, *headers], body=body)

    async def serve(self, site: Website) -> Response:
        """The answer of a site: a redirect, the object, or what stands for an error."""
        request = self.request
        key = decode_path(request.raw_path[1:])
        scheme = "https" if request.is_secure else "http"
        address = SiteAddress(scheme, request.headers.get("host") or "", request.raw_query)
        if site.redirect_all is not None:
            return _redirect(301, website_routing.redirect_all_location(site.redirect_all, key, address))
        rule = find_rule(site.rules, key, None)
        if rule is not None:
            return _redirect(rule.redirect.http_redirect_code, rule_location(rule, key, address))
        try:
            return await self._object(site, key)
        except S3Error as error:
            if error.status < 400:
                raise
            rule = find_rule(site.rules, key, error.status)
            if rule is not None:
                return _redirect(rule.redirect.http_redirect_code, rule_location(rule, key, address))
            if site.error_key is None or error.status >= 500:
                raise
            return await self._error_document(site.error_key, error)

    async def _object(self, site: Website, key: str) -> Response:
        """The object that a path means, or the way to its folder."""
        meant = index_key(site, key)
        check_key(meant)
        context = self._context(meant)
        try:
            return await _read(context)
        except NoSuchKey:
            if meant != key or not self._is_folder(site, key):
                raise
        return _redirect(302, directory_location(key))

    def _is_folder(self, site: Website, key: str) -> bool:
        inside = f"{key}/{site.index_suffix}"
        context = self._context(inside)
        return authorise.allows(context, "s3:GetObject", inside) and (
            objects_get.bucket_on_disk(context).get(inside) is not None
        )

    async def _error_document(self, error_key: str, error: S3Error) -> Response:
        """The owner's page with the error's own status; the page of here where that can't be had either."""
        fields = [(name, value) for name, value in self.request.headers.items() if name not in _ABOUT_THE_OBJECT]
        context = self._context(error_key)
        context.request = replace(self.request, headers=Headers(fields))
        try:
            response = await _read(context)
        except S3Error as nested:
            return self.page(error, nested)
        if response.status == 200:
            response.status = error.status
            response.headers += error.headers.items()
        return response

    def _context(self, key: str) -> Context:
        bucket = self.bucket
        assert bucket is not None, "the bucket is found before anything of it is served"
        operation = BY_NAME[_METHODS[self.request.method]]
        now_ms = self._services.clock_ms()
        return Context(self._services, self.request, operation, bucket.name, key, bucket=bucket, now_ms=now_ms)


async def _read(context: Context) -> Response:
    """The object of a context as an anonymous GET or HEAD has it; its redirect, where it has one.

    AccessDenied, and NoSuchKey for one who may read the key.
    """
    authorise.demand(context, "s3:GetObject", context.key)
    version = objects_get.bucket_on_disk(context).get(context.key)
    if version is None or version.is_delete_marker:
        raise NoSuchKey(fields={"Key": context.key})
    location = version.headers.get(REDIRECT)
    if location is not None:
        return _redirect(301, location)
    try:
        if context.request.method == "HEAD":
            return await objects_get.head_object(context)
        return await objects_get.get_object(context)
    except AccessDenied:
        # It went between the two look-ups, and who may not list is told so: here it is a page that is missing.
        raise NoSuchKey(fields={"Key": context.key}) from None


def _redirect(status: int, location: str) -> Response:
    return Response(status=status, headers=[("Location", location)])


def make_website_server(services: Services, max_connections: int = MAX_CONNECTIONS) -> HttpServer:
    """The website front of one process: a protocol factory for `loop.create_server(server, sock=…)`; end it by
    `stop`. Call it in the running loop.
    """
    host_id = token_urlsafe(36)
    answer = WebsiteFront(services, host_id).answer
    return HttpServer(answer, services.clock_ms, host_id, max_connections=max_connections)
