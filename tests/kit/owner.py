"""An account of the store, as the people have it who drive programs against it: a key, and where the store is."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.kit.server import Server, boto_client, clean_environment


@dataclass(frozen=True)
class Owner:
    """The root of an account that is no other test run's."""

    server: Server
    credentials: Mapping[str, str]

    @classmethod
    def of(cls, server: Server, name: str) -> Owner:
        return cls(server, server.create_account(name))

    @property
    def access_key_id(self) -> str:
        return self.credentials["access_key_id"]

    @property
    def secret_access_key(self) -> str:
        return self.credentials["secret_access_key"]

    @property
    def region(self) -> str:
        return self.server.admin["region"]

    @property
    def endpoint(self) -> str:
        """`http://HOST:PORT` of S3 and IAM."""
        return self.server.admin["s3_endpoint"]

    @property
    def address(self) -> str:
        """HOST:PORT of S3 and IAM."""
        return urlsplit(self.endpoint).netloc

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self, service: str = "s3", endpoint: str = "", **config: Any) -> Any:
        """A boto3 client; `config` as botocore's Config has it."""
        admin = {**self.server.admin, **({"s3_endpoint": endpoint} if endpoint else {})}
        return boto_client(service, self.credentials, admin, **config)

    @cached_property
    def s3(self) -> Any:
        """A boto3 S3 client, path style; for what a test prepares and looks at."""
        return self.client()

    def create_bucket(self) -> str:
        """A new empty bucket; its name."""
        name = f"clients-{uuid.uuid4().hex[:16]}"
        self.s3.create_bucket(Bucket=name)
        return name

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """For a program that reads AWS's variables and no file but what lies in `home`."""
        return {
            **clean_environment(),
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_MAX_ATTEMPTS": "1",  # what fails is to be seen, not tried again
            "AWS_PAGER": "",
            **more,
        }
