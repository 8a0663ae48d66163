"""Whether a caller may do what an IAM operation does: the policy language over the caller's identity policies.

The account's root may do everything in its account; a user what its policies allow. The condition keys are those that
the Service Authorization Reference lists for IAM, beside the global ones; all are taken from what the server knows.
"""

from __future__ import annotations

from bucketry.store.gateway.authorise import principal_of
from bucketry.store.gateway.iam.errors import AccessDenied
from bucketry.store.gateway.iam.operations import Call
from bucketry.store.policy.evaluator import AccessRequest, Context, ContextValue, Decision, evaluate
from bucketry.store.s3 import dates

_GIVE_BOUNDARIES = frozenset(("CreateUser", "CreateRole", "PutUserPermissionsBoundary", "PutRolePermissionsBoundary"))
_GIVE_TAGS = frozenset(("CreateUser", "CreateRole", "CreatePolicy", "TagUser", "TagRole", "TagPolicy"))


def require(call: Call, action: str, resources: tuple[str, ...]) -> None:
    """AccessDenied unless the caller may do `action` on each of `resources`."""
    caller = call.caller
    principal = principal_of(caller)
    context = context_of(call)
    for resource in resources:
        request = AccessRequest(principal, action, resource, context, call.account_id)
        decision = evaluate(request, caller.policies, None, *caller.bounds)
        if decision is Decision.ALLOW:
            continue
        because = (
            "with an explicit deny in an identity-based policy"
            if decision is Decision.EXPLICIT_DENY
            else f"because no identity-based policy allows the {action} action"
        )
        raise AccessDenied(
            f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} {because}"
        )


def context_of(call: Call) -> Context:
    """The condition keys of a request of this API. A parameter is one where the operation obeys it, and nowhere else:
    one that is only added must open nothing.
    """
    caller, request, parameters = call.caller, call.request, call.parameters
    name = parameters.raw("Action") or ""
    boundary = parameters.raw("PermissionsBoundary") if name in _GIVE_BOUNDARIES else None
    values: dict[str, ContextValue | None] = {
        "aws:currenttime": dates.iso8601_seconds(call.now_ms),
        "aws:epochtime": str(call.now_ms // 1000),
        "aws:principalarn": caller.principal_arn,
        "aws:principalaccount": caller.account.account_id,
        "aws:principaltype": caller.kind,
        "aws:userid": caller.unique_id,
        "aws:username": caller.user.name if caller.user else None,
        "aws:sourceip": request.remote_ip,
        "aws:securetransport": "true" if request.is_secure else "false",
        "aws:useragent": request.headers.get("user-agent"),
        "aws:referer": request.headers.get("referer"),
        "aws:resourceaccount": caller.account.account_id,
        "aws:tokenissuetime": dates.iso8601_seconds(caller.session.issued_ms) if caller.session else None,
        "aws:multifactorauthpresent": "false" if caller.session else None,
        "iam:policyarn": parameters.raw("PolicyArn") if name.startswith(("Attach", "Detach")) else None,
        "iam:permissionsboundary": boundary or call.boundary,
    }
    for key, value in caller.tags.items():
        values[f"aws:principaltag/{key.lower()}"] = value
    for key, value in call.resource_tags.items():
        values[f"aws:resourcetag/{key.lower()}"] = values[f"iam:resourcetag/{key.lower()}"] = value
    tags = parameters.tags() if name in _GIVE_TAGS else {}
    for key, value in tags.items():
        values[f"aws:requesttag/{key.lower()}"] = value
    tag_keys = [*tags, *(parameters.tag_keys() if name.startswith("Untag") else ())]
    if tag_keys:
        values["aws:tagkeys"] = tag_keys
    return values
