"""Website configurations: what is taken, what is refused, and that what is written reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3.errors import InvalidArgument, InvalidRequest, MalformedXML
from bucketry.store.s3.website import Redirect, RoutingRule, Website, parse, serialise

_TEXT = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc"]), min_size=1, max_size=20
)
_HOSTS = st.sampled_from(["example.com", "www.example.org:8080", "h"])
_PROTOCOLS = st.sampled_from([None, "http", "https"])


@st.composite
def _redirects(draw: st.DrawFn) -> Redirect:
    kind = draw(st.sampled_from(["none", "prefix", "whole"]))
    return Redirect(
        host_name=draw(_HOSTS),
        protocol=draw(_PROTOCOLS),
        replace_key_prefix_with=draw(_TEXT | st.just("")) if kind == "prefix" else None,
        replace_key_with=draw(_TEXT) if kind == "whole" else None,
        http_redirect_code=draw(st.sampled_from([301, 302, 307, 308])),
    )


_RULES = st.builds(RoutingRule, _redirects(), st.none() | _TEXT, st.sampled_from([None, 403, 404, 500]))
_SITES = st.builds(
    Website,
    index_suffix=_TEXT.filter(lambda text: "/" not in text),
    error_key=st.none() | _TEXT,
    rules=st.lists(_RULES, max_size=3).map(tuple),
)


@given(_SITES)
def test_written_reads_back(website: Website) -> None:
    assert parse(serialise(website)) == website


@given(_HOSTS, _PROTOCOLS)
def test_redirect_of_all_reads_back(host: str, protocol: str | None) -> None:
    website = Website(redirect_all=Redirect(host, protocol))
    assert parse(serialise(website)) == website


def _parse(inside: str) -> Website:
    return parse(f"<WebsiteConfiguration>{inside}</WebsiteConfiguration>".encode())


_INDEX = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>"
_ALL = "<RedirectAllRequestsTo><HostName>example.com</HostName></RedirectAllRequestsTo>"


def _rule(inside: str) -> str:
    return f"{_INDEX}<RoutingRules><RoutingRule>{inside}</RoutingRule></RoutingRules>"


_REDIRECT = "<Redirect><HostName>h</HostName></Redirect>"


@pytest.mark.parametrize(
    ("inside", "error"),
    [
        ("", InvalidArgument),
        ("<IndexDocument/>", InvalidArgument),
        ("<IndexDocument><Suffix/></IndexDocument>", InvalidArgument),
        ("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", InvalidArgument),
        (_INDEX + _ALL, InvalidArgument),
        (_INDEX + _INDEX, MalformedXML),
        (_INDEX + "<ErrorDocument/>", MalformedXML),
        (_INDEX + "<ErrorDocument><Key/></ErrorDocument>", MalformedXML),
        (_INDEX + "<RoutingRules/>", MalformedXML),
        (_INDEX + "<Other/>", MalformedXML),
        ("<RedirectAllRequestsTo/>", MalformedXML),
        (_ALL.replace("</HostName>", "</HostName><Protocol>ftp</Protocol>"), InvalidRequest),
        (_ALL.replace("example.com", "http://example.com/x"), InvalidRequest),
        (_ALL.replace("example.com", "a&#13;b"), InvalidRequest),
        (_rule(""), MalformedXML),
        (_rule("<Redirect/>"), MalformedXML),
        (_rule("<Condition/>" + _REDIRECT), InvalidRequest),
        (_rule("<Redirect><Protocol>gopher</Protocol></Redirect>"), InvalidRequest),
        (_rule("<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>"), InvalidRequest),
        (_rule("<Redirect><HttpRedirectCode>304</HttpRedirectCode></Redirect>"), InvalidRequest),
        (_rule("<Redirect><ReplaceKeyWith>a&#10;b</ReplaceKeyWith></Redirect>"), InvalidRequest),
        (
            _rule(
                "<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>"
            ),
            InvalidRequest,
        ),
        (
            _rule(f"<Condition><HttpErrorCodeReturnedEquals>302</HttpErrorCodeReturnedEquals></Condition>{_REDIRECT}"),
            InvalidRequest,
        ),
        (f"{_INDEX}<RoutingRules>{f'<RoutingRule>{_REDIRECT}</RoutingRule>' * 51}</RoutingRules>", InvalidRequest),
    ],
)
def test_what_cannot_be_served_is_refused(inside: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        _parse(inside)


def test_fifty_rules_are_taken() -> None:
    rules = f"<RoutingRule>{_REDIRECT}</RoutingRule>" * 50
    assert len(_parse(f"{_INDEX}<RoutingRules>{rules}</RoutingRules>").rules) == 50
