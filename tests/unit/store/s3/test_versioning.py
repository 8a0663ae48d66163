"""The documents of versioning as values: what a setting asks, and how versions are listed."""

from __future__ import annotations

import pytest

from bucketry.store.disk.types import ListedVersion
from bucketry.store.s3 import errors
from bucketry.store.s3.errors import IllegalVersioningConfigurationException, InvalidArgument, MalformedXML, S3Error
from bucketry.store.s3.list_query import VersionsQuery, parse_list_versions
from bucketry.store.s3.versioning import list_versions_document, parse_versioning, versioning_document

START = b'<?xml version="1.0" encoding="UTF-8"?>\n<%s xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def configuration(inside: str) -> bytes:
    return f"<VersioningConfiguration>{inside}</VersioningConfiguration>".encode()


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_status_is_read_and_written(status: str) -> None:
    assert parse_versioning(configuration(f"<Status>{status}</Status>")) == status
    assert parse_versioning(versioning_document(status)) == status
    text = f"<Status> {status}\n</Status><MfaDelete>Disabled</MfaDelete>"
    assert parse_versioning(configuration(text)) == status


def test_nothing_is_written_where_it_was_never_enabled() -> None:
    name = b"VersioningConfiguration"
    assert versioning_document("") == START % name + b"</" + name + b">"


@pytest.mark.parametrize(
    ("inside", "error"),
    [
        ("", IllegalVersioningConfigurationException),
        ("<MfaDelete>Disabled</MfaDelete>", IllegalVersioningConfigurationException),
        ("<Status/>", MalformedXML),
        ("<Status>On</Status>", MalformedXML),
        ("<Status>Enabled</Status><Status>Enabled</Status>", MalformedXML),
        ("<Status>Enabled</Status><MFADelete>Disabled</MFADelete>", MalformedXML),
        ("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>", errors.NotImplemented),
        ("<MfaDelete>Enabled</MfaDelete>", errors.NotImplemented),
    ],
)
def test_what_says_nothing_or_too_much_is_refused(inside: str, error: type[S3Error]) -> None:
    with pytest.raises(error):
        parse_versioning(configuration(inside))


def test_other_documents_are_no_configuration() -> None:
    with pytest.raises(MalformedXML):
        parse_versioning(b"<Versioning><Status>Enabled</Status></Versioning>")


def test_listing_writes_versions_and_markers_as_they_come() -> None:
    query = VersionsQuery("p&", "/", "k", "v0", 2, False)
    rows = [
        ListedVersion("p&<1>", "v1", True, True, 0, "", 1_000, "1", (), ""),
        ListedVersion("p&<1>", "null", False, False, 7, "etag", 1_001, "1", ("CRC32",), "FULL_OBJECT"),
    ]
    body = list_versions_document("b", query, rows, ["p&/"], ("p&<1>", "null"), {"1": "<Owner/>"})
    assert body == (
        START % b"ListVersionsResult" + b"<Name>b</Name><Prefix>p&amp;</Prefix><KeyMarker>k</KeyMarker>"
        b"<VersionIdMarker>v0</VersionIdMarker><NextKeyMarker>p&amp;&lt;1&gt;</NextKeyMarker>"
        b"<NextVersionIdMarker>null</NextVersionIdMarker><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter>"
        b"<IsTruncated>true</IsTruncated>"
        b"<DeleteMarker><Key>p&amp;&lt;1&gt;</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest>"
        b"<LastModified>1970-01-01T00:00:01.000Z</LastModified><Owner/></DeleteMarker>"
        b"<Version><Key>p&amp;&lt;1&gt;</Key><VersionId>null</VersionId><IsLatest>false</IsLatest>"
        b"<LastModified>1970-01-01T00:00:01.001Z</LastModified><ETag>&quot;etag&quot;</ETag>"
        b"<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>7</Size>"
        b"<Owner/><StorageClass>STANDARD</StorageClass></Version>"
        b"<CommonPrefixes><Prefix>p&amp;/</Prefix></CommonPrefixes></ListVersionsResult>"
    )


def test_listing_that_ends_names_no_next_marker() -> None:
    query = VersionsQuery("", "", "", "", 1000, True)
    body = list_versions_document("b", query, [], [], None, {})
    assert b"Next" not in body
    assert b"<KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker>" in body
    assert b"<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>" in body
    after_prefix = list_versions_document("b", query, [], ["p/"], ("p/", ""), {})
    assert b"<NextKeyMarker>p/</NextKeyMarker>" in after_prefix
    assert b"NextVersionIdMarker" not in after_prefix


def test_version_marker_needs_its_key() -> None:
    assert parse_list_versions({"key-marker": "k", "version-id-marker": "v"}).version_id_marker == "v"
    assert parse_list_versions({"version-id-marker": ""}).version_id_marker == ""
    with pytest.raises(InvalidArgument):
        parse_list_versions({"version-id-marker": "v"})
