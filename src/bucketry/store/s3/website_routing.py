"""What a website configuration says to a request: which key it means, and where it is sent instead.

Amazon S3 User Guide, "Configuring an index document", "Configuring webpage redirects". Pure: names in, names out. A
Location is made of what the owner configured and of the percent-encoded key, never of other headers of the request than
a Host that was recognised; one that stays on the site is a path, and can't be read as another host (`//elsewhere`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from .names import host_name
from .website import Redirect, RoutingRule, Website

# RFC 3986, 3.3: what a path may hold without an escape.
_PATH_SAFE = "/!$&'()*+,;=:@-._~"
# A configured text is a piece of a URL already (`#!/page?x=1` is common): only what a URL can't hold is escaped.
_URL_SAFE = _PATH_SAFE + "?#[]%"


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """How the request named the site: scheme, the Host header as sent, and whether it has a query to hand on."""

    scheme: str
    host: str
    raw_query: str = ""


def site_bucket(host: str, domains: Iterable[str], region: str) -> str | None:
    """The bucket whose site a Host header names: BUCKET.s3-website-REGION.DOMAIN, BUCKET.s3-website.REGION.DOMAIN, or
    BUCKET.s3-website.DOMAIN; else the name itself, as with a CNAME. None for an endpoint without a bucket, or none.
    """
    name = host_name(host)
    if not name or name[0] == "[":
        return None
    for domain in domains:
        for endpoint in (f"s3-website-{region}.{domain}", f"s3-website.{region}.{domain}", f"s3-website.{domain}"):
            if name == endpoint:
                return None
            if name.endswith("." + endpoint):
                return name[: -len(endpoint) - 1]
        if name == domain:
            return None
    return name


def index_key(website: Website, key: str) -> str:
    """The object that a path means: the index document for the root and for what ends in a slash."""
    return key + website.index_suffix if not key or key.endswith("/") else key


def find_rule(rules: Sequence[RoutingRule], key: str, error_code: int | None) -> RoutingRule | None:
    """The first rule for a request of `key` (as the path has it) before the object is looked for (`error_code` None:
    rules about errors don't count), or after it failed (only rules about errors count)."""
    for rule in rules:
        if rule.error_code == error_code and (rule.key_prefix is None or key.startswith(rule.key_prefix)):
            return rule
    return None


def rule_location(rule: RoutingRule, key: str, site: SiteAddress) -> str:
    """The Location of a rule's redirect."""
    redirect = rule.redirect
    if redirect.replace_key_with is not None:
        path = quote(redirect.replace_key_with, safe=_URL_SAFE)
    elif redirect.replace_key_prefix_with is not None:
        rest = key[len(rule.key_prefix or "") :]
        path = quote(redirect.replace_key_prefix_with, safe=_URL_SAFE) + quote(rest, safe=_PATH_SAFE)
    else:
        path = quote(key, safe=_PATH_SAFE)
    return _location(redirect, path, site)


def redirect_all_location(redirect: Redirect, key: str, site: SiteAddress) -> str:
    """The Location of RedirectAllRequestsTo: the same path and query on another host."""
    return _location(redirect, quote(key, safe=_PATH_SAFE), site)


def directory_location(key: str) -> str:
    """The Location that adds the slash to the name of a folder."""
    return _local(quote(key, safe=_PATH_SAFE) + "/")


def _location(redirect: Redirect, path: str, site: SiteAddress) -> str:
    if site.raw_query and "?" not in path and "#" not in path:
        path = f"{path}?{quote(site.raw_query, safe=_URL_SAFE, errors='surrogateescape')}"
    if redirect.host_name is None and redirect.protocol is None:
        return _local(path)
    host = redirect.host_name or quote(site.host, safe=":[].-", errors="surrogateescape")
    return f"{redirect.protocol or site.scheme}://{host}/{path}"


def _local(path: str) -> str:
    # A key that begins with a slash would make `//…`, which browsers take for a host.
    return "/%2F" + path[1:] if path.startswith("/") else "/" + path
