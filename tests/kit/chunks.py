"""aws-chunked bodies made by hand, signed as the Amazon S3 API Reference says; nothing of the store's own code."""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence

EMPTY = hashlib.sha256(b"").hexdigest()


def crc32(data: bytes) -> str:
    """x-amz-checksum-crc32 of data."""
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Chain:
    """The signatures of one body, from the request's own on."""

    def __init__(self, secret: str, headers: Mapping[str, str]) -> None:
        fields = {name.lower(): value for name, value in headers.items()}
        found = re.search(
            r"Credential=[^/]+/(\d+)/([^/]+)/([^/]+)/aws4_request.*Signature=(\w+)", fields["authorization"]
        )
        assert found is not None
        date, region, service, self.signature = found.groups()
        self._amz_date = fields["x-amz-date"]
        self._scope = f"{date}/{region}/{service}/aws4_request"
        key = b"AWS4" + secret.encode()
        for part in (date, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key

    def _sign(self, kind: str, digests: str) -> str:
        text = f"AWS4-HMAC-SHA256-{kind}\n{self._amz_date}\n{self._scope}\n{self.signature}\n{digests}"
        self.signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        return self.signature

    def chunk(self, data: bytes) -> bytes:
        """A signed chunk; one without data is the last."""
        signature = self._sign("PAYLOAD", f"{EMPTY}\n{hashlib.sha256(data).hexdigest()}")
        end = data + b"\r\n" if data else b""
        return f"{len(data):x};chunk-signature={signature}\r\n".encode() + end

    def trailer(self, name: str, value: str) -> bytes:
        """A signed trailer."""
        digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
        return f"{name}:{value}\r\nx-amz-trailer-signature:{self._sign('TRAILER', digest)}\r\n".encode()


def unsigned(chunks: Sequence[bytes], trailers: Mapping[str, str]) -> bytes:
    """A body of STREAMING-UNSIGNED-PAYLOAD-TRAILER."""
    lines = b"".join(f"{name}:{value}\r\n".encode() for name, value in trailers.items())
    return b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + b"0\r\n" + lines + b"\r\n"
