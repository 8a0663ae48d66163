from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.marketplace.engines.names import check_bucket_prefix, from_id

BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
IDS = st.text(alphabet="abcXYZ019-._~", min_size=1, max_size=120)


def test_a_guid_is_in_the_name_as_it_is() -> None:
    assert from_id("bkt-", "aa81e926-eaaa-4aa4-ac52-c197d45122ce") == "bkt-aa81e926-eaaa-4aa4-ac52-c197d45122ce"


def test_case_makes_another_name() -> None:
    guid = "aa81e926-eaaa-4aa4-ac52-c197d45122ce"
    assert from_id("bkt-", guid.upper()) != from_id("bkt-", guid)


@given(IDS)
def test_every_id_makes_a_valid_name(guid: str) -> None:
    assert BUCKET.fullmatch(from_id("bkt-", guid))
    assert len(from_id("bucketry-", guid)) <= 64


@given(IDS, IDS)
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    assert (from_id("bkt-", one) == from_id("bkt-", other)) == (one == other)


@given(IDS)
def test_a_name_is_not_an_id_of_another_name(guid: str) -> None:
    """What one id is mapped to, taken as an id, is mapped to something else again."""
    name = from_id("", guid)
    assert name == guid or from_id("", name) != name


@pytest.mark.parametrize("prefix", ["", "-", "Bkt-", "bkt", "xn--", "bkt_-", "a.b-", "x" * 20 + "-"])
def test_prefixes_that_break_names_are_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="bucket_prefix"):
        check_bucket_prefix(prefix)
