"""The identity of a binding on Ceph's gateway: a user of its own, named in the policies of its buckets. All block.

The buckets whose policies name a user are written in its display name before they do, so that it can be taken out of
each of them again, after a crash at any line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bucketry.marketplace.domain.engine_ports import AccessKey, Fence, Rights
from bucketry.marketplace.engines import ceph_admin, ceph_buckets
from bucketry.marketplace.engines.ceph_admin import GatewayUser
from bucketry.marketplace.engines.ceph_asking import Gateway
from bucketry.marketplace.engines.ceph_buckets import Policies
from bucketry.marketplace.engines.ceph_policy import Access
from bucketry.marketplace.engines.connection import code_of


def grant(
    gateway: Gateway,
    policies: Policies,
    uid: str,
    buckets: Sequence[str],
    rights: Rights,
    labels: Mapping[str, str],
    fence: Fence,
) -> AccessKey:
    """Make the user with its key, then let it in: until then the key opens nothing."""
    from botocore.exceptions import ClientError

    with gateway.connection.doing("making the credentials"):
        request = ceph_admin.create_user(uid, ceph_admin.describe(list(buckets), labels))
        fence()
        try:
            user = gateway.ask_for_user(request)
        except ClientError as error:
            if code_of(error) != "UserAlreadyExists":
                raise
            fence()
            _remove(gateway, policies, uid)  # of a try that broke off; nobody was given its key
            user = gateway.ask_for_user(request)
        ceph_buckets.allow(policies, list(buckets), lambda access: access.with_binding(user.arn, rights))
        return user.keys[0]


def restrict(gateway: Gateway, policies: Policies, uid: str, buckets: Sequence[str], rights: Rights) -> None:
    """Leave the user these buckets, with these rights. It may be revoked meanwhile."""
    from botocore.exceptions import ClientError

    with gateway.connection.doing("changing the rights of credentials"):
        user = find(gateway, uid)
        if user is None:
            return
        before, labels = ceph_admin.described(user.display_name)
        ceph_buckets.forget(policies, [bucket for bucket in before if bucket not in buckets], user.arn)

        def let_in(access: Access) -> Access:
            # One without keys is being removed, and is perhaps out of the policy already.
            now = find(gateway, uid)
            return access.with_binding(user.arn, rights) if now and now.keys else access.without_binding(user.arn)

        ceph_buckets.allow(policies, list(buckets), let_in)
        try:
            gateway.ask(ceph_admin.rename_user(uid, ceph_admin.describe(list(buckets), labels)))
        except ClientError as error:
            if code_of(error) != "NoSuchUser":
                raise


def revoke(gateway: Gateway, policies: Policies, uid: str) -> None:
    """Remove keys, rights, user."""
    with gateway.connection.doing("revoking the credentials"):
        _remove(gateway, policies, uid)


def keep_key(gateway: Gateway, uid: str, access_key_id: str) -> None:
    """Remove the user's keys, all but one."""
    with gateway.connection.doing("revoking keys of credentials"):
        user = find(gateway, uid)
        if user is not None:
            _delete_keys(gateway, user, but=access_key_id)


def find(gateway: Gateway, uid: str) -> GatewayUser | None:
    """The user, if there is one. Raises ClientError."""
    from botocore.exceptions import ClientError

    try:
        return gateway.ask_for_user(ceph_admin.get_user(uid))
    except ClientError as error:
        if code_of(error) != "NoSuchUser":
            raise
        return None


def _remove(gateway: Gateway, policies: Policies, uid: str) -> None:
    from botocore.exceptions import ClientError

    user = find(gateway, uid)
    if user is None:
        return
    _delete_keys(gateway, user)
    buckets, _ = ceph_admin.described(user.display_name)
    ceph_buckets.forget(policies, buckets, user.arn)
    try:
        gateway.ask(ceph_admin.delete_user(uid))
    except ClientError as error:
        if code_of(error) != "NoSuchUser":
            raise


def drop_key(gateway: Gateway, _policies: Policies, uid: str, access_key_id: str) -> None:
    """Remove a key of the user, if it is there."""
    with gateway.connection.doing("revoking a key of credentials"):
        _delete_key(gateway, uid, access_key_id)


def _delete_keys(gateway: Gateway, user: GatewayUser, but: str = "") -> None:
    for key in user.keys:
        if key.access_key_id != but:
            _delete_key(gateway, user.uid, key.access_key_id)


def _delete_key(gateway: Gateway, uid: str, access_key_id: str) -> None:
    from botocore.exceptions import ClientError

    try:
        gateway.ask(ceph_admin.delete_key(uid, access_key_id))
    except ClientError as error:
        if code_of(error) not in ("NoSuchKey", "InvalidAccessKeyId", "NoSuchUser"):
            raise
