"""Presigned URLs by the hundred thousand: Signature V4 in the query, a few microseconds each.

Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

REGION = "us-east-1"
EXPIRES_SECONDS = 24 * 3600


class Presigner:
    """Signs for one endpoint as one caller."""

    def __init__(self, endpoint: str, access_key_id: str, secret_access_key: str) -> None:
        now = datetime.now(UTC)
        self._host = urlsplit(endpoint).netloc
        self._time = now.strftime("%Y%m%dT%H%M%SZ")
        self._scope = f"{now:%Y%m%d}/{REGION}/s3/aws4_request"
        self._credential = quote(f"{access_key_id}/{self._scope}", safe="")
        key = f"AWS4{secret_access_key}".encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key

    def target(
        self, method: str, path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> str:
        """What stands in the request line for `path` (unquoted, with its first slash) and further parameters.
        `headers`, by lower-case name, are signed and have to be sent."""
        signed = sorted({"host": self._host, **(headers or {})}.items())
        names = ";".join(name for name, _ in signed)
        fields = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": self._credential,
            "X-Amz-Date": self._time,
            "X-Amz-Expires": str(EXPIRES_SECONDS),
            "X-Amz-SignedHeaders": quote(names, safe=""),
        }
        for name, value in (query or {}).items():
            fields[quote(name, safe="")] = quote(value, safe="")
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        quoted = quote(path, safe="/-._~")
        lines = "".join(f"{name}:{value}\n" for name, value in signed)
        canonical = f"{method}\n{quoted}\n{text}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{self._time}\n{self._scope}\n{digest}"
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        return f"{quoted}?{text}&X-Amz-Signature={signature}"
