"""SERVICE contract, "The bucket": its addresses, who may read it, its website, its parameters."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from tests.kit.customer import Customer, visit
from tests.kit.server import boto_client
from tests.kit.store import Reply

OWNERSHIPS = ["ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"]
CORS: dict[str, Any] = {
    "CORSRules": [
        {
            "AllowedOrigins": ["https://example.org"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["x-amz-*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        }
    ]
}
WEBSITE: dict[str, Any] = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "error.html"},
    "RoutingRules": [{"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}}],
}
METHODS = {"GET": "get_object", "PUT": "put_object", "HEAD": "head_object", "DELETE": "delete_object"}
EXPIRY_SECONDS = 2


class Kept:
    """An ordered bucket with a key."""

    def __init__(self, customer: Customer, plan: str = "basic", **parameters: Any) -> None:
        self.customer = customer
        self.name = customer.order(plan, **parameters)
        self.key = customer.key(self.name)
        self.bucket: str = self.key["bucket"]
        self.s3 = customer.s3(self.key)
        self.url = f"{self.key['endpoint_url']}/{self.bucket}"

    def put(self, *names: str, **options: Any) -> None:
        for name in names:
            self.s3.put_object(Bucket=self.bucket, Key=name, Body=f"this is {name}", **options)

    def update(self, *arguments: str) -> None:
        self.customer.ok("update-service", self.name, *arguments)

    def ownership(self) -> str:
        rules = self.customer.root.get_bucket_ownership_controls(Bucket=self.bucket)["OwnershipControls"]["Rules"]
        return str(rules[0]["ObjectOwnership"])

    def presigned(self, method: str, name: str, seconds: int = 300, **config: Any) -> str:
        s3 = self.customer.s3(self.key, **config) if config else self.s3
        parameters = {"Bucket": self.bucket, "Key": name}
        return str(s3.generate_presigned_url(METHODS[method], parameters, ExpiresIn=seconds))

    def preflight(self, origin: str, method: str = "PUT") -> Reply:
        return visit(f"{self.url}/k", "OPTIONS", Origin=origin, Access_Control_Request_Method=method)


@pytest.fixture(scope="module")
def private(shared: Customer) -> Kept:
    made = Kept(shared)
    made.put("k", "there.txt")
    return made


@pytest.fixture(scope="module")
def public(shared: Customer) -> Kept:
    made = Kept(shared, "basic-public")
    made.put("k", "folder/k")
    return made


# --- addresses


def test_a_bucket_is_reached_by_path_and_by_its_own_name(private: Kept) -> None:
    endpoint = urlsplit(private.key["endpoint_url"])
    for named in (private.url, f"http://{private.bucket}.localhost:{endpoint.port}"):
        path = urlsplit(named).path
        admin = {**private.customer.server.admin, "s3_endpoint": f"http://localhost:{endpoint.port}"}
        style = "path" if path else "virtual"
        s3 = boto_client("s3", private.key, admin, s3={"addressing_style": style})
        target = s3.generate_presigned_url("put_object", {"Bucket": private.bucket, "Key": style})
        assert (urlsplit(target).hostname == "localhost") is (style == "path")
        assert visit(target, "PUT", b"body").status == 200
        found = visit(s3.generate_presigned_url("get_object", {"Bucket": private.bucket, "Key": style}))
        assert (found.status, found.body) == (200, b"body")
        assert visit(f"{named}/{style}").code == "AccessDenied"
    names = [entry["Key"] for entry in private.s3.list_objects_v2(Bucket=private.bucket)["Contents"]]
    assert {"path", "virtual"} <= set(names)


def test_a_public_bucket_is_read_by_both_addresses(public: Kept) -> None:
    port = urlsplit(public.key["endpoint_url"]).port
    for url in (public.url, f"http://{public.bucket}.localhost:{port}"):
        assert visit(f"{url}/folder/k").body == b"this is folder/k"


# --- private means private


def without_ids(answer: Reply, name: str) -> tuple[int, bytes]:
    """Status and document of an answer, less what must differ: the request's ids and the name that was asked for."""
    body = answer.body.replace(name.encode(), b"NAME")
    for element in (b"RequestId", b"HostId"):
        before, opening, rest = body.partition(b"<" + element + b">")
        body = before + rest.partition(b"</" + element + b">")[2] if opening else body
    return answer.status, body


def test_nobody_reads_a_private_bucket_or_learns_what_is_in_it(private: Kept) -> None:
    for method in ("GET", "HEAD", "DELETE"):
        there, missing = (visit(f"{private.url}/{name}", method) for name in ("there.txt", "missing.txt"))
        assert there.status == 403
        if method != "HEAD":
            assert there.code == "AccessDenied"
        assert without_ids(there, "there.txt") == without_ids(missing, "missing.txt")
    for target in ("", "?list-type=2", "?uploads", "?cors", "?tagging", "?policy", "?location", "/k?tagging"):
        assert visit(private.url + target).code == "AccessDenied", target
    assert visit(f"{private.url}/new", "PUT", b"body").code == "AccessDenied"
    assert visit(f"{private.url}/new?uploads", "POST").code == "AccessDenied"
    assert private.s3.list_objects_v2(Bucket=private.bucket, Prefix="new")["KeyCount"] == 0


@pytest.mark.parametrize("who", ["another key", "another account"])
def test_foreign_credentials_learn_as_little(private: Kept, who: str) -> None:
    customer = private.customer
    key: dict[str, Any] = Kept(customer).key if who == "another key" else customer.server.create_account("foreign")
    s3 = customer.s3(key)
    for method, call in METHODS.items():
        there, missing = (
            visit(s3.generate_presigned_url(call, {"Bucket": private.bucket, "Key": name}), method)
            for name in ("there.txt", "missing.txt")
        )
        assert there.status == 403
        if method != "HEAD":
            assert there.code == "AccessDenied"
        assert without_ids(there, "there.txt") == without_ids(missing, "missing.txt")
    assert private.s3.get_object(Bucket=private.bucket, Key="k")["Body"].read() == b"this is k"


# --- presigned URLs


def test_a_presigned_url_works_for_each_method_until_its_key_is_revoked(customer: Customer) -> None:
    kept = Kept(customer)
    urls = {method: kept.presigned(method, "k") for method in METHODS}
    assert visit(urls["PUT"], "PUT", b"by a browser").status == 200
    assert visit(urls["GET"]).body == b"by a browser"
    assert visit(urls["HEAD"], "HEAD").headers["content-length"] == "12"
    for method in ("PUT", "DELETE", "HEAD"):
        assert visit(urls["GET"], method).status == 403, "it is good for its own method alone"
    assert visit(urls["GET"].replace("/k?", "/other?")).code == "SignatureDoesNotMatch"
    assert visit(urls["DELETE"], "DELETE").status == 204
    assert visit(urls["GET"]).code == "NoSuchKey"
    kept.put("k")
    customer.ok("delete-service-key", kept.name, "key", "-f")
    for method, url in urls.items():
        assert visit(url, method).status == 403
    assert visit(urls["GET"]).code == "InvalidAccessKeyId"
    assert customer.root.get_object(Bucket=kept.bucket, Key="k")["Body"].read() == b"this is k"


def test_presigned_urls_end_when_they_expire(private: Kept) -> None:
    begun = time.monotonic()
    urls = {method: private.presigned(method, f"expiring-{method}", EXPIRY_SECONDS) for method in METHODS}
    for method, url in urls.items():
        while visit(url, method).status != 403:
            assert time.monotonic() < begun + EXPIRY_SECONDS + 30
            time.sleep(0.05)  # nothing tells a client that a URL has expired
        assert time.monotonic() > begun + EXPIRY_SECONDS - 1.1  # times in URLs are whole seconds
        if method != "HEAD":
            expired = visit(url, method)
            assert (expired.code, b"expired" in expired.body) == ("AccessDenied", True)


# --- public means that a file may be read


def test_anyone_reads_a_file_of_a_public_bucket_and_does_nothing_else(public: Kept) -> None:
    found = visit(f"{public.url}/folder/k")
    assert (found.status, found.body) == (200, b"this is folder/k")
    assert visit(f"{public.url}/k", "HEAD").status == 200
    assert visit(f"{public.url}/k", Range="bytes=0-3").body == b"this"
    assert visit(f"{public.url}/missing").code == "AccessDenied"  # who may not list learns nothing of names
    lists = ["", "/", "?list-type=2", "?prefix=folder/", "?uploads", "?cors", "?policy", "?website", "?tagging"]
    for target in (*lists, "/k?tagging"):
        assert visit(public.url + target).code == "AccessDenied", target
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
    policy = public.s3.get_bucket_policy(Bucket=public.bucket)["Policy"]
    writes = [
        ("PUT", "/new", "body"), ("PUT", "/k", "body"), ("DELETE", "/k", ""), ("POST", "/k?uploads", ""),
        ("PUT", "/k?tagging", tags), ("DELETE", "/k?tagging", ""), ("PUT", "?policy", policy),
        ("DELETE", "?policy", ""), ("DELETE", "?publicAccessBlock", ""), ("DELETE", "?cors", ""),
        ("DELETE", "?website", ""), ("DELETE", "", ""),
    ]  # fmt: skip
    for method, target, body in writes:
        assert visit(public.url + target, method, body.encode()).code == "AccessDenied", (method, target)
    held = [entry["Key"] for entry in public.s3.list_objects_v2(Bucket=public.bucket)["Contents"]]
    assert held == ["folder/k", "k"]
    assert visit(f"{public.url}/k").body == b"this is k"


def test_a_bucket_becomes_public_and_private_again_and_keeps_its_credentials(customer: Customer) -> None:
    kept = Kept(customer)
    kept.put("k")
    for plan, status in (("basic-public", 200), ("basic", 403), ("basic-public", 200)):
        kept.update("-p", plan)
        assert customer.ok("service", kept.name, "-o", "json").value["plan"] == plan
        assert visit(f"{kept.url}/k").status == status
        assert visit(kept.url).status == 403
        kept.put("k")
        assert customer.ok("service-key", kept.name, "key", "--json").value["credentials"] == kept.key


def test_a_change_that_fails_leaves_the_bucket_as_it_was(customer: Customer) -> None:
    """The plan could change, the CORS rules can't be: so neither does."""
    kept = Kept(customer, cors=CORS)
    kept.put("k")
    wrong = {"cors": {"CORSRules": [{"AllowedOrigins": ["a*b*c"], "AllowedMethods": ["GET"]}]}}
    refused = customer("update-service", kept.name, "-p", "basic-public", "-c", json.dumps(wrong))
    assert refused.code in (1, 2)
    assert "cors" in refused.error
    shown = customer.ok("service", kept.name, "-o", "json").value
    assert (shown["plan"], shown["parameters"]) == ("basic", {"cors": CORS})
    assert visit(f"{kept.url}/k").status == 403
    assert kept.preflight("https://example.org").status == 200


# --- parameters


@pytest.mark.parametrize("ownership", OWNERSHIPS)
def test_object_ownership_is_ordered_and_changed(customer: Customer, ownership: str) -> None:
    kept = Kept(customer, object_ownership=ownership)
    assert kept.ownership() == ownership
    changed = OWNERSHIPS[OWNERSHIPS.index(ownership) - 1]
    kept.update("-c", json.dumps({"object_ownership": changed}))
    assert kept.ownership() == changed
    assert customer.ok("service", kept.name, "--params").value == {"object_ownership": changed}
    kept.update("-c", '{"object_ownership": null}')
    assert kept.ownership() == "BucketOwnerEnforced"
    assert customer.ok("service", kept.name, "--params").value == {}


@pytest.mark.parametrize("when", ["at order", "by update"])
def test_browsers_of_the_listed_origins_may_do_what_the_rules_say(customer: Customer, when: str) -> None:
    kept = Kept(customer, cors=CORS) if when == "at order" else Kept(customer)
    if when == "by update":
        assert kept.preflight("https://example.org").status == 403
        (customer.home / "cors.json").write_text(json.dumps({"cors": CORS}))
        kept.update("-c", "cors.json")
    kept.put("k")
    allowed = kept.preflight("https://example.org")
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == "https://example.org"
    assert "PUT" in allowed.headers["access-control-allow-methods"]
    assert allowed.headers["access-control-max-age"] == "60"
    assert kept.preflight("https://example.org", "DELETE").status == 403
    for origin in ("https://example.com", "http://example.org", "https://sub.example.org", "null"):
        assert kept.preflight(origin).status == 403
    url = kept.presigned("GET", "k")
    for origin, told in (("https://example.org", "https://example.org"), ("https://example.com", None)):
        answer = visit(url, Origin=origin)
        assert answer.body == b"this is k"
        assert answer.headers.get("access-control-allow-origin") == told
    kept.update("-c", '{"cors": null}')
    assert kept.preflight("https://example.org").status == 403
    assert "access-control-allow-origin" not in visit(url, Origin="https://example.org").headers


@pytest.mark.parametrize("when", ["at order", "by update"])
def test_a_website_has_index_and_error_documents_and_redirects(customer: Customer, when: str) -> None:
    kept = Kept(customer, "basic-public", website=WEBSITE) if when == "at order" else Kept(customer, "basic-public")
    site = kept.key["website_endpoint"]
    if when == "by update":
        assert visit(f"{site}/").status == 404
        kept.update("-c", json.dumps({"website": WEBSITE}))
    kept.put("index.html", "docs/index.html", "error.html", "new/page.html", ContentType="text/html")
    kept.put("moved", WebsiteRedirectLocation="/new/page.html")
    root = visit(f"{site}/")
    assert (root.status, root.body, root.headers["content-type"]) == (200, b"this is index.html", "text/html")
    assert visit(f"{site}/docs/").body == b"this is docs/index.html"
    folder = visit(f"{site}/docs")
    assert (folder.status, folder.headers["location"]) == (302, "/docs/")
    missing = visit(f"{site}/missing")
    assert missing.status in (403, 404)  # as on AWS: who may not list is not told which
    assert missing.body == b"this is error.html"
    moved = visit(f"{site}/moved")
    assert (moved.status, moved.headers["location"]) == (301, "/new/page.html")
    ruled = visit(f"{site}/old/page.html")
    assert (ruled.status, urljoin(f"{site}/", ruled.headers["location"])) == (301, f"{site}/new/page.html")
    assert visit(f"{site}/", "POST").status == 405
    kept.update("-c", '{"website": null}')
    assert visit(f"{site}/").status == 404


def test_a_website_that_sends_all_elsewhere(customer: Customer) -> None:
    kept = Kept(customer, website={"RedirectAllRequestsTo": {"HostName": "example.org", "Protocol": "https"}})
    answer = visit(f"{kept.key['website_endpoint']}/a/b?c=d")
    assert (answer.status, answer.headers["location"].partition("?")[0]) == (301, "https://example.org/a/b")


def test_a_private_buckets_website_shows_nothing(customer: Customer) -> None:
    kept = Kept(customer, website=WEBSITE)
    kept.put("index.html", "error.html")
    for path in ("/", "/index.html", "/missing"):
        answer = visit(kept.key["website_endpoint"] + path)
        assert answer.status == 403
        assert b"this is" not in answer.body


def test_the_catalog_publishes_the_schema_that_parameters_are_checked_by(shared: Customer) -> None:
    for plan in shared.ok("marketplace", "-e", "s3", "-o", "json").value:
        created = plan["schemas"]["service_instance"]["create"]["parameters"]
        assert created["$schema"].startswith("http://json-schema.org/draft-0")
        assert set(created["properties"]) == {"object_ownership", "cors", "website", "quota"}
        assert created["additionalProperties"] is False
    for name in ("versioning", "encryption", "lifecycle", "backup"):
        refused = shared("create-service", "s3", "basic", "b", "-c", json.dumps({name: {}}))
        assert refused.code == 2
        assert f'"{name}"' in refused.error


def test_what_an_engine_cannot_is_refused_when_it_is_ordered(shared: Customer) -> None:
    """The embedded engine limits no bucket; one on Ceph does: clients/test_ceph.py."""
    quota = json.dumps({"quota": {"size": "10 GB"}})
    refused = shared("create-service", "s3", "basic", "limited", "-c", quota)
    assert refused.code == 1
    assert "Parameter quota: the engine embedded can't limit a bucket" in refused.error
    assert shared("service", "limited").code == 3
    shared.ok("create-service", "s3", "basic", "unlimited")
    refused = shared("update-service", "unlimited", "-c", quota)
    assert "Parameter quota" in refused.error
    assert "create succeeded" in shared.ok("service", "unlimited").out


def test_data_stays_whatever_changes_around_it(customer: Customer) -> None:
    """Nothing but its owner removes an object: not a change of plan, of parameters, of name, nor a new key."""
    kept = Kept(customer)
    kept.put("k")
    kept.update("-p", "basic-public", "-c", json.dumps({"website": WEBSITE, "cors": CORS}))
    customer.ok("rename-service", kept.name, f"{kept.name}-renamed")
    customer.ok("delete-service-key", f"{kept.name}-renamed", "key", "-f")
    again = customer.s3(customer.key(f"{kept.name}-renamed", "again"))
    assert again.get_object(Bucket=kept.bucket, Key="k")["Body"].read() == b"this is k"
