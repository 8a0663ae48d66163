"""A customer of a bucket, for proving an engine (domain/probing.py): S3 requests with a key, or as a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bucketry.marketplace.domain.engine_ports import AccessKey, BucketAddress
from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.domain.probing import Reply
from bucketry.marketplace.engines.connection import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TIMEOUT_S = 15


class S3Visitor:
    """See probing.Visitor. Buckets are addressed by path, which every server knows. One client a key."""

    def __init__(self) -> None:
        self._clients: dict[str, S3Client] = {}

    async def write(self, address: BucketAddress, key: AccessKey | None, name: str, body: bytes) -> Reply:
        def ask(s3: S3Client) -> bytes:
            s3.put_object(Bucket=address.bucket, Key=name, Body=body)
            return b""

        return await asyncio.to_thread(self._ask, address, key, ask)

    async def read(self, address: BucketAddress, key: AccessKey | None, name: str) -> Reply:
        def ask(s3: S3Client) -> bytes:
            return s3.get_object(Bucket=address.bucket, Key=name)["Body"].read()

        return await asyncio.to_thread(self._ask, address, key, ask)

    async def list(self, address: BucketAddress, key: AccessKey | None) -> Reply:
        def ask(s3: S3Client) -> bytes:
            s3.list_objects_v2(Bucket=address.bucket)
            return b""

        return await asyncio.to_thread(self._ask, address, key, ask)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _ask(self, address: BucketAddress, key: AccessKey | None, ask: Callable[[S3Client], bytes]) -> Reply:
        from botocore.exceptions import BotoCoreError, ClientError

        who = key.access_key_id if key else ""
        if who not in self._clients:
            self._clients[who] = _client(address, key)
        try:
            return Reply(body=ask(self._clients[who]))
        except ClientError as error:
            return Reply(code_of(error) or "an unknown error")
        except (BotoCoreError, OSError) as error:
            raise EngineUnavailable(
                f"The address that credentials name, {address.endpoint_url}, does not answer from here ({error})."
            ) from None


def _client(address: BucketAddress, key: AccessKey | None) -> S3Client:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    signature: Any = UNSIGNED if key is None else "s3v4"
    config = Config(
        signature_version=signature,
        connect_timeout=_TIMEOUT_S,
        read_timeout=_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": 3},
        s3={"addressing_style": "path"},
    )
    session = boto3.session.Session(
        aws_access_key_id=key.access_key_id if key else "none",
        aws_secret_access_key=key.secret_access_key if key else "none",
        region_name=address.region,
    )
    verify = False if address.insecure_skip_verify else None
    return session.client("s3", endpoint_url=address.endpoint_url, config=config, verify=verify)
