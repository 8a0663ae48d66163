"""Names: bucket rules, keys, hosts, percent-encoding in paths and listings."""

from __future__ import annotations

from urllib.parse import quote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3 import names
from bucketry.store.s3.errors import InvalidBucketName, InvalidURI, KeyTooLongError

DOMAINS = ("localhost", "s3.localhost", "s3.example.org")
unicode_text = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    "name",
    ["abc", "a1b", "a-b", "a.b", "1.2.3", "1.2.3.4a", "a" * 63, "0-0", "example.com", "my--bucket", "999.1.1.1.1"],
)
def test_valid_bucket_names(name: str) -> None:
    names.check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "a b",
        "abc/",
        "äbc",
        "abc\n",
        "-abc",
        "abc-",
        ".abc",
        "abc.",
        "a..b",
        "a.-b",
        "a-.b",
        "1.2.3.4",
        "192.168.5.400",
        "xn--abc",
        "sthree-abc",
        "sthree-configurator",
        "amzn-s3-demo-a",
        "a-s3alias",
        "a--ol-s3",
        "a.mrap",
        "a--x-s3",
        "a--table-s3",
        "٣٣٣",
        "a%2e",
        "..",
        "../etc",
    ],
)
def test_invalid_bucket_names(name: str) -> None:
    assert not names.is_valid_bucket_name(name)
    with pytest.raises(InvalidBucketName) as refusal:
        names.check_bucket_name(name)
    assert refusal.value.fields == {"BucketName": name}


@pytest.mark.parametrize("key", ["a", "/", "../x", "a//b", "é" * 512, "x" * 1024, "\x00", "\U0001f600" * 256])
def test_keys_up_to_1024_bytes(key: str) -> None:
    names.check_key(key)


@pytest.mark.parametrize("key", ["x" * 1025, "é" * 513, "\U0001f600" * 256 + "x"])
def test_longer_keys_are_refused(key: str) -> None:
    with pytest.raises(KeyTooLongError) as refusal:
        names.check_key(key)
    assert refusal.value.fields == {"Size": str(len(key.encode())), "MaxSizeAllowed": "1024"}


def test_empty_and_broken_keys_are_refused() -> None:
    for key in ("", "a\udcff"):
        with pytest.raises(InvalidURI):
            names.check_key(key)


@given(unicode_text)
def test_path_is_decoded_exactly_once(text: str) -> None:
    assert names.decode_path(quote(text)) == text
    assert names.decode_path(quote(quote(text))) == quote(text)


def test_plus_dots_and_slashes_mean_nothing() -> None:
    assert names.decode_path("a+b") == "a+b"
    assert names.decode_path("..%2F..%2fetc/./x//%2e%2e") == "../../etc/./x//.."
    assert names.decode_path("%2541") == "%41"
    assert names.decode_path("a\udcc3\udca9") == "aé"  # raw UTF-8 bytes of the wire


@pytest.mark.parametrize("raw", ["%", "a%2", "%zz", "%u0041", "%ff", "%C3", "%c0%af", "%ED%A0%80", "\udcff", "é%ff"])
def test_path_that_is_no_unicode_is_refused(raw: str) -> None:
    with pytest.raises(InvalidURI) as refusal:
        names.decode_path(raw)
    refusal.value.fields["URI"].encode()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ("", "")),
        ("/bucket", ("bucket", "")),
        ("/bucket/", ("bucket", "")),
        ("/bucket/key", ("bucket", "key")),
        ("/bucket//key/", ("bucket", "/key/")),
        ("/bucket/a%2Fb%20c", ("bucket", "a/b c")),
        ("/bucket%2Fkey", ("bucket/key", "")),
        ("//key", ("", "key")),
        ("/bucket/../other/key", ("bucket", "../other/key")),
    ],
)
def test_bucket_and_key_of_a_path(path: str, expected: tuple[str, str]) -> None:
    assert names.split_path(path) == expected


def test_path_must_begin_with_a_slash() -> None:
    for path in ("", "*", "bucket/key"):
        with pytest.raises(InvalidURI):
            names.split_path(path)


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("localhost", None),
        ("localhost:9000", None),
        ("LOCALHOST.:9000", None),
        ("s3.localhost:9000", None),
        ("bucket.localhost:9000", "bucket"),
        ("BUCKET.LocalHost", "bucket"),
        ("bucket.s3.localhost", "bucket"),
        ("my.dotted.bucket.s3.localhost:1", "my.dotted.bucket"),
        ("bucket.s3.example.org.", "bucket"),
        ("s3.example.org", None),
        ("example.org", None),
        ("notlocalhost", None),
        (".localhost", None),
        ("127.0.0.1:9000", None),
        ("10.0.0.1", None),
        ("[::1]:9000", None),
        ("[::1", None),
        ("", None),
        (":9000", None),
        ("elsewhere.net", None),
    ],
)
def test_bucket_of_a_host(host: str, bucket: str | None) -> None:
    assert names.split_host(host, DOMAINS) == bucket
    assert names.split_host(host, reversed(DOMAINS)) == bucket


def test_address_is_no_bucket_whatever_the_domains() -> None:
    assert names.split_host("127.0.0.1:9000", ("0.0.1", "0.1", "1")) is None


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("a b.txt", "a%20b.txt"),
        ("a+b.txt", "a%2Bb.txt"),
        ("100%.csv", "100%25.csv"),
        ("한글/x.txt", "%ED%95%9C%EA%B8%80/x.txt"),
        ("run books/x.txt", "run%20books/x.txt"),
        ("a*b-c_d.e~f", "a*b-c_d.e%7Ef"),
        ("\x01\n", "%01%0A"),
    ],
)
def test_listed_names_are_encoded_as_s3_does(name: str, listed: str) -> None:
    assert names.encode_listed(name) == listed


@given(unicode_text)
def test_listed_names_decode_to_themselves(text: str) -> None:
    encoded = names.encode_listed(text)
    assert unquote_plus(encoded) == text
    assert encoded.isascii()
