"""Keys of customers (SSE-C) are taken over TLS alone, as on AWS, unless the operator says that the way is safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3

from tests.kit.certificates import tls_config
from tests.kit.refusals import refused
from tests.kit.server import Server

KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
SOURCE = {f"CopySource{name}": value for name, value in KEY.items()}


def test_over_plain_http_they_are_refused(server: Server) -> None:
    s3: Any = server.client()
    s3.create_bucket(Bucket="no-keys-here")
    s3.put_object(Bucket="no-keys-here", Key="plain", Body=b"x")
    source = {"Bucket": "no-keys-here", "Key": "plain"}
    upload = s3.create_multipart_upload(Bucket="no-keys-here", Key="parts")["UploadId"]
    which = {"Bucket": "no-keys-here", "Key": "k"}
    with refused("InvalidRequest", 400) as error:
        s3.put_object(**which, Body=b"x", **KEY)
    assert "over a secure connection" in error["Message"]
    with refused("InvalidRequest", 400):
        s3.create_multipart_upload(**which, **KEY)
    with refused("InvalidRequest", 400):
        s3.upload_part(Bucket="no-keys-here", Key="parts", UploadId=upload, PartNumber=1, Body=b"x", **KEY)
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket="no-keys-here", Key="plain", **KEY)
    with refused("InvalidRequest", 400):
        s3.copy_object(**which, CopySource=source, **KEY)
    with refused("InvalidRequest", 400):
        s3.copy_object(**which, CopySource=source, **SOURCE)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="no-keys-here")["Contents"]] == ["plain"]


def test_over_tls_they_are_taken(tmp_path: Path) -> None:
    config, certificate = tls_config(tmp_path)
    server = Server(tmp_path / "data", "--config", str(config), workers=1).start()
    try:
        admin = server.admin
        s3: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=admin["s3_endpoint"],
            region_name=admin["region"],
            aws_access_key_id=admin["access_key_id"],
            aws_secret_access_key=admin["secret_access_key"],
            verify=str(certificate),
        )
        s3.create_bucket(Bucket="keys-here")
        s3.put_object(Bucket="keys-here", Key="k", Body=b"x", **KEY)
        assert s3.get_object(Bucket="keys-here", Key="k", **KEY)["Body"].read() == b"x"
    finally:
        server.stop()


def test_over_plain_http_the_operator_may_allow_them(tmp_path: Path) -> None:
    environment = {"BUCKETRY_STORE__CUSTOMER_KEYS_OVER_HTTP": "true"}
    server = Server(tmp_path / "data", workers=1, environment=environment).start()
    try:
        s3: Any = server.client()
        s3.create_bucket(Bucket="keys-here")
        s3.put_object(Bucket="keys-here", Key="k", Body=b"x", **KEY)
        assert s3.get_object(Bucket="keys-here", Key="k", **KEY)["Body"].read() == b"x"
    finally:
        server.stop()
