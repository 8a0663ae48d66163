"""CORS, website configuration and object ownership as settings, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store

RULES = {
    "CORSRules": [
        {
            "ID": "one",
            "AllowedMethods": ["GET", "PUT"],
            "AllowedOrigins": ["https://*.example.com"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        },
        {"AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]},
    ]
}
WEBSITE = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "errors/404 & more.html"},
    "RoutingRules": [
        {
            "Condition": {"KeyPrefixEquals": "docs/", "HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {
                "HostName": "example.com",
                "Protocol": "https",
                "ReplaceKeyPrefixWith": "",
                "HttpRedirectCode": "302",
            },
        },
        {"Redirect": {"ReplaceKeyWith": "all.html"}},
    ],
}


def test_cors_reads_back(s3: Any, bucket: str) -> None:
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES["CORSRules"]
    s3.delete_bucket_cors(Bucket=bucket)
    s3.delete_bucket_cors(Bucket=bucket)
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}, "InvalidRequest"),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.*.com"]}, "InvalidRequest"),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": ["a\r\nb: c"]}, "InvalidRequest"),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["a*b*"]}, "InvalidRequest"),
    ],
)
def test_bad_cors_rules_are_refused(s3: Any, bucket: str, rule: dict[str, Any], code: str) -> None:
    with refused(code, 400):
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)


def test_website_reads_back(s3: Any, bucket: str) -> None:
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=bucket)
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=WEBSITE)
    answer = s3.get_bucket_website(Bucket=bucket)
    del answer["ResponseMetadata"]
    assert answer == WEBSITE
    redirect = {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=redirect)
    assert s3.get_bucket_website(Bucket=bucket)["RedirectAllRequestsTo"] == redirect["RedirectAllRequestsTo"]
    s3.delete_bucket_website(Bucket=bucket)
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=bucket)


def test_ownership_reads_back(s3: Any, bucket: str) -> None:
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == controls
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    with refused("OwnershipControlsNotFoundError", 404):
        s3.get_bucket_ownership_controls(Bucket=bucket)


@pytest.mark.parametrize("setting", ["cors", "website", "publicAccessBlock", "ownershipControls", "tagging"])
@pytest.mark.parametrize("body", [b"", b"<", b"<A/>", b"<!DOCTYPE a><A/>", b"x" * 200_000])
def test_broken_documents_are_told(store: Store, bucket: str, setting: str, body: bytes) -> None:
    reply = store.request("PUT", f"/{bucket}?{setting}", store.one, body=body)
    assert reply.status == 400
    assert reply.code in ("MalformedXML", "MaxMessageLengthExceeded")
