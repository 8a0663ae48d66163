"""Documents about buckets: location, ownership, Block Public Access."""

from __future__ import annotations

import pytest

from bucketry.store.s3 import xml
from bucketry.store.s3.buckets import (
    AccessBlock,
    access_block_document,
    check_location,
    check_ownership_header,
    location_document,
    ownership_document,
    parse_access_block,
    parse_new_bucket,
    parse_ownership,
)
from bucketry.store.s3.errors import (
    IllegalLocationConstraintException,
    InvalidArgument,
    InvalidLocationConstraint,
    InvalidRequest,
    MalformedXML,
    S3Error,
)


def _location(constraint: str) -> bytes:
    return (
        f"<CreateBucketConfiguration><LocationConstraint>{constraint}</LocationConstraint></CreateBucketConfiguration>"
    ).encode()


@pytest.mark.parametrize(
    ("body", "region"),
    [
        (b"", "us-east-1"),
        (b"  ", "us-east-1"),
        (b"<CreateBucketConfiguration/>", "us-east-1"),
        (_location("eu-central-1"), "eu-central-1"),
        (_location("EU"), "eu-west-1"),
        (_location("eu-west-1"), "eu-west-1"),
    ],
)
def test_locations_that_are_here(body: bytes, region: str) -> None:
    check_location(parse_new_bucket(body).constraint, region)


@pytest.mark.parametrize(
    ("body", "region", "error"),
    [
        (b"", "eu-central-1", IllegalLocationConstraintException),
        (_location("us-east-1"), "us-east-1", InvalidLocationConstraint),
        (_location("eu-west-1"), "us-east-1", IllegalLocationConstraintException),
        (_location("EU"), "us-east-1", IllegalLocationConstraintException),
        (_location("a b"), "us-east-1", InvalidLocationConstraint),
        (_location("us-east-1"), "eu-central-1", InvalidLocationConstraint),
        (b"<Other/>", "us-east-1", MalformedXML),
        (b"<CreateBucketConfiguration><X/></CreateBucketConfiguration>", "us-east-1", MalformedXML),
        (b"<CreateBucketConfiguration><Tags/><Tags/></CreateBucketConfiguration>", "us-east-1", MalformedXML),
        (b"<CreateBucketConfiguration><Tags><Tag/></Tags></CreateBucketConfiguration>", "us-east-1", MalformedXML),
    ],
)
def test_other_locations_are_refused(body: bytes, region: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_location(parse_new_bucket(body).constraint, region)


def test_tags_and_region_of_a_new_bucket_are_condition_values() -> None:
    tags = "<Tags><Tag><Key>Team</Key><Value>Red</Value></Tag><Tag><Key>b</Key><Value/></Tag></Tags>"
    region = "<LocationConstraint>eu-west-1</LocationConstraint>"
    new = parse_new_bucket(f"<CreateBucketConfiguration>{tags}{region}</CreateBucketConfiguration>".encode())
    assert (new.constraint, new.tags) == ("eu-west-1", {"Team": "Red", "b": ""})
    assert new.condition_values() == {
        "aws:requesttag/team": "Red",
        "aws:requesttag/b": "",
        "aws:tagkeys": ["Team", "b"],
        "s3:locationconstraint": "eu-west-1",
    }
    assert parse_new_bucket(b"").condition_values() == {}


def test_directory_buckets_are_not_implemented() -> None:
    body = b"<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>"
    with pytest.raises(S3Error) as caught:
        parse_new_bucket(body)
    assert (caught.value.code, caught.value.status) == ("NotImplemented", 501)


def test_location_of_us_east_1_is_empty() -> None:
    assert xml.parse(location_document("us-east-1"), "LocationConstraint").text == ""
    assert xml.parse(location_document("eu-central-1"), "LocationConstraint").text == "eu-central-1"


@pytest.mark.parametrize("ownership", ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"])
def test_ownership_reads_back(ownership: str) -> None:
    assert parse_ownership(ownership_document(ownership)) == ownership
    assert check_ownership_header(ownership) == ownership


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<Rule/>",
        "<Rule><ObjectOwnership>Nobody</ObjectOwnership></Rule>",
        "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>" * 2,
    ],
)
def test_other_ownership_is_malformed(inside: str) -> None:
    with pytest.raises(MalformedXML):
        parse_ownership(f"<OwnershipControls>{inside}</OwnershipControls>".encode())


def test_other_ownership_header_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        check_ownership_header("bucketownerenforced")


def test_access_block_reads_back_and_what_is_not_named_is_off() -> None:
    block = AccessBlock(True, False, True, False)
    assert parse_access_block(access_block_document(block)) == block
    body = (
        b"<PublicAccessBlockConfiguration><BlockPublicPolicy>TRUE</BlockPublicPolicy></PublicAccessBlockConfiguration>"
    )
    assert parse_access_block(body) == AccessBlock(False, False, True, False)


@pytest.mark.parametrize(
    ("inside", "error"),
    [
        ("", InvalidRequest),
        ("<BlockPublicPolicy>maybe</BlockPublicPolicy>", MalformedXML),
        ("<BlockPublicPolicies>true</BlockPublicPolicies>", MalformedXML),
        ("<BlockPublicPolicy>true</BlockPublicPolicy>" * 2, MalformedXML),
    ],
)
def test_other_access_blocks_are_refused(inside: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_access_block(f"<PublicAccessBlockConfiguration>{inside}</PublicAccessBlockConfiguration>".encode())
