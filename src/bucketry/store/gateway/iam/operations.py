"""What an IAM or STS operation is: a value with its name, its action, the resources it touches, and its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bucketry.store.gateway.http import Request
from bucketry.store.gateway.iam.parameters import Parameters, next_marker
from bucketry.store.identity.holders import GROUP, USER, HolderKind
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Caller, Entity, Group
from bucketry.store.s3 import xml


@dataclass(slots=True)
class Call:
    """One request on its way through this API. Everything it may touch lies in the caller's own account."""

    identity: Identity
    request: Request
    caller: Caller
    parameters: Parameters
    now_ms: int
    resource_tags: Mapping[str, str] = field(default_factory=dict)  # of what it is about, for conditions
    boundary: str | None = None  # of the user or role that it is about
    _found: dict[tuple[str, str], Entity | None] = field(default_factory=dict)

    @property
    def account_id(self) -> str:
        return self.caller.account.account_id

    def find(self, kind: HolderKind, name: str) -> Entity | None:
        """A user, group or role of the account, by name in any case; what conditions may ask of it is noted. Once a
        request: what is done is done to the one that was asked about.
        """
        where = (kind.noun, name)
        if where not in self._found:
            self._found[where] = self._look_up(kind, name)
        found = self._found[where]
        if found is not None and not isinstance(found, Group):
            self.resource_tags, self.boundary = found.tags, found.boundary
        return found

    def _look_up(self, kind: HolderKind, name: str) -> Entity | None:
        if kind is USER:
            return self.identity.user(self.account_id, name)
        if kind is GROUP:
            return self.identity.groups.find(self.account_id, name)
        return self.identity.roles.find(self.account_id, name)


Resources = Callable[[Call], tuple[str, ...]]
Handler = Callable[[Call], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class IamOperation:
    """One operation.

    `action` None: nobody is asked (GetCallerIdentity). `resources` gives the ARNs that the caller needs the action on,
    all of them. `handle` answers the XML inside the result element; None: the answer has no result.
    """

    name: str
    action: str | None
    resources: Resources
    handle: Handler


def page_of(call: Call, name: str, items: Iterable[tuple[str, str]]) -> str:
    """One page of a short list that is at hand whole: (key to sort and go on by, XML of the member)."""
    after = call.parameters.marker(1)
    left = sorted(item for item in items if after is None or item[0] > after[0])
    size = call.parameters.page_size()
    marker = next_marker(left[size - 1][0]) if len(left) > size else None
    return listed(name, (member for _, member in left[:size]), marker)


def listed(name: str, members: Iterable[str], marker: str | None) -> str:
    """A list's element, and whether and where it goes on."""
    rest = [("IsTruncated", marker is not None), ("Marker", marker)]
    return xml.wrap(name, (xml.wrap("member", member) for member in members)) + xml.elements(rest)
