"""The policy of a bucket on Ceph's gateway: all that says who may use it, in one document.

Each binding is a user of the gateway, named here with its rights; the document can be read back, so that one binding is
put in or taken out and the others stay. It holds nothing else. Reference: Ceph documentation, "Bucket Policies"; what
that leaves open was tried on 16.2, see docs/decisions/0065-ceph-policies.md:

* The one who stores an object owns it, and an owner may read it and change its ACL whatever the policy allows. So what
  a binding must not do is denied, not only left out.
* ACLs can let in others. So everyone who is not named is denied, from the first moment to the last.
* `NotAction` never matches, and an unknown action is refused with the whole document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bucketry.marketplace.domain.engine_ports import Permissions, Rights
from bucketry.marketplace.engines import rights as policies

# The gateway reads the document anew at each request: about 40 µs a binding.
MOST_CHARACTERS = 64 * 1024

_PARTITION = "aws"
_WORDS = {
    Permissions.READ_WRITE: "ReadWrite",
    Permissions.READ_ONLY: "ReadOnly",
    Permissions.WRITE_ONLY: "WriteOnly",
}
_PERMISSIONS = {word: permissions for permissions, word in _WORDS.items()}
_OBJECTS_SID = re.compile(r"(ReadWrite|ReadOnly|WriteOnly)[0-9]+Objects")
_END_SID = re.compile(r"End[0-9]+")
_UNKNOWN_ACTIONS = frozenset({"s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"})
_SHARING = ["s3:PutObjectAcl", "s3:PutObjectVersionAcl"]
_READING = [
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionTagging",
]
_ALL_BUT_READING_OBJECTS = [
    "s3:AbortMultipartUpload",
    "s3:BypassGovernanceRetention",
    "s3:CreateBucket",
    "s3:Delete*",
    "s3:GetBucket*",
    "s3:GetLifecycleConfiguration",
    "s3:GetObjectAcl",
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion*",
    "s3:GetPublicAccessBlock",
    "s3:List*",
    "s3:Put*",
    "s3:RestoreObject",
]

_Statement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a bucket: `bindings` are rights by the ARN of a gateway user. Ends are whole seconds."""

    is_public: bool = False
    bindings: Mapping[str, Rights] = field(default_factory=dict)

    def opened(self, is_public: bool) -> Access:
        return replace(self, is_public=is_public)

    def with_binding(self, user: str, rights: Rights) -> Access:
        return replace(self, bindings={**self.bindings, user: _as_said(rights)})

    def has(self, user: str, rights: Rights) -> bool:
        """Whether the user has these rights, no more and no less."""
        return self.bindings.get(user) == _as_said(rights)

    def without_binding(self, user: str) -> Access:
        return replace(self, bindings={arn: rights for arn, rights in self.bindings.items() if arn != user})


def _as_said(rights: Rights) -> Rights:
    return rights if rights.ends_ms is None else replace(rights, ends_ms=rights.ends_ms // 1000 * 1000)


# ---- writing


def render(bucket: str, owner: str, access: Access) -> str:
    """The document. `owner`: the ARN of the marketplace's own user. Bindings with the same rights share statements."""
    whole, objects = f"arn:{_PARTITION}:s3:::{bucket}", f"arn:{_PARTITION}:s3:::{bucket}/*"
    statements = _granted(bucket, access)
    if access.is_public:
        statements.append(_say("Public", "Allow", "*", ["s3:GetObject"], [objects]))
    statements += _limited(access, [whole, objects])
    statements.append(_say("Sharing", "Deny", "*", _SHARING, [objects]))
    closed = _ALL_BUT_READING_OBJECTS if access.is_public else ["s3:*"]
    others = _say("Others", "Deny", "*", closed, [whole, objects])
    del others["Principal"]
    statements.append(others | {"NotPrincipal": {"AWS": [owner, *sorted(access.bindings)]}})
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _granted(bucket: str, access: Access) -> list[_Statement]:
    groups: dict[Rights, list[str]] = {}
    for user, rights in sorted(access.bindings.items()):
        groups.setdefault(replace(rights, ends_ms=None), []).append(user)
    found: list[_Statement] = []
    for number, (rights, users) in enumerate(groups.items()):
        *listing, whole, objects = policies.statements([bucket], rights, _PARTITION)
        word, principal = f"{_WORDS[rights.permissions]}{number}", {"AWS": users}
        found += [part | {"Sid": f"{word}List", "Principal": principal} for part in listing]
        # One statement for both names its users once. It lets none of them more: no action is one of buckets and of
        # objects, but for DeleteObjects, which is asked of the bucket first and then of each object.
        actions = [action for part in (whole, objects) for action in part["Action"] if action not in _UNKNOWN_ACTIONS]
        resources = [*objects["Resource"], *whole["Resource"]]
        found.append(
            objects | {"Sid": f"{word}Objects", "Principal": principal, "Action": actions, "Resource": resources}
        )
    return found


def _limited(access: Access, resources: list[str]) -> list[_Statement]:
    """What ownership of objects would give beyond the rights."""
    writers = [user for user, rights in access.bindings.items() if rights.permissions is Permissions.WRITE_ONLY]
    found = [_say("Unread", "Deny", sorted(writers), _READING, resources[1:])] if writers else []
    elsewhere: dict[tuple[str, ...], list[str]] = {}
    ended: dict[int, list[str]] = {}
    for user, rights in sorted(access.bindings.items()):
        if rights.source_ips:
            elsewhere.setdefault(rights.source_ips, []).append(user)
        if rights.ends_ms is not None:
            ended.setdefault(rights.ends_ms, []).append(user)
    for number, (addresses, users) in enumerate(elsewhere.items()):
        condition: _Statement = {"Condition": {"NotIpAddress": {"aws:SourceIp": list(addresses)}}}
        found.append(_say(f"Elsewhere{number}", "Deny", users, ["s3:*"], resources) | condition)
    for number, (ends_ms, users) in enumerate(ended.items()):
        condition = {"Condition": {"DateGreaterThanEquals": {"aws:CurrentTime": _date(ends_ms)}}}
        found.append(_say(f"End{number}", "Deny", users, ["s3:*"], resources) | condition)
    return found


def _say(
    sid: str, effect: str, users: str | Sequence[str], actions: Sequence[str], resources: Sequence[str]
) -> _Statement:
    principal: object = users if isinstance(users, str) else {"AWS": list(users)}
    return {
        "Sid": sid,
        "Effect": effect,
        "Principal": principal,
        "Action": list(actions),
        "Resource": list(resources),
    }


# ---- reading


def parse(text: str | None) -> Access:
    """What render() said; None: nobody was let in yet. ValueError for a document that it cannot have written."""
    if text is None:
        return Access()
    try:
        statements: list[_Statement] = json.loads(text)["Statement"]
        return Access(
            is_public=any(statement.get("Sid") == "Public" for statement in statements),
            bindings=_bindings(statements),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        raise ValueError(f"no policy of ours ({type(problem).__name__}: {problem})") from None


def _bindings(statements: Sequence[_Statement]) -> dict[str, Rights]:
    found: dict[str, Rights] = {}
    for statement in statements:
        match = _OBJECTS_SID.fullmatch(statement.get("Sid", ""))
        if match is None:
            continue
        rights = Rights(
            permissions=_PERMISSIONS[match[1]],
            prefix=statement["Resource"][0].partition("/")[2].removesuffix("*"),
            source_ips=tuple(statement.get("Condition", {}).get("IpAddress", {}).get("aws:SourceIp", ())),
        )
        found.update(dict.fromkeys(statement["Principal"]["AWS"], rights))
    for statement in statements:
        if _END_SID.fullmatch(statement.get("Sid", "")):
            ends_ms = _milliseconds(statement["Condition"]["DateGreaterThanEquals"]["aws:CurrentTime"])
            for user in statement["Principal"]["AWS"]:
                found[user] = replace(found[user], ends_ms=ends_ms)
    return found


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _milliseconds(date: str) -> int:
    return int(datetime.fromisoformat(date).timestamp()) * 1000
