"""Cross-origin requests: answers to preflights, and the fields on actual answers, errors among them.

Amazon S3 User Guide, "Using cross-origin resource sharing"; Fetch Standard, "HTTP extensions of the CORS protocol". A
preflight carries no credentials, so it is answered from the bucket's rules alone and tells no more than they do.
"""

from __future__ import annotations

from collections.abc import Sequence

from bucketry.store.gateway.http import Request, Response
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import cors
from bucketry.store.s3.cors import CorsRule
from bucketry.store.s3.errors import AccessForbidden, BadRequest, S3Error

_VARY = ("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
_KEPT = 4096


class CorsRules:
    """The rules of buckets, parsed once a revision."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[int, Sequence[CorsRule]]] = {}

    def _of(self, bucket: BucketRecord) -> Sequence[CorsRule]:
        if bucket.cors is None:
            return ()
        kept = self._rules.get(bucket.bucket_id)
        if kept is not None and kept[0] == bucket.revision:
            return kept[1]
        try:
            rules: Sequence[CorsRule] = cors.parse(bucket.cors.encode())
        except S3Error:
            rules = ()  # what can't be read allows nobody
        if len(self._rules) >= _KEPT:
            del self._rules[next(iter(self._rules))]
        self._rules[bucket.bucket_id] = (bucket.revision, rules)
        return rules

    def headers_for(self, bucket: BucketRecord, request: Request) -> list[tuple[str, str]]:
        """The fields of an answer, for a bucket that has a CORS configuration. Vary always: caches must know."""
        origin = request.headers.get("origin")
        method = request.headers.get("access-control-request-method") or request.method
        grant = None if origin is None else cors.match(self._of(bucket), origin, method)
        return [_VARY] if grant is None else [*grant.headers(), _VARY]

    def preflight(self, bucket: BucketRecord, request: Request) -> Response:
        """The answer to OPTIONS; BadRequest where it is no preflight, AccessForbidden where no rule allows it."""
        origin = request.headers.get("origin")
        if not origin:
            raise BadRequest("Insufficient information. Origin request header needed.")
        method = request.headers.get("access-control-request-method")
        if method not in _METHODS:
            raise BadRequest(f"Invalid Access-Control-Request-Method: {(method or 'null')[:32]}")
        if bucket.cors is None:
            raise _forbidden("CORSResponse: CORS is not enabled for this bucket.", method, request)
        requested = cors.split_header_names(request.headers.get("access-control-request-headers"))
        grant = None if requested is None else cors.match(self._of(bucket), origin, method, requested)
        if grant is None:
            raise _forbidden(
                "CORSResponse: This CORS request is not allowed. No rule of the bucket's CORS configuration has this "
                "Origin, Access-Control-Request-Method and Access-Control-Request-Headers.",
                method,
                request,
            )
        return Response(headers=[*grant.headers(requested or ()), _VARY])


def _forbidden(text: str, method: str, request: Request) -> AccessForbidden:
    kind = "OBJECT" if request.raw_path.count("/") > 1 else "BUCKET"
    return AccessForbidden(text, {"Method": method, "ResourceType": kind}, dict([_VARY]))
