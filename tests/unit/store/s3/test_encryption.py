"""Headers and documents of server-side encryption."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5

import pytest

from bucketry.store.s3 import errors
from bucketry.store.s3.encryption import (
    CUSTOMER,
    SOURCE_CUSTOMER,
    CustomerKey,
    asks_for_store_key,
    configuration_document,
    customer_key,
    parse_configuration,
)
from bucketry.store.s3.errors import InvalidArgument, MalformedXML, S3Error
from bucketry.store.s3.headers import Headers

KEY = bytes(range(32))
DIGEST = b64encode(md5(KEY).digest()).decode()


def headers(prefix: str = CUSTOMER, **changes: str | None) -> Headers:
    fields = {"algorithm": "AES256", "key": b64encode(KEY).decode(), "key_md5": DIGEST, **changes}
    return Headers([(prefix + name.replace("_", "-"), value) for name, value in fields.items() if value is not None])


@pytest.mark.parametrize("prefix", [CUSTOMER, SOURCE_CUSTOMER])
def test_a_customers_key(prefix: str) -> None:
    found = customer_key(headers(prefix), prefix)
    assert found == CustomerKey(KEY, DIGEST)
    assert customer_key(Headers([("x-amz-acl", "private")]), prefix) is None
    assert str(KEY) not in repr(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": None},
        {"algorithm": ""},
        {"algorithm": "aes256"},
        {"key": None},
        {"key": ""},
        {"key": "?"},
        {"key": b64encode(KEY[:16]).decode()},
        {"key_md5": None},
        {"key_md5": DIGEST.lower()},
        {"key_md5": md5(KEY).hexdigest()},
    ],
)
def test_less_than_a_key_is_refused_without_showing_it(changes: dict[str, str | None]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        customer_key(headers(**changes))
    assert b64encode(KEY).decode() not in str(caught.value) + str(caught.value.fields)


def test_a_verifier_knows_its_key_alone() -> None:
    key, other = CustomerKey(KEY, DIGEST), CustomerKey(KEY[::-1], DIGEST)
    verifier = key.verifier(b"s" * 16)
    assert key.is_of(verifier)
    assert not other.is_of(verifier)
    assert verifier != key.verifier(b"t" * 16)
    for broken in ("", "?", verifier[:-4], "ü"):
        assert not key.is_of(broken)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("aws:kms", errors.NotImplemented),
        ("aws:kms:dsse", errors.NotImplemented),
        ("", InvalidArgument),
        ("x", InvalidArgument),
    ],
)
def test_methods(method: str, error: type[S3Error]) -> None:
    assert not asks_for_store_key(Headers([]))
    assert asks_for_store_key(Headers([("x-amz-server-side-encryption", "AES256")]))
    with pytest.raises(error):
        asks_for_store_key(Headers([("x-amz-server-side-encryption", method)]))


def document(default: str, more: str = "") -> bytes:
    rule = f"<Rule><ApplyServerSideEncryptionByDefault>{default}</ApplyServerSideEncryptionByDefault>{more}</Rule>"
    return f"<ServerSideEncryptionConfiguration>{rule}</ServerSideEncryptionConfiguration>".encode()


def test_a_configuration_comes_back() -> None:
    assert parse_configuration(configuration_document("AES256")) == "AES256"
    assert parse_configuration(document("<SSEAlgorithm>AES256</SSEAlgorithm>")) == "AES256"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", MalformedXML),
        (b"<ServerSideEncryptionConfiguration/>", MalformedXML),
        (b"<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>", MalformedXML),
        (document("<SSEAlgorithm>AES128</SSEAlgorithm>"), MalformedXML),
        (document("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>"), MalformedXML),
        (document("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>"), errors.NotImplemented),
        (document("<SSEAlgorithm>AES256</SSEAlgorithm>", "<BlockedEncryptionTypes/>"), errors.NotImplemented),
    ],
)
def test_other_configurations_are_refused(body: bytes, error: type[S3Error]) -> None:
    with pytest.raises(error):
        parse_configuration(body)
