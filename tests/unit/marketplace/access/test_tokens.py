from __future__ import annotations

import base64

import pytest

from bucketry.marketplace.access.tokens import Actor, BasicCredentials, BearerToken

ADMIN = Actor("admin", is_admin=True)
TOKEN = BearerToken("s3cret-token", ADMIN)
BROKER = BasicCredentials("broker", "pass:word", ADMIN)


def basic(text: str | bytes, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()}"


def test_the_right_token_is_its_actor_in_any_case_of_the_scheme() -> None:
    assert TOKEN.actor("Bearer s3cret-token") == ADMIN
    assert TOKEN.actor("bearer s3cret-token") == ADMIN


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer S3cret-token", "s3cret-token", "Basic s3cret-token"]
)
def test_any_other_token_is_nobody(header: str | None) -> None:
    assert TOKEN.actor(header) is None


def test_the_right_pair_is_its_actor() -> None:
    assert BROKER.actor(basic("broker:pass:word")) == ADMIN
    assert BROKER.actor(basic("broker:pass:word", "bAsIc")) == ADMIN


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ###",
        "Basic ünïcode",
        "Basic \udcff",
        basic("broker"),
        basic("broker:wrong"),
        basic("other:pass:word"),
        basic(b"\xff\xfe:pass"),
        basic("broker:pass:word", "Digest"),
        "Bearer " + base64.b64encode(b"broker:pass:word").decode(),
    ],
)
def test_any_other_pair_is_nobody(header: str | None) -> None:
    assert BROKER.actor(header) is None


def test_empty_secrets_can_not_be_set() -> None:
    for name, password in (("", "x"), ("x", ""), ("a:b", "x")):
        with pytest.raises(ValueError):
            BasicCredentials(name, password, ADMIN)
    with pytest.raises(ValueError):
        BearerToken("", ADMIN)


def test_secrets_are_not_kept() -> None:
    assert b"pass:word" not in repr(vars(BROKER)).encode()
