"""Heads of answers as bytes."""

from __future__ import annotations

import pytest

from bucketry.store.gateway.wire import UnsafeHeader, has_content, response_head


def test_a_head() -> None:
    got = response_head(200, [("ETag", '"a"'), ("x-amz-meta-a", "ü")], "Server: s", 5, "close")
    assert (
        got
        == (
            'HTTP/1.1 200 OK\r\nETag: "a"\r\nx-amz-meta-a: ü\r\n'
            "Content-Length: 5\r\nConnection: close\r\nServer: s\r\n\r\n"
        ).encode()
    )


def test_bytes_that_were_no_text_come_out_as_they_came() -> None:
    assert b"X: \xff\r\n" in response_head(200, [("X", "\udcff")], "Server: s", None, None)


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\rb", "\r\n", "a\0b"])
def test_nothing_breaks_out_of_its_line(text: str) -> None:
    for field in (("X", text), (text, "x")):
        with pytest.raises(UnsafeHeader) as error:
            response_head(200, [("A", "b"), field], "Server: s", 0, None)
        assert "a\r\nb" not in str(error.value)


def test_which_answers_have_content() -> None:
    assert [status for status in (100, 200, 204, 206, 304, 404) if has_content(status)] == [200, 206, 404]
