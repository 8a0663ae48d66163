"""Policies of users, groups and roles: inline (Put-, Get-, List-, Delete…Policy), attached (Attach-, Detach…Policy,
ListAttached…Policies), and boundaries (Put-, Delete…PermissionsBoundary). The operations of the kinds are alike.

Documents in answers are percent-encoded (RFC 3986), as AWS sends them and SDKs decode them.
"""

from __future__ import annotations

from urllib.parse import quote

from bucketry.store.gateway.iam import entities
from bucketry.store.gateway.iam import parameters as rules
from bucketry.store.gateway.iam.entities import exact_name
from bucketry.store.gateway.iam.operations import Call, IamOperation, page_of
from bucketry.store.identity.holders import GROUP, ROLE, USER, HolderKind
from bucketry.store.s3 import xml


def policy_name(call: Call) -> str:
    return call.parameters.text("PolicyName", rules.POLICY_NAME)


def policy_arn(call: Call) -> str:
    return call.parameters.text("PolicyArn", rules.ARN)


def _inline(kind: HolderKind) -> tuple[IamOperation, ...]:
    async def put(call: Call) -> None:
        document = call.parameters.text("PolicyDocument", rules.DOCUMENT)
        await call.identity.policies.put_inline(
            kind, call.account_id, exact_name(call, kind), policy_name(call), document
        )

    async def get(call: Call) -> str:
        holder, name = exact_name(call, kind), policy_name(call)
        document = call.identity.policies.inline(kind, call.account_id, holder, name)
        fields = [(entities.field_of(kind), holder), ("PolicyName", name), ("PolicyDocument", quote(document, safe=""))]
        return xml.elements(fields)

    async def every(call: Call) -> str:
        found = call.identity.policies.all_inline(kind, call.account_id, exact_name(call, kind))
        return page_of(call, "PolicyNames", [(name, xml.escape(name)) for name, _ in found])

    async def delete(call: Call) -> None:
        await call.identity.policies.delete_inline(kind, call.account_id, exact_name(call, kind), policy_name(call))

    named, title = entities.named(kind), kind.title
    return (
        IamOperation(f"Put{title}Policy", f"iam:Put{title}Policy", named, put),
        IamOperation(f"Get{title}Policy", f"iam:Get{title}Policy", named, get),
        IamOperation(f"List{title}Policies", f"iam:List{title}Policies", named, every),
        IamOperation(f"Delete{title}Policy", f"iam:Delete{title}Policy", named, delete),
    )


def _attached(kind: HolderKind) -> tuple[IamOperation, ...]:
    async def attach(call: Call) -> None:
        await call.identity.policies.attach(kind, call.account_id, exact_name(call, kind), policy_arn(call))

    async def detach(call: Call) -> None:
        await call.identity.policies.detach(kind, call.account_id, exact_name(call, kind), policy_arn(call))

    async def every(call: Call) -> str:
        prefix = call.parameters.optional("PathPrefix", rules.POLICY_PATH) or "/"
        members = [
            (policy.name, xml.elements([("PolicyName", policy.name), ("PolicyArn", policy.arn)]))
            for policy in call.identity.policies.attached(kind, call.account_id, exact_name(call, kind))
            if policy.path.startswith(prefix)
        ]
        return page_of(call, "AttachedPolicies", members)

    named, title = entities.named(kind), kind.title
    return (
        IamOperation(f"Attach{title}Policy", f"iam:Attach{title}Policy", named, attach),
        IamOperation(f"Detach{title}Policy", f"iam:Detach{title}Policy", named, detach),
        IamOperation(f"ListAttached{title}Policies", f"iam:ListAttached{title}Policies", named, every),
    )


def _bounded(kind: HolderKind) -> tuple[IamOperation, ...]:
    async def put(call: Call) -> None:
        arn = call.parameters.text("PermissionsBoundary", rules.ARN)
        await call.identity.policies.set_boundary(kind, call.account_id, exact_name(call, kind), arn)

    async def delete(call: Call) -> None:
        await call.identity.policies.set_boundary(kind, call.account_id, exact_name(call, kind), None)

    named, name = entities.named(kind), f"{kind.title}PermissionsBoundary"
    return (
        IamOperation(f"Put{name}", f"iam:Put{name}", named, put),
        IamOperation(f"Delete{name}", f"iam:Delete{name}", named, delete),
    )


OPERATIONS = (
    *(operation for kind in (USER, GROUP, ROLE) for operation in (*_inline(kind), *_attached(kind))),
    *(operation for kind in (USER, ROLE) for operation in _bounded(kind)),
)
