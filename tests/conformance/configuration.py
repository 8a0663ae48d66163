"""The suite's configuration files, with accounts of their own for each process that runs tests.

Each has them to itself, as the suite's tests count an account's buckets and users. To its S3 tests `alt` is another
account; to its IAM tests it is a user whom the account `iam` rules, so those have a file of their own.
"""

from __future__ import annotations

import json
from configparser import RawConfigParser
from pathlib import Path
from urllib.parse import urlsplit

from tests.kit.server import Server

# section of the file → name of the account. The root of an account stands for the suite's users.
ACCOUNTS = {
    "s3 main": "main",
    "s3 alt": "alt",
    "s3 tenant": "tenant",
    "iam": "iam",
    "iam root": "iamroot",
    "iam alt root": "iamaltroot",
}
_LIFECYCLE_DAY_SECONDS = 10
_USER = "alt"


def write_configurations(server: Server, folder: Path, process: str) -> None:
    """Make the accounts of one process and write what S3TEST_CONF may name: PROCESS.s3.conf and PROCESS.iam.conf."""
    endpoint = urlsplit(server.admin["s3_endpoint"])
    parser = RawConfigParser()
    parser["DEFAULT"] = {
        "host": endpoint.hostname or "",
        "port": str(endpoint.port),
        "is_secure": str(endpoint.scheme == "https"),
        "ssl_verify": "False",
    }
    parser["fixtures"] = {
        "bucket prefix": f"c-{process}-{{random}}-",
        "iam name prefix": "c-",
        "iam path prefix": "/c/",
    }
    for section, name in ACCOUNTS.items():
        account = server.create_account(f"{name}-{process}", f"{name}-{process}@example.com")
        parser[section] = {
            # to IAM's tests `iam` is an account by its number; all others are named in ACLs, by their canonical ids
            "user_id": account["account_id"] if section == "iam" else account["canonical_id"],
            "display_name": account["display_name"],
            "email": account["email"],
            "access_key": account["access_key_id"],
            "secret_key": account["secret_access_key"],
        }
    parser["s3 main"].update(api_name=server.admin["region"], lc_debug_interval=str(_LIFECYCLE_DAY_SECONDS))
    parser["s3 tenant"]["tenant"] = "tenant"
    _write(parser, folder / f"{process}.s3.conf")
    parser["s3 alt"].update(_make_user(server, parser["iam"]["access_key"], parser["iam"]["secret_key"]))
    _write(parser, folder / f"{process}.iam.conf")


def _make_user(server: Server, access_key_id: str, secret_access_key: str) -> dict[str, str]:
    """A user who may all of S3, as the suite makes buckets as them; by a managed policy, since it lists inline ones."""
    credentials = {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
    iam = server.client("iam", credentials)
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": allow})
    policy = iam.create_policy(PolicyName="all-of-s3", PolicyDocument=document)["Policy"]
    iam.create_user(UserName=_USER)
    iam.attach_user_policy(UserName=_USER, PolicyArn=policy["Arn"])
    key = iam.create_access_key(UserName=_USER)["AccessKey"]
    return {"user_id": _USER, "access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}


def _write(parser: RawConfigParser, path: Path) -> None:
    with path.open("w") as file:
        parser.write(file)


def server_environment() -> dict[str, str]:
    """The settings that the suite takes for granted: buckets with ACLs, days that pass in seconds, keys without TLS."""
    return {
        "BUCKETRY_STORE__DEFAULT_OBJECT_OWNERSHIP": "ObjectWriter",
        "BUCKETRY_STORE__LIFECYCLE_DAY_SECONDS": str(_LIFECYCLE_DAY_SECONDS),
        "BUCKETRY_STORE__CUSTOMER_KEYS_OVER_HTTP": "true",
    }
