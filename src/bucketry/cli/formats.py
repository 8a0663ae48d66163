"""A key's credentials as programs read them: shell variables, and the configuration of aws, boto3, rclone and s3cmd.

Each text works as it stands when it is appended to the program's file (or given to the shell). Values come from a
server: they are quoted for the language they go into, and one that no quoting makes safe is refused.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bucketry.cli.errors import CliError

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a binding or key gives, as far as S3 clients need it. `name` is for profiles and remotes."""

    name: str
    access_key_id: str
    secret_access_key: str
    region: str
    bucket: str
    endpoint_url: str

    def __repr__(self) -> str:
        return f"Credentials({self.name!r}, {self.access_key_id!r})"

    @classmethod
    def of(cls, values: Mapping[str, Any], name: str) -> Credentials:
        """Read the flat JSON of a binding. CliError if a field is missing or can't be part of any configuration."""
        fields = {}
        for field in ("access_key_id", "secret_access_key", "region", "bucket"):
            fields[field] = _line(values, field)
        endpoint_url = (
            _line(values, "endpoint_url") if values.get("endpoint_url") else "https://" + _line(values, "endpoint")
        )
        return cls(name=_NOT_IN_A_NAME.sub("-", name), endpoint_url=endpoint_url, **fields)

    @property
    def on_aws(self) -> bool:
        """Whether the bucket is at Amazon, where clients know the endpoint by the region."""
        host = urlsplit(self.endpoint_url).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _line(values: Mapping[str, Any], field: str) -> str:
    value = values.get(field)
    if not isinstance(value, str) or not value:
        raise CliError(f"the credentials have no {field}", "Is the server of this version? See them whole with --json.")
    if _NOT_IN_A_LINE.search(value):
        raise CliError(f"the credentials' {field} holds control characters", "See them as they are with --json.")
    return value


def variables(credentials: Credentials) -> dict[str, str]:
    """The environment in which the AWS programs and SDKs use this bucket's credentials.

    https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
    """
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": credentials.region,
        "AWS_REGION": credentials.region,
        "AWS_ENDPOINT_URL": credentials.endpoint_url,
        "BUCKET_NAME": credentials.bucket,
    }


def env(credentials: Credentials) -> str:
    """`export` lines for a POSIX shell: eval "$(bucketry service-key NAME KEY --format env)"."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(credentials).items())


def aws(credentials: Credentials) -> str:
    """A profile for ~/.aws/config, where a profile may hold its credentials too: one file, one section."""
    lines = [
        f"# For ~/.aws/config. Then: aws --profile {credentials.name} s3 ls s3://{credentials.bucket}",
        f"[profile {credentials.name}]",
        f"aws_access_key_id = {credentials.access_key_id}",
        f"aws_secret_access_key = {credentials.secret_access_key}",
        f"region = {credentials.region}",
    ]
    if not credentials.on_aws:
        lines += [f"endpoint_url = {credentials.endpoint_url}", "s3 =", "    addressing_style = path"]
    return "\n".join(lines)


def rclone(credentials: Credentials) -> str:
    """A remote for rclone.conf. `no_check_bucket`: these credentials may not create buckets."""
    lines = [
        f"# For ~/.config/rclone/rclone.conf. Then: rclone ls {credentials.name}:{credentials.bucket}",
        f"[{credentials.name}]",
        "type = s3",
        f"provider = {'AWS' if credentials.on_aws else 'Other'}",
        f"access_key_id = {credentials.access_key_id}",
        f"secret_access_key = {credentials.secret_access_key}",
        f"region = {credentials.region}",
    ]
    if not credentials.on_aws:
        lines += [f"endpoint = {credentials.endpoint_url}", "force_path_style = true"]
    return "\n".join([*lines, "no_check_bucket = true"])


def s3cmd(credentials: Credentials) -> str:
    """A configuration for s3cmd (~/.s3cfg, or a file named with -c)."""
    url = urlsplit(credentials.endpoint_url)
    return "\n".join(
        [
            f"# For ~/.s3cfg. Then: s3cmd ls s3://{credentials.bucket}",
            "[default]",
            f"access_key = {credentials.access_key_id}",
            f"secret_key = {credentials.secret_access_key}",
            f"bucket_location = {credentials.region}",
            f"host_base = {url.netloc}",
            f"host_bucket = {'%(bucket)s.' if credentials.on_aws else ''}{url.netloc}",
            f"use_https = {url.scheme == 'https'}",
        ]
    )


def boto3(credentials: Credentials) -> str:
    """Python that makes a boto3 client and names the bucket."""
    # A JSON string in ASCII is a Python string too.
    arguments = [
        f"    endpoint_url={json.dumps(credentials.endpoint_url)},",
        f"    region_name={json.dumps(credentials.region)},",
        f"    aws_access_key_id={json.dumps(credentials.access_key_id)},",
        f"    aws_secret_access_key={json.dumps(credentials.secret_access_key)},",
    ]
    return "\n".join(
        [
            "import boto3",
            "",
            "s3 = boto3.client(",
            '    "s3",',
            *arguments,
            ")",
            f"bucket = {json.dumps(credentials.bucket)}",
        ]
    )


FORMATS: dict[str, Callable[[Credentials], str]] = {
    "aws": aws,
    "boto3": boto3,
    "env": env,
    "rclone": rclone,
    "s3cmd": s3cmd,
}
