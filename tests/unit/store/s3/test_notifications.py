"""Notification documents and the events that they want, and events as Amazon writes them."""

from __future__ import annotations

import json

import pytest

from bucketry.store.s3 import notifications
from bucketry.store.s3.errors import InvalidArgument, MalformedXML, NotImplemented, S3Error
from bucketry.store.s3.notifications import Happening, Interest

ARN = "arn:aws:sns:us-east-1:123456789012:webhook"


def topic(events: str = "<Event>s3:ObjectCreated:*</Event>", more: str = "", rule_id: str = "one") -> str:
    return f"<TopicConfiguration><Id>{rule_id}</Id><Topic>{ARN}</Topic>{events}{more}</TopicConfiguration>"


def document(inner: str) -> bytes:
    return f"<NotificationConfiguration>{inner}</NotificationConfiguration>".encode()


def key_filter(**rules: str) -> str:
    written = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>" for name, value in rules.items()
    )
    return f"<Filter><S3Key>{written}</S3Key></Filter>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (document(""), ()),
        (document(topic()), (Interest("one", "TopicConfiguration", ARN, ("s3:ObjectCreated:*",)),)),
        (
            document(topic("<Event>s3:ObjectRemoved:Delete</Event>", key_filter(Prefix="a/", suffix=".jpg"))),
            (Interest("one", "TopicConfiguration", ARN, ("s3:ObjectRemoved:Delete",), "a/", ".jpg"),),
        ),
        (
            document(topic(more=key_filter(prefix="a")) + topic(more=key_filter(prefix="b"), rule_id="two")),
            (
                Interest("one", "TopicConfiguration", ARN, ("s3:ObjectCreated:*",), "a"),
                Interest("two", "TopicConfiguration", ARN, ("s3:ObjectCreated:*",), "b"),
            ),
        ),
        (
            document(
                f"<QueueConfiguration><Id>q</Id><Queue>{ARN}</Queue><Event>s3:ObjectAcl:Put</Event></QueueConfiguration>"
            ),
            (Interest("q", "QueueConfiguration", ARN, ("s3:ObjectAcl:Put",)),),
        ),
    ],
)  # fmt: skip
def test_document_is_read_and_written(body: bytes, expected: tuple[Interest, ...]) -> None:
    assert notifications.parse(body) == expected
    assert notifications.parse_kept(notifications.document(expected).decode()) == expected


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<A/>", MalformedXML),
        (document("<More/>"), MalformedXML),
        (document(topic("")), MalformedXML),
        (document(topic(more="<More/>")), MalformedXML),
        (document("<TopicConfiguration><Event>s3:ObjectCreated:*</Event></TopicConfiguration>"), MalformedXML),
        (document(topic() + topic()), InvalidArgument),
        (document(topic() + topic("<Event>s3:ObjectCreated:Put</Event>", rule_id="two")), InvalidArgument),
        (document(topic("<Event>s3:ObjectCreated:Made</Event>")), InvalidArgument),
        (document(topic("<Event>s3:Everything:*</Event>")), InvalidArgument),
        (document(topic("<Event>ObjectCreated:Put</Event>")), InvalidArgument),
        (document(topic("<Event>s3:ObjectRestore:Post</Event>")), NotImplemented),
        (document(topic(more=key_filter(infix="a"))), InvalidArgument),
        (document(topic(more=key_filter(prefix="a" * 1025))), InvalidArgument),
        (document(topic(more=key_filter(prefix="a", Prefix="b"))), InvalidArgument),
        (document("<CloudFunctionConfiguration/>"), NotImplemented),
        (document("<EventBridgeConfiguration/>"), NotImplemented),
    ],
)
def test_wrong_documents_are_refused(body: bytes, error: type[S3Error]) -> None:
    with pytest.raises(error):
        notifications.parse(body)


@pytest.mark.parametrize(
    ("wanted", "event", "key", "expected"),
    [
        ("s3:ObjectCreated:*", "ObjectCreated:Copy", "a/x.jpg", True),
        ("s3:ObjectCreated:Put", "ObjectCreated:Put", "a/x.jpg", True),
        ("s3:ObjectCreated:Put", "ObjectCreated:Post", "a/x.jpg", False),
        ("s3:ObjectRemoved:*", "ObjectCreated:Put", "a/x.jpg", False),
        ("s3:ObjectCreated:*", "ObjectCreated:Put", "b/x.jpg", False),
        ("s3:ObjectCreated:*", "ObjectCreated:Put", "a/x.png", False),
    ],
)
def test_what_is_wanted(wanted: str, event: str, key: str, expected: bool) -> None:
    assert Interest("i", "TopicConfiguration", ARN, (wanted,), "a/", ".jpg").wants(event, key) is expected


def test_destination_is_the_webhook_of_ones_own_account() -> None:
    for arn, expected in ((ARN, True), (ARN.replace("123", "999"), False), (ARN.replace("sns", "sqs"), False)):
        interest = Interest("i", "TopicConfiguration", arn, ("s3:ObjectCreated:*",))
        assert notifications.is_destination(interest, "us-east-1", "123456789012") is expected


def test_record_is_as_amazon_writes_it() -> None:
    happening = Happening("us-east-1", "photos", "c4n0n", "arn:aws:iam::1:user/a", "192.0.2.1", "REQ", "HOST")
    text = notifications.record(
        happening, "one", "ObjectCreated:Put", 1_700_000_000_000, "a b/ü", 255, size=3, etag="e", version_id="v"
    )
    assert json.loads(notifications.message_of([text])) == {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2023-11-14T22:13:20.000Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "arn:aws:iam::1:user/a"},
                "requestParameters": {"sourceIPAddress": "192.0.2.1"},
                "responseElements": {"x-amz-request-id": "REQ", "x-amz-id-2": "HOST"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "one",
                    "bucket": {
                        "name": "photos",
                        "ownerIdentity": {"principalId": "c4n0n"},
                        "arn": "arn:aws:s3:::photos",
                    },
                    "object": {
                        "key": "a+b%2F%C3%BC",
                        "size": 3,
                        "eTag": "e",
                        "versionId": "v",
                        "sequencer": "00000000000000FF",
                    },
                },
            }
        ]
    }
