"""Requests signed by botocore, and by hand where botocore can't (chunks), for the tests of the verifying side."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bucketry.store.s3 import sigv4
from bucketry.store.s3.headers import Headers

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
EMPTY = hashlib.sha256(b"").hexdigest()


class Wire:
    """What arrives at the server: method, raw path, raw query and header fields, each changeable by a test."""

    def __init__(self, method: str, path: str, query: str, headers: Iterable[tuple[str, str]]) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.pairs = list(headers)

    @property
    def headers(self) -> Headers:
        return Headers(self.pairs)

    def set(self, name: str, value: str) -> None:
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != name.lower()] + [(name, value)]

    def remove(self, name: str) -> None:
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != name.lower()]

    def claim(self) -> sigv4.Claim | None:
        return sigv4.parse_claim(self.method, self.path, self.query, self.headers)

    def verify(self, secret: str = SECRET, payload_sha256: str | None = None) -> sigv4.Claim:
        claim = self.claim()
        assert claim is not None
        key = sigv4.signing_key(secret, claim.date, claim.region, claim.service)
        sigv4.verify(claim, key, self.method, self.path, self.query, self.headers, payload_sha256)
        return claim


def sign(
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]] = (),
    *,
    body: bytes = b"",
    service: str = "s3",
    token: str | None = None,
    content_sha256: str | None = None,
) -> Wire:
    """A request signed in its Authorization header by botocore; `url` is percent-encoded already.

    `content_sha256` replaces the hash of the body that botocore would sign.
    """
    request = _request(method, url, headers, body)
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(ACCESS_KEY, SECRET, token), service, REGION)
    if content_sha256 is not None:
        auth.payload = lambda _request: content_sha256
    auth.add_auth(request)
    return _wire(request)


def presign(
    method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, service: str = "s3", expires: int = 3600
) -> Wire:
    """A presigned request of botocore."""
    request = _request(method, url, headers, b"")
    auth = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    auth(Credentials(ACCESS_KEY, SECRET), service, REGION, expires=expires).add_auth(request)
    return _wire(request)


def _request(method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes) -> AWSRequest:
    request = AWSRequest(method=method, url=url, data=body)
    for name, value in headers:
        request.headers[name] = value  # botocore's headers keep repeats
    request.context["timestamp"] = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return request


def _wire(request: AWSRequest) -> Wire:
    # the unprepared request: its headers keep repeated fields apart
    parts = urlsplit(request.url)
    pairs = [("Host", parts.netloc), *((name, str(value)) for name, value in request.headers.items())]
    return Wire(request.method, parts.path, parts.query, pairs)


class ChunkSigner:
    """Writes signed aws-chunked bodies as the S3 documentation describes them, from a request's claim."""

    def __init__(self, seed: str, scope: str, amz_date: str, key: bytes) -> None:
        self.previous = seed
        self._scope = scope
        self._amz_date = amz_date
        self._key = key

    def _sign(self, kind: str, *lines: str) -> str:
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", self._amz_date, self._scope, self.previous, *lines])
        self.previous = hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
        return self.previous

    def chunk(self, data: bytes) -> bytes:
        signature = self._sign("PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())
        header = f"{len(data):x};chunk-signature={signature}\r\n".encode()
        return header + data + (b"\r\n" if data else b"")

    def trailer(self, name: str, value: str) -> bytes:
        signature = self._sign("TRAILER", hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest())
        return f"{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n".encode()
