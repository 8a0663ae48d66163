"""Presigned URLs of Signature V2: `?AWSAccessKeyId=…&Expires=…&Signature=…`, verified, and nothing else of V2.

Amazon S3 Developer Guide, "Signing and authenticating REST requests (AWS signature version 2)", "Query string request
authentication alternative". awscli 1, boto3 and s3cmd presign like this for us-east-1 unless told otherwise, so a URL
that they make must work. HMAC-SHA-1 with the secret itself; it is not broken as a MAC.

V2 signs the path, the sub-resources and the x-amz-* fields, but not other parameters. A request with a parameter that
the signature doesn't cover is refused, so a URL never does more than whoever signed it meant.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from urllib.parse import unquote, unquote_plus

from bucketry.store.s3 import dates
from bucketry.store.s3.claims import Claim, PayloadMode
from bucketry.store.s3.errors import AccessDenied, InvalidRequest, SignatureDoesNotMatch
from bucketry.store.s3.headers import HeaderView
from bucketry.store.s3.sigv4 import without_secrets

VERSION = 2
_OWN = frozenset(("AWSAccessKeyId", "Expires", "Signature"))
_FIELDS = frozenset(("content-md5", "content-type"))  # repeated in the URL by some signers, sent as header fields
_COVERED = frozenset(
    (
        "acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "object-lock", "partNumber",
        "policy", "replication", "requestPayment", "restore", "tagging", "torrent", "uploadId", "uploads", "versionId",
        "versioning", "versions", "website", "response-cache-control", "response-content-disposition",
        "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
    )
)  # fmt: skip
# V2 joins lines and parameters without escaping them: such a value would be signed as if it were others beside it.
_PASSES_FOR_MORE = re.compile(r"[\r\n]|&(?:" + "|".join(map(re.escape, sorted(_COVERED))) + r")(?:[=&]|$)")


def is_claimed(raw_query: str, headers: HeaderView) -> bool:
    """Whether a request is a presigned URL of V2 and makes no other claim."""
    if "AWSAccessKeyId=" not in raw_query or headers.get("authorization") is not None:
        return False
    names = [name for name, _ in _pairs(raw_query)]
    return names.count("AWSAccessKeyId") == 1 and not any(name.startswith("X-Amz-") for name in names)


def parse_claim(raw_query: str, headers: HeaderView) -> Claim:
    """The claim of a presigned URL. AccessDenied: a part of it is missing; InvalidRequest: more than V2 signs."""
    pairs = _pairs(raw_query)
    fields = {name: unquote(value or "") for name, value in pairs if name in _OWN}
    if len([name for name, _ in pairs if name in _OWN]) != len(_OWN) or len(fields) != len(_OWN):
        raise AccessDenied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
    expires = fields["Expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 18):
        raise AccessDenied(f"Invalid date (should be seconds since epoch): {expires[:64]}")
    for name, value in pairs:
        if name not in _OWN and _PASSES_FOR_MORE.search(unquote_plus(value or "")):
            raise InvalidRequest(
                f"A URL presigned by Signature V2 can't hold this value of {name[:64]!r}: it could be read as several. "
                "Please use AWS4-HMAC-SHA256."
            )
        if name not in _OWN and name not in _COVERED and name not in _FIELDS and not name.startswith("x-amz-"):
            raise InvalidRequest(
                f"A URL presigned by Signature V2 does not cover the parameter {name[:64]!r}. "
                "Please use AWS4-HMAC-SHA256."
            )
    return Claim(
        access_key_id=fields["AWSAccessKeyId"],
        date="",
        region="",
        service="s3",
        signed_headers=("host",),
        signature=fields["Signature"],
        amz_date="",
        epoch_s=0,
        is_presigned=True,
        expires_s=int(expires),
        payload=PayloadMode.UNSIGNED,
        content_sha256=PayloadMode.UNSIGNED.value,
        session_token=headers.get("x-amz-security-token") or dict(pairs).get("x-amz-security-token"),
        version=VERSION,
    )


def check_time(claim: Claim, now_epoch_s: float) -> None:
    """Refuse a URL after its time; `expires_s` is an epoch here."""
    if now_epoch_s > claim.expires_s:
        raise AccessDenied(
            "Request has expired",
            {
                "Expires": dates.iso8601_seconds(claim.expires_s * 1000),
                "ServerTime": dates.iso8601_seconds(int(now_epoch_s) * 1000),
            },
        )


def verify(claim: Claim, secret: str, method: str, resource_path: str, raw_query: str, headers: HeaderView) -> None:
    """Return if `secret` signed this request; SignatureDoesNotMatch if not.

    `resource_path` is the path as sent, with `/BUCKET` before it where the bucket is named by the host.
    """
    text = string_to_sign(claim, method, resource_path, raw_query, headers)
    digest = hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1")
    expected = b64encode(digest).decode()
    if not claim.signature.isascii() or not hmac.compare_digest(expected, claim.signature):
        raise SignatureDoesNotMatch(
            fields={
                "AWSAccessKeyId": claim.access_key_id,
                "SignatureProvided": claim.signature,
                "StringToSign": without_secrets(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")),
            }
        )


def string_to_sign(claim: Claim, method: str, resource_path: str, raw_query: str, headers: HeaderView) -> str:
    """Method, Content-MD5, Content-Type, expiry, x-amz-* fields and the resource with its sub-resources."""
    # A repeated field is signed as it counts: its values joined.
    sent = {name for name, _ in headers.items() if name.startswith("x-amz-")}
    amz = {name: " ".join((headers.get(name) or "").split()) for name in sent}
    covered = []
    for name, value in _pairs(raw_query):
        if name.startswith("x-amz-"):
            amz.setdefault(name, unquote_plus(value or ""))
        elif name in _COVERED:
            covered.append(name if value is None else f"{name}={unquote_plus(value)}")
    lines = [
        method,
        headers.get("content-md5") or "",
        headers.get("content-type") or "",
        str(claim.expires_s),
        *(f"{name}:{amz[name]}" for name in sorted(amz)),
        resource_path + (f"?{'&'.join(sorted(covered))}" if covered else ""),
    ]
    return "\n".join(lines)


def _pairs(raw_query: str) -> list[tuple[str, str | None]]:
    """Names and values as sent; None for a name without `=`, which is signed without one."""
    pieces = (piece.partition("=") for piece in raw_query.split("&"))
    return [(name, value if separator else None) for name, separator, value in pieces if name]
