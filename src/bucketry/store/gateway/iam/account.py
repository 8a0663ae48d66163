"""The account as a whole: GetAccountSummary, GetAccountAuthorizationDetails.

AWS IAM API Reference. Quotas are those that this store keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

from bucketry.store.gateway.iam import entities
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.errors import ValidationError
from bucketry.store.gateway.iam.groups import group_fields
from bucketry.store.gateway.iam.operations import Call, IamOperation
from bucketry.store.gateway.iam.policies import policy_fields, version_fields
from bucketry.store.gateway.iam.roles import role_fields
from bucketry.store.gateway.iam.users import user_fields
from bucketry.store.identity.groups import MAX_GROUPS_OF_USER
from bucketry.store.identity.holders import GROUP, ROLE, USER, HolderKind
from bucketry.store.identity.keys import MAX_KEYS
from bucketry.store.identity.managed import MAX_VERSIONS
from bucketry.store.identity.types import Group, ManagedPolicy, Role, User
from bucketry.store.policy.validation import MANAGED_POLICY_LIMIT_CHARACTERS, TRUST_POLICY_LIMIT_CHARACTERS
from bucketry.store.s3 import xml

_FILTERS = ("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")


def _everything(_call: Call) -> tuple[str, ...]:
    return ("*",)


async def _summary(call: Call) -> str:
    counted = call.identity.counts(call.account_id)
    numbers: dict[str, int] = {
        "Users": counted["iam_user"],
        "Groups": counted["iam_group"],
        "Roles": counted["iam_role"],
        "Policies": counted["managed_policy"],
        "PolicyVersionsInUse": counted["policy_version"],
        "AccountAccessKeysPresent": int(bool(counted["root_key"])),
        "UsersQuota": 5000,
        "GroupsQuota": 300,
        "RolesQuota": 1000,
        "PoliciesQuota": 1500,
        "GroupsPerUserQuota": MAX_GROUPS_OF_USER,
        "AccessKeysPerUserQuota": MAX_KEYS,
        "AttachedPoliciesPerUserQuota": USER.max_attached,
        "AttachedPoliciesPerGroupQuota": GROUP.max_attached,
        "AttachedPoliciesPerRoleQuota": ROLE.max_attached,
        "UserPolicySizeQuota": USER.inline_limit_characters,
        "GroupPolicySizeQuota": GROUP.inline_limit_characters,
        "RolePolicySizeQuota": ROLE.inline_limit_characters,
        "AssumeRolePolicySizeQuota": TRUST_POLICY_LIMIT_CHARACTERS,
        "PolicySizeQuota": MANAGED_POLICY_LIMIT_CHARACTERS,
        "VersionsPerPolicyQuota": MAX_VERSIONS,
        "PolicyVersionsInUseQuota": 10_000,
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": 0,
        "Providers": 0,
        "ServerCertificates": 0,
        "InstanceProfiles": 0,
    }
    entries = [xml.wrap("entry", xml.elements([("key", key), ("value", value)])) for key, value in numbers.items()]
    return xml.wrap("SummaryMap", entries)


# --- authorization details


def _held(call: Call, kind: HolderKind, name: str) -> str:
    """The policies of a user, group or role: inline ones with their text, attached ones by name."""
    inline = [
        xml.elements([("PolicyName", policy), ("PolicyDocument", quote(document, safe=""))])
        for policy, document in call.identity.policies.all_inline(kind, call.account_id, name)
    ]
    attached = [
        xml.elements([("PolicyName", policy.name), ("PolicyArn", policy.arn)])
        for policy in call.identity.policies.attached(kind, call.account_id, name)
    ]
    list_name = f"{kind.title}PolicyList"
    return xml.wrap(list_name, (xml.wrap("member", each) for each in inline)) + xml.wrap(
        "AttachedManagedPolicies", (xml.wrap("member", each) for each in attached)
    )


def _user(call: Call, user: User) -> str:
    groups = call.identity.groups.of_user(call.account_id, user.name)
    names = xml.wrap("GroupList", (xml.element("member", group.name) for group in groups))
    extra = entities.boundary_element(user.boundary) + entities.tags_element(user.tags)
    return user_fields(user) + _held(call, USER, user.name) + names + extra


def _group(call: Call, group: Group) -> str:
    return group_fields(group) + _held(call, GROUP, group.name)


def _role(call: Call, role: Role) -> str:
    extra = entities.boundary_element(role.boundary) + entities.tags_element(role.tags)
    return role_fields(role) + "<InstanceProfileList/>" + _held(call, ROLE, role.name) + extra


def _policy(call: Call, policy: ManagedPolicy) -> str:
    versions = call.identity.policies.versions(call.account_id, policy.arn)
    members = (xml.wrap("member", version_fields(version, with_document=True)) for version in versions)
    return policy_fields(policy, with_description=True) + xml.wrap("PolicyVersionList", members)


_Section = tuple[str, str, Callable[[Call, str, int], Iterator[tuple[str, str]]]]


def _users(call: Call, after: str, most: int) -> Iterator[tuple[str, str]]:
    for user in call.identity.users(call.account_id, "/", after or None, most):
        yield user.name, _user(call, user)


def _groups(call: Call, after: str, most: int) -> Iterator[tuple[str, str]]:
    for group in call.identity.groups.page(call.account_id, "/", after or None, most):
        yield group.name, _group(call, group)


def _roles(call: Call, after: str, most: int) -> Iterator[tuple[str, str]]:
    for role in call.identity.roles.page(call.account_id, "/", after or None, most):
        yield role.name, _role(call, role)


def _local(call: Call, after: str, most: int) -> Iterator[tuple[str, str]]:
    path, _, name = after.rpartition("/")
    behind = (f"{path}/", name) if after else None
    for policy in call.identity.policies.page(call.account_id, "/", behind, most):
        yield policy.path + policy.name, _policy(call, policy)


def _of_aws(call: Call, after: str, most: int) -> Iterator[tuple[str, str]]:
    """Those that are in use, as AWS has it."""
    found = call.identity.policies.of_aws(call.account_id, only_attached=True)
    for policy in [policy for policy in found if policy.name > after][:most]:
        yield policy.name, _policy(call, policy)


# filter, element, pages; in the order in which the answer goes through them
_SECTIONS: tuple[_Section, ...] = (
    ("User", "UserDetailList", _users),
    ("Group", "GroupDetailList", _groups),
    ("Role", "RoleDetailList", _roles),
    ("LocalManagedPolicy", "Policies", _local),
    ("AWSManagedPolicy", "Policies", _of_aws),
)


async def _details(call: Call) -> str:
    wanted = call.parameters.texts("Filter", rules.POLICY_NAME)
    for name in wanted:
        if name not in _FILTERS:
            raise ValidationError(f"Filter {name} is none of {', '.join(_FILTERS)}.")
    left = call.parameters.page_size()
    marker = call.parameters.marker(2) or ("0", "")
    start = int(marker[0]) if marker[0].isdecimal() else 0
    lists: dict[str, list[str]] = {element: [] for _, element, _ in _SECTIONS}
    goes_on: str | None = None
    for place, (name, element, pages) in enumerate(_SECTIONS):
        if place < start or (wanted and name not in wanted):
            continue
        last = marker[1] if place == start else ""
        for key, detail in pages(call, last, left + 1):
            if not left:
                goes_on = rules.next_marker(str(place), last)
                break
            lists[element].append(xml.wrap("member", detail))
            last, left = key, left - 1
        if goes_on is not None:
            break
    body = "".join(xml.wrap(element, members) for element, members in lists.items())
    return body + xml.elements([("IsTruncated", goes_on is not None), ("Marker", goes_on)])


OPERATIONS = (
    IamOperation("GetAccountSummary", "iam:GetAccountSummary", _everything, _summary),
    IamOperation("GetAccountAuthorizationDetails", "iam:GetAccountAuthorizationDetails", _everything, _details),
)
