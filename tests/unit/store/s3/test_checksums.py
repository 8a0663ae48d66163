"""Checksums: published check values, what requests announce, composite and combined ones of several parts."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3 import checksums
from bucketry.store.s3.checksums import Algorithm, Announced, ChecksumType
from bucketry.store.s3.errors import BadDigest, InvalidDigest, InvalidRequest
from bucketry.store.s3.headers import Headers

CRCS = [Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME]


def digest(algorithm: Algorithm, data: bytes) -> bytes:
    hasher = algorithm.hasher()
    hasher.update(data)
    return hasher.digest()


def headers(**values: str) -> Headers:
    return Headers((name.replace("_", "-"), value) for name, value in values.items())


@pytest.mark.parametrize(
    ("algorithm", "check_value"),
    [
        (Algorithm.CRC32, "cbf43926"),
        (Algorithm.CRC32C, "e3069283"),
        (Algorithm.CRC64NVME, "ae8b14860a799888"),
        (Algorithm.SHA1, hashlib.sha1(b"123456789").hexdigest()),
        (Algorithm.SHA256, hashlib.sha256(b"123456789").hexdigest()),
    ],
)
def test_published_check_values(algorithm: Algorithm, check_value: str) -> None:
    assert digest(algorithm, b"123456789").hex() == check_value
    hasher = algorithm.hasher()
    for piece in (b"1", memoryview(b"x2345x")[1:5], bytearray(b""), b"6789"):
        hasher.update(piece)
    assert hasher.digest().hex() == check_value
    assert len(algorithm.hasher().digest()) == algorithm.size_bytes


@given(st.binary(max_size=2000))
def test_crc32_is_that_of_zlib(data: bytes) -> None:
    assert digest(Algorithm.CRC32, data) == zlib.crc32(data).to_bytes(4, "big")


def test_checksum_of_the_documented_upload() -> None:
    # "Signature calculations for trailing headers": 66,560 times the letter a
    assert checksums.encode(digest(Algorithm.CRC32C, b"a" * 66560)) == "sOO8/Q=="


@given(st.sampled_from(CRCS), st.lists(st.binary(max_size=300), max_size=6))
def test_combined_crc_is_that_of_the_whole(algorithm: Algorithm, parts: list[bytes]) -> None:
    combined = checksums.combine(algorithm, [(digest(algorithm, part), len(part)) for part in parts])
    assert combined == digest(algorithm, b"".join(parts))


def test_hashes_are_not_combined() -> None:
    with pytest.raises(KeyError):
        checksums.combine(Algorithm.SHA256, [])


def test_composite_is_the_checksum_of_checksums() -> None:
    parts = [digest(Algorithm.SHA256, b"a"), digest(Algorithm.SHA256, b"b")]
    expected = b64encode(hashlib.sha256(b"".join(parts)).digest()).decode() + "-2"
    assert checksums.composite(Algorithm.SHA256, parts) == expected


def test_md5_of_etags() -> None:
    hasher = checksums.md5()
    hasher.update(b"hello")
    assert hasher.digest() == hashlib.md5(b"hello").digest()


def test_names_of_headers_and_elements() -> None:
    assert [algorithm.header for algorithm in Algorithm] == [
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32c",
        "x-amz-checksum-crc64nvme",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
    ]
    assert Algorithm.CRC64NVME.element == "ChecksumCRC64NVME"


def test_nothing_announced() -> None:
    assert (
        checksums.announced(headers(host="h", x_amz_checksum_mode="ENABLED", x_amz_checksum_algorithm="SHA1")) is None
    )


@pytest.mark.parametrize("algorithm", Algorithm)
def test_announced_in_header_and_checked(algorithm: Algorithm) -> None:
    good = digest(algorithm, b"hello")
    given_headers = {algorithm.header: checksums.encode(good), "x-amz-sdk-checksum-algorithm": algorithm.value}
    announcement = checksums.announced(Headers(given_headers.items()))
    assert announcement == Announced(algorithm, good)
    assert not announcement.is_in_trailer
    checksums.check(announcement, good)
    with pytest.raises(BadDigest, match=f"The {algorithm.value} you specified did not match the calculated checksum"):
        checksums.check(announcement, digest(algorithm, b"other"))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_announced_in_trailer_and_checked(algorithm: Algorithm) -> None:
    good = digest(algorithm, b"hello")
    announcement = checksums.announced(headers(x_amz_trailer=algorithm.header))
    assert announcement == Announced(algorithm, None)
    assert announcement.is_in_trailer
    checksums.check(announcement, good, {algorithm.header: checksums.encode(good)})
    with pytest.raises(BadDigest):
        checksums.check(announcement, good, {algorithm.header: checksums.encode(digest(algorithm, b"other"))})
    for trailers in ({}, None, {algorithm.header: "x"}, {algorithm.header: checksums.encode(good[:-1])}):
        with pytest.raises(BadDigest, match=f"is no {algorithm.value} checksum"):
            checksums.check(announcement, good, trailers)


@pytest.mark.parametrize(
    "value", ["", "x", "AAAAAA", "AAAAAA=", "AAAAAAA=", "AAAAAB==", "AAAA AA==", "AAAAAA==AAAA", "é"]
)
def test_value_must_be_base64_of_its_length(value: str) -> None:
    with pytest.raises(BadDigest, match="is no CRC32 checksum"):
        checksums.announced(headers(x_amz_checksum_crc32=value))


def test_only_one_checksum() -> None:
    one, other = {"x-amz-checksum-crc32": "AAAAAA=="}, {"x-amz-checksum-crc32c": "AAAAAA=="}
    for both in (
        one | other,
        one | {"x-amz-trailer": "x-amz-checksum-crc32"},
        {"x-amz-trailer": ",".join(one | other)},
    ):
        with pytest.raises(InvalidRequest, match=r"Expecting a single x-amz-checksum- header\."):
            checksums.announced(Headers(both.items()))
    with pytest.raises(InvalidRequest):
        checksums.announced(Headers([*one.items(), *one.items()]))


def test_unknown_and_contradicting_algorithms() -> None:
    with pytest.raises(InvalidRequest, match="x-amz-checksum-md4 is not supported"):
        checksums.announced(headers(x_amz_checksum_md4="AAAAAA=="))
    with pytest.raises(InvalidRequest, match="no corresponding"):
        checksums.announced(headers(x_amz_sdk_checksum_algorithm="CRC32"))
    with pytest.raises(InvalidRequest, match="Value for x-amz-sdk-checksum-algorithm"):
        checksums.announced(headers(x_amz_checksum_crc32="AAAAAA==", x_amz_sdk_checksum_algorithm="SHA1"))


def test_content_md5() -> None:
    good = hashlib.md5(b"hello").digest()
    assert checksums.content_md5(headers(host="h")) is None
    assert checksums.content_md5(headers(content_md5=b64encode(good).decode())) == good
    for wrong in ("", "x", good.hex(), b64encode(good[:-1]).decode(), b64encode(good).decode() + "\n=", "é"):
        with pytest.raises(InvalidDigest):
            checksums.content_md5(headers(content_md5=wrong))
    checksums.check_md5(good, good)
    with pytest.raises(BadDigest) as refusal:
        checksums.check_md5(good, bytes(16))
    assert refusal.value.fields == {
        "ExpectedDigest": b64encode(good).decode(),
        "CalculatedDigest": "AAAAAAAAAAAAAAAAAAAAAA==",
    }


@pytest.mark.parametrize(
    ("name", "type_name", "expected"),
    [
        ("CRC32", None, (Algorithm.CRC32, ChecksumType.COMPOSITE)),
        ("crc32c", "FULL_OBJECT", (Algorithm.CRC32C, ChecksumType.FULL_OBJECT)),
        ("CRC32", "COMPOSITE", (Algorithm.CRC32, ChecksumType.COMPOSITE)),
        ("CRC64NVME", None, (Algorithm.CRC64NVME, ChecksumType.FULL_OBJECT)),
        ("SHA256", None, (Algorithm.SHA256, ChecksumType.COMPOSITE)),
        (None, None, None),
    ],
)
def test_checksum_of_an_upload(
    name: str | None, type_name: str | None, expected: tuple[Algorithm, ChecksumType] | None
) -> None:
    values = {"x-amz-checksum-algorithm": name, "x-amz-checksum-type": type_name}
    pairs = [(key, value) for key, value in values.items() if value is not None]
    assert checksums.upload_checksum(Headers(pairs)) == expected


@pytest.mark.parametrize(
    ("name", "type_name", "words"),
    [
        ("CRC64NVME", "COMPOSITE", "COMPOSITE checksum type cannot be used with the crc64nvme"),
        ("SHA1", "FULL_OBJECT", "FULL_OBJECT checksum type cannot be used with the sha1"),
        ("SHA256", "FULL_OBJECT", "FULL_OBJECT checksum type cannot be used with the sha256"),
        ("CRC32", "PARTIAL", "Value for x-amz-checksum-type header is invalid"),
        ("MD5", None, "Checksum algorithm provided is unsupported"),
        (None, "COMPOSITE", "can only be used with the x-amz-checksum-algorithm"),
    ],
)
def test_refused_checksum_of_an_upload(name: str | None, type_name: str | None, words: str) -> None:
    values = {"x-amz-checksum-algorithm": name, "x-amz-checksum-type": type_name}
    with pytest.raises(InvalidRequest, match=words):
        checksums.upload_checksum(Headers([(key, value) for key, value in values.items() if value is not None]))
