"""What the operations on users, groups and roles share: which one is meant, its ARN, its tags and boundary in XML.

IAM User Guide, "IAM identifiers": names are found without regard to case. The right is asked on the ARN of what is
found, and what is changed is named by the exact name that was found, so that no spelling dodges a policy.
"""

from __future__ import annotations

from collections.abc import Mapping

from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.errors import NoSuchEntity
from bucketry.store.gateway.iam.operations import Call, Resources
from bucketry.store.gateway.iam.parameters import Rule
from bucketry.store.identity.holders import GROUP, ROLE, USER, HolderKind
from bucketry.store.identity.types import Entity
from bucketry.store.s3 import xml

NAME_RULES: Mapping[HolderKind, Rule] = {USER: rules.USER_NAME, GROUP: rules.GROUP_NAME, ROLE: rules.ROLE_NAME}


def field_of(kind: HolderKind) -> str:
    """The parameter that names one: UserName, GroupName, RoleName."""
    return f"{kind.title}Name"


def given_name(call: Call, kind: HolderKind) -> str:
    return call.parameters.text(field_of(kind), NAME_RULES[kind])


def exact_name(call: Call, kind: HolderKind) -> str:
    """The name of the one that an operation names, as it is spelt; as given where there is none."""
    name = given_name(call, kind)
    found = call.find(kind, name)
    return found.name if found is not None else name


def arn_of(call: Call, kind: HolderKind, name: str) -> str:
    """The ARN of one of the caller's account; one that doesn't exist has no path."""
    found = call.find(kind, name)
    return found.arn if found is not None else f"arn:aws:iam::{call.account_id}:{kind.noun}/{name}"


def named(kind: HolderKind) -> Resources:
    """The resource of operations that must name one."""
    return lambda call: (arn_of(call, kind, given_name(call, kind)),)


def require(call: Call, kind: HolderKind) -> Entity:
    """The one that an operation names; NoSuchEntity."""
    name = given_name(call, kind)
    found = call.find(kind, name)
    if found is None:
        raise NoSuchEntity(f"The {kind.noun} with name {name} cannot be found.")
    return found


def new_arn(kind: HolderKind, rule: Rule) -> Resources:
    """The resource of operations that make one."""

    def resources(call: Call) -> tuple[str, ...]:
        path = call.parameters.optional("Path", rules.PATH) or "/"
        return (f"arn:aws:iam::{call.account_id}:{kind.noun}{path}{call.parameters.text(field_of(kind), rule)}",)

    return resources


def both_arns(kind: HolderKind, rule: Rule) -> Resources:
    """Moving one needs the right on what it is and on what it becomes."""

    def resources(call: Call) -> tuple[str, ...]:
        name = given_name(call, kind)
        found = call.find(kind, name)
        new_name = call.parameters.optional(f"New{field_of(kind)}", rule) or (found.name if found else name)
        new_path = call.parameters.optional("NewPath", rules.PATH) or (found.path if found else "/")
        old = found.arn if found else f"arn:aws:iam::{call.account_id}:{kind.noun}/{name}"
        new = f"arn:aws:iam::{call.account_id}:{kind.noun}{new_path}{new_name}"
        return (old,) if new == old else (old, new)

    return resources


def list_arn(kind: HolderKind) -> Resources:
    """The resource of a listing: the path that it begins with."""
    return lambda call: (f"arn:aws:iam::{call.account_id}:{kind.noun}{path_prefix(call)}",)


def path_prefix(call: Call) -> str:
    return call.parameters.optional("PathPrefix", rules.PATH_PREFIX) or "/"


def tag_members(tags: Mapping[str, str]) -> list[str]:
    """Tags as members of a list, in the order they were set."""
    return [xml.elements([("Key", key), ("Value", value)]) for key, value in tags.items()]


def tags_element(tags: Mapping[str, str]) -> str:
    """The element Tags; nothing where there are none."""
    return xml.wrap("Tags", (xml.wrap("member", tag) for tag in tag_members(tags))) if tags else ""


def boundary_element(arn: str | None) -> str:
    """The element PermissionsBoundary; nothing where there is none."""
    if arn is None:
        return ""
    fields = [("PermissionsBoundaryType", "Policy"), ("PermissionsBoundaryArn", arn)]
    return xml.wrap("PermissionsBoundary", xml.elements(fields))
