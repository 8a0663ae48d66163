"""Lines of access logs and the setting's document: their form, what is left out, what can't break out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bucketry.store.s3 import access_log
from bucketry.store.s3.access_log import Destination, Entry
from bucketry.store.s3.errors import InvalidArgument, MalformedXML, NotImplemented, S3Error

ENTRY = Entry(
    bucket_owner="79a5",
    bucket="photos",
    time_ms=1_549_411_238_000,
    remote_ip="192.0.2.3",
    requester="arn:aws:iam::123456789012:user/alice",
    request_id="3E57427F33A59F07",
    operation="REST.GET.OBJECT",
    key="a b/ü",
    method="GET",
    target="/photos/a%20b/%C3%BC?versionId=x",
    status=200,
    error_code="",
    bytes_sent=2662992,
    object_size=3462992,
    total_ms=70,
    referer="",
    user_agent="curl/7.15.1",
    version_id="x",
    host_id="s9lz",
    signature_version="SigV4",
    auth_type="AuthHeader",
    host="s3.example.com:9000",
)
FIELD = re.compile(r'"[^"]*"|\[[^\]]*\]|[^ ]+')


def test_line_has_the_fields_in_order() -> None:
    line = access_log.line(ENTRY)
    assert line == (
        "79a5 photos [06/Feb/2019:00:00:38 +0000] 192.0.2.3 arn:aws:iam::123456789012:user/alice 3E57427F33A59F07 "
        'REST.GET.OBJECT a%20b/%C3%BC "GET /photos/a%20b/%C3%BC?versionId=x HTTP/1.1" 200 - 2662992 3462992 70 70 '
        '"-" "curl/7.15.1" x s9lz SigV4 - AuthHeader s3.example.com:9000 - - -\n'
    )


HOSTILE = 'a"b c\nd\x00é\udc80]['


@pytest.mark.parametrize("name", ["key", "target", "referer", "user_agent", "version_id", "host"])
def test_no_value_breaks_out_of_its_field(name: str) -> None:
    fields = FIELD.findall(access_log.line(replace(ENTRY, **{name: HOSTILE})))
    expected = FIELD.findall(access_log.line(ENTRY))
    assert len(fields) == len(expected) == 26
    line = access_log.line(replace(ENTRY, **{name: HOSTILE}))
    assert line.isascii()
    assert line.count("\n") == 1


def test_nothing_is_told_of_the_anonymous() -> None:
    line = access_log.line(replace(ENTRY, requester="", key="", version_id="", signature_version="", auth_type=""))
    assert " 192.0.2.3 - 3E57427F33A59F07 REST.GET.OBJECT - " in line


def test_signatures_are_left_out() -> None:
    query = "X-Amz-Credential=AKIDEXAMPLE%2F1&X-Amz-Signature=c0ffee&x-amz-security-token=t0ken&Signature=s3cret&a=b"
    query = f"x-amz-server-side-encryption-customer-key=c5stomer&{query}"
    referer = f"http://example.com/photos/k?{query}"  # of a page that was opened by a presigned URL
    line = access_log.line(replace(ENTRY, target=f"/photos/k?{query}", referer=referer))
    for secret in ("c0ffee", "t0ken", "s3cret", "AKIDEXAMPLE", "c5stomer"):
        assert secret not in line
    assert '&a=b" "curl' in line
    assert "&a=b HTTP/1.1" in line


def logging(inner: str) -> bytes:
    return f"<BucketLoggingStatus><LoggingEnabled>{inner}</LoggingEnabled></BucketLoggingStatus>".encode()


TARGET = "<TargetBucket>logs</TargetBucket><TargetPrefix>a/</TargetPrefix>"
PARTITIONED = (
    "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>{}</PartitionDateSource></PartitionedPrefix>"
    "</TargetObjectKeyFormat>"
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<BucketLoggingStatus/>", None),
        (logging(TARGET), Destination("logs", "a/")),
        (logging("<TargetPrefix></TargetPrefix><TargetBucket>logs</TargetBucket>"), Destination("logs", "")),
        (
            logging(TARGET + "<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>"),
            Destination("logs", "a/"),
        ),
        (logging(TARGET + PARTITIONED.format("EventTime")), Destination("logs", "a/", "EventTime")),
    ],
)
def test_document_is_read_and_written(body: bytes, expected: Destination | None) -> None:
    assert access_log.parse(body) == expected
    assert access_log.parse(access_log.document(expected)) == expected


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<A/>", MalformedXML),
        (b"<BucketLoggingStatus><More/></BucketLoggingStatus>", MalformedXML),
        (logging("<TargetBucket>logs</TargetBucket>"), MalformedXML),
        (logging("<TargetPrefix>a</TargetPrefix>"), MalformedXML),
        (logging(TARGET + "<More/>"), MalformedXML),
        (logging(TARGET + PARTITIONED.format("Never")), MalformedXML),
        (logging(TARGET + "<TargetGrants><Grant/></TargetGrants>"), NotImplemented),
        (logging(f"<TargetBucket>logs</TargetBucket><TargetPrefix>{'p' * 901}</TargetPrefix>"), InvalidArgument),
    ],
)
def test_wrong_documents_are_refused(body: bytes, error: type[S3Error]) -> None:
    with pytest.raises(error):
        access_log.parse(body)


@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        ("", "p/2019-02-06-00-00-38-U"),
        ("DeliveryTime", "p/123/us-east-1/photos/2019/02/06/2019-02-06-00-00-38-U"),
        ("EventTime", "p/123/us-east-1/photos/2019/02/05/2019-02-05-00-00-00-U"),
    ],
)
def test_names_of_log_objects(partition: str, expected: str) -> None:
    destination = Destination("logs", "p/", partition)
    key = access_log.object_key(
        destination, "photos", "123", "us-east-1", ENTRY.time_ms - 3_600_000, ENTRY.time_ms, "U"
    )
    assert key == expected


@pytest.mark.parametrize(
    ("name", "method", "marker", "is_object", "expected"),
    [
        ("GetObject", "GET", None, True, "REST.GET.OBJECT"),
        ("ListObjectsV2", "GET", "list-type", False, "REST.GET.BUCKET"),
        ("PutObjectTagging", "PUT", "tagging", True, "REST.PUT.OBJECT_TAGGING"),
        ("GetBucketTagging", "GET", "tagging", False, "REST.GET.TAGGING"),
        ("DeleteObjects", "POST", "delete", False, "REST.POST.MULTI_OBJECT_DELETE"),
        ("CopyObject", "PUT", None, True, "REST.COPY.OBJECT"),
        ("UploadPartCopy", "PUT", "partNumber", True, "REST.COPY.PART"),
        ("CreateMultipartUpload", "POST", "uploads", True, "REST.POST.UPLOADS"),
    ],
)
def test_names_of_operations(name: str, method: str, marker: str | None, is_object: bool, expected: str) -> None:
    assert access_log.operation_name(name, method, marker, is_object=is_object) == expected
