"""The website endpoint over the wire: index and error documents, redirects, and who may see what."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.kit.store import Connection, Store, head

OFF = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}


@dataclass
class Page:
    status: int
    headers: dict[str, str]
    body: bytes


class Site:
    """A bucket as a website, as a browser sees it."""

    def __init__(self, store: Store, s3: Any, bucket: str) -> None:
        self.store = store
        self.s3 = s3
        self.bucket = bucket
        self.host = f"{bucket}.s3-website-us-east-1.localhost:{store.website_port}"

    def configure(self, **changes: Any) -> None:
        configuration = {"IndexDocument": {"Suffix": "index.html"}, **changes}
        self.s3.put_bucket_website(Bucket=self.bucket, WebsiteConfiguration=configuration)

    def put(self, key: str, body: str = "", **options: Any) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body or f"this is {key}", **options)

    def get(self, path: str, method: str = "GET", host: str | None = None, **headers: str) -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", self.store.website_port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", self.host if host is None else host)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, fields, answer.read())
        finally:
            connection.close()


@pytest.fixture
def private(store: Store, s3: Any, bucket: str) -> Site:
    made = Site(store, s3, bucket)
    made.configure()
    return made


@pytest.fixture
def site(private: Site) -> Site:
    """A site that anyone may read: objects, not the list of them."""
    private.s3.put_public_access_block(Bucket=private.bucket, PublicAccessBlockConfiguration=OFF)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{private.bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    private.s3.put_bucket_policy(Bucket=private.bucket, Policy=policy)
    return private


def test_index_documents_and_folders(site: Site) -> None:
    for key in ("index.html", "docs/index.html", "docs/page.html"):
        site.put(key, ContentType="text/html")
    root = site.get("/")
    assert (root.status, root.body, root.headers["content-type"]) == (200, b"this is index.html", "text/html")
    assert site.get("/docs/").body == b"this is docs/index.html"
    assert site.get("/docs/page.html").body == b"this is docs/page.html"
    assert site.get("/?x=1&versionId=y&response-content-type=z&acl").body == b"this is index.html"
    folder = site.get("/docs")
    assert (folder.status, folder.headers["location"], folder.body) == (302, "/docs/", b"")
    assert site.get("/nothing").status == 404
    assert site.get("/nothing/").status == 404


def test_object_comes_before_the_folder_of_its_name(site: Site) -> None:
    site.put("docs")
    site.put("docs/index.html")
    assert site.get("/docs").body == b"this is docs"


@pytest.mark.parametrize(
    "host",
    [
        "{bucket}.s3-website-us-east-1.localhost",
        "{bucket}.s3-website.us-east-1.localhost:9001",
        "{bucket}.s3-website.localhost",
        "{bucket}",
        "{upper}.S3-Website-us-east-1.LOCALHOST.",
    ],
)
def test_hosts_that_name_the_site(site: Site, host: str) -> None:
    site.put("index.html")
    named = host.format(bucket=site.bucket, upper=site.bucket.upper())
    assert site.get("/", host=named).body == b"this is index.html"


@pytest.mark.parametrize(
    "host", ["localhost", "s3-website-us-east-1.localhost", "missing.s3-website.localhost", "", "[::1]"]
)
def test_hosts_that_name_none(site: Site, host: str) -> None:
    page = site.get("/", host=host)
    assert (page.status, page.headers["x-amz-error-code"]) == (404, "NoSuchBucket")
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_bucket_without_a_website(site: Site) -> None:
    site.s3.delete_bucket_website(Bucket=site.bucket)
    page = site.get("/")
    assert (page.status, page.headers["x-amz-error-code"]) == (404, "NoSuchWebsiteConfiguration")
    assert site.bucket.encode() in page.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_not_allowed(site: Site, method: str) -> None:
    site.put("index.html")
    page = site.get("/index.html", method, Content_Length="0")
    assert (page.status, page.headers["allow"]) == (405, "GET, HEAD")
    assert b"405 Method Not Allowed" in page.body
    assert site.get("/index.html").body == b"this is index.html"


def test_head_is_get_without_the_body(site: Site) -> None:
    site.put("index.html")
    got, headed = site.get("/"), site.get("/", "HEAD")
    assert (headed.status, headed.body) == (200, b"")
    for name in ("etag", "content-length", "content-type", "last-modified"):
        assert headed.headers[name] == got.headers[name]
    missing = site.get("/missing", "HEAD")
    assert (missing.status, missing.body) == (404, b"")


def test_ranges_and_conditions(site: Site) -> None:
    site.put("index.html", "0123456789")
    part = site.get("/", Range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    etag = part.headers["etag"]
    assert site.get("/", If_None_Match=etag).status == 304
    assert site.get("/", If_Match='"0"').status == 412
    assert site.get("/", Range="bytes=20-").status == 416


def test_error_document_with_the_status_of_the_error(site: Site) -> None:
    site.configure(ErrorDocument={"Key": "errors/page.html"})
    site.put("errors/page.html", "sorry", ContentType="text/html")
    page = site.get("/missing", Range="bytes=0-1", If_None_Match="*")
    assert (page.status, page.body, page.headers["content-type"]) == (404, b"sorry", "text/html")
    headed = site.get("/missing", "HEAD")
    assert (headed.status, headed.headers["content-length"]) == (404, "5")
    assert site.get("/", "POST", Content_Length="0").status == 405


def test_missing_error_document_is_told_in_the_page(site: Site) -> None:
    site.configure(ErrorDocument={"Key": "errors/<page>.html"})
    page = site.get("/missing")
    assert page.status == 404
    assert b"errors/&lt;page&gt;.html" in page.body


def test_redirect_of_an_object(site: Site) -> None:
    site.put("old", WebsiteRedirectLocation="/new?x=1#y")
    site.put("away", WebsiteRedirectLocation="https://example.com/z")
    page = site.get("/old")
    assert (page.status, page.headers["location"], page.body) == (301, "/new?x=1#y", b"")
    assert site.get("/away").headers["location"] == "https://example.com/z"
    through_s3 = site.s3.get_object(Bucket=site.bucket, Key="old")
    assert through_s3["Body"].read() == b"this is old"


def test_redirect_of_all_requests(site: Site) -> None:
    redirect = {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}}
    site.s3.put_bucket_website(Bucket=site.bucket, WebsiteConfiguration=redirect)
    page = site.get("/a%20b/?q=1")
    assert (page.status, page.headers["location"]) == (301, "https://example.com/a%20b/?q=1")


def test_routing_rules(site: Site) -> None:
    site.configure(
        RoutingRules=[
            {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/"}},
            {
                "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "img/"},
                "Redirect": {"HostName": "img.example.com", "HttpRedirectCode": "307"},
            },
            {"Condition": {"HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"ReplaceKeyWith": "#!/lost"}},
        ]
    )
    site.put("docs/there")
    site.put("img/there")
    assert site.get("/docs/there").headers["location"] == "/documents/there"
    assert site.get("/img/there").body == b"this is img/there"
    image = site.get("/img/none")
    assert (image.status, image.headers["location"]) == (307, "http://img.example.com/img/none")
    lost = site.get("/lost")
    assert (lost.status, lost.headers["location"]) == (301, "/#!/lost")


@pytest.mark.parametrize(
    "path", ["//evil.example", "/%2Fevil.example", "/%5Cevil.example", "/x%0D%0ASet-Cookie:%20a=b"]
)
def test_redirects_never_leave_the_site(site: Site, path: str) -> None:
    site.put("index.html")
    for key in ("/evil.example", "\\evil.example", "x\r\nSet-Cookie: a=b"):
        site.put(f"{key}/index.html")
    page = site.get(path)
    assert page.status == 302
    location = page.headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "set-cookie" not in page.headers


def test_forwarding_headers_and_foreign_hosts_steer_no_redirect(site: Site) -> None:
    rule = {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}}
    site.configure(RoutingRules=[rule])
    page = site.get("/old/x", X_Forwarded_Host="evil.example", X_Forwarded_Proto="https", Forwarded="host=evil.example")
    assert page.headers["location"] == "/new/x"


def test_pages_escape_what_they_show(site: Site) -> None:
    page = site.get("/%3Cscript%3Ealert(1)%3C/script%3E%22")
    assert page.status == 404
    assert b"<script>" not in page.body
    assert b"&lt;script&gt;" in page.body


@pytest.mark.parametrize("path", ["/%", "/%zz", "/%ff", "/" + "k" * 2000, "/%00"])
def test_odd_paths_are_client_errors(site: Site, path: str) -> None:
    assert 400 <= site.get(path).status < 500
    assert site.store.is_alive


def test_private_site_tells_nothing(private: Site) -> None:
    private.put("there/index.html")
    for path in ("/", "/there", "/there/", "/there/index.html", "/missing"):
        page = private.get(path)
        assert (page.status, page.headers["x-amz-error-code"]) == (403, "AccessDenied"), path
    private.configure(ErrorDocument={"Key": "there/index.html"})
    assert b"this is" not in private.get("/missing").body


def test_folder_that_may_not_be_read_is_not_told(site: Site) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": f"arn:aws:s3:::{site.bucket}/docs"}]}
    site.s3.put_bucket_policy(Bucket=site.bucket, Policy=json.dumps(policy))
    site.put("docs/index.html")
    assert site.get("/docs").status == 404
    assert site.get("/docs/").status == 403


def test_error_document_for_what_is_forbidden(site: Site) -> None:
    site.configure(ErrorDocument={"Key": "public/403.html"})
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [{**statement, "Resource": f"arn:aws:s3:::{site.bucket}/public/*"}],
    }
    site.s3.put_bucket_policy(Bucket=site.bucket, Policy=json.dumps(policy))
    site.put("secret")
    site.put("public/403.html", "keep out")
    for path in ("/secret", "/missing"):
        page = site.get(path)
        assert (page.status, page.body) == (403, b"keep out")
    assert site.get("/public/missing").status == 404


def test_signed_requests_are_visitors_like_others(private: Site) -> None:
    private.put("index.html")
    fields = private.store.signed_headers(private.store.one, "GET", "/index.html", {"Host": private.host})
    connection = http.client.HTTPConnection("127.0.0.1", private.store.website_port, timeout=20)
    connection.request("GET", "/index.html", headers=fields)
    assert connection.getresponse().status == 403
    connection.close()


def test_change_of_the_configuration_counts_at_once(site: Site) -> None:
    site.put("index.html")
    site.put("home.html")
    assert site.get("/").body == b"this is index.html"
    site.configure(IndexDocument={"Suffix": "home.html"})
    assert site.get("/").body == b"this is home.html"


def test_cors_fields_come_with_pages(site: Site) -> None:
    site.put("index.html")
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://app.example"]}
    site.s3.put_bucket_cors(Bucket=site.bucket, CORSConfiguration={"CORSRules": [rule]})
    assert site.get("/", Origin="https://app.example").headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in site.get("/", Origin="https://other.example").headers
    missing = site.get("/missing", Origin="https://app.example")
    assert (missing.status, missing.headers["access-control-allow-origin"]) == (404, "https://app.example")


def test_connection_serves_page_after_page(site: Site) -> None:
    site.put("index.html")
    connection = http.client.HTTPConnection("127.0.0.1", site.store.website_port, timeout=20)
    for path, status in (("/", 200), ("/missing", 404), ("/", 200)):
        connection.request("GET", path, headers={"Host": site.host})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_two_hosts_are_refused(site: Site) -> None:
    connection = Connection(site.store.website_port)
    raw = head("GET", "/", {"Host": site.host}).replace(b"\r\n\r\n", b"\r\nHost: other\r\n\r\n")
    connection.send(raw)
    assert connection.reply().status == 400
    connection.close()
