"""What this server calls itself: the addresses that credentials, admin.json and virtual-host style are made of."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from bucketry.serve.settings import Settings, split_address


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the three listeners are, as clients on this machine reach them unless settings name them otherwise."""

    s3_url: str  # what credentials name
    website_url: str
    api_url: str
    engine_url: str  # where the marketplace itself reaches the store
    website_port: int

    @classmethod
    def of(cls, settings: Settings, s3: str, website: str, api: str, engine: str) -> Addresses:
        """From the bound addresses (`HOST:PORT`); `engine` is the store's listener for the marketplace."""
        scheme = "https" if settings.server.tls_certificate else "http"
        return cls(
            s3_url=settings.server.s3_url.rstrip("/") or f"{scheme}://{_reachable(s3)}",
            website_url=f"http://{_reachable(website)}",
            api_url=f"{scheme}://{_reachable(api)}",
            engine_url=f"http://{_reachable(engine)}",
            website_port=split_address(website, "website_listen")[1],
        )

    @classmethod
    def of_last_start(cls, s3_url: str, website_url: str, api_url: str) -> Addresses:
        """For commands beside a server: as admin.json names them."""
        return cls(s3_url, website_url, api_url, s3_url, urlsplit(website_url).port or 80)

    def s3_domains(self) -> tuple[str, ...]:
        """Base names of BUCKET.DOMAIN addressing: the host of s3_url, and localhost; no IP address can be one."""
        host = urlsplit(self.s3_url).hostname or "localhost"
        return tuple(dict.fromkeys(name for name in (host, "localhost") if not _is_ip(name)))


def _reachable(address: str) -> str:
    """An address to connect to: the unspecified one (0.0.0.0, [::]) stands for this machine."""
    host, port = split_address(address, "address")
    if host == "0.0.0.0":  # noqa: S104 - compared, not bound
        return f"127.0.0.1:{port}"
    if host == "::":
        return f"[::1]:{port}"
    return address


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
