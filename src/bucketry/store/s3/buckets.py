"""The documents about buckets as such: where and with what they are made, and who may read them.

API Reference, CreateBucket, GetBucketLocation, PutPublicAccessBlock, PutBucketOwnershipControls, GetBucketPolicyStatus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import errors, tagging, xml
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
MAX_DOCUMENT_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class AccessBlock:
    """The four switches of Block Public Access."""

    block_public_acls: bool
    ignore_public_acls: bool
    block_public_policy: bool
    restrict_public_buckets: bool


@dataclass(frozen=True, slots=True)
class NewBucket:
    """What a CreateBucket document says. `constraint` is "" where no region is named."""

    constraint: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def condition_values(self) -> dict[str, str | list[str]]:
        """Lower-case policy keys → values."""
        values: dict[str, str | list[str]] = {
            f"aws:requesttag/{name.lower()}": text for name, text in self.tags.items()
        }
        if self.tags:
            values["aws:tagkeys"] = list(self.tags)
        if self.constraint:
            values["s3:locationconstraint"] = self.constraint
        return values


def parse_new_bucket(body: bytes) -> NewBucket:
    """A CreateBucket document, or none. MalformedXML, InvalidTag; NotImplemented for directory buckets."""
    if not body.strip():
        return NewBucket()
    constraint, tags = "", {}
    root = xml.parse(body, "CreateBucketConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
    if len({child.name for child in root}) != len(root.children):
        raise MalformedXML
    for child in root:
        if child.name in ("Location", "Bucket"):
            raise errors.NotImplemented(fields={"Header": child.name})
        if child.name == "Tags":
            tags = tagging.parse_bucket_tags(child)
        elif child.name == "LocationConstraint":
            constraint = child.text.strip()
        else:
            raise MalformedXML
    return NewBucket(constraint, tags)


def check_location(constraint: str, region: str) -> None:
    """Whether a bucket may be made here that is asked for with this constraint. AWS's rules: in us-east-1 nothing is
    said, elsewhere the region must be named. InvalidLocationConstraint, IllegalLocationConstraintException.
    """
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
    root = xml.parse(body, "OwnershipControls", max_bytes=MAX_DOCUMENT_BYTES)
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
    root = xml.parse(body, "PublicAccessBlockConfiguration", max_bytes=MAX_DOCUMENT_BYTES)
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
