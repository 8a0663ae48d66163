"""Keys of callers: found, kept, and never kept longer than the caller they were made from."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from bucketry.store.gateway.authenticate import Authenticator
from bucketry.store.gateway.http import BodyReader, Request
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account, Caller
from bucketry.store.s3.errors import InvalidAccessKeyId, SignatureDoesNotMatch
from tests.unit.store.s3.signing import ACCESS_KEY, SECRET, sign

ACCOUNT = Account("123456789012", "c" * 64, "one", "")
CALLER = Caller(ACCESS_KEY, SECRET, ACCOUNT, None, (), is_active=True)


class Keys:
    """The one look-up that authenticating has, over a dict."""

    def __init__(self, *callers: Caller) -> None:
        self.callers = {caller.access_key_id: caller for caller in callers}

    def caller(self, access_key_id: str) -> Caller | None:
        return self.callers.get(access_key_id)


class NoBody:
    async def read_chunk(self) -> bytes:
        return b""

    async def refuse_rest(self) -> None:
        return None


def signed_request() -> tuple[Request, int]:
    wire = sign("GET", "http://localhost:9000/bucket/key")
    claim = wire.claim()
    assert claim is not None
    body: BodyReader = NoBody()
    request = Request(wire.method, wire.path, wire.query, wire.headers, body, None, "127.0.0.1", False, "R", {})
    return request, claim.epoch_s * 1000


def authenticate(authenticator: Authenticator) -> Caller:
    request, now_ms = signed_request()
    signed = authenticator.identify(request, now_ms)
    assert signed is not None
    return authenticator.verify(request, signed, now_ms)


def test_a_caller_is_known_by_its_signature() -> None:
    authenticator = Authenticator(cast(Identity, Keys(CALLER)), "us-east-1")
    assert authenticate(authenticator) is CALLER
    assert authenticate(authenticator) is CALLER


def test_a_changed_secret_never_meets_an_old_signing_key() -> None:
    keys = Keys(CALLER)
    authenticator = Authenticator(cast(Identity, keys), "us-east-1")
    authenticate(authenticator)
    keys.callers[ACCESS_KEY] = replace(CALLER, secret_access_key="another")
    with pytest.raises(SignatureDoesNotMatch):
        authenticate(authenticator)


@pytest.mark.parametrize("keys", [Keys(), Keys(replace(CALLER, is_active=False))], ids=["unknown", "inactive"])
def test_a_key_that_is_not_active_is_not_known(keys: Keys) -> None:
    with pytest.raises(InvalidAccessKeyId) as error:
        authenticate(Authenticator(cast(Identity, keys), "us-east-1"))
    assert error.value.fields == {"AWSAccessKeyId": ACCESS_KEY}
