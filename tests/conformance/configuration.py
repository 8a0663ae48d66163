"""The suite's configuration file, with accounts of its own for each process that runs tests.

Each has them to itself, as the suite's tests count an account's buckets and users.
"""

from __future__ import annotations

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


def write_configuration(server: Server, path: Path, process: str) -> None:
    """Make the accounts of one process and write the file that the suite's S3TEST_CONF names."""
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
            # S3 knows an account by its canonical id, IAM by its number
            "user_id": account["canonical_id"] if section.startswith("s3") else account["account_id"],
            "display_name": account["display_name"],
            "email": account["email"],
            "access_key": account["access_key_id"],
            "secret_key": account["secret_access_key"],
        }
    parser["s3 main"].update(api_name=server.admin["region"], lc_debug_interval=str(_LIFECYCLE_DAY_SECONDS))
    parser["s3 tenant"]["tenant"] = "tenant"
    with path.open("w") as file:
        parser.write(file)


def server_environment() -> dict[str, str]:
    """The settings that the suite takes for granted: buckets with ACLs, and days that pass in seconds."""
    from bucketry.serve.settings import Store

    settings = {"BUCKETRY_STORE__DEFAULT_OBJECT_OWNERSHIP": "ObjectWriter"}
    if "lifecycle_day_seconds" in Store.__struct_fields__:
        settings["BUCKETRY_STORE__LIFECYCLE_DAY_SECONDS"] = str(_LIFECYCLE_DAY_SECONDS)
    return settings
