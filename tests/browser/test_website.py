"""A bucket as a website, opened in a browser: index and error documents, folders, redirects."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Response

from tests.kit.owner import Owner

pytestmark = pytest.mark.xdist_group("browser")

PAGES = {
    "index.html": "<title>Home</title><link rel=stylesheet href=style.css><script src=js/hello.js></script><p id=told>",
    "style.css": "p { color: rgb(1, 2, 3) }",
    "js/hello.js": "addEventListener('load', () => document.getElementById('told').textContent = 'hello')",
    "docs/index.html": "<title>Docs</title>",
    "docs/two.html": "<title>Two</title>",
    "404.html": "<title>Not here</title>",
    "new/page.html": "<title>New</title>",
    "a b/ü.html": "<title>Odd</title>",
}
TYPES = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript"}
SITE: dict[str, Any] = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "404.html"},
    "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {"Condition": {"KeyPrefixEquals": "gone"}, "Redirect": {"ReplaceKeyWith": "docs/", "HttpRedirectCode": "302"}},
    ],
}


def publish(owner: Owner, bucket: str, actions: tuple[str, ...] = ("s3:GetObject", "s3:ListBucket")) -> None:
    """Let anyone read. Who may list, too, is told 404 of a missing key; who may not, 403."""
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": resources}
    owner.s3.delete_public_access_block(Bucket=bucket)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    owner.s3.put_bucket_policy(Bucket=bucket, Policy=policy)


@pytest.fixture
def site(owner: Owner, bucket: str) -> str:
    """The address of a published site, without the slash at its end."""
    for key, text in PAGES.items():
        content_type = TYPES[key.rpartition(".")[2]]
        owner.s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType=content_type)
    publish(owner, bucket)
    owner.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    return address(owner, bucket)


def address(owner: Owner, bucket: str) -> str:
    port = urlsplit(owner.server.admin["website_endpoint"]).port
    return f"http://{bucket}.s3-website-{owner.region}.localhost:{port}"


def opened(page: Page, url: str) -> Response:
    response = page.goto(url)
    assert response is not None
    return response


def test_index_document_with_its_style_and_script(page: Page, site: str) -> None:
    assert opened(page, f"{site}/").status == 200

    assert page.title() == "Home"
    assert page.text_content("#told") == "hello"
    assert page.eval_on_selector("#told", "element => getComputedStyle(element).color") == "rgb(1, 2, 3)"


def test_index_document_of_a_folder(page: Page, site: str) -> None:
    assert opened(page, f"{site}/docs/").status == 200
    assert page.title() == "Docs"


def test_folder_without_its_slash_leads_to_it(page: Page, site: str) -> None:
    assert opened(page, f"{site}/docs").status == 200
    assert page.title() == "Docs"
    assert page.url == f"{site}/docs/"


def test_links_between_pages_and_odd_names(page: Page, site: str) -> None:
    assert opened(page, f"{site}/docs/two.html?print=1#top").status == 200
    assert page.title() == "Two"
    assert opened(page, f"{site}/a b/ü.html").status == 200
    assert page.title() == "Odd"


def test_error_document_with_the_status_of_the_error(page: Page, site: str) -> None:
    assert opened(page, f"{site}/missing.html").status == 404
    assert page.title() == "Not here"


def test_redirect_rules(page: Page, site: str) -> None:
    moved = opened(page, f"{site}/old/page.html")
    assert (moved.status, page.title(), page.url) == (200, "New", f"{site}/new/page.html")
    before = moved.request.redirected_from
    assert before is not None
    answer = before.response()
    assert answer is not None
    assert answer.status == 301

    assert opened(page, f"{site}/gone/anything").status == 200
    assert (page.title(), page.url) == ("Docs", f"{site}/docs/")


def test_object_that_redirects(page: Page, site: str, owner: Owner, bucket: str) -> None:
    owner.s3.put_object(Bucket=bucket, Key="here.html", Body=b"", WebsiteRedirectLocation="/docs/two.html")

    assert opened(page, f"{site}/here.html").status == 200
    assert (page.title(), page.url) == ("Two", f"{site}/docs/two.html")


def test_site_that_redirects_everything_to_another_host(page: Page, site: str, owner: Owner, bucket: str) -> None:
    other = owner.create_bucket()
    publish(owner, other)
    everything = {"RedirectAllRequestsTo": {"HostName": urlsplit(site).netloc, "Protocol": "http"}}
    owner.s3.put_bucket_website(Bucket=other, WebsiteConfiguration=everything)

    assert opened(page, f"{address(owner, other)}/docs/two.html").status == 200
    assert page.url == f"{site}/docs/two.html"


def test_private_bucket_shows_nothing(page: Page, site: str, owner: Owner, bucket: str) -> None:
    owner.s3.delete_bucket_policy(Bucket=bucket)

    refused = opened(page, f"{site}/index.html")

    assert refused.status == 403
    assert page.title() != "Home"
    assert "AccessDenied" in page.content()


def test_bucket_that_is_no_website_and_bucket_that_is_not(page: Page, owner: Owner, bucket: str) -> None:
    publish(owner, bucket)

    assert opened(page, f"{address(owner, bucket)}/").status == 404
    assert "NoSuchWebsiteConfiguration" in page.content()
    assert opened(page, f"{address(owner, f'{bucket}-not')}/").status == 404
    assert "NoSuchBucket" in page.content()
