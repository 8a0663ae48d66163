"""What a handler is given: the request, who asks, what it names, and the parts of the store that it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe

from bucketry.kernel.clock import ClockMs
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import Version
from bucketry.store.gateway.http import Request
from bucketry.store.gateway.log_lines import LogLines
from bucketry.store.gateway.pages import Pages
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import BucketRecord, Caller
from bucketry.store.s3.operations import Operation
from bucketry.store.s3.sigv4 import Claim


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What an operator sets of the store. Addresses are `host[:port]` names that requests may carry in Host."""

    region: str = "us-east-1"
    s3_domains: tuple[str, ...] = ("localhost",)  # base names for BUCKET.DOMAIN addressing
    website_domains: tuple[str, ...] = ("localhost",)  # BUCKET.s3-website-REGION.DOMAIN
    default_object_ownership: str = "BucketOwnerEnforced"
    max_buckets_per_account: int = 100_000
    access_log_seconds: float = 300.0  # how long lines of access logs may wait
    has_webhook: bool = False  # whether events can be sent anywhere
    customer_keys_over_http: bool = False  # whether customers' keys may come without TLS

    @property
    def blocks_public_access(self) -> bool:
        """Whether new buckets have Block Public Access all on. AWS made that and BucketOwnerEnforced the default in
        one step (April 2023): who goes back to buckets with ACLs goes back behind both.
        """
        return self.default_object_ownership == "BucketOwnerEnforced"


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one running store process."""

    disk: Disk
    identity: Identity
    settings: StoreSettings
    clock_ms: ClockMs
    log_lines: LogLines = field(default_factory=LogLines)
    pages: Pages = field(default_factory=Pages)
    host_id: str = field(default_factory=lambda: token_urlsafe(36))  # what answers name this process by


@dataclass(slots=True)
class Context:
    """One request on its way through the gateway. `bucket` is there wherever the operation needs an existing one."""

    services: Services
    request: Request
    operation: Operation
    bucket_name: str = ""
    key: str = ""
    caller: Caller | None = None  # None: anonymous
    claim: Claim | None = None  # how it was signed; None: not signed
    signing_key: bytes = b""
    bucket: BucketRecord | None = None
    now_ms: int = 0
    condition_values: Mapping[str, str | list[str]] = field(default_factory=dict)  # lower-case policy keys → values
    has_acl_headers: bool = False  # x-amz-acl or x-amz-grant-* is given
    # The object version on which the caller's right was decided, with (bucket id, key, version id) as it was named.
    judged: tuple[tuple[str, str, str | None], Version] | None = None
    document: bytes | None = None  # a body that was read before authorising, since conditions look into it
