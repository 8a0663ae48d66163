"""An IAM API over a real identity, an account in it, and its root's client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bucketry.kernel.envelope import Envelope, new_key
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Account

from .api import Api, Client

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def _now_ms() -> int:
    return NOW_MS


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    identity = Identity(tmp_path / "identity.sqlite", Envelope([new_key()]), _now_ms)
    yield Api(identity, _now_ms)
    identity.close()


@pytest.fixture
async def made(api: Api) -> tuple[Account, str, str]:
    return await api.identity.create_account("tenant")


@pytest.fixture
def account(made: tuple[Account, str, str]) -> Account:
    return made[0]


@pytest.fixture
def root_key(made: tuple[Account, str, str]) -> tuple[str, str]:
    return made[1], made[2]


@pytest.fixture
async def iam(api: Api, root_key: tuple[str, str]) -> Client:
    """boto3's IAM client of the account's root."""
    return api.client(root_key)
