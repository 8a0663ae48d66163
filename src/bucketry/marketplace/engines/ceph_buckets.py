"""Buckets of Ceph's gateway that its own way of working asks for: policies, quotas. The rest is in buckets.py.

Policies are changed by reading and writing them, which the gateway does not do in one step. So each change has its
turn, between all servers that share the records (domain/turns.py): a hold on the instance of the bucket would not do,
since keys of other instances may reach it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bucketry.marketplace.domain.engine_ports import BucketSettings, Usage
from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.domain.turns import Turns
from bucketry.marketplace.engines import buckets, ceph_admin, ceph_policy
from bucketry.marketplace.engines.buckets import GONE
from bucketry.marketplace.engines.ceph_asking import Gateway
from bucketry.marketplace.engines.ceph_policy import Access
from bucketry.marketplace.engines.connection import code_of

OWNERSHIP = "ObjectWriter"  # the only one that there is


class Policies:
    """The policies of the marketplace's buckets."""

    def __init__(self, gateway: Gateway, turns: Turns) -> None:
        self._gateway = gateway
        self._turns = turns

    def text(self, bucket: str) -> str | None:
        """The document as it is, None where there is none. Raises ClientError."""
        from botocore.exceptions import ClientError

        try:
            return self._gateway.connection.s3.get_bucket_policy(Bucket=bucket)["Policy"]
        except ClientError as error:
            if code_of(error) != "NoSuchBucketPolicy":
                raise
            return None

    def change(self, bucket: str, change: Callable[[Access], Access], is_repair: bool = False) -> bool:
        """Write the policy anew where the change makes a difference; whether there was one. `is_repair`: also one that
        nobody can read, which then lets in nobody. Raises ClientError, EngineRefused, Busy, RecordsUnavailable."""
        with self._turns.turn(f"{self._gateway.connection.engine_name}/{bucket}"):
            before = self.text(bucket)
            try:
                access = ceph_policy.parse(before)
            except ValueError as problem:
                if not is_repair:
                    raise EngineRefused(
                        f"The policy of bucket {bucket} was changed by another so that it can't be read ({problem}). "
                        "The operator can mend it with: bucketry reconcile --fix"
                    ) from None
                access = Access()
            text = ceph_policy.render(bucket, self._gateway.owner().arn, change(access))
            if text == before:
                return True
            if len(text) > ceph_policy.MOST_CHARACTERS and len(text) > len(before or ""):
                raise EngineRefused(
                    f"Bucket {bucket} has {len(access.bindings)} bindings and keys, and no more fit in its policy on "
                    f"the engine {self._gateway.connection.engine_name}. Delete some that are no longer used."
                )
            self._gateway.connection.s3.put_bucket_policy(Bucket=bucket, Policy=text)
            return before is not None


def check(settings: BucketSettings, engine_name: str) -> None:
    """See Engine.check."""
    if settings.object_ownership not in (None, OWNERSHIP):
        raise EngineRefused(
            f"Parameter object_ownership: the engine {engine_name} only has {OWNERSHIP}. All bindings that may read "
            "reach an object there, whoever stored it."
        )


def create(gateway: Gateway, policies: Policies, bucket: str) -> bool:
    """See Engine.create_bucket. Its policy shuts out all others from the first moment."""
    connection = gateway.connection
    with connection.doing("making the bucket"):
        connection.s3.create_bucket(Bucket=bucket)  # again is nothing, where it is ours
        return not policies.change(bucket, lambda access: access)  # which it has from the first moment


def configure(
    gateway: Gateway, policies: Policies, bucket: str, settings: BucketSettings, since: BucketSettings | None
) -> None:
    """See Engine.configure."""
    connection = gateway.connection
    if not settings.is_public and (since is None or since.is_public):
        with connection.doing("closing the bucket to the public"):
            policies.change(bucket, lambda access: access.opened(False), is_repair=since is None)
    buckets.set_documents(connection, bucket, settings, since)
    if since is None or settings.quota != since.quota:
        with connection.doing("setting quota"):
            gateway.ask(ceph_admin.set_bucket_quota(gateway.owner().uid, bucket, settings.quota))
    if settings.is_public and (since is None or not since.is_public):  # at last, as in buckets.configure
        with connection.doing("opening the bucket to the public"):
            policies.change(bucket, lambda access: access.opened(True), is_repair=since is None)


def usage(gateway: Gateway, bucket: str, most: int | None) -> Usage:
    """See Engine.usage. The gateway's own count leaves delete markers out: of a bucket with nothing else, a page of
    them is counted, so that it is told why it is not empty."""
    from botocore.exceptions import ClientError

    found = buckets.usage(gateway.connection, bucket, most)
    if not found.is_empty:
        return found
    with gateway.connection.doing("measuring the bucket"):
        try:
            page = gateway.connection.s3.list_object_versions(Bucket=bucket)
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            return found
        return replace(found, objects=len(page.get("DeleteMarkers", [])))


def allow(policies: Policies, names: list[str], change: Callable[[Access], Access]) -> None:
    """Change the policies of these buckets. Raises ClientError, EngineRefused."""
    for bucket in names:
        policies.change(bucket, change)


def forget(policies: Policies, names: list[str], user_arn: str) -> None:
    """Take a user out of the policies of these buckets; nothing for those that are gone."""
    from botocore.exceptions import ClientError

    for bucket in names:
        try:
            policies.change(bucket, lambda access: access.without_binding(user_arn))
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
