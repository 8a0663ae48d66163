"""The document of DeleteObjects and its answer."""

from __future__ import annotations

import pytest

from bucketry.store.s3 import xml
from bucketry.store.s3.deleting import AskedRemoval, Removal, delete_document, holds, parse_delete
from bucketry.store.s3.errors import AccessDenied, MalformedXML


def _body(*objects: str, quiet: str = "") -> bytes:
    return f"<Delete>{''.join(f'<Object>{one}</Object>' for one in objects)}{quiet}</Delete>".encode()


def test_keys_are_taken_as_they_stand() -> None:
    removals, is_quiet = parse_delete(_body("<Key> a &lt;/../ </Key>", "<Key>b</Key><VersionId>null</VersionId>"))
    assert removals == [AskedRemoval(" a </../ "), AskedRemoval("b", "null")]
    assert not is_quiet


def test_quiet() -> None:
    assert parse_delete(_body("<Key>a</Key>", quiet="<Quiet>true</Quiet>"))[1]
    assert not parse_delete(_body("<Key>a</Key>", quiet="<Quiet>false</Quiet>"))[1]


def test_a_thousand_keys_and_no_more() -> None:
    assert len(parse_delete(_body(*["<Key>k</Key>"] * 1000))[0]) == 1000
    with pytest.raises(MalformedXML):
        parse_delete(_body(*["<Key>k</Key>"] * 1001))


def test_a_thousand_longest_keys_as_references_fit() -> None:
    key = "&#x1F600;" * 256
    assert len(parse_delete(_body(*[f"<Key>{key}</Key>"] * 1000))[0][0].key.encode()) == 1024


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete/>",
        _body(""),
        _body("<Key/>"),
        _body("<Key>a</Key><Size>x</Size>"),
        _body("<Key>a</Key><Size>-1</Size>"),
        _body("<Key>a</Key><LastModifiedTime>yesterday</LastModifiedTime>"),
        b"<Delete><Other/></Delete>",
        b"<Remove><Object><Key>a</Key></Object></Remove>",
    ],
)
def test_other_documents_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse_delete(body)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("", True),
        ("<ETag>&quot;ab&quot;</ETag>", True),
        ("<ETag>AB</ETag>", True),
        ("<ETag>*</ETag>", True),
        ("<ETag>cd</ETag>", False),
        ("<Size>3</Size>", True),
        ("<Size>4</Size>", False),
        ("<LastModifiedTime>2026-01-02T03:04:05Z</LastModifiedTime>", True),
        ("<LastModifiedTime>Fri, 02 Jan 2026 03:04:05 GMT</LastModifiedTime>", True),
        ("<LastModifiedTime>2026-01-02T03:04:06Z</LastModifiedTime>", False),
        ("<ETag>ab</ETag><Size>4</Size>", False),
    ],
)
def test_conditions_of_a_removal(condition: str, expected: bool) -> None:
    asked = parse_delete(_body(f"<Key>a</Key>{condition}"))[0][0]
    assert holds(asked, "ab", 1_767_323_045_678, 3) is expected


def test_answer_in_the_order_asked() -> None:
    removals = [Removal(AskedRemoval("a&")), Removal(AskedRemoval("b", "null"), AccessDenied())]
    root = xml.parse(delete_document(removals, is_quiet=False))
    assert [child.name for child in root] == ["Deleted", "Error"]
    assert root.children[0].text_of("Key") == "a&"
    assert [(child.name, child.text) for child in root.children[1]] == [
        ("Key", "b"),
        ("VersionId", "null"),
        ("Code", "AccessDenied"),
        ("Message", "Access Denied"),
    ]
    assert [child.name for child in xml.parse(delete_document(removals, is_quiet=True))] == ["Error"]
