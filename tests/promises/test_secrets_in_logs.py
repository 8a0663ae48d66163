"""No secret is ever logged. Every server of every test is searched for them when it ends (kit/secrets.py); here, that
the search finds what it looks for, and that a day's work with a server leaves nothing.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from bucketry.kernel import ids
from tests.kit.secrets import leaked
from tests.kit.server import Server

KEY, TOKEN, PASSWORD = ids.secret_access_key(), ids.token(), "a password of its own"
CUSTOMERS_KEY = b64encode(bytes(range(100, 132))).decode()
SESSION_TOKEN = "".join(ids.token() for _ in range(6))


@pytest.mark.parametrize(
    "secret",
    [KEY, TOKEN, PASSWORD, CUSTOMERS_KEY, SESSION_TOKEN],
    ids=["a key", "a token", "a password", "a customer's key", "a session token"],
)
@pytest.mark.parametrize(
    "form",
    [str, lambda secret: quote(secret, safe=""), lambda secret: b64encode(f"broker:{secret}".encode()).decode()],
    ids=["as it is", "percent-encoded", "in base64"],
)
def test_the_search_finds_secrets(tmp_path: Path, secret: str, form: Callable[[str], str]) -> None:
    (tmp_path / "admin.json").write_text(json.dumps({"broker_password": PASSWORD}))
    line = f'{{"event": "request", "value": "{form(secret)}", "request_id": "0123456789ABCDEF"}}'
    assert leaked(f"first\n{line}\nlast", tmp_path) == [line[:300]]


def test_the_search_takes_nothing_else_for_a_secret(tmp_path: Path) -> None:
    harmless = [
        '{"path": "/bucket/some/long/path/with/many/folders/and-names/that/go/on", "request_id": "0123456789ABCDEF"}',
        '{"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "etag": "d41d8cd98f00b204e98"}',
        '{"instance": "8f0c2f5e-8f6b-4a6e-9a44-1f6f5b1c9e51", "access_key_id": "BKRYABCDEFGHIJKLMNOP"}',
    ]
    assert leaked("\n".join(harmless), tmp_path) == []


def test_an_order_and_its_use_leave_no_secret(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    server.run("create-service", "s3", "basic", "logged")
    server.run("create-service-key", "logged", "key")
    key = json.loads(server.run("service-key", "logged", "key", "--json").stdout)
    server.run("delete-service-key", "logged", "key", "-f")
    log = server.log.read_text()
    assert '"debug"' in log or "[debug" in log, "nothing is shown by a log without its details"
    assert str(key).count("secret") >= 1
    assert leaked(log, server.data) == []
