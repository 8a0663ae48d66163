"""Completing uploads: the asked parts against the uploaded ones, ETags and checksums of the whole."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from bucketry.store.s3 import xml
from bucketry.store.s3.checksums import Algorithm, ChecksumType, encode
from bucketry.store.s3.errors import (
    BadDigest,
    EntityTooSmall,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    MalformedXML,
)
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.multipart import (
    MIN_PART_BYTES,
    AskedPart,
    Assembled,
    assemble,
    check_completion_checksum,
    check_completion_headers,
    completed_document,
    parse_complete,
    parse_part_number,
)

_COMPOSITE, _FULL = ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT


@dataclass(frozen=True)
class Part:
    part_number: int
    size: int
    etag: str
    modified_ms: int = 0
    checksums: Mapping[str, str] = field(default_factory=dict)


def _part(number: int, data: bytes, algorithm: Algorithm | None = None, size: int | None = None) -> Part:
    checksums = {algorithm.value: _sum(algorithm, data)} if algorithm else {}
    return Part(number, len(data) if size is None else size, hashlib.md5(data).hexdigest(), 0, checksums)


def _sum(algorithm: Algorithm, data: bytes) -> str:
    hasher = algorithm.hasher()
    hasher.update(data)
    return encode(hasher.digest())


def _asked(part: Part, *algorithms: Algorithm) -> AskedPart:
    return AskedPart(part.part_number, part.etag, {one: part.checksums[one.value] for one in algorithms})


def _body(*parts: tuple[object, str]) -> bytes:
    rows = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()


def test_document_with_and_without_quotes() -> None:
    parts = parse_complete(_body((1, '"AB"'), (3, "cd"), (10_000, "&quot;ef&quot;")), "u")
    assert [(part.part_number, part.etag) for part in parts] == [(1, "ab"), (3, "cd"), (10_000, "ef")]


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1), (1, 3, 2)])
def test_parts_out_of_order_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(InvalidPartOrder):
        parse_complete(_body(*((number, "ab") for number in numbers)), "u")


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", "", "1e3", "9" * 4000, "٣"])
def test_part_numbers_outside_1_to_10000_are_refused(number: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_part_number(number)
    with pytest.raises(InvalidArgument):
        parse_complete(_body((number, "ab")), "u")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<CompleteMultipartUpload/>",
        b"<CompleteMultipartUpload><Part><ETag>a</ETag></Part></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Bit><PartNumber>1</PartNumber><ETag>a</ETag></Bit></CompleteMultipartUpload>",
        b"<!DOCTYPE x><CompleteMultipartUpload/>",
    ],
)
def test_other_documents_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse_complete(body, "u")


def test_ten_thousand_parts_with_checksums_fit() -> None:
    row = "\n   <Part>\n      <PartNumber>{0}</PartNumber>\n      <ETag>&quot;{1}&quot;</ETag>\n"
    row += "      <ChecksumSHA256>{2}</ChecksumSHA256>\n   </Part>"
    rows = "".join(row.format(number, "a" * 32, "b" * 44) for number in range(1, 10_001))
    assert len(parse_complete(f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode(), "u")) == 10_000


def test_etag_is_md5_of_md5s() -> None:
    parts = [_part(1, b"a", size=MIN_PART_BYTES), _part(2, b"b")]
    whole = assemble(
        [_asked(part) for part in parts], {part.part_number: part for part in parts}, "u", Algorithm.CRC64NVME, _FULL
    )
    expected = hashlib.md5(hashlib.md5(b"a").digest() + hashlib.md5(b"b").digest()).hexdigest()
    assert whole == Assembled(f"{expected}-2", MIN_PART_BYTES + 1, {}, "")


@pytest.mark.parametrize("asked", [AskedPart(2, "ab", {}), AskedPart(1, "cd", {}), AskedPart(1, "ab-1", {})])
def test_part_missing_or_different_is_invalid(asked: AskedPart) -> None:
    with pytest.raises(InvalidPart) as caught:
        assemble([asked], {1: Part(1, 10, "ab")}, "u", Algorithm.CRC64NVME, _FULL)
    assert caught.value.fields == {"UploadId": "u", "PartNumber": str(asked.part_number), "ETag": asked.etag}


def test_only_the_last_part_may_be_small() -> None:
    small, large = _part(1, b"a", size=MIN_PART_BYTES - 1), _part(2, b"b")
    uploaded = {1: small, 2: large}
    assert assemble([_asked(small)], uploaded, "u", Algorithm.CRC64NVME, _FULL).size == MIN_PART_BYTES - 1
    with pytest.raises(EntityTooSmall) as caught:
        assemble([_asked(small), _asked(large)], uploaded, "u", Algorithm.CRC64NVME, _FULL)
    assert caught.value.fields == {
        "ETag": small.etag,
        "PartNumber": "1",
        "MinSizeAllowed": "5242880",
        "ProposedSize": "5242879",
    }


@pytest.mark.parametrize("algorithm", [Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME])
def test_full_object_checksum_of_parts(algorithm: Algorithm) -> None:
    first, second = b"x" * MIN_PART_BYTES, b"tail"
    parts = {1: _part(1, first, algorithm), 2: _part(2, second, algorithm)}
    whole = assemble([_asked(parts[1]), _asked(parts[2])], parts, "u", algorithm, _FULL)
    assert whole.checksums == {algorithm.value: _sum(algorithm, first + second)}
    assert whole.checksum_type == "FULL_OBJECT"


def test_composite_checksum_whether_a_part_is_told_or_not() -> None:
    algorithm = Algorithm.SHA256
    part = _part(1, b"data", algorithm)
    inner = hashlib.sha256(hashlib.sha256(b"data").digest()).digest()
    for asked in (_asked(part, algorithm), _asked(part)):
        whole = assemble([asked], {1: part}, "u", algorithm, _COMPOSITE)
        assert whole.checksums == {"SHA256": b64encode(inner).decode() + "-1"}


def test_part_with_another_checksum_is_invalid() -> None:
    part = _part(1, b"data", Algorithm.CRC32)
    with pytest.raises(InvalidPart):
        assemble([AskedPart(1, part.etag, {Algorithm.CRC32: "AAAAAA=="})], {1: part}, "u", Algorithm.CRC32, _FULL)
    with pytest.raises(InvalidPart):
        assemble([AskedPart(1, part.etag, {Algorithm.SHA1: "x"})], {1: part}, "u", Algorithm.CRC32, _FULL)


_WHOLE = Assembled("e-1", 4, {"CRC32": "AAAAAQ==-1"}, "COMPOSITE")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-amz-checksum-crc32": "AAAAAQ==-1"},
        {"x-amz-checksum-crc32": "AAAAAQ=="},
        {"x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-mp-object-size": "4"},
    ],
)
def test_true_completion_headers_pass(headers: dict[str, str]) -> None:
    check_completion_headers(Headers(headers.items()), _WHOLE, Algorithm.CRC32, _COMPOSITE)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-amz-checksum-crc32": "AAAAAg==-1"}, BadDigest),
        ({"x-amz-checksum-sha1": "AAAAAQ=="}, BadDigest),
        ({"x-amz-checksum-type": "FULL_OBJECT"}, InvalidRequest),
        ({"x-amz-mp-object-size": "5"}, InvalidRequest),
        ({"x-amz-mp-object-size": "x"}, InvalidRequest),
    ],
)
def test_false_completion_headers_are_refused(headers: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_completion_headers(Headers(headers.items()), _WHOLE, Algorithm.CRC32, _COMPOSITE)


@pytest.mark.parametrize("value", ["bad", "", "AAAA", "AAAAAQ", "é"])
def test_completion_checksum_that_none_can_have_is_refused(value: str) -> None:
    check_completion_checksum(Headers({"x-amz-checksum-crc32": "AAAAAQ==-2"}.items()))
    with pytest.raises(BadDigest):
        check_completion_checksum(Headers({"x-amz-checksum-crc32": value}.items()))


def test_completed_document() -> None:
    root = xml.parse(completed_document("http://h/b/k%20", "b", "k <", "e-1", {"CRC32": "x"}, "FULL_OBJECT"))
    assert [(child.name, child.text) for child in root] == [
        ("Location", "http://h/b/k%20"),
        ("Bucket", "b"),
        ("Key", "k <"),
        ("ETag", '"e-1"'),
        ("ChecksumCRC32", "x"),
        ("ChecksumType", "FULL_OBJECT"),
    ]
