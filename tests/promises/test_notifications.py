"""A served store tells the operator's webhook what happens in buckets that ask for it."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.server import Server

PATIENCE_SECONDS = 30


class Hook:
    """A webhook: what it gets, message by message."""

    def __init__(self) -> None:
        messages: queue.Queue[dict[str, Any]] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._messages = messages
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def message(self) -> dict[str, Any]:
        return self._messages.get(timeout=PATIENCE_SECONDS)

    def records(self, count: int) -> list[dict[str, Any]]:
        """The next records, so many of them."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += self.message()["Records"]
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hook: Hook) -> Iterator[Server]:
    environment = {"BUCKETRY_NOTIFICATIONS__WEBHOOK_URL": hook.url, "BUCKETRY_STORE__LIFECYCLE_DAY_SECONDS": "1"}
    running = Server(tmp_path_factory.mktemp("hooked") / "data", workers=1, environment=environment).start()
    yield running
    running.stop()


def tell(s3: Any, hook: Hook, bucket: str, account: str, *events: str, **named: Any) -> None:
    """Have a bucket tell of events, and take the test message."""
    topic = {"TopicArn": f"arn:aws:sns:us-east-1:{account}:webhook", "Events": list(events), "Id": "told", **named}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [topic]})
    found = s3.get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"]
    assert found == [topic]
    message = hook.message()
    assert (message["Event"], message["Bucket"]) == ("s3:TestEvent", bucket)


def named(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in records]


def test_changes_are_told(server: Server, hook: Hook) -> None:
    account = server.create_account("told")
    s3 = server.client("s3", account)
    s3.create_bucket(Bucket="told")
    s3.put_bucket_versioning(Bucket="told", VersioningConfiguration={"Status": "Enabled"})
    everything = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*")
    tell(s3, hook, "told", account["account_id"], *everything)
    version = s3.put_object(Bucket="told", Key="a b", Body=b"123")["VersionId"]
    s3.copy_object(Bucket="told", Key="copy", CopySource="told/a b")
    upload = s3.create_multipart_upload(Bucket="told", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="told", Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket="told", Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.put_object_tagging(Bucket="told", Key="copy", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket="told", Key="copy")
    marker = s3.delete_object(Bucket="told", Key="copy")["VersionId"]
    gone = {"Objects": [{"Key": "copy", "VersionId": marker}, {"Key": "parts"}]}
    s3.delete_objects(Bucket="told", Delete=gone)
    s3.delete_object(Bucket="told", Key="a b", VersionId=version)
    with refused("NoSuchKey"):
        s3.get_object(Bucket="told", Key="missing")
    records = hook.records(9)
    assert named(records) == [
        ("ObjectCreated:Put", "a+b"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "parts"),
        ("ObjectTagging:Put", "copy"),
        ("ObjectTagging:Delete", "copy"),
        ("ObjectRemoved:DeleteMarkerCreated", "copy"),
        ("ObjectRemoved:Delete", "copy"),
        ("ObjectRemoved:DeleteMarkerCreated", "parts"),
        ("ObjectRemoved:Delete", "a+b"),
    ]
    first = records[0]
    assert first["s3"]["object"]["size"] == 3
    assert first["s3"]["object"]["versionId"] == version
    assert first["userIdentity"] == {"principalId": account["account_id"]}
    sequencers = [record["s3"]["object"]["sequencer"] for record in records]
    assert sequencers == sorted(set(sequencers))


def test_filters_and_lifecycle_are_told(server: Server, hook: Hook) -> None:
    account = server.create_account("filtered")
    s3 = server.client("s3", account)
    s3.create_bucket(Bucket="filtered")
    key_filter = {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".jpg"}]}}
    events = ("s3:ObjectCreated:Put", "s3:LifecycleExpiration:*")
    tell(s3, hook, "filtered", account["account_id"], *events, Filter=key_filter)
    for key in ("out/1.jpg", "in/1.png", "in/1.jpg"):
        s3.put_object(Bucket="filtered", Key=key, Body=b"x")
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket="filtered", LifecycleConfiguration={"Rules": [rule]})
    records = hook.records(2)
    assert named(records) == [("ObjectCreated:Put", "in%2F1.jpg"), ("LifecycleExpiration:Delete", "in%2F1.jpg")]


def test_only_the_webhook_of_ones_own_account_can_be_named(server: Server) -> None:
    account = server.create_account("strange")
    s3 = server.client("s3", account)
    s3.create_bucket(Bucket="strange")
    for arn in ("arn:aws:sns:us-east-1:999999999999:webhook", "arn:aws:sns:us-east-1:999999999999:topic"):
        topic = {"TopicArn": arn, "Events": ["s3:ObjectCreated:*"]}
        with refused("InvalidArgument", 400):
            s3.put_bucket_notification_configuration(
                Bucket="strange", NotificationConfiguration={"TopicConfigurations": [topic]}
            )


def test_without_a_webhook_nothing_can_be_asked_for(tmp_path: Path) -> None:
    silent = Server(tmp_path / "data", workers=1).start()
    try:
        account = silent.create_account("silent")
        s3 = silent.client("s3", account)
        s3.create_bucket(Bucket="silent")
        arn = f"arn:aws:sns:us-east-1:{account['account_id']}:webhook"
        topic = {"TopicArn": arn, "Events": ["s3:ObjectCreated:*"]}
        with refused("InvalidArgument", 400) as fields:
            s3.put_bucket_notification_configuration(
                Bucket="silent", NotificationConfiguration={"TopicConfigurations": [topic]}
            )
        assert "no webhook" in fields["Message"]
        s3.put_bucket_notification_configuration(Bucket="silent", NotificationConfiguration={})
    finally:
        silent.stop()
