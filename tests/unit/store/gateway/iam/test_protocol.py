"""The query protocol itself: forms, actions, errors, and GetCallerIdentity."""

from __future__ import annotations

from urllib.parse import urlencode
from xml.etree import ElementTree

import botocore.session
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bucketry.store.gateway.iam import unsupported
from bucketry.store.gateway.iam_api import OPERATIONS, refuse
from bucketry.store.identity.types import Account
from bucketry.store.s3 import errors, xml

from .api import REQUEST_ID, Api, Client, new_user


async def _error(api: Api, body: bytes, key: str, service: str = "iam") -> tuple[int, str]:
    response = await api.post(body, key, service)
    assert isinstance(response.body, bytes)
    document = xml.parse(response.body, "ErrorResponse")
    assert document.text_of("RequestId") == REQUEST_ID
    found = document.find("Error")
    assert found is not None
    assert found.text_of("Type") == ("Sender" if response.status < 500 else "Receiver")
    return response.status, found.text_of("Code") or ""


async def test_caller_identity_is_told(api: Api, account: Account, root_key: tuple[str, str]) -> None:
    root = await api.client(root_key, "sts").get_caller_identity()
    assert (root["Account"], root["Arn"], root["UserId"]) == (account.account_id, account.arn, account.account_id)
    alice = await api.client(await new_user(api, account, "alice"), "sts").get_caller_identity()
    user = api.identity.user(account.account_id, "alice")
    assert user is not None
    assert (alice["Arn"], alice["UserId"]) == (user.arn, user.user_id)


async def test_answer_names_its_operation_and_namespace(api: Api, root_key: tuple[str, str]) -> None:
    response = await api.post(b"Action=ListUsers&Version=2010-05-08", root_key[0])
    assert isinstance(response.body, bytes)
    assert response.body.decode().split("\n", 1)[1] == (
        '<ListUsersResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListUsersResult><Users></Users>'
        "<IsTruncated>false</IsTruncated></ListUsersResult><ResponseMetadata>"
        f"<RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></ListUsersResponse>"
    )
    assert ("x-amzn-RequestId", REQUEST_ID) in response.headers


def test_every_action_of_aws_is_either_answered_or_known() -> None:
    session = botocore.session.Session()
    for service, known in (("iam", unsupported.IAM), ("sts", unsupported.STS)):
        names = set(session.get_service_model(service).operation_names)
        answered = {operation.name for operation in OPERATIONS}
        assert names <= answered | known
        assert not known & answered


@pytest.mark.parametrize(
    "name", ["CreateLoginProfile", "CreateInstanceProfile", "EnableMFADevice", "CreateAccountAlias"]
)
async def test_action_that_aws_has_is_not_implemented(api: Api, root_key: tuple[str, str], name: str) -> None:
    body = f"Action={name}&Version=2010-05-08".encode()
    assert await _error(api, body, root_key[0]) == (501, "NotImplemented")


async def test_sdk_sees_not_implemented_and_does_not_try_again(iam: Client) -> None:
    with pytest.raises(ClientError) as caught:
        await iam.list_server_certificates()
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["RetryAttempts"]) == ("NotImplemented", 0)


@pytest.mark.parametrize(
    ("body", "service"),
    [
        (b"Action=MakeCoffee&Version=2010-05-08", "iam"),
        (b"Action=createuser&Version=2010-05-08", "iam"),
        (b"", "iam"),
        (b"Action=&Version=2010-05-08", "iam"),
        (b"Version=2010-05-08", "iam"),
        (b"Action=ListUsers&Version=2011-06-15", "iam"),
        (b"Action=GetCallerIdentity&Version=2010-05-08", "iam"),
        (b"Action=ListUsers&Version=2011-06-15", "sts"),
    ],
)
async def test_unknown_action_or_version_is_invalid(
    api: Api, root_key: tuple[str, str], body: bytes, service: str
) -> None:
    assert await _error(api, body, root_key[0], service) == (400, "InvalidAction")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"\xff\xfe",
        b"Action",
        b"Action=GetUser&Action=DeleteUser",
        b"Action=DeleteUser&UserName=a&UserName=b",
        b"Action=%ff",
        b"&".join(b"a%d=b" % number for number in range(1001)),
    ],
)
async def test_body_that_is_no_form_is_refused(api: Api, root_key: tuple[str, str], body: bytes) -> None:
    assert await _error(api, body, root_key[0]) == (404, "MalformedQueryString")


async def test_missing_parameter_is_named(api: Api, root_key: tuple[str, str]) -> None:
    response = await api.post(b"Action=CreateUser&Version=2010-05-08", root_key[0])
    assert isinstance(response.body, bytes)
    assert b"Value null at 'userName' failed to satisfy constraint: Member must not be null" in response.body


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidAccessKeyId(), 403, "InvalidClientTokenId"),
        (errors.SignatureDoesNotMatch(), 403, "SignatureDoesNotMatch"),
        (errors.RequestTimeTooSkewed(), 403, "SignatureDoesNotMatch"),
        (errors.AuthorizationHeaderMalformed(), 400, "IncompleteSignature"),
        (errors.InvalidToken(), 403, "InvalidClientTokenId"),
        (errors.MaxMessageLengthExceeded(), 413, "RequestEntityTooLarge"),
        (errors.InternalError(), 500, "ServiceFailure"),
        (errors.NotImplemented(), 501, "NotImplemented"),
        (errors.AccessDenied(), 403, "AccessDenied"),
    ],
)
def test_what_the_gateway_refuses_is_said_in_words_of_iam(error: errors.S3Error, status: int, code: str) -> None:
    response = refuse(error, REQUEST_ID)
    assert isinstance(response.body, bytes)
    assert response.status == status
    found = xml.parse(response.body, "ErrorResponse").find("Error")
    assert found is not None
    assert found.text_of("Code") == code


_NAMES = [operation.name for operation in OPERATIONS] + ["Nothing"]
_FIELDS = [
    "UserName", "NewUserName", "Path", "NewPath", "PathPrefix", "Marker", "MaxItems", "PolicyName", "PolicyDocument",
    "PolicyArn", "VersionId", "AccessKeyId", "Status", "Tags.member.1.Key", "Tags.member.1.Value", "Tags.member.0.Key",
    "TagKeys.member.1", "TagKeys", "Tags", "Scope", "OnlyAttached", "EntityFilter", "Description",
]  # fmt: skip
_VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["alice", "/", "/a/", "Active", "100", "v1", "{}", "x" * 3000, "arn:aws:iam::aws:policy/x", "a:b" * 9]
    ),
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from(_NAMES), fields=st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=5))
async def test_no_form_at_all_breaks_the_api(
    api: Api, root_key: tuple[str, str], name: str, fields: dict[str, str]
) -> None:
    # One identity for all examples: what a form changed is there for the next ones, which asks for more, not less.
    body = urlencode({"Action": name, **fields}, errors="surrogatepass").encode()
    response = await api.post(body, root_key[0], "sts" if name == "GetCallerIdentity" else "iam")
    assert response.status in (200, 400, 403, 404, 409)
    assert isinstance(response.body, bytes)
    ElementTree.fromstring(response.body)
