"""The gateway's admin API, asked: signed, repeated, its refusals raised as botocore's ClientError. All blocks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.engines import ceph_admin
from bucketry.marketplace.engines.ceph_admin import AdminRequest, GatewayUser
from bucketry.marketplace.engines.connection import ATTEMPTS, Connection

_FIRST_PAUSE_S = 0.2

_Parsed = TypeVar("_Parsed")


class Gateway:
    """One for each process. `admin_path` is that of the gateway's setting `rgw_admin_entry`."""

    def __init__(self, connection: Connection, admin_path: str) -> None:
        self.connection = connection
        self._root = f"{connection.endpoint.url.rstrip('/')}/{admin_path.strip('/')}/"
        self._owner: GatewayUser | None = None

    def owner(self) -> GatewayUser:
        """The marketplace's own user, which owns the buckets. Asked once."""
        if self._owner is None:
            with self.connection.doing("asking for its own user"):
                key = self.connection.endpoint.access_key_id
                self._owner = self.ask_for_user(ceph_admin.find_owner_of_key(key))
        return self._owner

    def ask_for_user(self, request: AdminRequest) -> GatewayUser:
        """As ask, for what answers with a user."""
        return self._read(ceph_admin.parse_user, self.ask(request))

    def all_users(self) -> Iterator[str]:
        """The uids of the gateway's users. Raises as ask."""
        marker = ""
        while True:
            uids, marker = self._read(ceph_admin.parse_users, self.ask(ceph_admin.list_users(marker)))
            yield from uids
            if not marker:
                return

    def _read(self, parse: Callable[[bytes], _Parsed], body: bytes) -> _Parsed:
        try:
            return parse(body)
        except ValueError as problem:
            raise EngineUnavailable(
                f"The engine {self.connection.engine_name} at {self._root} answered what can't be used: {problem}. "
                "Is this the admin API of a Ceph gateway?"
            ) from None

    def ask(self, request: AdminRequest) -> bytes:
        """The body of an answer of success. Raises ClientError, BotoCoreError, OSError: use it within doing().

        It is asked again where no answer came or the gateway failed: what was done by then is done once more or
        found done, which each caller allows for.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self.connection.send(self._signed(request))
            except (BotoCoreError, HTTPError, OSError):
                if attempt == ATTEMPTS:
                    raise
            else:
                status, body = answer.status_code, bytes(answer.content)
                if status < 300:
                    return body
                if status < 500 or attempt == ATTEMPTS:
                    code = ceph_admin.parse_error(body) or str(status)
                    told: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
                    raise ClientError(told, f"{request.method} {request.target.partition('?')[0]}")
            time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1))
        raise AssertionError("the last attempt answers or raises")

    def _signed(self, request: AdminRequest) -> Any:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        endpoint = self.connection.endpoint
        unsigned = AWSRequest(method=request.method, url=self._root + request.target, data=b"")
        credentials = Credentials(endpoint.access_key_id, endpoint.secret_access_key)
        S3SigV4Auth(credentials, "s3", endpoint.region).add_auth(unsigned)
        return unsigned.prepare()
