"""Which object a website request means and where it is sent: AWS's examples, and that no path leaves the site."""

from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3.website import Redirect, RoutingRule, Website
from bucketry.store.s3.website_routing import (
    SiteAddress,
    directory_location,
    find_rule,
    index_key,
    redirect_all_location,
    rule_location,
    site_bucket,
)

_SITE = SiteAddress("http", "b.s3-website.localhost:9001")
_WEBSITE = Website(index_suffix="index.html")
_KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("photos.s3-website-us-east-1.localhost", "photos"),
        ("photos.s3-website-us-east-1.localhost:9001", "photos"),
        ("photos.s3-website.us-east-1.localhost", "photos"),
        ("PHOTOS.s3-website.localhost.", "photos"),
        ("www.example.com.s3-website-us-east-1.localhost", "www.example.com"),
        ("www.example.com", "www.example.com"),
        ("photos.s3-website-eu-west-1.localhost", "photos.s3-website-eu-west-1.localhost"),
        ("localhost:9001", None),
        ("s3-website-us-east-1.localhost", None),
        ("", None),
        ("[::1]:9001", None),
    ],
)
def test_bucket_of_a_host(host: str, bucket: str | None) -> None:
    assert site_bucket(host, ("localhost",), "us-east-1") == bucket


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("", "index.html"),
        ("docs/", "docs/index.html"),
        ("docs", "docs"),
        ("a/b.html", "a/b.html"),
        ("/", "/index.html"),
    ],
)
def test_index_documents(key: str, expected: str) -> None:
    assert index_key(_WEBSITE, key) == expected


def test_prefix_rule_as_in_the_user_guide() -> None:
    rule = RoutingRule(Redirect(replace_key_prefix_with="documents/"), key_prefix="docs/")
    assert find_rule([rule], "docs/a b.html", None) is rule
    assert find_rule([rule], "other", None) is None
    assert find_rule([rule], "docs/a", 404) is None
    assert rule_location(rule, "docs/a b.html", _SITE) == "/documents/a%20b.html"


def test_error_rule_as_in_the_user_guide() -> None:
    redirect = Redirect(host_name="ec2.example.com", replace_key_prefix_with="report-404/")
    rule = RoutingRule(redirect, error_code=404)
    assert find_rule([rule], "x.html", None) is None
    assert find_rule([rule], "x.html", 403) is None
    assert find_rule([rule], "x.html", 404) is rule
    assert rule_location(rule, "x.html", _SITE) == "http://ec2.example.com/report-404/x.html"


def test_both_conditions_must_hold_and_the_first_rule_counts() -> None:
    both = RoutingRule(Redirect(replace_key_with="a"), key_prefix="images/", error_code=404)
    later = RoutingRule(Redirect(replace_key_with="b"), error_code=404)
    assert find_rule([both, later], "images/x", 404) is both
    assert find_rule([both, later], "x", 404) is later
    assert find_rule([RoutingRule(Redirect(host_name="h"))], "anything", None) is not None


@pytest.mark.parametrize(
    ("redirect", "query", "location"),
    [
        (Redirect(replace_key_with="#!/page"), "", "/#!/page"),
        (Redirect(replace_key_with="error.html"), "a=1", "/error.html?a=1"),
        (Redirect(replace_key_with="p?x=1"), "a=1", "/p?x=1"),
        (Redirect(protocol="https"), "", "https://b.s3-website.localhost:9001/k"),
        (Redirect(host_name="h:8080"), "", "http://h:8080/k"),
        (Redirect(protocol="https", host_name="h"), "q", "https://h/k?q"),
    ],
)
def test_locations(redirect: Redirect, query: str, location: str) -> None:
    site = SiteAddress("http", "b.s3-website.localhost:9001", query)
    assert rule_location(RoutingRule(redirect), "k", site) == location


def test_redirect_of_all_keeps_path_and_query() -> None:
    site = SiteAddress("http", "b", "a=1&b=%20")
    assert redirect_all_location(Redirect("example.com"), "x/ä", site) == "http://example.com/x/%C3%A4?a=1&b=%20"
    assert redirect_all_location(Redirect("example.com", "https"), "", _SITE) == "https://example.com/"


@given(_KEYS)
def test_folder_redirect_stays_on_the_site_and_names_the_folder(key: str) -> None:
    location = directory_location(key)
    assert location.isascii()
    assert location.isprintable()
    target = urlsplit(urljoin("http://site.test/", location.replace("\\", "/")))
    assert target.netloc == "site.test"
    assert unquote(location)[1:] == key + "/"


@given(_KEYS, _KEYS)
def test_rule_without_a_host_stays_on_the_site(key: str, prefix: str) -> None:
    rule = RoutingRule(Redirect(replace_key_prefix_with=""), key_prefix=prefix)
    location = rule_location(rule, prefix + key, SiteAddress("http", "site.test", "q=\r\n1"))
    assert location.isascii()
    assert location.isprintable()
    assert not location.startswith(("//", "/\\"))


def test_host_of_the_request_cannot_break_out_of_a_location() -> None:
    location = rule_location(RoutingRule(Redirect(protocol="https")), "k", SiteAddress("http", "b@evil/x\r\ny"))
    assert location == "https://b%40evil%2Fx%0D%0Ay/k"
