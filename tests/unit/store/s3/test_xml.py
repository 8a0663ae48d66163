"""XML written and read back; hostile documents refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3 import xml
from bucketry.store.s3.errors import MalformedXML

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
PROLOGUE = b'<?xml version="1.0" encoding="UTF-8"?>\n'

# the characters of XML 1.0, section 2.2
legal = st.text(st.characters(exclude_categories=["Cs"])).filter(
    lambda text: all(c in "\t\n\r" or (c >= "\x20" and c not in "\ufffe\uffff") for c in text)
)


def test_document_with_and_without_namespace() -> None:
    assert xml.document("A", xml.element("B", "c")) == PROLOGUE + f'<A xmlns="{NAMESPACE}"><B>c</B></A>'.encode()
    assert xml.document("Error", ["<A/>", "<B/>"], namespace=False) == PROLOGUE + b"<Error><A/><B/></Error>"
    assert xml.document("A", "", namespace="urn:x") == PROLOGUE + b'<A xmlns="urn:x"></A>'


def test_elements_of_values() -> None:
    values = [("A", "x"), ("B", 7), ("C", True), ("D", False), ("E", None), ("F", "")]
    assert xml.elements(values) == "<A>x</A><B>7</B><C>true</C><D>false</D><F></F>"
    assert xml.wrap("P", ["<A/>", "<B/>"]) == xml.wrap("P", "<A/><B/>") == "<P><A/><B/></P>"


def test_markup_is_escaped() -> None:
    assert xml.escape('a<b>&"c"') == "a&lt;b&gt;&amp;&quot;c&quot;"
    assert xml.escape("it's") == "it's"


def test_what_xml_cannot_carry_becomes_a_reference() -> None:
    assert xml.escape("a\x00\x01\x0b\x1f\ufffe\uffffb") == "a&#x0;&#x1;&#xb;&#x1f;&#xfffe;&#xffff;b"
    assert xml.escape("\r\n\t") == "&#xd;\n\t"


def test_half_a_surrogate_does_not_break_an_error_document() -> None:
    assert b"<A>?</A>" in xml.document("Error", xml.element("A", "\udcff"), namespace=False)


@given(legal, legal)
def test_what_is_written_is_read_back(first: str, second: str) -> None:
    body = xml.document("R", [xml.element("A", first), xml.wrap("L", xml.element("A", second))])
    root = xml.parse(body, "R")
    assert root.text_of("A") == first
    inner = root.find("L")
    assert inner is not None
    assert inner.text_of("A") == second


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_adds_elements(text: str) -> None:
    body = xml.document("R", xml.element("A", text))
    assert body.count(b"<") == 5
    try:
        assert [child.name for child in xml.parse(body)] == ["A"]
    except MalformedXML:
        assert "&#x" in body.decode()


def test_tree_of_a_document() -> None:
    body = b"""<?xml version="1.0"?>
    <!-- comment --><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
      <Quiet>true</Quiet><Object><Key> a &amp; b </Key></Object><Object><Key><![CDATA[<c>]]></Key></Object>
    </Delete>"""
    root = xml.parse(body, "Delete")
    assert root.text_of("Quiet") == "true"
    assert [item.text_of("Key") for item in root.find_all("Object")] == [" a & b ", "<c>"]
    assert root.find("Missing") is None
    assert root.text_of("Missing") is None
    assert [child.name for child in root] == ["Quiet", "Object", "Object"]


def test_prefixes_are_ignored_and_attributes_kept() -> None:
    body = b'<s3:Grant xmlns:s3="urn:a" xmlns:xsi="urn:b"><s3:Grantee xsi:type="Group">x</s3:Grantee></s3:Grant>'
    root = xml.parse(body, "Grant")
    grantee = root.find("Grantee")
    assert grantee is not None
    assert (root.attributes, grantee.attributes, grantee.text) == ({}, {"type": "Group"}, "x")


def test_other_encodings_are_read() -> None:
    assert xml.parse("<A>é</A>".encode("utf-16")).text == "é"
    assert xml.parse(b"\xef\xbb\xbf<A>b</A>").text == "b"
    assert xml.parse('<?xml version="1.0" encoding="ISO-8859-1"?><A>é</A>'.encode("latin-1")).text == "é"


BAD = {
    "empty": b"",
    "text": b"hello",
    "open": b"<A>",
    "crossed": b"<A><B></A></B>",
    "two roots": b"<A/><B/>",
    "text after": b"<A/>x",
    "bad utf-8": b"<A>\xff</A>",
    "control character": b"<A>\x01</A>",
    "reference to a control character": b"<A>&#x1;</A>",
    "undefined entity": b"<A>&x;</A>",
    "unknown encoding": b'<?xml version="1.0" encoding="x-none"?><A/>',
    "multibyte encoding": b'<?xml version="1.0" encoding="utf-7"?><A/>',
    "doctype": b"<!DOCTYPE A><A/>",
    "external doctype": b'<!DOCTYPE A SYSTEM "file:///etc/passwd"><A/>',
    "entity": b'<!DOCTYPE A [<!ENTITY x "y">]><A>&x;</A>',
    "external entity": b'<!DOCTYPE A [<!ENTITY x SYSTEM "file:///etc/passwd">]><A>&x;</A>',
    "parameter entity": b'<!DOCTYPE A [<!ENTITY % x SYSTEM "http://localhost/">%x;]><A/>',
    "other root": b"<B/>",
    "duplicate attribute": b'<A a="1" a="2"/>',
}


@pytest.mark.parametrize("name", BAD)
def test_refused_documents(name: str) -> None:
    with pytest.raises(MalformedXML):
        xml.parse(BAD[name], "A")


def test_bounds() -> None:
    deep = b"<A>" * 16 + b"</A>" * 16
    xml.parse(deep)
    with pytest.raises(MalformedXML):
        xml.parse(b"<A>" + deep + b"</A>")
    with pytest.raises(MalformedXML):
        xml.parse(b"<A>" * 100_000 + b"</A>" * 100_000)
    xml.parse(b"<A>" + b"<B/>" * 9 + b"</A>", max_elements=10)
    with pytest.raises(MalformedXML):
        xml.parse(b"<A>" + b"<B/>" * 10 + b"</A>", max_elements=10)
    with pytest.raises(MalformedXML):
        xml.parse(b"<A>1234</A>", max_bytes=10)


@given(st.binary(max_size=200) | st.text("<>/A&;#x1! =\"'[]-?", max_size=60).map(str.encode))
def test_any_bytes_are_a_document_or_refused(body: bytes) -> None:
    try:
        assert xml.parse(body).name
    except MalformedXML:
        return
