"""What the fields of a posted form mean: the key, the headers that a PUT would have, and the answer to success.

Amazon S3 API Reference, "POST Object": `${filename}` stands for the file's name in every field; tags come as a Tagging
document. All that a field says becomes the header that says the same, so that a form is checked as a PUT is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from bucketry.store.s3 import xml
from bucketry.store.s3.errors import InvalidArgument
from bucketry.store.s3.form_data import File
from bucketry.store.s3.tagging import parse_object_tagging

FILENAME = "${filename}"
_VERBATIM = frozenset(("policy", "signature", "awsaccesskeyid", "x-amz-signature", "x-amz-credential"))
_HEADERS = frozenset(
    (
        "cache-control", "content-disposition", "content-encoding", "content-language", "content-md5", "content-type",
        "expires", "x-amz-storage-class", "x-amz-website-redirect-location",
    )
)  # fmt: skip
_HEADER_PREFIXES = (
    "x-amz-meta-", "x-amz-checksum-", "x-amz-sdk-checksum-", "x-amz-server-side-encryption", "x-amz-grant-",
    "x-amz-object-lock-",
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_URL = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)
_REDIRECTS = ("success_action_redirect", "redirect")
_STATUSES = {"200": 200, "201": 201}


def with_filename(fields: Mapping[str, str], file: File) -> dict[str, str]:
    """The fields with the file's name in place of `${filename}`."""
    return {name: value if name in _VERBATIM else value.replace(FILENAME, file.name) for name, value in fields.items()}


def key_of(fields: Mapping[str, str]) -> str:
    """The key of the object to be. InvalidArgument: there is none."""
    key = fields.get("key")
    if not key:
        raise InvalidArgument(
            "Bucket POST must contain a field named 'key'. If it is specified, please check the order of the fields.",
            {"ArgumentName": "key", "ArgumentValue": ""},
        )
    return key


def headers_of(fields: Mapping[str, str]) -> dict[str, str]:
    """The headers of a PUT that would say the same. InvalidArgument, MalformedXML, InvalidTag."""
    headers: dict[str, str] = {}
    for name, value in fields.items():
        if name == "acl":
            name = "x-amz-acl"
        elif name == "tagging":
            tags = parse_object_tagging(value.encode())
            name, value = "x-amz-tagging", "&".join(f"{quote(key)}={quote(tags[key])}" for key in tags)
        elif name not in _HEADERS and not name.startswith(_HEADER_PREFIXES):
            continue
        if _CONTROL.search(value) or not name.isascii():
            raise InvalidArgument(
                "A field that is kept as a header can't hold control characters.", {"ArgumentName": name[:64]}
            )
        headers[name] = value
    return headers


def location_of(bucket_url: str, key: str) -> str:
    """The URL of the object in the bucket that was posted to."""
    return f"{bucket_url.rstrip('/')}/{quote(key)}"


def redirect_of(fields: Mapping[str, str], bucket: str, key: str, etag: str) -> str | None:
    """Where the browser goes after success; None: nowhere. A URL that isn't one counts as none."""
    target = next((fields[name] for name in _REDIRECTS if fields.get(name)), "")
    if not _URL.fullmatch(target):
        return None
    url, hash_sign, fragment = quote(target, safe="!#$%&'()*+,/:;=?@[]~").partition("#")
    told = f"bucket={quote_plus(bucket)}&key={quote_plus(key)}&etag=%22{etag}%22"
    return f"{url}{'&' if '?' in url else '?'}{told}{hash_sign}{fragment}"


def status_of(fields: Mapping[str, str]) -> int:
    """The status of success: 200, 201 or 204, which also stands for all others."""
    return _STATUSES.get(fields.get("success_action_status", ""), 204)


def created_document(location: str, bucket: str, key: str, etag: str) -> bytes:
    """PostResponse, the document of a 201."""
    rows = (("Location", location), ("Bucket", bucket), ("Key", key), ("ETag", f'"{etag}"'))
    return xml.document("PostResponse", xml.elements(rows), namespace=False)
