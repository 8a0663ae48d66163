"""The documents about buckets as such: where they are made and who may read them.

API Reference, CreateBucket, GetBucketLocation, PutPublicAccessBlock, PutBucketOwnershipControls, GetBucketPolicyStatus.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import errors, xml
from .errors import (
    IllegalLocationConstraintException,
    InvalidArgument,
    InvalidLocationConstraint,
    InvalidRequest,
    MalformedXML,
)

FIRST_REGION = "us-east-1"  # the one whose buckets have no location constraint
OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
_OLD_NAMES = {"EU": "eu-west-1"}
_MAX_DOCUMENT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AccessBlock:
    """The four switches of Block Public Access."""

    block_public_acls: bool
    ignore_public_acls: bool
    block_public_policy: bool
    restrict_public_buckets: bool


def check_location(body: bytes, region: str) -> None:
    """Whether a CreateBucket document (or none) asks for a bucket here. AWS's rules: in us-east-1 nothing is said,
    elsewhere the region must be named. Raises MalformedXML, InvalidLocationConstraint,
    IllegalLocationConstraintException, or NotImplemented for directory buckets and tags.
    """
    constraint = ""
    if body.strip():
        root = xml.parse(body, "CreateBucketConfiguration", max_bytes=_MAX_DOCUMENT_BYTES)
        for child in root:
            if child.name in ("Location", "Bucket", "Tags"):
                raise errors.NotImplemented(fields={"Header": child.name})
            if child.name != "LocationConstraint" or constraint:
                raise MalformedXML
            constraint = child.text.strip()
    if not constraint:
        if region != FIRST_REGION:
            raise _illegal("unspecified")
    elif constraint == FIRST_REGION or not _is_region_like(constraint):
        raise InvalidLocationConstraint(fields={"LocationConstraint": constraint})
    elif _OLD_NAMES.get(constraint, constraint) != region:
        raise _illegal(constraint)


def _is_region_like(name: str) -> bool:
    return len(name) <= 64 and name.isascii() and name.replace("-", "").isalnum()


def _illegal(constraint: str) -> IllegalLocationConstraintException:
    return IllegalLocationConstraintException(
        f"The {constraint} location constraint is incompatible for the region specific endpoint this request was sent "
        "to."
    )


def location_document(region: str) -> bytes:
    """GetBucketLocation's answer: empty for us-east-1."""
    return xml.document("LocationConstraint", "" if region == FIRST_REGION else xml.escape(region))


def check_ownership_header(text: str) -> str:
    """The value of x-amz-object-ownership. Raises InvalidArgument."""
    if text not in OWNERSHIPS:
        raise InvalidArgument(
            "Invalid x-amz-object-ownership header: " + ", ".join(OWNERSHIPS),
            {"ArgumentName": "x-amz-object-ownership", "ArgumentValue": text[:64]},
        )
    return text


def parse_ownership(body: bytes) -> str:
    """The setting of an OwnershipControls document. Raises MalformedXML."""
    root = xml.parse(body, "OwnershipControls", max_bytes=_MAX_DOCUMENT_BYTES)
    if len(root.children) != 1 or root.children[0].name != "Rule":
        raise MalformedXML
    ownership = (root.children[0].text_of("ObjectOwnership") or "").strip()
    if len(root.children[0].children) != 1 or ownership not in OWNERSHIPS:
        raise MalformedXML
    return ownership


def ownership_document(ownership: str) -> bytes:
    """The OwnershipControls document."""
    return xml.document("OwnershipControls", xml.wrap("Rule", xml.element("ObjectOwnership", ownership)))


_SWITCHES = {
    "BlockPublicAcls": "block_public_acls",
    "IgnorePublicAcls": "ignore_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "RestrictPublicBuckets": "restrict_public_buckets",
}


def parse_access_block(body: bytes) -> AccessBlock:
    """The switches of a PublicAccessBlockConfiguration; those not named are off. MalformedXML or InvalidRequest."""
    root = xml.parse(body, "PublicAccessBlockConfiguration", max_bytes=_MAX_DOCUMENT_BYTES)
    values: dict[str, bool] = {}
    for child in root:
        text = child.text.strip().lower()
        if child.name not in _SWITCHES or child.name in values or text not in ("true", "false"):
            raise MalformedXML
        values[child.name] = text == "true"
    if not values:
        raise InvalidRequest("Must specify at least one configuration.")
    return AccessBlock(**{field: values.get(name, False) for name, field in _SWITCHES.items()})


def access_block_document(block: AccessBlock) -> bytes:
    """The PublicAccessBlockConfiguration document."""
    values = [(name, bool(getattr(block, field))) for name, field in _SWITCHES.items()]
    return xml.document("PublicAccessBlockConfiguration", xml.elements(values))


def policy_status_document(is_public: bool) -> bytes:
    """GetBucketPolicyStatus's answer."""
    return xml.document("PolicyStatus", xml.element("IsPublic", is_public))
