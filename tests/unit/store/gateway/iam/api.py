"""boto3's own clients against `answer`, in one process: botocore serialises and parses, nothing goes over a wire."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from bucketry.store.gateway.context import Services, StoreSettings
from bucketry.store.gateway.http import BodyReader, Request, Response
from bucketry.store.gateway.iam_api import answer
from bucketry.store.identity.holders import USER
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.sigv4 import parse_claim

REQUEST_ID = "0123456789ABCDEF"


def allow(action: str | list[str] = "s3:GetObject", resource: str = "*", **condition: Any) -> str:
    """An identity policy of one statement."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class _Raw(io.BytesIO):
    """What botocore reads an answer from."""

    def stream(self, **_options: Any) -> list[bytes]:
        return [self.getvalue()]


class Api:
    """The API of one identity, and its callers: (access key id, secret) each."""

    def __init__(self, identity: Identity, clock: Callable[[], int]) -> None:
        self.identity = identity
        self.services = Services(cast(Any, None), identity, StoreSettings(), clock)  # this API never touches the disk
        self._session = botocore.session.Session()

    async def post(
        self, body: bytes, key_id: str | None, service: str = "iam", headers: dict[str, str] | None = None
    ) -> Response:
        """Answer a body as the gateway hands it over, from the holder of a key."""
        sent = Headers((headers or {}).items())
        request = Request(
            method="POST",
            raw_path="/",
            raw_query="",
            headers=sent,
            body=cast(BodyReader, None),  # the gateway has read it
            content_length=len(body),
            remote_ip="192.0.2.7",
            is_secure=False,
            request_id=REQUEST_ID,
            parameters={},
        )
        if key_id is None:
            return await answer(self.services, request, None, None, body)
        if "authorization" not in sent:
            request.headers = sent = Headers(
                {
                    "authorization": f"AWS4-HMAC-SHA256 Credential={key_id}/20260101/us-east-1/{service}/aws4_request,"
                    " SignedHeaders=host, Signature=00",
                    "x-amz-date": "20260101T000000Z",
                }.items()
            )
        claim = parse_claim("POST", "/", "", sent)
        assert claim is not None
        self.identity.refresh()
        return await answer(self.services, request, claim, self.identity.caller(claim.access_key_id), body)

    def client(self, key: tuple[str, str], service: str = "iam", *, validates: bool = True) -> Client:
        """A boto3 client of a caller, to be awaited."""
        loop = asyncio.get_running_loop()
        made = self._session.create_client(
            service,
            region_name="us-east-1",
            endpoint_url="http://store.example",
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            config=Config(parameter_validation=validates, retries={"max_attempts": 0}),
        )

        def send(request: AWSPreparedRequest, **_event: Any) -> AWSResponse:
            body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
            headers = {
                name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
            }
            work = asyncio.run_coroutine_threadsafe(self.post(body, key[0], service, headers), loop)
            response = work.result(timeout=30)
            assert isinstance(response.body, bytes)
            return AWSResponse(request.url, response.status, dict(response.headers), _Raw(response.body))

        made.meta.events.register("before-send", send)
        return Client(made)


class Client:
    """A boto3 client whose calls are awaited: they run in a thread, the answers come from this loop."""

    def __init__(self, made: Any) -> None:
        self.boto = made
        self.exceptions = made.exceptions

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(**parameters: Any) -> Any:
            return await asyncio.to_thread(getattr(self.boto, name), **parameters)

        return call

    async def pages(self, operation: str, result: str, **parameters: Any) -> list[list[Any]]:
        """All pages of a listing, as boto3's paginator gets them."""

        def walk() -> list[list[Any]]:
            return [page[result] for page in self.boto.get_paginator(operation).paginate(**parameters)]

        return await asyncio.to_thread(walk)


async def new_user(api: Api, account: Account, name: str, policy: str | None = None, **tags: str) -> tuple[str, str]:
    """A user with a key, and with a policy if one is given."""
    await api.identity.create_user(account.account_id, name, tags=tags)
    if policy is not None:
        await api.identity.policies.put_inline(USER, account.account_id, name, "main", policy)
    key, secret = await api.identity.create_access_key(account.account_id, name)
    return key.access_key_id, secret
