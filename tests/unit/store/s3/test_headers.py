"""Header fields by lower-case name, repeats kept apart."""

from __future__ import annotations

from bucketry.store.s3.headers import Headers

PAIRS = [("Host", "h"), ("X-A", " 1 "), ("x-b", "2"), ("x-a", "3\t"), ("X-A", "1")]


def test_names_without_case_and_repeats_in_order() -> None:
    headers = Headers(PAIRS)
    assert headers.get("host") == "h"
    assert headers.get("x-a") == "1,3,1"
    assert headers.get_all("x-a") == ["1", "3", "1"]
    assert headers.get_all("x-b") == ["2"]
    assert list(headers.items()) == [("host", "h"), ("x-a", "1"), ("x-a", "3"), ("x-a", "1"), ("x-b", "2")]
    assert list(headers) == ["host", "x-a", "x-b"]
    assert len(headers) == 3
    assert "x-a" in headers


def test_what_is_not_there() -> None:
    headers = Headers()
    assert headers.get("host") is None
    assert headers.get_all("host") == []
    assert list(headers.items()) == []
    assert "host" not in headers


def test_lists_given_out_do_not_change_the_headers() -> None:
    headers = Headers(PAIRS)
    headers.get_all("x-a").append("4")
    assert headers.get_all("x-a") == ["1", "3", "1"]


def test_bytes_of_the_wire_come_back() -> None:
    value = "grün".encode() + b"\xff\x80"
    text = Headers.from_raw([(b"X-Meta", value)]).get("x-meta")
    assert text is not None
    assert text.startswith("grün")
    assert text.encode("utf-8", "surrogateescape") == value


def test_representation_tells_no_value() -> None:
    assert repr(Headers([("Authorization", "secret"), ("Host", "h")])) == "Headers(authorization, host)"
