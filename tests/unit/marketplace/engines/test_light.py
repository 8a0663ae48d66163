"""The calls that orders make without botocore's way of a call: signed, answered, refused and repeated as its are."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, HTTPClientError

from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.engines import identities
from bucketry.marketplace.engines import light as lights
from bucketry.marketplace.engines.connection import Connection, Endpoint
from bucketry.marketplace.engines.light import LightIam, LightS3
from bucketry.marketplace.engines.signing import Signer
from tests.unit.marketplace.engines.test_wire import Scripted

MOMENT = datetime.datetime(2026, 11, 26, 9, 8, 7, tzinfo=datetime.UTC)
IAM = "https://iam.amazonaws.com/doc/2010-05-08/"


def answer(status: int, body: str = "") -> bytes:
    return f"HTTP/1.1 {status} Told\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def iam_answer(action: str, result: str) -> bytes:
    inside = f"<{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    return answer(200, f'<{action}Response xmlns="{IAM}">{inside}</{action}Response>')


def iam_error(status: int, code: str) -> bytes:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>It is so.</Message></Error><RequestId>r</RequestId>"
    return answer(status, f'<ErrorResponse xmlns="{IAM}">{error}</ErrorResponse>')


def s3_error(status: int, code: str) -> bytes:
    return answer(status, f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>It is so.</Message></Error>')


USER = "<User><Path>/b/</Path><UserName>u</UserName><Arn>arn:aws:iam::1:user/b/u</Arn><Tags><member><Key>k</Key>"
USER += "<Value>v</Value></member></Tags></User>"
KEY = "<AccessKey><UserName>u</UserName><AccessKeyId>AKIA1</AccessKeyId><SecretAccessKey>s/+&amp;</SecretAccessKey>"
KEY += "</AccessKey>"
KEYS = "<AccessKeyMetadata><member><AccessKeyId>AKIA1</AccessKeyId></member><member><AccessKeyId>AKIA2</AccessKeyId>"
KEYS += "</member></AccessKeyMetadata><IsTruncated>false</IsTruncated>"

Talk = Callable[..., tuple[Scripted, Connection]]


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Talk]:
    """A connection to a server that answers as given. Repeats don't pause."""
    monkeypatch.setattr(lights.time, "sleep", lambda _seconds: None)
    begun: list[tuple[Scripted, Connection]] = []

    def begin(*answers: bytes | None) -> tuple[Scripted, Connection]:
        server = Scripted(*answers)
        url = f"http://127.0.0.1:{server.port}"
        begun.append((server, Connection("tested", Endpoint(url, url, "eu-west-1", "KEY", "SECRET"))))
        return begun[-1]

    yield begin
    for server, connection in begun:
        server.close()
        assert connection._wire is not None
        connection._wire.close()


@pytest.mark.parametrize(
    ("service", "method", "target", "body", "headers"),
    [
        ("iam", "POST", "/", b"Action=GetUser&UserName=a+b", {"content-type": "application/x-www-form-urlencoded"}),
        ("s3", "PUT", "/bkt-1", b"<x/>", {"x-amz-object-ownership": "ObjectWriter"}),
        ("s3", "GET", "/bkt-1?max-uploads=1&uploads=", b"", {}),
        ("s3", "DELETE", "/a%20b", b"", {}),
    ],
)
def test_a_signature_is_the_one_that_botocore_makes(
    service: str, method: str, target: str, body: bytes, headers: dict[str, str]
) -> None:
    path, _, query = target.partition("?")
    signer = Signer("KEY", "SECRET", "eu-west-1", service)
    moment = MOMENT.strftime("%Y%m%dT%H%M%SZ")
    for _ in range(2):  # the second with the key of the day at hand
        signed = signer.signed(method, path, query, {"host": "h:9000", **headers}, body, moment)
    request = AWSRequest(method, f"http://h:9000{target}", headers, body)
    request.headers["X-Amz-Content-SHA256"] = signed["x-amz-content-sha256"]
    request.context["timestamp"] = moment
    theirs = (auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth)(
        Credentials("KEY", "SECRET"), service, "eu-west-1"
    )
    request.headers["X-Amz-Date"] = moment
    text = theirs.string_to_sign(request, theirs.canonical_request(request))
    assert signed["authorization"].endswith(f"Signature={theirs.signature(text, request)}")


def test_answers_are_those_of_botocore(talk: Talk) -> None:
    """Of what is read of them: everything that is there, but for moments."""
    asked: list[tuple[str, dict[str, Any], bytes]] = [
        ("create_user", {"UserName": "u", "Path": "/b/"}, iam_answer("CreateUser", USER)),
        ("create_access_key", {"UserName": "u"}, iam_answer("CreateAccessKey", KEY)),
        ("list_access_keys", {"UserName": "u"}, iam_answer("ListAccessKeys", KEYS)),
    ]
    for name, arguments, text in asked:
        _, connection = talk(text, text)
        assert isinstance(connection.iam, LightIam)
        told = getattr(connection.iam, name)(**arguments)
        theirs = getattr(connection.iam._client, name)(**arguments)
        for member in ("User", "AccessKey", "AccessKeyMetadata"):
            assert told.get(member) == theirs.get(member)
        assert told["ResponseMetadata"]["RetryAttempts"] == theirs["ResponseMetadata"]["RetryAttempts"] == 0


def test_a_list_is_sent_as_members_and_each_text_encoded(talk: Talk) -> None:
    server, connection = talk(iam_answer("CreateUser", USER), iam_answer("CreateUser", USER))
    assert isinstance(connection.iam, LightIam)
    arguments = {"UserName": "u", "Path": "/b/", "Tags": [{"Key": "a:b", "Value": "c d&é"}, {"Key": "e", "Value": ""}]}
    connection.iam.create_user(**arguments)
    connection.iam._client.create_user(**arguments)
    light, theirs = (sorted(request.partition(b"\r\n\r\n")[2].split(b"&")) for request in server.requests)
    assert light == theirs


def test_a_user_without_keys_has_none(talk: Talk) -> None:
    _, connection = talk(iam_answer("ListAccessKeys", "<AccessKeyMetadata/><IsTruncated>false</IsTruncated>"))
    assert identities.keys_of(connection, "u") == []


@pytest.mark.parametrize("text", ["", "<html>", "<ListAccessKeysResponse/>"])
def test_an_answer_that_can_not_be_read_is_never_taken_for_no_keys(talk: Talk, text: str) -> None:
    _, connection = talk(answer(200, text))
    with pytest.raises(EngineUnavailable), connection.doing("looking for keys"):
        identities.keys_of(connection, "u")


def test_buckets_are_made_where_and_how_they_are_asked_for(talk: Talk) -> None:
    server, connection = talk(answer(200), answer(200), answer(204))
    assert isinstance(connection.s3, LightS3)
    connection.s3.create_bucket(Bucket="bkt-1")
    connection.s3.create_bucket(
        Bucket="bkt-2",
        ObjectOwnership="ObjectWriter",
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    connection.s3.delete_bucket(Bucket="bkt-1")
    plain, other, removed = (request.decode() for request in server.requests)
    assert plain.startswith("PUT /bkt-1 HTTP/1.1\r\n")
    assert plain.endswith("content-length: 0\r\n\r\n")
    assert "x-amz-object-ownership: ObjectWriter\r\n" in other
    assert "<LocationConstraint>eu-west-1</LocationConstraint>" in other
    assert removed.startswith("DELETE /bkt-1 HTTP/1.1\r\n")


def test_unfinished_uploads_are_counted(talk: Talk) -> None:
    body = "<ListMultipartUploadsResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>{}</ListMultipartUploadsResult>"
    _, connection = talk(answer(200, body.format("")), answer(200, body.format("<Upload><Key>k</Key></Upload>" * 2)))
    assert connection.s3.list_multipart_uploads(Bucket="bkt-1", MaxUploads=1)["Uploads"] == []
    assert len(connection.s3.list_multipart_uploads(Bucket="bkt-1")["Uploads"]) == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (iam_error(404, "NoSuchEntity"), "NoSuchEntity"),
        (s3_error(409, "BucketNotEmpty"), "BucketNotEmpty"),
        (answer(403, "<html>no"), "403"),
        (answer(404), "404"),
    ],
)
def test_an_error_is_the_engines_and_is_not_asked_for_again(talk: Talk, text: bytes, code: str) -> None:
    server, connection = talk(text)
    with pytest.raises(ClientError) as raised:
        connection.s3.delete_bucket(Bucket="bkt-1")
    assert raised.value.response["Error"]["Code"] == code
    assert len(server.requests) == 1


@pytest.mark.parametrize("trouble", [iam_error(503, "ServiceUnavailable"), iam_error(400, "Throttling"), b"HTTP/1.1 2"])
def test_what_may_pass_is_asked_for_again(talk: Talk, trouble: bytes) -> None:
    closes: tuple[bytes | None, ...] = (None,) if trouble == b"HTTP/1.1 2" else ()
    server, connection = talk(trouble, *closes, trouble, *closes, iam_answer("CreateAccessKey", KEY))
    made = connection.iam.create_access_key(UserName="u")
    assert made["AccessKey"]["AccessKeyId"] == "AKIA1"
    assert made["ResponseMetadata"]["RetryAttempts"] == 2  # as botocore tells it: there may be others now
    assert len(server.requests) == 3


def test_what_does_not_pass_is_told_after_the_third_time(talk: Talk) -> None:
    server, connection = talk(*[s3_error(503, "SlowDown")] * 3)
    with pytest.raises(EngineUnavailable, match="SlowDown"), connection.doing("removing the bucket"):
        connection.s3.delete_bucket(Bucket="bkt-1")
    assert len(server.requests) == 3
    _, connection = talk(*[b"HTTP/1.1 2", None] * 3)
    with pytest.raises(HTTPClientError):
        connection.s3.delete_bucket(Bucket="bkt-1")


def test_calls_beside_those_and_keys_of_other_origins_are_botocores() -> None:
    url = "http://127.0.0.1:1"
    endpoint = Endpoint(url, url, "us-east-1", "KEY", "SECRET")
    assert Connection("tested", endpoint).s3.list_buckets.__self__.meta.service_model.service_name == "s3"
    virtual = Endpoint(url, url, "us-east-1", "KEY", "SECRET", is_path_style=False)
    assert not isinstance(Connection("tested", virtual).s3, LightS3)
