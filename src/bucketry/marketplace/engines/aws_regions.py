"""Where S3 and IAM of Amazon are, by region: partitions, host names, FIPS and website endpoints.

Reference: AWS General Reference, "Amazon S3 endpoints and quotas" and "AWS Identity and Access Management endpoints
and quotas"; Amazon S3 User Guide, "Website endpoints". The tests compare it with botocore's own tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class Region:
    """Hosts without scheme. `fips_host` and `iam_fips_host` are "" where there is none. `iam_region` is what requests
    to IAM, which a partition has once, are signed for."""

    name: str
    partition: str
    s3_host: str
    fips_host: str
    website_host: str
    iam_host: str
    iam_fips_host: str
    iam_region: str


@dataclass(frozen=True, slots=True)
class _Partition:
    name: str
    domain: str
    iam_host: str
    iam_fips_host: str
    iam_region: str


_COMMERCIAL = _Partition("aws", "amazonaws.com", "iam.amazonaws.com", "iam-fips.amazonaws.com", "us-east-1")
_PARTITIONS = {
    "us-gov-": _Partition(
        "aws-us-gov", "amazonaws.com", "iam.us-gov.amazonaws.com", "iam.us-gov.amazonaws.com", "us-gov-west-1"
    ),
    "cn-": _Partition("aws-cn", "amazonaws.com.cn", "iam.cn-north-1.amazonaws.com.cn", "", "cn-north-1"),
}
_OTHER_PARTITIONS = ("us-iso", "eu-iso", "eusc-")  # not tested against anything, so not claimed

_FIPS_REGIONS = frozenset({"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1"})

# The regions of the first years have a hyphen between s3-website and their name, all later ones a dot.
_HYPHEN_REGIONS = frozenset(
    {
        "us-east-1",
        "us-west-1",
        "us-west-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "eu-west-1",
        "sa-east-1",
        "us-gov-west-1",
    }
)


def describe(region: str) -> Region:
    """The region's places. A region that is younger than this file is taken as its partition's others are.

    Raises ValueError for what can't be a region.
    """
    if not _REGION.fullmatch(region) or region.startswith(_OTHER_PARTITIONS):
        raise ValueError(
            f"{region!r} is not a region of AWS's commercial, GovCloud or China partitions, such as us-east-1."
            if region
            else "it is missing; it must be the name of a region, such as us-east-1."
        )
    partition = next((p for prefix, p in _PARTITIONS.items() if region.startswith(prefix)), _COMMERCIAL)
    has_fips = region in _FIPS_REGIONS or partition.name == "aws-us-gov"
    separator = "-" if region in _HYPHEN_REGIONS else "."
    return Region(
        name=region,
        partition=partition.name,
        s3_host=f"s3.{region}.{partition.domain}",
        fips_host=f"s3-fips.{region}.{partition.domain}" if has_fips else "",
        website_host=f"s3-website{separator}{region}.{partition.domain}",
        iam_host=partition.iam_host,
        iam_fips_host=partition.iam_fips_host,
        iam_region=partition.iam_region,
    )
