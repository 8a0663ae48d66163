"""Temporary credentials: what opens a token, when it ends, and that its rights are never more than its parents'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bucketry.kernel.envelope import Envelope, new_key
from bucketry.store.gateway.authenticate import accepted
from bucketry.store.identity import sessions
from bucketry.store.identity.errors import InvalidInput
from bucketry.store.identity.holders import ROLE, USER
from bucketry.store.identity.sessions import new_ticket
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account, Caller
from bucketry.store.policy.evaluator import AccessRequest, Decision, Principal, evaluate
from bucketry.store.policy.language import Policy
from bucketry.store.policy.parser import parse_policy
from bucketry.store.s3.claims import Claim, PayloadMode
from bucketry.store.s3.errors import ExpiredToken, InvalidAccessKeyId, InvalidToken
from tests.unit.store.policy.test_against_reference import bucket_policies, policies, requests

from .clock import TurnableClock, allow

TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}
)


async def _parent(identity: Identity, account: Account) -> Caller:
    await identity.create_user(account.account_id, "alice")
    await identity.policies.put_inline(USER, account.account_id, "alice", "main", allow())
    key, _ = await identity.create_access_key(account.account_id, "alice")
    caller = identity.caller(key.access_key_id)
    assert caller is not None
    return caller


async def test_token_opens_for_its_own_key_under_its_own_master_key_alone(identity: Identity, account: Account) -> None:
    ticket = new_ticket(await _parent(identity, account), 0, 1000)
    token = identity.session_token(ticket)
    caller = identity.session_caller(ticket.access_key_id, token)
    assert caller is not None
    assert caller.secret_access_key == ticket.secret_access_key
    assert ticket.secret_access_key not in repr(ticket)
    other = sessions.KEY_PREFIX + "A" * 16
    strange = sessions.seal(Envelope([new_key()]), ticket)
    for key_id, text in (
        (other, token),
        (ticket.access_key_id, strange),
        (ticket.access_key_id, ""),
        (ticket.access_key_id, "é"),
        (ticket.access_key_id, token + "="),
        (ticket.access_key_id.replace("ASIA", "BKRY"), token),
    ):
        assert identity.session_caller(key_id, text) is None


@pytest.mark.parametrize("name", ["", "a", "ab"])  # so that base64 ends in each way
def test_no_changed_bit_opens(name: str) -> None:
    envelope = Envelope([bytes(32)])
    ticket = sessions.Ticket(sessions.KEY_PREFIX + "B" * 16, "s" * 40, "BKRY", 0, 1, name)
    token = sessions.seal(envelope, ticket).encode()
    assert sessions.open_token(envelope, ticket.access_key_id, token.decode()) == ticket
    for at in range(len(token)):
        for bit in range(8):
            changed = bytearray(token)
            changed[at] ^= 1 << bit
            assert sessions.open_token(envelope, ticket.access_key_id, changed.decode("latin-1")) is None


def _claim(key_id: str, token: str | None) -> Claim:
    hashed = PayloadMode.HASH
    return Claim(key_id, "20260101", "us-east-1", "s3", ("host",), "", "", 0, False, 0, hashed, None, token)


async def test_session_ends_on_time(identity: Identity, account: Account) -> None:
    ticket = new_ticket(await _parent(identity, account), 1000, 5000)
    token = identity.session_token(ticket)
    caller = identity.session_caller(ticket.access_key_id, token)
    claim = _claim(ticket.access_key_id, token)
    assert accepted(claim, caller, 4999) is caller
    for now_ms in (5000, 5001, 10**15):
        with pytest.raises(ExpiredToken):
            accepted(claim, caller, now_ms)
    with pytest.raises(InvalidToken):
        accepted(claim, None, 0)
    with pytest.raises(InvalidAccessKeyId):
        accepted(_claim(ticket.access_key_id, None), None, 0)


async def test_chained_session_is_never_longer_and_has_all_its_parents(identity: Identity, account: Account) -> None:
    parent = await _parent(identity, account)
    roles = [await identity.roles.create(account.account_id, name, TRUST) for name in ("one", "two")]
    first = new_ticket(parent, 0, 5000, name="a", role_id=roles[0].role_id)
    caller = identity.session_caller(first.access_key_id, identity.session_token(first))
    assert caller is not None
    second = new_ticket(caller, 100, 50_000, name="b", role_id=roles[1].role_id)
    assert (second.expires_ms, second.origin_key_id) == (5000, parent.access_key_id)
    assert second.role_ids == (roles[0].role_id, roles[1].role_id)
    token = identity.session_token(second)
    assert identity.session_caller(second.access_key_id, token) is not None
    await identity.roles.delete(account.account_id, "one")
    assert identity.session_caller(second.access_key_id, token) is None


async def test_account_user_and_key_that_are_gone_end_it(identity: Identity, account: Account) -> None:
    parent = await _parent(identity, account)
    ticket = new_ticket(parent, 0, 1000)
    token = identity.session_token(ticket)
    account_id, key_id = account.account_id, parent.access_key_id
    await identity.set_access_key_status(account_id, "alice", key_id, False)
    assert identity.session_caller(ticket.access_key_id, token) is None
    await identity.set_access_key_status(account_id, "alice", key_id, True)
    assert identity.session_caller(ticket.access_key_id, token) is not None
    await identity.delete_account(account_id)
    assert identity.session_caller(ticket.access_key_id, token) is None


async def test_policies_that_fit_no_token_are_refused(identity: Identity, account: Account) -> None:
    ticket = new_ticket(await _parent(identity, account), 0, 1000, policy="x" * 5000)
    with pytest.raises(InvalidInput, match="too long"):
        identity.session_token(ticket)


async def test_managed_session_policy_counts_as_it_is_now(identity: Identity, account: Account) -> None:
    policy = await identity.policies.create(account.account_id, "bound", allow("s3:GetObject"))
    ticket = new_ticket(await _parent(identity, account), 0, 1000, policy_arns=(policy.arn,))
    token = identity.session_token(ticket)

    def bound() -> Policy:
        caller = identity.session_caller(ticket.access_key_id, token)
        assert caller is not None
        assert caller.session is not None
        assert caller.session.policy is not None
        return caller.session.policy

    before = bound()
    assert bound() is before
    await identity.policies.create_version(account.account_id, policy.arn, allow("s3:PutObject"), is_default=True)
    assert not bound().select("s3:GetObject")[1]
    for version in ("v1",):
        await identity.policies.delete_version(account.account_id, policy.arn, version)
    await identity.policies.delete(account.account_id, policy.arn)
    assert bound().select("s3:PutObject")[0]  # it is gone, so all is denied


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Identity]:
    folder: Path = tmp_path_factory.mktemp("sessions")
    identity = Identity(folder / "identity.sqlite", Envelope([new_key()]), TurnableClock())
    yield identity
    identity.close()


def _decide(request: dict[str, Any], caller: Caller, bucket: Policy | None) -> Decision:
    account_id = caller.account.account_id
    principal = Principal(account_id, caller.arn, None, caller.is_root, caller.role.arn if caller.role else None)
    owner = account_id if request["owner"] == "111111111111" else request["owner"]
    asked = AccessRequest(principal, request["action"], request["resource"], request["context"], owner)
    return evaluate(asked, caller.policies, bucket, *caller.bounds)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    request=requests(),
    own=policies(),
    boundary=st.one_of(st.none(), policies()),
    inside=policies(),
    bucket=bucket_policies,
    of_role=st.booleans(),
)
async def test_no_session_and_no_bounded_identity_has_more_than_its_parent(
    scene: Identity,
    request: dict[str, Any],
    own: dict[str, Any],
    boundary: dict[str, Any] | None,
    inside: dict[str, Any],
    bucket: dict[str, Any] | None,
    of_role: bool,
) -> None:
    """Through what is stored and read again: a user or role with any policy, then bounded, then in a session."""
    account, root_key, _ = await scene.create_account("tenant")
    account_id, kind = account.account_id, ROLE if of_role else USER
    await scene.create_user(account_id, "one")
    role = await scene.roles.create(account_id, "one", TRUST)
    key, _ = await scene.create_access_key(account_id, "one")
    bucket_policy = None if bucket is None else parse_policy(json.dumps(bucket))
    for number, statement in enumerate(own["Statement"]):
        document = json.dumps({"Version": own["Version"], "Statement": [statement]})
        await scene.policies.put_inline(kind, account_id, "one", f"p{number}", document)

    def caller(policy: str | None) -> Caller:
        parent = scene.caller(key.access_key_id)
        assert parent is not None
        ticket = new_ticket(parent, 0, 10**12, name="s", role_id=role.role_id if of_role else None, policy=policy)
        found = scene.session_caller(ticket.access_key_id, scene.session_token(ticket))
        assert found is not None
        return found

    plain = caller(None)
    if not of_role:
        parent = scene.caller(key.access_key_id)
        assert parent is not None
        assert _decide(request, plain, bucket_policy) is _decide(request, parent, bucket_policy)
    limited = caller(json.dumps(inside))
    if boundary is not None:
        policy = await scene.policies.create(account_id, "bound", json.dumps(boundary))
        await scene.policies.set_boundary(kind, account_id, "one", policy.arn)
    bounded, both = caller(None), caller(json.dumps(inside))
    allowed = {
        name: _decide(request, who, bucket_policy) is Decision.ALLOW
        for name, who in (("plain", plain), ("limited", limited), ("bounded", bounded), ("both", both))
    }
    for less, more in (("limited", "plain"), ("bounded", "plain"), ("both", "limited"), ("both", "bounded")):
        assert allowed[more] or not allowed[less], (less, more)
    assert replace(plain, is_active=False).bounds == (None, None)
    assert root_key
