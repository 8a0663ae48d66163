"""Queries, decoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3.errors import InvalidArgument, InvalidURI
from bucketry.store.s3.query import MAX_PARAMETERS, parse_query


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", {}),
        ("acl", {"acl": ""}),
        ("acl=", {"acl": ""}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1"}),
        ("&&a=1&", {"a": "1"}),
        ("prefix=a+b%2Bc%2F", {"prefix": "a b+c/"}),
        ("a=b=c", {"a": "b=c"}),
        ("%61=%C3%BC", {"a": "ü"}),
        ("a=%2526", {"a": "%26"}),
        ("=x", {"": "x"}),
    ],
)
def test_decoding(raw: str, expected: dict[str, str]) -> None:
    assert parse_query(raw) == expected


@pytest.mark.parametrize("raw", ["a=%", "a=%2", "a=%zz", "%f=1", "a=%ff", "a=\udcff"])
def test_what_cannot_be_decoded_is_refused(raw: str) -> None:
    with pytest.raises(InvalidURI):
        parse_query(raw)


def test_the_number_of_parameters_is_bounded() -> None:
    assert parse_query("&".join(f"p{number}" for number in range(MAX_PARAMETERS)))
    with pytest.raises(InvalidArgument):
        parse_query("&".join(f"p{number}" for number in range(MAX_PARAMETERS + 1)))


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_decoded_or_refused(raw: str) -> None:
    try:
        found = parse_query(raw)
    except (InvalidURI, InvalidArgument):
        return
    for value in found.values():
        value.encode("utf-8")
