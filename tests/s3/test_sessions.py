"""Temporary credentials: what they may do, that it is never more than their parents may, and how they end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.sessions import assume, make_role, session_of, trust
from tests.kit.store import Key, Store, allow


def status_of(store: Store, key: Key | None, bucket: str, name: str = "k", method: str = "GET") -> tuple[int, str]:
    reply = store.request(method, f"/{bucket}/{name}", key)
    return reply.status, reply.code


@pytest.fixture
def filled(s3: Any, bucket: str) -> str:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return bucket


@pytest.fixture
def user(store: Store, filled: str) -> Key:
    """A user who may all of S3 in the bucket, and assume any role."""
    arns = [f"arn:aws:s3:::{filled}", f"arn:aws:s3:::{filled}/*"]
    statements = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": arns},
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"},
    ]
    return store.user(f"{filled}-user", {"Version": "2012-10-17", "Statement": statements})


def arn_of(store: Store, user: Key) -> str:
    return str(store.client(user, "sts").get_caller_identity()["Arn"])


def test_session_is_its_user_in_headers_and_presigned_urls(store: Store, filled: str, user: Key) -> None:
    session = session_of(store, user)
    assert session.access_key_id.startswith("ASIA")
    assert arn_of(store, session) == arn_of(store, user)
    client = store.client(session)
    client.put_object(Bucket=filled, Key="new", Body=b"from a session")
    assert client.get_object(Bucket=filled, Key="new")["Body"].read() == b"from a session"
    target = store.presigned(session, "GET", f"/{filled}/new")
    assert "X-Amz-Security-Token=" in target
    assert store.request("GET", target).body == b"from a session"
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_buckets()


def test_no_token_and_no_secret_of_a_session_is_logged(store: Store, filled: str, user: Key) -> None:
    session = session_of(store, user)
    wrong = replace(session, secret_access_key="wrong" * 8)
    for key in (session, wrong):
        store.request("GET", f"/{filled}/k", key)
        reply = store.request("GET", store.presigned(key, "GET", f"/{filled}/k"))
        assert (session.session_token or "")[:40] not in reply.body.decode()
    log = store.log.read_text()
    assert (session.session_token or "")[:40] not in log
    assert session.secret_access_key not in log


@pytest.mark.parametrize("spoiled", ["missing", "cut", "changed", "of another session", "nonsense", "long"])
def test_key_without_its_own_token_is_refused(store: Store, filled: str, user: Key, spoiled: str) -> None:
    session = session_of(store, user)
    token = session.session_token or ""
    tokens = {
        "missing": None,
        "cut": token[:-8],
        "changed": token[:40] + ("A" if token[40] != "A" else "B") + token[41:],
        "of another session": session_of(store, user).session_token,
        "nonsense": "%00é",
        "long": "A" * 6000,
    }
    wrong = replace(session, session_token=tokens[spoiled])
    if spoiled == "nonsense":
        wrong = replace(session, session_token="not a token")
    code = "InvalidAccessKeyId" if spoiled == "missing" else "InvalidToken"
    reply = store.request("GET", f"/{filled}/k", wrong)
    assert reply.code == code
    assert reply.status in (400, 403)
    target = store.presigned(wrong, "GET", f"/{filled}/k")
    assert store.request("GET", target).code == code


def test_token_with_a_long_term_key_is_refused(store: Store, filled: str, user: Key) -> None:
    mixed = replace(user, session_token=session_of(store, user).session_token)
    assert store.request("GET", f"/{filled}/k", mixed).code == "InvalidToken"


def test_token_must_be_signed(store: Store, filled: str, user: Key) -> None:
    session = session_of(store, user)
    fields = store.signed_headers(replace(session, session_token=None), "GET", f"/{filled}/k")
    fields["X-Amz-Security-Token"] = session.session_token or ""
    from tests.kit.store import head

    with store.connection() as connection:
        connection.send(head("GET", f"/{filled}/k", fields))
        assert connection.reply().code == "AccessDenied"


@pytest.mark.parametrize("end", ["switched off", "deleted"])
def test_session_ends_at_once_with_the_key_it_came_from(store: Store, filled: str, user: Key, end: str) -> None:
    role = make_role(store, f"{filled}-role", trust(arn_of(store, user)), allow("s3:GetObject"))
    sessions = [session_of(store, user), assume(store, user, role)]
    sessions.append(assume(store, sessions[0], role))
    target = store.presigned(sessions[0], "GET", f"/{filled}/k")
    assert store.request("GET", target).status == 200
    for session in sessions:
        assert status_of(store, session, filled)[0] == 200
    iam = store.client(store.one, "iam")
    if end == "deleted":
        iam.delete_access_key(UserName=f"{filled}-user", AccessKeyId=user.access_key_id)
    else:
        iam.update_access_key(UserName=f"{filled}-user", AccessKeyId=user.access_key_id, Status="Inactive")
    for session in sessions:
        assert status_of(store, session, filled)[0] in (400, 403)
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            store.client(session, "sts").get_caller_identity()
    assert store.request("GET", target).status in (400, 403)


def test_session_of_a_role_ends_with_the_role_also_when_one_of_its_name_is_made(
    store: Store, filled: str, user: Key
) -> None:
    trusted = trust(arn_of(store, user))
    role = make_role(store, f"{filled}-role", trusted, allow("s3:GetObject"))
    session = assume(store, user, role)
    assert status_of(store, session, filled)[0] == 200
    iam = store.client(store.one, "iam")
    iam.delete_role_policy(RoleName=f"{filled}-role", PolicyName="inline")
    assert status_of(store, session, filled) == (403, "AccessDenied")
    iam.delete_role(RoleName=f"{filled}-role")
    assert status_of(store, session, filled) == (400, "InvalidToken")
    make_role(store, f"{filled}-role", trusted, allow("s3:GetObject"))
    assert status_of(store, session, filled) == (400, "InvalidToken")


def test_session_has_what_its_user_has_now(store: Store, filled: str, user: Key) -> None:
    session = session_of(store, user)
    iam = store.client(store.one, "iam")
    iam.put_user_policy(
        UserName=f"{filled}-user", PolicyName="inline", PolicyDocument=json.dumps(allow("s3:PutObject"))
    )
    assert status_of(store, session, filled) == (403, "AccessDenied")
    iam.put_user_policy(
        UserName=f"{filled}-user", PolicyName="inline", PolicyDocument=json.dumps(allow("s3:GetObject"))
    )
    assert status_of(store, session, filled)[0] == 200


def test_session_policies_bound_a_role_and_give_nothing(store: Store, filled: str, user: Key) -> None:
    role = make_role(store, f"{filled}-role", trust(arn_of(store, user)), allow("s3:GetObject", "s3:PutObject"))
    read = json.dumps(allow("s3:GetObject", "s3:ListBucket"))
    bound = assume(store, user, role, Policy=read)
    assert status_of(store, bound, filled)[0] == 200
    assert store.request("PUT", f"/{filled}/k2", bound, body=b"x").code == "AccessDenied"
    assert store.request("GET", f"/{filled}", bound).code == "AccessDenied"  # the role may not list
    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    managed = assume(store, user, role, PolicyArns=[{"arn": arn}])
    assert status_of(store, managed, filled)[0] == 200
    assert store.request("PUT", f"/{filled}/k2", managed, body=b"x").code == "AccessDenied"
    both = assume(store, user, role, PolicyArns=[{"arn": arn}], Policy=json.dumps(allow("s3:PutObject")))
    assert store.request("PUT", f"/{filled}/k2", both, body=b"x").status == 200
    assert status_of(store, both, filled)[0] == 200


def test_session_policy_bounds_what_acls_and_bucket_policies_grant(store: Store, s3: Any, user: Key) -> None:
    bucket = f"{arn_of(store, user).rpartition('/')[2]}-acl"
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=bucket)
    role = make_role(store, f"{bucket}-role", trust(arn_of(store, user)), allow("s3:*"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    free, bound = assume(store, user, role), assume(store, user, role, Policy=json.dumps(allow("s3:PutObject")))
    assert status_of(store, free, bucket)[0] == 200
    assert status_of(store, bound, bucket) == (403, "AccessDenied")
    document = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [document]}))
    assert status_of(store, bound, bucket) == (403, "AccessDenied")


def test_bucket_policy_names_a_role_or_one_session(store: Store, s3: Any, filled: str, user: Key) -> None:
    role = make_role(store, f"{filled}-role", trust(arn_of(store, user)))
    one, two = assume(store, user, role, "one"), assume(store, user, role, "two")
    assert status_of(store, one, filled) == (403, "AccessDenied")
    session_arn = arn_of(store, one)
    assert session_arn == f"arn:aws:sts::{store.one.account_id}:assumed-role/{filled}-role/one"
    for principal, expected in ((role, 200), (session_arn, 403)):
        statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:GetObject"}
        statement["Resource"] = f"arn:aws:s3:::{filled}/*"
        s3.put_bucket_policy(Bucket=filled, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        assert status_of(store, one, filled)[0] == 200
        assert status_of(store, two, filled)[0] == expected


def test_role_is_assumed_by_whom_it_trusts_alone(store: Store, filled: str, user: Key) -> None:
    account, stranger = store.one.account_id, store.user(f"{filled}-stranger", allow("sts:*"), store.two)
    nobody = store.user(f"{filled}-nobody")
    by_account = make_role(store, f"{filled}-of-account", trust(account))
    by_name = make_role(store, f"{filled}-of-user", trust(arn_of(store, nobody)))
    across = make_role(store, f"{filled}-across", trust(store.two.account_id))
    assume(store, user, by_account)
    assume(store, nobody, by_name)  # named itself: its own policies need not say it
    assume(store, stranger, across)
    missing = f"arn:aws:iam::{account}:role/{filled}-nothing"
    for key, arn in (
        (nobody, by_account),
        (user, by_name),
        (user, across),
        (stranger, by_account),
        (stranger, by_name),
        (store.one, by_account),
        (user, by_account.replace("of-account", "OF-ACCOUNT")),
        (user, missing),
    ):
        with pytest.raises(ClientError) as caught:
            assume(store, key, arn)
        assert caught.value.response["Error"]["Code"] == "AccessDenied"


def test_role_of_another_account_has_rights_there_alone(store: Store, filled: str, user: Key) -> None:
    two = store.client(store.two)
    theirs = f"{filled}-theirs"
    two.create_bucket(Bucket=theirs)
    two.put_object(Bucket=theirs, Key="k", Body=b"theirs")
    role = make_role(store, f"{filled}-guest", trust(arn_of(store, user)), allow("s3:*"), store.two)
    session = assume(store, user, role)
    assert store.client(session, "sts").get_caller_identity()["Account"] == store.two.account_id
    assert store.request("GET", f"/{theirs}/k", session).body == b"theirs"
    assert status_of(store, session, filled) == (403, "AccessDenied")


def test_external_id_counts_in_the_trust_policy(store: Store, filled: str, user: Key) -> None:
    trusted = trust(arn_of(store, user), StringEquals={"sts:ExternalId": "agreed"})
    role = make_role(store, f"{filled}-role", trusted)
    for parameters in ({}, {"ExternalId": "other"}):
        with pytest.raises(ClientError, match="AccessDenied"):
            assume(store, user, role, **parameters)
    assume(store, user, role, ExternalId="agreed")


def test_chained_roles_end_with_the_first_and_are_not_longer(store: Store, filled: str, user: Key) -> None:
    first = make_role(store, f"{filled}-first", trust(arn_of(store, user)), allow("sts:AssumeRole"))
    second = make_role(store, f"{filled}-second", trust(first), allow("s3:GetObject"))
    before = assume(store, user, first, DurationSeconds=900)
    sts = store.client(before, "sts")
    answer = sts.assume_role(RoleArn=second, RoleSessionName="two", DurationSeconds=3600)
    own = store.client(user, "sts").get_session_token(DurationSeconds=900)["Credentials"]["Expiration"]
    assert answer["Credentials"]["Expiration"] <= own
    session = assume(store, before, second)
    assert status_of(store, session, filled)[0] == 200
    iam = store.client(store.one, "iam")
    iam.delete_role_policy(RoleName=f"{filled}-first", PolicyName="inline")
    iam.delete_role(RoleName=f"{filled}-first")
    assert status_of(store, session, filled) == (400, "InvalidToken")


def test_session_of_a_key_may_not_use_iam_nor_make_another(store: Store, user: Key) -> None:
    for parent in (user, store.one):
        session = session_of(store, parent)
        with pytest.raises(ClientError, match="AccessDenied"):
            store.client(session, "iam").list_users()
        with pytest.raises(ClientError, match="AccessDenied"):
            session_of(store, session)


def test_role_with_rights_of_iam_has_them(store: Store, filled: str, user: Key) -> None:
    role = make_role(store, f"{filled}-role", trust(arn_of(store, user)), allow("iam:ListUsers"))
    iam = store.client(assume(store, user, role), "iam")
    assert iam.list_users()["Users"]
    with pytest.raises(ClientError, match="AccessDenied"):
        iam.create_user(UserName="more")
    bounded = json.dumps(allow("s3:*"))
    with pytest.raises(ClientError, match="AccessDenied"):
        store.client(assume(store, user, role, Policy=bounded), "iam").list_users()


@pytest.mark.parametrize(
    "parameters",
    [
        {"DurationSeconds": 3601},
        {"DurationSeconds": 43201},
        {"RoleSessionName": "a b"},
        {"Policy": "{}"},
        {"Policy": json.dumps(allow("s3:*", resource=["arn:aws:s3:::" + "x" * 2000] * 2))},
        {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/Nothing"}]},
        {"Tags": [{"Key": "a", "Value": "b"}]},
        {"SourceIdentity": "me"},
    ],
)
def test_what_cannot_be_had_is_refused(store: Store, filled: str, user: Key, parameters: dict[str, Any]) -> None:
    role = make_role(store, f"{filled}-role", trust(arn_of(store, user)))
    with pytest.raises(ClientError) as caught:
        assume(store, user, role, **{"name": parameters.pop("RoleSessionName", "visit"), **parameters})
    assert caught.value.response["Error"]["Code"] in (
        "ValidationError",
        "MalformedPolicyDocument",
        "LimitExceeded",
        "NotImplemented",
    )
