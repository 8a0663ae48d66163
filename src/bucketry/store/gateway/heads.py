"""What follows from the head of a request alone, kept for heads that come again and again.

A public file, a presigned URL in a page, a health check: browsers and balancers send the same bytes many times. What is
a pure function of these bytes (fields, parameters, the claim, what is named, the string that was signed) is worked out
once. Nothing is kept that depends on the clock, on a key, on a policy or on what is stored: signatures are computed and
compared, rights decided, objects looked up for each request.

A head is kept when it comes a second time, so that what comes once pushes nothing out; never one with an Authorization
field, which is signed for its second, or with a customer's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from bucketry.store.s3.headers import Headers

if TYPE_CHECKING:
    from bucketry.store.gateway.routing import Target
    from bucketry.store.s3.operations import Operation
    from bucketry.store.s3.sigv4 import Claim

MAX_KEPT_BYTES = 4096  # of a head
KEPT = 2048  # heads a process and port; some 3 KiB each
_SEEN = 8192
_NEVER_KEPT = (b"\nauthorization:", b"-customer-")


class Known(msgspec.Struct):
    """Findings about a head, made when they are first asked for."""

    target: Target | None = None
    operation: Operation | None = None
    claim: Claim | None = None
    string_to_sign: bytes | None = None  # of the claim; None: not worked out
    headers_as_signed: Headers | None = None  # with the x-amz-* parameters of a presigned URL
    has_acl_headers: bool | None = None  # None: its headers were not checked


class Head(msgspec.Struct, frozen=True):
    """The head of a request, parsed. Shared by equal requests: nobody changes what it holds. (A Struct, since each new
    request makes one: a tenth of the cost of a frozen dataclass.)"""

    method: str
    raw_path: str
    raw_query: str
    headers: Headers
    parameters: Mapping[str, str]
    content_length: int | None
    expects_continue: bool
    keeps_alive: bool
    is_1_0: bool
    known: Known = msgspec.field(default_factory=Known)


class Heads:
    """The heads of requests without a body that were seen more than once."""

    def __init__(self) -> None:
        self.kept: dict[bytes, Head] = {}
        self._seen: set[int] = set()

    def note(self, raw: bytes, head: Head) -> None:
        """`raw` was a whole request, and `head` what it says."""
        fingerprint = hash(raw)
        if fingerprint not in self._seen:
            if len(self._seen) >= _SEEN:
                self._seen.clear()
            self._seen.add(fingerprint)
            return
        if len(raw) > MAX_KEPT_BYTES or any(word in raw.lower() for word in _NEVER_KEPT):
            return
        while len(self.kept) >= KEPT:
            del self.kept[next(iter(self.kept))]
        self.kept[raw] = head
