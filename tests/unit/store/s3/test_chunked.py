"""aws-chunked bodies: the documented examples, every way of cutting the input, and each alteration refused."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3 import sigv4
from bucketry.store.s3.chunked import Decoder, decoder_for, trailer_names
from bucketry.store.s3.errors import (
    IncompleteBody,
    InvalidChunkSizeError,
    InvalidRequest,
    MalformedTrailerError,
    MissingContentLength,
    S3Error,
    SignatureDoesNotMatch,
)
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.sigv4 import PayloadMode

from .signing import SECRET, ChunkSigner, sign

SCOPE = "20130524/us-east-1/s3/aws4_request"
AMZ_DATE = "20130524T000000Z"
KEY = sigv4.signing_key(SECRET, "20130524", "us-east-1", "s3")
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
SIGNED, UNSIGNED = PayloadMode.STREAMING_SIGNED, PayloadMode.STREAMING_UNSIGNED_TRAILER
SIGNED_TRAILER = PayloadMode.STREAMING_SIGNED_TRAILER
CRC = "x-amz-checksum-crc32c"
A64K, A1K = b"a" * 65536, b"a" * 1024


def documented(signatures: list[str], end: bytes) -> bytes:
    """The body of the S3 documentation's examples: 64 KiB and 1 KiB of the letter a, then the end."""
    first, second, last = (f";chunk-signature={signature}\r\n".encode() for signature in signatures)
    return b"10000" + first + A64K + b"\r\n400" + second + A1K + b"\r\n0" + last + end


DOCUMENTED = documented(
    [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ],
    b"\r\n",
)
TRAILER_SIGNATURE = b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
TRAILER_SIGNATURES = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
]
DOCUMENTED_TRAILER = documented(
    TRAILER_SIGNATURES, b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" + TRAILER_SIGNATURE + b"\r\n\r\n"
)


def decoder(mode: PayloadMode, length: int, names: tuple[str, ...] = (), seed: str = SEED) -> Decoder:
    return Decoder(
        mode,
        decoded_length=length,
        trailer_names=names,
        seed_signature=seed,
        signing_key=KEY,
        scope=SCOPE,
        amz_date=AMZ_DATE,
    )


def decode(to: Decoder, *pieces: bytes) -> tuple[bytes, dict[str, str]]:
    payload = b"".join(part for piece in pieces for part in to.feed(piece))
    return payload, to.finish()


def signer() -> ChunkSigner:
    return ChunkSigner(SEED, SCOPE, AMZ_DATE, KEY)


def signed_body(*chunks: bytes) -> bytes:
    by = signer()
    return b"".join(by.chunk(chunk) for chunk in (*chunks, b"")) + b"\r\n"


def signed_trailer_body(*chunks: bytes, value: str = "AAAAAA==") -> bytes:
    by = signer()
    return b"".join(by.chunk(chunk) for chunk in (*chunks, b"")) + by.trailer(CRC, value) + b"\r\n"


def unsigned_body(*chunks: bytes, trailer: bytes = b"x-amz-checksum-crc32c:AAAAAA==\r\n") -> bytes:
    sized = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return sized + b"0\r\n" + trailer + b"\r\n"


def refuses(error: type[S3Error], to: Decoder, body: bytes) -> S3Error:
    with pytest.raises(error) as refusal:
        decode(to, body)
    with pytest.raises(IncompleteBody):  # and stays so
        to.finish()
    return refusal.value


def test_documented_example() -> None:
    payload, trailers = decode(decoder(SIGNED, 66560), DOCUMENTED)
    assert payload == b"a" * 66560
    assert trailers == {}


def test_documented_example_with_trailer() -> None:
    payload, trailers = decode(decoder(SIGNED_TRAILER, 66560, (CRC,), TRAILER_SEED), DOCUMENTED_TRAILER)
    assert payload == b"a" * 66560
    assert trailers == {CRC: "sOO8/Q=="}


@pytest.mark.parametrize("mode", [SIGNED_TRAILER, UNSIGNED])
def test_trailer_ended_by_its_line_feed_and_crlf(mode: PayloadMode) -> None:
    if mode is UNSIGNED:
        body = unsigned_body(A1K, trailer=b"x-amz-checksum-crc32c:sOO8/Q==\n\r\n")
        assert decode(decoder(mode, 1024, (CRC,)), body)[1] == {CRC: "sOO8/Q=="}
        return
    body = DOCUMENTED_TRAILER.replace(b"sOO8/Q==\r\n", b"sOO8/Q==\n\r\n")
    assert decode(decoder(mode, 66560, (CRC,), TRAILER_SEED), body)[1] == {CRC: "sOO8/Q=="}


@pytest.mark.parametrize("mode", [SIGNED, SIGNED_TRAILER, UNSIGNED])
def test_byte_by_byte(mode: PayloadMode) -> None:
    chunks = [b"x" * 8192, b"\r\n0\r\n\r\n" * 1200, b"end\r\n"]
    data = b"".join(chunks)
    body = {SIGNED: signed_body, SIGNED_TRAILER: signed_trailer_body, UNSIGNED: unsigned_body}[mode](*chunks)
    names = () if mode is SIGNED else (CRC,)
    payload, trailers = decode(decoder(mode, len(data), names), *(body[i : i + 1] for i in range(len(body))))
    assert payload == data
    assert tuple(trailers) == names


@given(st.data())
def test_every_way_of_cutting_the_input(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(8192, 9000), max_size=3)) + data.draw(
        st.lists(st.integers(1, 99), max_size=1)
    )
    chunks = [hashlib.shake_128(bytes([index])).digest(size) for index, size in enumerate(sizes)]
    mode = data.draw(st.sampled_from([SIGNED, SIGNED_TRAILER, UNSIGNED]))
    body = {SIGNED: signed_body, SIGNED_TRAILER: signed_trailer_body, UNSIGNED: unsigned_body}[mode](*chunks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    payload, _ = decode(decoder(mode, sum(sizes), () if mode is SIGNED else (CRC,)), *pieces)
    assert payload == b"".join(chunks)


def test_slices_are_views_of_the_input() -> None:
    body = memoryview(bytearray(unsigned_body(A64K)))
    (piece,) = decoder(UNSIGNED, 65536, (CRC,)).feed(body)
    assert isinstance(piece, memoryview)
    assert piece.obj is body.obj


def test_empty_payload() -> None:
    assert decode(decoder(SIGNED, 0), signed_body()) == (b"", {})
    assert decode(decoder(UNSIGNED, 0, (CRC,)), unsigned_body())[0] == b""
    assert decode(decoder(UNSIGNED, 0), unsigned_body(trailer=b"")) == (b"", {})


@pytest.mark.parametrize("mode", [SIGNED, SIGNED_TRAILER, UNSIGNED])
def test_nothing_less_than_the_whole_body_is_enough(mode: PayloadMode) -> None:
    make = {SIGNED: signed_body, SIGNED_TRAILER: signed_trailer_body, UNSIGNED: unsigned_body}[mode]
    body = make(b"hello")
    for length in range(len(body)):
        to = decoder(mode, 5, () if mode is SIGNED else (CRC,))
        to.feed(body[:length])
        with pytest.raises(IncompleteBody):
            to.finish()


@pytest.mark.parametrize("mode", [SIGNED, SIGNED_TRAILER, UNSIGNED])
@pytest.mark.parametrize("more", [b"x", b"\r\n", b"0\r\n\r\n"])
def test_bytes_after_the_end(mode: PayloadMode, more: bytes) -> None:
    make = {SIGNED: signed_body, SIGNED_TRAILER: signed_trailer_body, UNSIGNED: unsigned_body}[mode]
    names = () if mode is SIGNED else (CRC,)
    refuses(IncompleteBody, decoder(mode, 5, names), make(b"hello") + more)
    to = decoder(mode, 5, names)
    to.feed(make(b"hello"))
    with pytest.raises(IncompleteBody):
        to.feed(more)


def test_altered_data() -> None:
    for at in (100, 66_000):
        body = bytearray(DOCUMENTED)
        body[at] ^= 1
        refuses(SignatureDoesNotMatch, decoder(SIGNED, 66560), bytes(body))


def test_altered_signature_key_seed_date_and_scope() -> None:
    body = signed_body(b"hello")
    refuses(SignatureDoesNotMatch, decoder(SIGNED, 66560), DOCUMENTED.replace(b"=ad80", b"=ad81"))
    refuses(SignatureDoesNotMatch, decoder(SIGNED, 5, seed="0" * 64), body)
    for change in ({"signing_key": b"x" * 32}, {"scope": SCOPE.replace("s3", "iam")}, {"amz_date": "20130524T000001Z"}):
        values = {"seed_signature": SEED, "signing_key": KEY, "scope": SCOPE, "amz_date": AMZ_DATE} | change
        refuses(SignatureDoesNotMatch, Decoder(SIGNED, decoded_length=5, **values), body)  # type: ignore[arg-type]  # values of mixed types


def test_altered_last_chunk_signature() -> None:
    refuses(SignatureDoesNotMatch, decoder(SIGNED, 66560), DOCUMENTED.replace(b"=b6c6", b"=b6c7"))


def test_chunks_in_another_order_left_out_or_repeated() -> None:
    by = signer()
    first, second, last = by.chunk(b"1" * 8192), by.chunk(b"2" * 8192), by.chunk(b"") + b"\r\n"
    assert decode(decoder(SIGNED, 16384), first, second, last)[0] == b"1" * 8192 + b"2" * 8192
    for body in (second + first + last, first + last, second + last, first + first + last, last):
        for length in (16384, 8192, 0):
            to = decoder(SIGNED, length)
            with pytest.raises((SignatureDoesNotMatch, IncompleteBody)):
                decode(to, body)


def test_unsigned_chunks_in_a_signed_body_and_the_reverse() -> None:
    refuses(IncompleteBody, decoder(SIGNED, 5), unsigned_body(b"hello", trailer=b""))
    refuses(IncompleteBody, decoder(UNSIGNED, 5), signed_body(b"hello"))


def test_payload_must_have_the_announced_length() -> None:
    for length in (0, 4, 6, 10**9):
        refuses(IncompleteBody, decoder(SIGNED, length), signed_body(b"hello"))
        refuses(IncompleteBody, decoder(UNSIGNED, length, (CRC,)), unsigned_body(b"hello"))


def test_nothing_of_a_chunk_beyond_the_announced_length_is_handed_out() -> None:
    for mode, header in ((UNSIGNED, b"6\r\n"), (SIGNED, b"6;chunk-signature=" + b"0" * 64 + b"\r\n")):
        with pytest.raises(IncompleteBody, match="longer than x-amz-decoded-content-length"):
            decoder(mode, 5).feed(header + b"h")


@pytest.mark.parametrize("mode", [SIGNED, UNSIGNED])
def test_small_chunk_may_only_be_the_last(mode: PayloadMode) -> None:
    body = (signed_body if mode is SIGNED else unsigned_body)(b"1" * 8192, b"2" * 8191, b"3")
    error = refuses(InvalidChunkSizeError, decoder(mode, 16384, (CRC,)), body)
    assert error.fields == {"Chunk": "3", "BadChunkSize": "8191"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5\r\nhelloo\r\n0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n",
        b"6\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b"5\r\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n\r\n0\r\n\r\n",
        b"f" * 17 + b"\r\nhello",
        b"0" * 5000 + b"5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\r\nx-y:1\n\n",
        b"\xff\xfe\r\n",
    ],
)
def test_broken_framing(body: bytes) -> None:
    with pytest.raises((IncompleteBody, MalformedTrailerError)):
        decode(decoder(UNSIGNED, 5), body)
    with pytest.raises((IncompleteBody, MalformedTrailerError)):
        decode(decoder(UNSIGNED, 5), *(body[i : i + 1] for i in range(len(body))))


def test_header_without_end_is_not_collected_for_ever() -> None:
    to = decoder(UNSIGNED, 5)
    for _ in range(1023):
        to.feed(b"0")
    with pytest.raises(IncompleteBody):
        to.feed(b"0")


@pytest.mark.parametrize(
    "trailer",
    [
        b"x-amz-checksum-sha256:AAAAAA==\r\n",
        b"x-amz-checksum-crc32c:AAAAAA==\r\nx-amz-checksum-crc32c:AAAAAA==\r\n",
        b"x-amz-checksum-crc32c:AAAAAA==\r\nx-amz-acl:public-read\r\n",
        b"x-amz-checksum-crc32c\r\n",
        b"x-amz-checksum-crc32c :AAAAAA==\r\n",
        b" x-amz-checksum-crc32c:AAAAAA==\r\n",
        b":AAAAAA==\r\n",
        b"x-amz-checksum-crc32c:A\xc3\xa9\r\n",
        b"x-amz-checksum-crc32c:A\x00\r\n",
    ],
)
def test_trailer_that_was_not_announced_or_is_malformed(trailer: bytes) -> None:
    refuses(MalformedTrailerError, decoder(UNSIGNED, 5, (CRC,)), unsigned_body(b"hello", trailer=trailer))


def test_announced_trailer_is_missing() -> None:
    refuses(IncompleteBody, decoder(UNSIGNED, 5, (CRC,)), unsigned_body(b"hello", trailer=b""))


def test_trailer_signature_in_an_unsigned_body() -> None:
    trailer = b"x-amz-checksum-crc32c:AAAAAA==\r\nx-amz-trailer-signature:" + TRAILER_SIGNATURE + b"\r\n"
    refuses(MalformedTrailerError, decoder(UNSIGNED, 5, (CRC,)), unsigned_body(b"hello", trailer=trailer))


def test_signed_trailer_must_be_signed() -> None:
    good = signed_trailer_body(b"hello")
    lines = good.split(b"\r\n")
    assert decode(decoder(SIGNED_TRAILER, 5, (CRC,)), good)[1] == {CRC: "AAAAAA=="}
    altered = good.replace(b"AAAAAA==", b"AAAAAQ==")
    refuses(SignatureDoesNotMatch, decoder(SIGNED_TRAILER, 5, (CRC,)), altered)
    without = good.replace(lines[-3] + b"\r\n", b"")
    refuses(IncompleteBody, decoder(SIGNED_TRAILER, 5, (CRC,)), without)
    forged = good.replace(lines[-3], b"x-amz-trailer-signature:" + b"0" * 64)
    refuses(SignatureDoesNotMatch, decoder(SIGNED_TRAILER, 5, (CRC,)), forged)
    refuses(IncompleteBody, decoder(SIGNED, 5), good)
    refuses(IncompleteBody, decoder(SIGNED_TRAILER, 5, (CRC,)), signed_body(b"hello"))


def test_endless_trailers_are_refused() -> None:
    names = tuple(f"x-amz-checksum-x{index}" for index in range(20))
    trailer = b"".join(f"{name}:1\r\n".encode() for name in names)
    refuses(MalformedTrailerError, decoder(UNSIGNED, 5, names), unsigned_body(b"hello", trailer=trailer))
    long = b"x-amz-checksum-crc32c:" + b"A" * 2000 + b"\r\n"
    refuses(IncompleteBody, decoder(UNSIGNED, 5, (CRC,)), unsigned_body(b"hello", trailer=long))


def test_decoder_from_a_signed_request() -> None:
    headers = [
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", CRC.upper()),
        ("Content-Encoding", "aws-chunked"),
    ]
    wire = sign("PUT", "http://localhost/bucket/key", headers, content_sha256=SIGNED_TRAILER.value)
    claim = wire.verify()
    assert claim.payload is SIGNED_TRAILER
    key = sigv4.signing_key(SECRET, claim.date, claim.region, claim.service)
    by = ChunkSigner(claim.signature, claim.scope, claim.amz_date, key)
    body = by.chunk(b"hello") + by.chunk(b"") + by.trailer(CRC, "AAAAAA==") + b"\r\n"
    assert decode(decoder_for(claim.payload, wire.headers, claim, key), body) == (b"hello", {CRC: "AAAAAA=="})


def test_what_a_streaming_request_must_announce() -> None:
    length = ("x-amz-decoded-content-length", "5")
    trailer = ("x-amz-trailer", CRC)
    for wrong in ("", "-1", "1.5", "five", "٥", "9" * 30):
        with pytest.raises(MissingContentLength):
            decoder_for(UNSIGNED, Headers([("x-amz-decoded-content-length", wrong)]), None, b"")
    with pytest.raises(MissingContentLength):
        decoder_for(UNSIGNED, Headers(), None, b"")
    with pytest.raises(InvalidRequest, match="needs a signed request"):
        decoder_for(SIGNED, Headers([length]), None, b"")
    with pytest.raises(InvalidRequest, match="without trailers"):
        decoder_for(SIGNED, Headers([length, trailer]), None, b"")
    with pytest.raises(ValueError, match="signature"):
        Decoder(SIGNED, decoded_length=1)
    with pytest.raises(ValueError, match="aws-chunked"):
        Decoder(PayloadMode.HASH, decoded_length=1)
    for value in ("x-amz-meta-a", f"{CRC},{CRC}", "authorization", f"{CRC},", ",".join([CRC] * 20)):
        with pytest.raises(InvalidRequest):
            trailer_names(Headers([("x-amz-trailer", value)]))
