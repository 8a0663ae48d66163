"""Lists of what this store has none of: certificates, devices, providers, aliases. They are empty, and that is true:
the actions that would make one answer NotImplemented. Tools ask for these before they delete a user or a role.

AWS IAM API Reference, the actions of these names.
"""

from __future__ import annotations

from bucketry.store.gateway.iam import entities
from bucketry.store.gateway.iam.operations import Call, IamOperation, Resources, listed
from bucketry.store.gateway.iam.users import own_or_named_user
from bucketry.store.identity.holders import ROLE, USER


def _everything(_call: Call) -> tuple[str, ...]:
    return ("*",)


def _empty(name: str, element: str, resources: Resources, *, is_paged: bool = True) -> IamOperation:
    async def handle(call: Call) -> str:
        if resources is own_or_named_user and call.parameters.raw("UserName") is not None:
            entities.require(call, USER)
        if call.parameters.raw("RoleName") is not None:
            entities.require(call, ROLE)
        call.parameters.page_size()
        return listed(element, [], None) if is_paged else f"<{element}/>"

    return IamOperation(name, f"iam:{name}", resources, handle)


OPERATIONS = (
    _empty("ListAccountAliases", "AccountAliases", _everything),
    _empty("ListOpenIDConnectProviders", "OpenIDConnectProviderList", _everything, is_paged=False),
    _empty("ListSAMLProviders", "SAMLProviderList", _everything, is_paged=False),
    _empty("ListInstanceProfilesForRole", "InstanceProfiles", entities.named(ROLE)),
    _empty("ListMFADevices", "MFADevices", own_or_named_user),
    _empty("ListSigningCertificates", "Certificates", own_or_named_user),
    _empty("ListSSHPublicKeys", "SSHPublicKeys", own_or_named_user),
    _empty("ListServiceSpecificCredentials", "ServiceSpecificCredentials", own_or_named_user, is_paged=False),
)
