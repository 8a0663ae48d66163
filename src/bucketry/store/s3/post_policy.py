"""Policy documents of posted forms: read, checked against a form's fields, and their signatures.

Amazon S3 API Reference, "Creating a POST policy" and "Calculating a signature" of Signature V4; Amazon S3 Developer
Guide, "Browser-based uploads using POST (AWS signature version 2)". A policy names each field that its form may have:
one that it doesn't name is refused, but for the signature's own, x-ignore-*, and checksums, which allow nothing.
What isn't exactly a policy allows nothing.
"""

from __future__ import annotations

import binascii
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bucketry.store.s3 import dates
from bucketry.store.s3.claims import ALGORITHM, Claim, PayloadMode
from bucketry.store.s3.errors import (
    AccessDenied,
    EntityTooLarge,
    EntityTooSmall,
    InvalidArgument,
    SignatureDoesNotMatch,
)
from bucketry.store.s3.form_errors import InvalidPolicyDocument

_UNNAMED = frozenset(("policy", "signature", "awsaccesskeyid", "x-amz-signature", "file"))
_UNNAMED_PREFIXES = ("x-ignore-", "x-amz-checksum-")
_V2 = frozenset(("signature", "awsaccesskeyid"))
_V4 = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
_MAX_BYTES = 2**63


class Condition(NamedTuple):
    """What a field's value must be (`eq`), or begin with (`starts-with`). `field` is in lower case, without `$`."""

    operator: str
    field: str
    value: str

    def holds(self, given: str) -> bool:
        if self.operator == "eq":
            return given == self.value
        if self.field == "content-type":  # "values that include commas are interpreted as lists"
            return all(piece.strip().startswith(self.value) for piece in given.split(","))
        return given.startswith(self.value)


@dataclass(frozen=True, slots=True)
class PostPolicy:
    """A policy document as values."""

    expires_ms: int
    conditions: tuple[Condition, ...]
    min_bytes: int = 0
    max_bytes: int = _MAX_BYTES

    def check(self, fields: Mapping[str, str], now_ms: int) -> None:
        """AccessDenied unless the policy is in force and each field of the form is as its conditions want it.

        `fields` are by lower-case name; `bucket` is the one that was posted to.
        """
        if now_ms >= self.expires_ms:
            raise _refused("Policy expired.")
        for condition in self.conditions:
            if not condition.holds(fields.get(condition.field, "")):
                shown = json.dumps([condition.operator, f"${condition.field}", condition.value])
                raise _refused(f"Policy Condition failed: {shown}")
        named = {condition.field for condition in self.conditions}
        extra = [name for name in fields if name not in named and not _may_be_unnamed(name)]
        if extra:
            raise _refused(f"Extra input fields: {', '.join(extra)[:1024]}")

    def check_size(self, size_bytes: int) -> None:
        """EntityTooLarge or EntityTooSmall for a file out of content-length-range."""
        self.check_least_size(size_bytes)
        if size_bytes < self.min_bytes:
            raise EntityTooSmall(
                fields={"ProposedSize": str(size_bytes), "MinSizeAllowed": str(self.min_bytes)},
            )

    def check_least_size(self, size_bytes: int) -> None:
        """EntityTooLarge where these many bytes, of which more may come, are too many already."""
        if size_bytes > self.max_bytes:
            raise EntityTooLarge(
                fields={"ProposedSize": str(size_bytes), "MaxSizeAllowed": str(self.max_bytes)},
            )


def _may_be_unnamed(name: str) -> bool:
    return name in _UNNAMED or name.startswith(_UNNAMED_PREFIXES)


def _refused(detail: str) -> AccessDenied:
    return AccessDenied(f"Invalid according to Policy: {detail}")


def _invalid(detail: str) -> InvalidPolicyDocument:
    return InvalidPolicyDocument(f"Invalid Policy: {detail}")


# --- the document


def parse_policy(encoded: str) -> PostPolicy:
    """The policy of the field `policy`. InvalidPolicyDocument."""
    try:
        document = json.loads(b64decode(encoded, validate=True), object_pairs_hook=_unrepeated)
    except (binascii.Error, ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON.")
    expiration, conditions = document.get("expiration"), document.get("conditions")
    if expiration is None:
        raise _invalid("Policy missing expiration.")
    expires_ms = dates.parse_iso8601(expiration) if isinstance(expiration, str) and "T" in expiration else None
    if expires_ms is None:
        raise _invalid(f"Invalid 'expiration' value: '{str(expiration)[:64]}'")
    if conditions is None:
        raise _invalid("Policy missing conditions.")
    if not isinstance(conditions, list):
        raise _invalid("Invalid 'conditions' value: must be a List.")
    return _policy(expires_ms, conditions)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _policy(expires_ms: int, conditions: list[Any]) -> PostPolicy:
    found: list[Condition] = []
    least, most = 0, _MAX_BYTES
    for condition in conditions:
        if isinstance(condition, dict):
            found.append(_simple(condition))
        elif not isinstance(condition, list) or not condition or not isinstance(condition[0], str):
            raise _invalid("Invalid condition: it is no list and no object.")
        elif condition[0].lower() == "content-length-range":
            lower, upper = _range(condition)
            least, most = max(least, lower), min(most, upper)
        else:
            found.append(_listed(condition))
    return PostPolicy(expires_ms, tuple(found), least, most)


def _simple(condition: dict[str, Any]) -> Condition:
    if len(condition) != 1:
        raise _invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
    ((name, value),) = condition.items()
    if not isinstance(value, str):
        raise _invalid("Invalid Simple-Condition: value must be a string.")
    return Condition("eq", name.lower(), value)


def _listed(condition: list[Any]) -> Condition:
    operator = condition[0].lower()
    if operator not in ("eq", "starts-with"):
        raise _invalid(f"Invalid operation '{operator[:64]}'.")
    if len(condition) != 3 or not all(isinstance(piece, str) for piece in condition):
        raise _invalid(f"Invalid {operator}: it takes a field and a value, both strings.")
    name = condition[1]
    if not name.startswith("$") or len(name) == 1:
        raise _invalid(f"Invalid {operator}: the field must begin with $.")
    return Condition(operator, name[1:].lower(), condition[2])


def _range(condition: list[Any]) -> tuple[int, int]:
    if len(condition) != 3:
        raise _invalid("Invalid content-length-range: it takes the least and the most number of bytes.")
    least, most = (_number(piece) for piece in condition[1:])
    if least > most:
        raise _invalid("Invalid content-length-range: the least is more than the most.")
    return least, most


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_BYTES:
        raise _invalid("Invalid content-length-range: a number of bytes is no number from 0 on.")
    return value


# --- the signature


def claim_of(fields: Mapping[str, str]) -> Claim | None:
    """Who a form says has signed its policy, by V4 or V2; None: nobody. InvalidArgument: a field of it is missing."""
    if not any(name in fields for name in ("policy", *_V2, *_V4)):
        return None
    is_v4 = any(name in fields for name in _V4)
    for name in ("policy", *(_V4 if is_v4 else ("awsaccesskeyid", "signature"))):
        if not fields.get(name):
            raise InvalidArgument(
                f"Bucket POST must contain a field named '{name}'. If it is specified, please check the order of the "
                "fields.",
                {"ArgumentName": name, "ArgumentValue": ""},
            )
    if is_v4 and _V2 & fields.keys():
        raise InvalidArgument("Only one auth mechanism allowed", {"ArgumentName": "signature"})
    return _claim_v4(fields) if is_v4 else _claim(fields["awsaccesskeyid"], fields["signature"], fields, 2)


def _claim_v4(fields: Mapping[str, str]) -> Claim:
    if fields["x-amz-algorithm"] != ALGORITHM:
        raise _wrong_field(fields, "x-amz-algorithm", f'it only supports "{ALGORITHM}".')
    amz_date = fields["x-amz-date"]
    epoch_s = dates.parse_amz_date(amz_date)
    if epoch_s is None:
        raise _wrong_field(fields, "x-amz-date", "it must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\".")
    parts = fields["x-amz-credential"].split("/")
    if len(parts) != 5 or not all(parts) or parts[4] != "aws4_request":
        detail = 'expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        raise _wrong_field(fields, "x-amz-credential", detail)
    access_key_id, date, region, service, _ = parts
    if date != amz_date[:8]:
        raise _wrong_field(fields, "x-amz-credential", "its date is not the one of x-amz-date.")
    claim = _claim(access_key_id, fields["x-amz-signature"], fields, 4)
    return claim._replace(date=date, region=region, service=service, amz_date=amz_date, epoch_s=epoch_s)


def _claim(access_key_id: str, signature: str, fields: Mapping[str, str], version: int) -> Claim:
    return Claim(
        access_key_id=access_key_id,
        date="",
        region="",
        service="s3",
        signed_headers=(),
        signature=signature,
        amz_date="",
        epoch_s=0,
        is_presigned=False,
        expires_s=0,
        payload=PayloadMode.UNSIGNED,
        content_sha256=None,
        session_token=fields.get("x-amz-security-token"),
        version=version,
    )


def _wrong_field(fields: Mapping[str, str], name: str, detail: str) -> InvalidArgument:
    return InvalidArgument(
        f"The field {name} is not valid: {detail}", {"ArgumentName": name, "ArgumentValue": fields[name][:256]}
    )


def verify_v2(claim: Claim, secret: str, policy: str) -> None:
    """Return if `secret` signed the policy, which is base64 as it was sent; SignatureDoesNotMatch if not."""
    digest = hmac.digest(secret.encode(), policy.encode(), "sha1")
    _compare(claim, b64encode(digest).decode(), policy)


def verify_v4(claim: Claim, signing_key: bytes, policy: str) -> None:
    """The same by the key of its day, region and service."""
    _compare(claim, hmac.digest(signing_key, policy.encode(), "sha256").hex(), policy)


def _compare(claim: Claim, expected: str, policy: str) -> None:
    if not claim.signature.isascii() or not hmac.compare_digest(expected, claim.signature):
        raise SignatureDoesNotMatch(
            fields={
                "AWSAccessKeyId": claim.access_key_id,
                "SignatureProvided": claim.signature[:256],
                "StringToSign": policy,
            }
        )
