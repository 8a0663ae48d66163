"""Server-side encryption as requests ask for it and answers tell it: SSE-S3, SSE-C, and a bucket's default.

Amazon S3 User Guide, "Using server-side encryption with Amazon S3 managed keys", "… with customer-provided keys"; API
Reference, PutBucketEncryption. Keys of KMS are not implemented. A customer's key is checked against its MD5, used, and
forgotten; what is kept to know it again is a salted HMAC.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import md5

from . import errors, xml
from .errors import InvalidArgument, MalformedXML
from .headers import HeaderView

AES256 = "AES256"
HEADER = "x-amz-server-side-encryption"
CUSTOMER = "x-amz-server-side-encryption-customer-"
SOURCE_CUSTOMER = "x-amz-copy-source-server-side-encryption-customer-"
KEY_BYTES = 32
SALT_BYTES = 16
MAX_DOCUMENT_BYTES = 16 * 1024
_KMS = frozenset(("aws:kms", "aws:kms:dsse"))
_VERIFIER = b"bucketry customer's key"


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """A key that came with a request. `md5` is base64, as it was sent and as answers repeat it."""

    key: bytes = field(repr=False)
    md5: str

    def verifier(self, salt: bytes) -> str:
        """What is kept of the key."""
        return b64encode(salt + hmac.digest(self.key, _VERIFIER + salt, "sha256")).decode()

    def is_of(self, verifier: str) -> bool:
        """Whether this is the key of a verifier. One that can't be read is of none."""
        try:
            salt = b64decode(verifier, validate=True)[:SALT_BYTES]
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(self.verifier(salt), verifier)

    def fields(self) -> list[tuple[str, str]]:
        """How an answer tells that it was used."""
        return [(CUSTOMER + "algorithm", AES256), (CUSTOMER + "key-MD5", self.md5)]


def customer_key(headers: HeaderView, prefix: str = CUSTOMER) -> CustomerKey | None:
    """The customer's key of a request, of what it reads or writes, or (SOURCE_CUSTOMER) of what it copies; None: it
    has none. InvalidArgument: a part is missing, or wrong.
    """
    names = ("algorithm", "key", "key-md5")
    algorithm, encoded, digest = (headers.get(prefix + name) for name in names)
    if algorithm is None and encoded is None and digest is None:
        return None
    if algorithm is None:
        raise _invalid(prefix + "algorithm", "must provide a valid encryption algorithm.")
    if algorithm != AES256:
        raise _invalid(prefix + "algorithm", "must provide a valid encryption algorithm.", algorithm)
    if not encoded:
        raise _invalid(prefix + "key", "must provide an appropriate secret key.")
    if not digest:
        raise _invalid(prefix + "key-MD5", "must provide the client calculated MD5 of the secret key.")
    try:
        key = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidArgument(
            "The secret key was invalid for the specified algorithm.", {"ArgumentName": prefix + "key"}
        )
    if b64encode(md5(key, usedforsecurity=False).digest()).decode() != digest:
        raise InvalidArgument(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
            {"ArgumentName": prefix + "key-MD5", "ArgumentValue": digest[:64]},
        )
    return CustomerKey(key, digest)


def asks_for_store_key(headers: HeaderView) -> bool:
    """Whether x-amz-server-side-encryption asks for SSE-S3. NotImplemented: for KMS; InvalidArgument: for neither."""
    method = headers.get(HEADER)
    if method is None:
        return False
    check_method(method, HEADER)
    return True


def check_method(method: str, where: str) -> None:
    """NotImplemented or InvalidArgument for all but AES256."""
    if method in _KMS:
        raise errors.NotImplemented(
            "This store encrypts with keys of its own (AES256) or of its customers, not with KMS.", {"Header": where}
        )
    if method != AES256:
        raise InvalidArgument(
            "The encryption method specified is not supported", {"ArgumentName": where, "ArgumentValue": method[:64]}
        )


def _invalid(name: str, text: str, value: str | None = None) -> InvalidArgument:
    return InvalidArgument(
        f"Requests specifying Server Side Encryption with Customer provided keys {text}",
        {"ArgumentName": name, "ArgumentValue": "null" if value is None else value[:64]},
    )


# --- a bucket's default


def parse_configuration(body: bytes) -> str:
    """The algorithm of a ServerSideEncryptionConfiguration: AES256. MalformedXML, NotImplemented."""
    root = xml.parse(body, "ServerSideEncryptionConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
    rule = root.find("Rule")
    default = rule.find("ApplyServerSideEncryptionByDefault") if rule is not None else None
    if rule is None or default is None or len(root.children) != 1:
        raise MalformedXML
    for child in rule:
        if child.name not in ("ApplyServerSideEncryptionByDefault", "BucketKeyEnabled"):
            raise errors.NotImplemented(fields={"additionalMessage": child.name[:64]})
    algorithm = (default.text_of("SSEAlgorithm") or "").strip()
    if algorithm not in _KMS and (algorithm != AES256 or len(default.children) != 1):
        raise MalformedXML
    check_method(algorithm, "SSEAlgorithm")
    return AES256


def configuration_document(algorithm: str) -> bytes:
    """ServerSideEncryptionConfiguration."""
    default = xml.wrap("ApplyServerSideEncryptionByDefault", xml.element("SSEAlgorithm", algorithm))
    rule = xml.wrap("Rule", default + xml.element("BucketKeyEnabled", False))
    return xml.document("ServerSideEncryptionConfiguration", rule)
