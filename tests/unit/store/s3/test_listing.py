"""Documents of listings: what botocore reads back is what was listed."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3 import xml
from bucketry.store.s3.list_query import parse_list_objects, parse_list_objects_v2
from bucketry.store.s3.listing import (
    list_buckets_document,
    list_objects_document,
    list_objects_v2_document,
    owner_element,
)


@dataclass(frozen=True)
class Row:
    key: str
    size: int = 3
    etag: str = "acbd18db4cc2f85cedef654fccc4a4d8"
    modified_ms: int = 1_767_323_045_678
    owner: str = "111122223333"
    checksum_algorithms: tuple[str, ...] = ()
    checksum_type: str = ""


_OWNERS = {"111122223333": owner_element("ab" * 32, "me & you")}
_XML_KEYS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn", "Cc"]), min_size=1, max_size=40)


@given(st.lists(_XML_KEYS, max_size=5, unique=True))
def test_keys_read_back(keys: list[str]) -> None:
    query = parse_list_objects({})
    root = xml.parse(list_objects_document("b", query, [Row(key) for key in keys], [], None, {}))
    assert [row.text_of("Key") for row in root.find_all("Contents")] == keys


def test_row_of_v1_has_its_owner() -> None:
    rows = [Row("a", checksum_algorithms=("CRC32",), checksum_type="FULL_OBJECT"), Row("b", owner="gone")]
    root = xml.parse(list_objects_document("bucket", parse_list_objects({}), rows, [], None, _OWNERS))
    first, second = root.find_all("Contents")
    assert [child.name for child in first] == [
        "Key",
        "LastModified",
        "ETag",
        "ChecksumAlgorithm",
        "ChecksumType",
        "Size",
        "Owner",
        "StorageClass",
    ]
    owner = first.find("Owner")
    assert owner is not None
    assert (owner.text_of("ID"), owner.text_of("DisplayName")) == ("ab" * 32, "me & you")
    assert first.text_of("ETag") == '"acbd18db4cc2f85cedef654fccc4a4d8"'
    assert first.text_of("LastModified") == "2026-01-02T03:04:05.678Z"
    assert second.find("Owner") is None


def test_next_marker_of_v1_comes_with_a_delimiter_only() -> None:
    plain = xml.parse(list_objects_document("b", parse_list_objects({}), [Row("a")], [], "a", {}))
    assert (plain.text_of("IsTruncated"), plain.find("NextMarker")) == ("true", None)
    query = parse_list_objects({"delimiter": "/"})
    folded = xml.parse(list_objects_document("b", query, [], ["a/"], "a/", {}))
    assert (folded.text_of("NextMarker"), folded.text_of("Delimiter")) == ("a/", "/")


def test_url_encoding_covers_every_name() -> None:
    query = parse_list_objects_v2(
        {"list-type": "2", "encoding-type": "url", "prefix": "a b/", "delimiter": "\x01", "start-after": "é"}
    )
    root = xml.parse(list_objects_v2_document("b", query, [Row("a b/\x01<>+~")], ["a b/é\x01"], "token", {}))
    assert root.text_of("EncodingType") == "url"
    assert root.text_of("Prefix") == "a%20b/"
    assert root.text_of("Delimiter") == "%01"
    assert root.text_of("StartAfter") == "%C3%A9"
    assert root.find_all("Contents")[0].text_of("Key") == "a%20b/%01%3C%3E%2B%7E"
    assert root.find_all("CommonPrefixes")[0].text_of("Prefix") == "a%20b/%C3%A9%01"
    assert root.text_of("NextContinuationToken") == "token"
    assert root.text_of("KeyCount") == "2"


def test_buckets_tell_regions_to_who_pages() -> None:
    @dataclass(frozen=True)
    class Bucket:
        name: str = "photos"
        created_ms: int = 1_767_323_045_678
        region: str = "eu-central-1"

    owner = owner_element("id", "name")
    plain = xml.parse(list_buckets_document([Bucket()], owner, prefix=None, next_token=None, with_region=False))
    buckets = plain.find("Buckets")
    assert buckets is not None
    assert [child.name for child in buckets.children[0]] == ["Name", "CreationDate"]
    paged = xml.parse(list_buckets_document([Bucket()], owner, prefix="p", next_token="t", with_region=True))
    assert (paged.text_of("Prefix"), paged.text_of("ContinuationToken")) == ("p", "t")
    assert "<BucketRegion>eu-central-1</BucketRegion>" in str(
        list_buckets_document([Bucket()], owner, prefix="p", next_token=None, with_region=True)
    )
