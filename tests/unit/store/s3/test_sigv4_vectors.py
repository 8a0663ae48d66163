"""The worked examples of the Amazon S3 API Reference, "Signature Calculations …": same inputs, same signatures."""

from __future__ import annotations

import pytest

from bucketry.store.s3 import sigv4
from bucketry.store.s3.errors import SignatureDoesNotMatch

from .signing import ACCESS_KEY, EMPTY, SECRET, Wire

DATE = "20130524T000000Z"
HOST = "examplebucket.s3.amazonaws.com"
NOW = 1369353600


def wire(method: str, path: str, query: str, signature: str, signed: str, headers: dict[str, str]) -> Wire:
    credential = f"{ACCESS_KEY}/20130524/us-east-1/s3/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={signed},Signature={signature}"
    return Wire(method, path, query, [*headers.items(), ("Authorization", authorization)])


EXAMPLES = {
    "get object": wire(
        "GET",
        "/test.txt",
        "",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        "host;range;x-amz-content-sha256;x-amz-date",
        {"Host": HOST, "Range": "bytes=0-9", "x-amz-content-sha256": EMPTY, "x-amz-date": DATE},
    ),
    "put object": wire(
        "PUT",
        "/test%24file.text",
        "",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        {
            "Host": HOST,
            "Date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-date": DATE,
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        },
    ),
    "get bucket lifecycle": wire(
        "GET",
        "/",
        "lifecycle",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        "host;x-amz-content-sha256;x-amz-date",
        {"Host": HOST, "x-amz-date": DATE, "x-amz-content-sha256": EMPTY},
    ),
    "list objects": wire(
        "GET",
        "/",
        "max-keys=2&prefix=J",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        "host;x-amz-content-sha256;x-amz-date",
        {"Host": HOST, "x-amz-date": DATE, "x-amz-content-sha256": EMPTY},
    ),
    "chunked upload, the request itself": wire(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
        "x-amz-storage-class",
        {
            "Host": "s3.amazonaws.com",
            "x-amz-date": DATE,
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "Content-Encoding": "aws-chunked",
            "x-amz-decoded-content-length": "66560",
            "Content-Length": "66824",
        },
    ),
    "upload with trailer, the request itself": wire(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;"
        "x-amz-trailer",
        {
            "Host": "s3.amazonaws.com",
            "x-amz-date": DATE,
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "Content-Encoding": "aws-chunked",
            "x-amz-decoded-content-length": "66560",
            "x-amz-trailer": "x-amz-checksum-crc32c",
            "Content-Length": "66946",
        },
    ),
    "presigned url": Wire(
        "GET",
        "/test.txt",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        [("Host", HOST)],
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_documented_example_verifies(name: str) -> None:
    claim = EXAMPLES[name].verify()
    assert claim.access_key_id == ACCESS_KEY
    assert claim.scope == "20130524/us-east-1/s3/aws4_request"
    assert claim.epoch_s == NOW
    sigv4.check_time(claim, NOW)
    sigv4.check_scope(claim, "us-east-1", ("s3",))


@pytest.mark.parametrize("name", EXAMPLES)
def test_documented_example_fails_with_another_secret(name: str) -> None:
    with pytest.raises(SignatureDoesNotMatch):
        EXAMPLES[name].verify(SECRET + "x")


def test_signing_key_of_documentation() -> None:
    # IAM User Guide, "Create a signed AWS API request": derived key of 20150830/us-east-1/iam
    key = sigv4.signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_mismatch_shows_what_the_server_computed() -> None:
    example = EXAMPLES["get object"]
    altered = Wire("GET", "/other.txt", "", example.pairs)
    with pytest.raises(SignatureDoesNotMatch) as refusal:
        altered.verify()
    fields = refusal.value.fields
    assert list(fields) == [
        "AWSAccessKeyId",
        "StringToSign",
        "SignatureProvided",
        "StringToSignBytes",
        "CanonicalRequest",
        "CanonicalRequestBytes",
    ]
    assert fields["CanonicalRequest"] == (
        f"GET\n/other.txt\n\nhost:{HOST}\nrange:bytes=0-9\nx-amz-content-sha256:{EMPTY}\nx-amz-date:{DATE}\n\n"
        f"host;range;x-amz-content-sha256;x-amz-date\n{EMPTY}"
    )
    assert fields["StringToSign"].startswith(f"AWS4-HMAC-SHA256\n{DATE}\n20130524/us-east-1/s3/aws4_request\n")
    assert bytes.fromhex(fields["CanonicalRequestBytes"]).decode() == fields["CanonicalRequest"]
    assert bytes.fromhex(fields["StringToSignBytes"]).decode() == fields["StringToSign"]
