"""The quick signer signs as the SDK does."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from bench.presign import EXPIRES_SECONDS, Presigner
from botocore.config import Config

ENDPOINT = "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("method", "operation", "arguments", "path", "query"),
    [
        ("GET", "get_object", {"Bucket": "b", "Key": "a b/ü+~"}, "/b/a b/ü+~", {}),
        ("PUT", "upload_part", {"Bucket": "b", "Key": "k", "PartNumber": 3, "UploadId": "u/+="}, "/b/k",
         {"partNumber": "3", "uploadId": "u/+="}),
        ("GET", "list_objects_v2", {"Bucket": "b", "Prefix": "x/", "MaxKeys": 7}, "/b",
         {"list-type": "2", "prefix": "x/", "max-keys": "7", "encoding-type": "url"}),
    ],
)  # fmt: skip
def test_urls_are_those_of_the_sdk(
    method: str, operation: str, arguments: dict[str, object], path: str, query: dict[str, str]
) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        aws_access_key_id="KEY",
        aws_secret_access_key="SECRET",
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    while True:  # both in one second
        begun = datetime.now(UTC).replace(microsecond=0)
        made = Presigner(ENDPOINT, "KEY", "SECRET").target(method, path, query)
        url = urlsplit(client.generate_presigned_url(operation, arguments, EXPIRES_SECONDS, method))
        if datetime.now(UTC).replace(microsecond=0) == begun:
            break
    assert urlsplit(made).path == url.path
    assert parse_qs(urlsplit(made).query, keep_blank_values=True) == parse_qs(url.query, keep_blank_values=True)
