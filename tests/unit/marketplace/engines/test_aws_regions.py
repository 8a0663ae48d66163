"""Where AWS is: compared with what botocore knows of every region of the partitions."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config

from bucketry.marketplace.engines import aws_regions

PARTITIONS = ("aws", "aws-us-gov", "aws-cn")
REGIONS = [(region, name) for name in PARTITIONS for region in boto3.Session().get_available_regions("s3", name)]


def endpoint(service: str, region: str, fips: bool = False) -> str:
    """Where botocore would send a request."""
    config = Config(use_fips_endpoint=fips, s3={"us_east_1_regional_endpoint": "regional"})
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="s", region_name=region)
    return str(session.client(service, config=config).meta.endpoint_url)


@pytest.mark.parametrize(("region", "partition"), REGIONS)
def test_every_region_is_where_botocore_finds_it(region: str, partition: str) -> None:
    found = aws_regions.describe(region)
    assert found.partition == partition
    assert f"https://{found.s3_host}" == endpoint("s3", region)


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "ca-west-1", "us-gov-west-1", "us-gov-east-1"])
def test_fips_endpoints_are_where_botocore_finds_them(region: str) -> None:
    found = aws_regions.describe(region)
    assert f"https://{found.fips_host}" == endpoint("s3", region, fips=True)
    assert f"https://{found.iam_fips_host}" == endpoint("iam", region, fips=True)


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-east-1", "cn-northwest-1"])
def test_iam_is_once_a_partition(region: str) -> None:
    found = aws_regions.describe(region)
    assert f"https://{found.iam_host}" == endpoint("iam", region)


@pytest.mark.parametrize(
    ("region", "fips_host", "website_host"),
    [
        ("us-east-1", "s3-fips.us-east-1.amazonaws.com", "s3-website-us-east-1.amazonaws.com"),
        ("us-east-2", "s3-fips.us-east-2.amazonaws.com", "s3-website.us-east-2.amazonaws.com"),
        ("eu-west-1", "", "s3-website-eu-west-1.amazonaws.com"),
        ("eu-central-1", "", "s3-website.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "s3-fips.us-gov-west-1.amazonaws.com", "s3-website-us-gov-west-1.amazonaws.com"),
        ("us-gov-east-1", "s3-fips.us-gov-east-1.amazonaws.com", "s3-website.us-gov-east-1.amazonaws.com"),
        ("cn-north-1", "", "s3-website.cn-north-1.amazonaws.com.cn"),
        ("xx-later-7", "", "s3-website.xx-later-7.amazonaws.com"),
    ],
)
def test_websites_and_fips(region: str, fips_host: str, website_host: str) -> None:
    found = aws_regions.describe(region)
    assert (found.fips_host, found.website_host) == (fips_host, website_host)


@pytest.mark.parametrize("region", ["", "mars", "us-east-1.evil.example", "us-iso-east-1", "US-EAST-1", "us-east-1\n"])
def test_what_is_no_region_is_refused(region: str) -> None:
    with pytest.raises(ValueError, match="region"):
        aws_regions.describe(region)
