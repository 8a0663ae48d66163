"""What scripts of a page may do with a bucket of another origin: what its CORS rules say, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Origins
from tests.kit.owner import Owner

pytestmark = pytest.mark.xdist_group("browser")

# In the page: fetch, and say what became of it. A refusal by the browser is a TypeError without particulars.
FETCH = """
async ([url, options]) => {
  try {
    const answer = await fetch(url, options);
    const headers = Object.fromEntries(answer.headers);
    return {status: answer.status, type: answer.type, text: await answer.text(), headers};
  } catch (error) {
    return {failed: error.name};
  }
}
"""
REFUSED = {"failed": "TypeError"}


def fetch(page: Page, url: str, **options: Any) -> dict[str, Any]:
    return dict(page.evaluate(FETCH, [url, options]))


def allow(owner: Owner, bucket: str, origin: str, **more: Any) -> None:
    rule = {"AllowedOrigins": [origin], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"], **more}
    owner.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})


def signed(owner: Owner, operation: str, bucket: str, key: str, **parameters: Any) -> str:
    """A presigned URL: the page itself has no credentials."""
    client = owner.client(signature_version="s3v4")
    return str(client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key, **parameters}))


def test_page_of_the_allowed_origin_reads_and_puts(owner: Owner, bucket: str, origins: Origins, page: Page) -> None:
    allow(owner, bucket, origins.allowed)
    page.goto(origins.allowed)

    put = signed(owner, "put_object", bucket, "from a page", ContentType="text/x-note")
    headers = {"Content-Type": "text/x-note"}
    stored = fetch(page, put, method="PUT", body="a note", headers=headers)
    read = fetch(page, signed(owner, "get_object", bucket, "from a page"))

    assert (stored.get("status"), stored.get("type")) == (200, "cors"), stored
    assert (read.get("status"), read.get("text")) == (200, "a note"), read
    assert owner.s3.get_object(Bucket=bucket, Key="from a page")["ContentType"] == "text/x-note"


def test_page_of_another_origin_can_do_neither(owner: Owner, bucket: str, origins: Origins, page: Page) -> None:
    allow(owner, bucket, origins.allowed)
    owner.s3.put_object(Bucket=bucket, Key="secret", Body=b"not for you")
    page.goto(origins.foreign)

    read = fetch(page, signed(owner, "get_object", bucket, "secret"))
    written = fetch(page, signed(owner, "put_object", bucket, "secret"), method="PUT", body="changed")

    assert read == REFUSED
    assert written == REFUSED
    assert owner.s3.get_object(Bucket=bucket, Key="secret")["Body"].read() == b"not for you"


def test_a_bucket_without_rules_allows_no_page(owner: Owner, bucket: str, origins: Origins, page: Page) -> None:
    owner.s3.put_object(Bucket=bucket, Key="word", Body=b"hello")
    page.goto(origins.allowed)

    assert fetch(page, signed(owner, "get_object", bucket, "word")) == REFUSED
    assert fetch(page, signed(owner, "put_object", bucket, "word"), method="PUT", body="x") == REFUSED


def test_methods_and_headers_that_no_rule_names_are_refused(
    owner: Owner, bucket: str, origins: Origins, page: Page
) -> None:
    allow(owner, bucket, origins.allowed, AllowedMethods=["GET"], AllowedHeaders=["x-amz-meta-*"])
    owner.s3.put_object(Bucket=bucket, Key="word", Body=b"hello")
    page.goto(origins.allowed)
    url = signed(owner, "get_object", bucket, "word")

    assert fetch(page, signed(owner, "put_object", bucket, "word"), method="PUT", body="x") == REFUSED
    assert fetch(page, signed(owner, "delete_object", bucket, "word"), method="DELETE") == REFUSED
    assert fetch(page, url, headers={"X-Other": "1"}) == REFUSED
    assert fetch(page, url)["status"] == 200
    assert owner.s3.get_object(Bucket=bucket, Key="word")["Body"].read() == b"hello"


def test_only_exposed_headers_are_readable(owner: Owner, bucket: str, origins: Origins, page: Page) -> None:
    allow(owner, bucket, origins.allowed, ExposeHeaders=["ETag", "x-amz-meta-colour"])
    owner.s3.put_object(Bucket=bucket, Key="word", Body=b"hello", Metadata={"colour": "red", "taste": "sour"})
    page.goto(origins.allowed)

    headers = fetch(page, signed(owner, "get_object", bucket, "word"))["headers"]

    assert headers["etag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert headers["x-amz-meta-colour"] == "red"
    assert not {"x-amz-meta-taste", "x-amz-request-id"} & headers.keys()


def test_a_refusal_of_the_store_is_readable_by_the_allowed_page(
    owner: Owner, bucket: str, origins: Origins, page: Page
) -> None:
    allow(owner, bucket, origins.allowed)
    page.goto(origins.allowed)

    missing = fetch(page, signed(owner, "get_object", bucket, "missing"))
    anonymous = fetch(page, f"{owner.endpoint}/{bucket}/missing")

    assert (missing.get("status"), "<Code>NoSuchKey</Code>" in missing.get("text", "")) == (404, True), missing
    assert (anonymous.get("status"), "<Code>AccessDenied</Code>" in anonymous.get("text", "")) == (403, True)


def test_any_origin_may_read_but_not_with_credentials(owner: Owner, bucket: str, origins: Origins, page: Page) -> None:
    allow(owner, bucket, "*")
    owner.s3.put_object(Bucket=bucket, Key="word", Body=b"hello")
    page.goto(origins.foreign)
    url = signed(owner, "get_object", bucket, "word")

    assert fetch(page, url).get("text") == "hello"
    assert fetch(page, url, credentials="include") == REFUSED


def test_a_named_origin_may_send_credentials(owner: Owner, bucket: str, origins: Origins, page: Page) -> None:
    allow(owner, bucket, origins.allowed)
    owner.s3.put_object(Bucket=bucket, Key="word", Body=b"hello")
    page.goto(origins.allowed)

    read = fetch(page, signed(owner, "get_object", bucket, "word"), credentials="include")

    assert read.get("text") == "hello"


def test_changed_rules_count_at_once(owner: Owner, bucket: str, origins: Origins, page: Page) -> None:
    owner.s3.put_object(Bucket=bucket, Key="word", Body=b"hello")
    url = signed(owner, "get_object", bucket, "word")
    page.goto(origins.allowed)

    allow(owner, bucket, origins.allowed)
    assert [fetch(page, url, cache="no-store").get("status") for _ in range(6)] == [200] * 6

    allow(owner, bucket, origins.foreign)
    assert [fetch(page, url, cache="no-store") for _ in range(6)] == [REFUSED] * 6
