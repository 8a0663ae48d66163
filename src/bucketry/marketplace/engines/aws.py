"""Amazon S3 and IAM as an engine, in one region of any public partition.

What is Amazon's own is here: a new key is answered when it works, since IAM takes seconds to tell all of AWS of it, and
the limits of an account are told while there is time. Several accounts as one engine: accounts.py.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bucketry.kernel import logs
from bucketry.marketplace.domain.engine_ports import AccessKey, Fence, Rights, unfenced
from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.engines import aws_regions
from bucketry.marketplace.engines.accounts import SeveralAccounts
from bucketry.marketplace.engines.buckets import GONE
from bucketry.marketplace.engines.connection import Connection, Endpoint, code_of
from bucketry.marketplace.engines.s3_iam import S3IamEngine, Site

_log = logs.get("aws")
_IN_A_ROW = 3  # answers that take the new key: another server of AWS may not know it when the first one does
_NOT_YET = ("InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch")
_NEAR = 0.9
_COUNTING_S = 3600.0
_COUNTED = {"Users": "users", "Policies": "managed policies"}  # name in GetAccountSummary → word


@dataclass(frozen=True, slots=True)
class Login:
    """As whom an account is worked with: a key, a profile, or neither for the usual chain."""

    access_key_id: str = ""
    secret_access_key: str = field(repr=False, default="")
    profile: str = ""


def make_aws_engine(
    *,
    name: str,
    region: str,
    logins: Sequence[Login],
    bucket_prefix: str = "bkt-",
    iam_path: str = "/bucketry/",
    permissions_boundary: str = "",
    uses_fips: bool = False,
    endpoint_url: str = "",
    iam_endpoint_url: str = "",
    key_wait_s: float = 20.0,
) -> AwsAccount | SeveralAccounts:
    """The engine for a region, with an account for each login. `endpoint_url`: another server in AWS's place.

    Raises ValueError for a region that AWS does not have.
    """
    place = aws_regions.describe(region)
    url = endpoint_url.rstrip("/") or f"https://{place.fips_host if uses_fips else place.s3_host}"
    iam_host = place.iam_fips_host if uses_fips else place.iam_host
    endpoint = Endpoint(
        url=url,
        iam_url=iam_endpoint_url.rstrip("/") or endpoint_url.rstrip("/") or f"https://{iam_host}",
        region=region,
        iam_region=place.iam_region,
        is_path_style=bool(endpoint_url),
        uses_proxies=not endpoint_url,
        settles_s=key_wait_s,
    )
    site = Site(
        url=url,
        region=region,
        website_host=place.website_host,
        fips_url=f"https://{place.fips_host}" if place.fips_host and not endpoint_url else None,
        partition=place.partition,
        bucket_prefix=bucket_prefix,
        iam_path=iam_path,
        permissions_boundary=permissions_boundary,
    )
    accounts = [
        AwsAccount(
            name,
            replace(
                endpoint,
                access_key_id=login.access_key_id,
                secret_access_key=login.secret_access_key,
                profile=login.profile,
            ),
            site,
        )
        for login in logins
    ]
    return accounts[0] if len(accounts) == 1 else SeveralAccounts(name, accounts)


class AwsAccount(S3IamEngine):
    """One account."""

    def __init__(self, name: str, endpoint: Endpoint, site: Site) -> None:
        super().__init__(name, endpoint, site)
        self._counted_at: float | None = None
        self._is_nearly_full = False

    async def grant(
        self,
        binding_guid: str,
        buckets: Sequence[str],
        rights: Rights,
        labels: Mapping[str, str],
        fence: Fence = unfenced,
    ) -> AccessKey:
        key = await super().grant(binding_guid, buckets, rights, labels, fence)
        # From here one may not be allowed in for reasons of one's own: addresses, an end that is near.
        is_limited = bool(rights.source_ips) or rights.ends_ms is not None
        try:
            await self._connection.run(_await_key, self._connection, key, buckets[0], is_limited)
        except (EngineRefused, EngineUnavailable):
            with contextlib.suppress(
                EngineRefused, EngineUnavailable
            ):  # whoever undoes or repeats the order removes it
                await self.drop_key(binding_guid, key.access_key_id)
            raise
        await self.is_nearly_full()
        return key

    async def has_bucket(self, bucket: str) -> bool | None:
        """Whether the bucket is this account's; None where it is another's, or may not be asked for."""
        return await self._connection.run(_has_bucket, self._connection, bucket)

    async def is_nearly_full(self) -> bool:
        """Whether there is hardly room for users; asked now and then, and said in the log."""
        if self._counted_at is None or time.monotonic() - self._counted_at > _COUNTING_S:
            self._counted_at = time.monotonic()
            self._is_nearly_full = await self._connection.run(_count, self._connection)
        return self._is_nearly_full


def _await_key(connection: Connection, key: AccessKey, bucket: str, is_limited: bool) -> None:
    """Wait until the new key is taken. Every binding may ask where its bucket is, so that is what is asked."""
    from botocore.exceptions import ClientError

    if not connection.endpoint.settles_s:
        return
    s3, code = connection.s3_as(key), ""

    def is_early(error: ClientError) -> bool:
        nonlocal code
        code = code_of(error)
        return code in _NOT_YET or (code == "AccessDenied" and not is_limited)

    def ask() -> None:
        for _ in range(_IN_A_ROW):
            try:
                s3.get_bucket_location(Bucket=bucket)
            except ClientError as error:
                if is_early(error):
                    raise
                if code not in (*GONE, "AccessDenied"):  # these say that the key is known
                    raise

    with connection.doing("trying the new credentials"):
        try:
            connection.patiently(ask, is_early)
        except ClientError as error:
            if not is_early(error):
                raise
            reason = (
                "its permissions boundary or a policy of the organization may deny it" if code == "AccessDenied" else ""
            )
            raise EngineUnavailable(
                f"The engine {connection.engine_name} made credentials, but did not take them within "
                f"{connection.endpoint.settles_s:g} seconds ({code}{f'; {reason}' if reason else ''}). Try again."
            ) from None
        finally:
            s3.close()


def _has_bucket(connection: Connection, bucket: str) -> bool | None:
    from botocore.exceptions import ClientError

    with connection.doing("looking for the bucket"):
        try:
            connection.s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if code_of(error) in GONE:
                return False
            if code_of(error) in ("403", "AccessDenied"):
                return None
            raise
        return True


def _count(connection: Connection) -> bool:
    """Say how near the account's limits are; whether it is near one. Not being allowed to ask is no failure."""
    try:
        with connection.doing("asking for the account's limits"):
            found: Any = connection.iam.get_account_summary()["SummaryMap"]
    except (EngineRefused, EngineUnavailable) as reason:
        _log.warning("the limits of an account are not known", engine=connection.engine_name, reason=str(reason))
        return False
    is_near = False
    for name, word in _COUNTED.items():
        used, quota = int(found.get(name, 0)), int(found.get(f"{name}Quota", 0))
        if quota and used >= _NEAR * quota:
            is_near = True
            _log.warning(
                "an account is nearly full; have its limit raised or add an account",
                engine=connection.engine_name,
                access_key_id=connection.endpoint.access_key_id or connection.endpoint.profile,
                what=word,
                used=used,
                limit=quota,
            )
    return is_near
