"""What a Ceph gateway holds, and how it differs from what was ordered. Blocking; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from bucketry.marketplace.domain.engine_ports import BucketQuota, BucketSettings, IdentityFound, Rights
from bucketry.marketplace.engines import ceph_admin, ceph_buckets, ceph_policy, ceph_users, inspecting
from bucketry.marketplace.engines.buckets import GONE
from bucketry.marketplace.engines.ceph_asking import Gateway
from bucketry.marketplace.engines.ceph_buckets import Policies
from bucketry.marketplace.engines.connection import code_of


def users(gateway: Gateway) -> list[str]:
    """The names of the users of the marketplace's tenant."""
    with gateway.connection.doing("listing the credentials"):
        tenant = ceph_admin.in_tenant_of(gateway.owner().uid, "")
        return [uid.removeprefix(tenant) for uid in gateway.all_users() if uid.rpartition("$")[0] == tenant.rstrip("$")]


def deviations(gateway: Gateway, policies: Policies, bucket: str, settings: BucketSettings) -> list[str] | None:
    """See Engine.deviations."""
    from botocore.exceptions import ClientError

    s3 = gateway.connection.s3
    with gateway.connection.doing("reading the bucket's settings"):
        try:
            headers = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
            found = {
                "public": _is_as_open(gateway, policies, bucket, settings.is_public),
                "object_ownership": settings.object_ownership in (None, ceph_buckets.OWNERSHIP),
                "cors": inspecting.alike(settings.cors, inspecting.document(s3.get_bucket_cors, bucket)),
                "website": inspecting.alike(settings.website, inspecting.document(s3.get_bucket_website, bucket)),
                "quota": _has_quota(headers, settings.quota),
            }
        except ClientError as error:
            if code_of(error) in GONE:
                return None
            raise
    return [name for name, is_so in found.items() if not is_so]


def _is_as_open(gateway: Gateway, policies: Policies, bucket: str, is_public: bool) -> bool:
    """Whether the policy is one of ours to the letter, and opens the bucket or does not."""
    text = policies.text(bucket)
    try:
        access = ceph_policy.parse(text)
    except ValueError:
        return False
    return access.is_public == is_public and text == ceph_policy.render(bucket, gateway.owner().arn, access)


def _has_quota(headers: dict[str, str], quota: BucketQuota | None) -> bool:
    limits = ceph_admin.limits_of(quota)
    told = [int(headers.get(f"x-rgw-quota-bucket-{name}", "-1")) for name in ("size", "objects")]
    return [max(limit, -1) for limit in told] == list(limits)  # any negative one is none


def user(
    gateway: Gateway, policies: Policies, uid: str, buckets: Sequence[str], rights: Rights
) -> IdentityFound | None:
    """See Engine.find_identity."""
    with gateway.connection.doing("reading the credentials"):
        found = ceph_users.find(gateway, uid)
        if found is None:
            return None
        named, _ = ceph_admin.described(found.display_name)
        is_so = found.is_plain and set(named) == set(buckets)
        has_rights = is_so and all(_reaches(policies, bucket, found.arn, rights) for bucket in buckets)
        return IdentityFound(tuple(key.access_key_id for key in found.keys), has_rights)


def _reaches(policies: Policies, bucket: str, arn: str, rights: Rights) -> bool:
    from botocore.exceptions import ClientError

    try:
        return ceph_policy.parse(policies.text(bucket)).has(arn, rights)
    except ValueError:
        return False
    except ClientError as error:
        if code_of(error) not in GONE:
            raise
        return False


def labels(gateway: Gateway, uid: str) -> dict[str, str]:
    """What grant() wrote beside the user; {} if there is none."""
    with gateway.connection.doing("reading the labels of credentials"):
        found = ceph_users.find(gateway, uid)
        return ceph_admin.described(found.display_name)[1] if found is not None else {}
