"""Queries of listings: limits, tokens and encodings as S3 takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3.errors import InvalidArgument
from bucketry.store.s3.list_query import (
    make_token,
    parse_list_objects,
    parse_list_objects_v2,
    parse_list_parts,
    parse_list_uploads,
    read_token,
)

_NAMES = st.text(st.characters(codec="utf-8"), max_size=200)


@given(_NAMES)
def test_token_reads_back_and_is_safe_in_a_url(name: str) -> None:
    token = make_token(name)
    assert read_token(token) == name
    assert token.replace("-", "").replace("_", "").isalnum()


@given(_NAMES, st.data())
def test_token_changed_anywhere_is_refused(name: str, data: st.DataObject) -> None:
    token = make_token(name)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCDwxyz0189-_").filter(lambda character: character != token[place]))
    with pytest.raises(InvalidArgument):
        read_token(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize("token", ["x", "AQ", "é", make_token("a") + "A", make_token("a") + "=", "A" * 100_000])
def test_foreign_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_list_objects_v2({"list-type": "2", "continuation-token": token})
    assert caught.value.fields["ArgumentName"] == "continuation-token"
    assert len(caught.value.fields["ArgumentValue"]) <= 2048


@pytest.mark.parametrize(("text", "limit"), [("0", 0), ("1", 1), ("1000", 1000), ("1001", 1000), ("2147483647", 1000)])
def test_page_limit_is_kept_to_a_thousand(text: str, limit: int) -> None:
    assert parse_list_objects({"max-keys": text}).max_keys == limit
    assert parse_list_objects({"max-keys": ""}).max_keys == 1000
    assert parse_list_objects({}).max_keys == 1000


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "2147483648", "9" * 5000, "٣", "1 ", "+1", "--1", "-"])
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_list_objects({"max-keys": text})
    assert caught.value.fields["ArgumentName"] == "max-keys"


def test_token_counts_before_start_after() -> None:
    query = parse_list_objects_v2({"list-type": "2", "start-after": "b", "continuation-token": make_token("k")})
    assert (query.start, query.start_after) == ("k", "b")
    assert parse_list_objects_v2({"list-type": "2", "start-after": "b"}).start == "b"


def test_owner_is_told_in_v2_only_when_asked() -> None:
    assert parse_list_objects({}).wants_owner
    assert not parse_list_objects_v2({"list-type": "2"}).wants_owner
    assert parse_list_objects_v2({"list-type": "2", "fetch-owner": "true"}).wants_owner


@pytest.mark.parametrize("parameters", [{"encoding-type": "URL"}, {"encoding-type": "base64"}])
def test_other_encodings_are_refused(parameters: dict[str, str]) -> None:
    for parse in (parse_list_objects, parse_list_uploads):
        with pytest.raises(InvalidArgument):
            parse(parameters)


def test_list_type_is_2_or_wrong() -> None:
    with pytest.raises(InvalidArgument):
        parse_list_objects_v2({"list-type": "3"})


def test_upload_id_marker_counts_only_with_a_key_marker() -> None:
    assert parse_list_uploads({"upload-id-marker": "u"}).upload_id_marker == ""
    assert parse_list_uploads({"upload-id-marker": "u", "key-marker": "k"}).upload_id_marker == "u"


def test_parts_query() -> None:
    query = parse_list_parts({"part-number-marker": "7", "max-parts": "2"})
    assert (query.part_number_marker, query.max_parts) == (7, 2)
    with pytest.raises(InvalidArgument):
        parse_list_parts({"part-number-marker": "x"})
