from __future__ import annotations

import pytest

from bucketry.marketplace.web.json_body import MAX_DEPTH, MalformedBody, parse_json


def test_any_unicode_and_any_plain_json_is_read() -> None:
    assert parse_json('{"a": [1, -2.5, true, null, "桶 \\u00fc \\ud83d\\ude00"]}'.encode()) == {
        "a": [1, -2.5, True, None, "桶 ü 😀"]
    }


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"  ",
        b"{",
        b"{} x",
        b"\xff{}",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": "\\ud800"}',
        b'{"a": "\x00"}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)
def test_everything_else_is_refused_in_words(text: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"^The body "):
        parse_json(text)


def test_nesting_is_taken_up_to_the_limit() -> None:
    deepest = MAX_DEPTH - 1
    parse_json(b"[" * deepest + b"1" + b"]" * deepest)
    with pytest.raises(MalformedBody, match="nested"):
        parse_json(b"[" * (deepest + 1) + b"1" + b"]" * (deepest + 1))
