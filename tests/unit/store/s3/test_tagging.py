"""Tags: the document and the header, their rules, and that what is written reads back."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3.errors import InvalidArgument, InvalidTag, MalformedXML
from bucketry.store.s3.tagging import parse_bucket_tagging, parse_object_tagging, parse_tag_header, tagging_document

_TEXT = st.text(st.sampled_from("aZ09 .:/=+-@_éß中"), max_size=30)
_KEYS = _TEXT.filter(lambda text: text != "" and not text.startswith("aws:"))


def _document(*pairs: tuple[str, str]) -> bytes:
    rows = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in pairs)
    return f"<Tagging><TagSet>{rows}</TagSet></Tagging>".encode()


@given(st.dictionaries(_KEYS, _TEXT, max_size=10))
def test_tags_written_read_back(tags: dict[str, str]) -> None:
    assert parse_object_tagging(tagging_document(tags)) == tags
    assert list(parse_object_tagging(tagging_document(tags))) == sorted(tags)


@given(st.dictionaries(_KEYS, _TEXT, max_size=10))
def test_header_decodes_what_a_form_encodes(tags: dict[str, str]) -> None:
    assert parse_tag_header(urlencode(tags)) == tags


def test_header_forms() -> None:
    assert parse_tag_header("") == {}
    assert parse_tag_header("a=1&b=&c") == {"a": "1", "b": "", "c": ""}
    assert parse_tag_header("a%20b=x+y%3D") == {"a b": "x y="}


@pytest.mark.parametrize("text", ["a=1&a=2", "a=%", "a=%zz", "%ff=1", "a=\udcff"])
def test_header_that_is_no_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_tag_header(text)
    assert caught.value.fields["ArgumentName"] == "x-amz-tagging"


@pytest.mark.parametrize(
    "text",
    [
        "=1",
        "&",
        "aws:x=1",
        "AWS:x=1",
        "a%00=1",
        "a=%3Cb%3E",
        "k" * 129 + "=1",
        "k=" + "v" * 257,
        "&".join(f"k{i}=v" for i in range(11)),
    ],
)
def test_header_with_a_bad_tag_is_refused(text: str) -> None:
    with pytest.raises((InvalidTag, InvalidArgument)):
        parse_tag_header(text)


def test_longest_tags_pass() -> None:
    assert parse_tag_header("é" * 128 + "=" + "v" * 256) == {"é" * 128: "v" * 256}


def test_limits_differ_by_kind() -> None:
    eleven = _document(*((f"k{i}", "v") for i in range(11)))
    with pytest.raises(InvalidTag, match="10"):
        parse_object_tagging(eleven)
    assert len(parse_bucket_tagging(eleven)) == 11
    with pytest.raises(InvalidTag, match="50"):
        parse_bucket_tagging(_document(*((f"k{i}", "v") for i in range(51))))


def test_same_key_twice_is_an_invalid_tag() -> None:
    with pytest.raises(InvalidTag) as caught:
        parse_object_tagging(_document(("a", "1"), ("a", "1")))
    assert caught.value.fields == {"TagKey": "a"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Tagging/>",
        b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tog><Key>a</Key><Value/></Tog></TagSet></Tagging>",
        b"<Tagging><TagSet/><TagSet/></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value><X/></Tag></TagSet></Tagging>",
        b"<TagSet/>",
    ],
)
def test_other_documents_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse_object_tagging(body)
