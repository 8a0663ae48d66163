"""From a claim to a caller: whose key it is, and whether the holder of its secret signed this request.

Order of Amazon S3: form of the claim, its scope and time, the key, then the signature. A key that is unknown, deleted
or inactive is InvalidAccessKeyId in each case, and costs the time of a wrong signature. So is a temporary key without
its token, or whose parent is; one with another's token is InvalidToken, and ExpiredToken when its time is over.
"""

from __future__ import annotations

from typing import NamedTuple

from bucketry.store.gateway.http import Request
from bucketry.store.identity.sessions import KEY_PREFIX
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Caller
from bucketry.store.s3 import sigv2, sigv4
from bucketry.store.s3.errors import (
    ExpiredToken,
    InvalidAccessKeyId,
    InvalidRequest,
    InvalidToken,
    SignatureDoesNotMatch,
)
from bucketry.store.s3.sigv4 import Claim

_KEYS_KEPT = 8192
_NOBODYS_KEY = sigv4.signing_key("nobody", "20260101", "us-east-1", "s3")


class Signed(NamedTuple):
    """A claim whose key is known. Nothing of it is true before `verify` has returned."""

    claim: Claim
    caller: Caller | None  # None: no such key; `verify` says so
    signing_key: bytes


def find(identity: Identity, claim: Claim) -> Caller | None:
    """Whom a claim names: the holder of a long-term key, or of a temporary one with its token. None: nobody who may
    ask for anything.
    """
    if claim.session_token is not None:
        of_session = identity.session_caller(claim.access_key_id, claim.session_token)
        if of_session is not None:
            return of_session
    caller = identity.caller(claim.access_key_id)
    return caller if caller is not None and caller.is_active else None


def accepted(claim: Claim, caller: Caller | None, now_ms: int) -> Caller:
    """The caller of a claim whose signature was checked, if its credentials are whole and have not run out."""
    if caller is None:
        if claim.session_token is not None and claim.access_key_id.startswith(KEY_PREFIX):
            raise InvalidToken
        raise InvalidAccessKeyId(fields={"AWSAccessKeyId": claim.access_key_id[:128]})
    if caller.session is None:
        if claim.session_token is not None:
            raise InvalidToken
    elif caller.session.expires_ms <= now_ms:
        raise ExpiredToken
    return caller


class Authenticator:
    """Looks up keys and verifies signatures. Signing keys are kept a caller, day, region and service.

    A kept key counts only for the very Caller value that it was made from: identity makes a new one whenever the secret
    or anything else of it changes, so a changed secret never meets an old key.
    """

    def __init__(self, identity: Identity, region: str) -> None:
        self._identity = identity
        self._region = region
        self._keys: dict[tuple[str, str, str, str], tuple[Caller, bytes]] = {}

    def identify(self, request: Request, now_ms: int, services: tuple[str, ...] = ("s3",)) -> Signed | None:
        """The claim of a request and whose key it names; None when it makes no claim (anonymous).

        Refuses what can be refused without the body: malformed claims, wrong scope, times off. IAM and STS are global:
        any region is taken for them.
        """
        if "AWSAccessKeyId" in request.raw_query and sigv2.is_claimed(request.raw_query, request.headers):
            return self._identify_v2(request, now_ms, services)
        claim = request.known.claim
        if claim is None:
            claim = sigv4.parse_claim(request.method, request.raw_path, request.raw_query, request.headers)
            if claim is None:
                return None
            sigv4.check_scope(claim, self._region if claim.service == "s3" else None, services)
            request.known.claim = claim
        sigv4.check_time(claim, now_ms / 1000)
        caller = find(self._identity, claim)
        return Signed(claim, caller, _NOBODYS_KEY if caller is None else self._signing_key(caller, claim))

    def _identify_v2(self, request: Request, now_ms: int, services: tuple[str, ...]) -> Signed:
        claim = sigv2.parse_claim(request.raw_query, request.headers)
        if claim.service not in services:
            raise InvalidRequest("This service takes AWS4-HMAC-SHA256 only.")
        sigv2.check_time(claim, now_ms / 1000)
        caller = self._identity.caller(claim.access_key_id)
        return Signed(claim, caller if caller is not None and caller.is_active else None, b"")

    def verify(
        self, request: Request, signed: Signed, now_ms: int, payload_sha256: str | None = None, host_bucket: str = ""
    ) -> Caller:
        """The caller, if the request is signed with the key's secret; the errors of sigv4.verify if not.

        `payload_sha256` is for calls without x-amz-content-sha256 (IAM, STS), whose body is read before; `host_bucket`
        the bucket that the Host names, "" where the path does: V2 signs it as part of the path.
        """
        claim = signed.claim
        try:
            if claim.version == sigv2.VERSION:
                secret = signed.caller.secret_access_key if signed.caller else "nobody's"
                path = f"/{host_bucket}{request.raw_path}" if host_bucket else request.raw_path
                sigv2.verify(claim, secret, request.method, path, request.raw_query, request.headers)
            else:
                self._verify_v4(request, signed, payload_sha256)
        except SignatureDoesNotMatch:
            if signed.caller is not None:
                raise
        return accepted(signed.claim, signed.caller, now_ms)

    def _verify_v4(self, request: Request, signed: Signed, payload_sha256: str | None) -> None:
        """The string that was signed follows from the head, and is made once for heads that come again (heads.py); the
        signature of it is computed and compared each time."""
        claim, known = signed.claim, request.known
        text = known.string_to_sign if payload_sha256 is None else None
        if text is not None and sigv4.is_signature_of(text, signed.signing_key, claim.signature):
            return
        known.string_to_sign = sigv4.verify(
            claim,
            signed.signing_key,
            request.method,
            request.raw_path,
            request.raw_query,
            request.headers,
            payload_sha256,
        )

    def _signing_key(self, caller: Caller, claim: Claim) -> bytes:
        name = (claim.access_key_id, claim.date, claim.region, claim.service)
        kept = self._keys.get(name)
        if kept is not None and kept[0] is caller:
            return kept[1]
        key = sigv4.signing_key(caller.secret_access_key, claim.date, claim.region, claim.service)
        if len(self._keys) >= _KEYS_KEPT:
            del self._keys[next(iter(self._keys))]
        self._keys[name] = (caller, key)
        return key
