"""The admin API, asked of a gateway that fails; one that works is asked in contract/engines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.domain.turns import TurnsHere
from bucketry.marketplace.engines import ceph_admin, ceph_asking, ceph_users
from bucketry.marketplace.engines.ceph_asking import Gateway
from bucketry.marketplace.engines.ceph_buckets import Policies
from bucketry.marketplace.engines.connection import Connection, Endpoint

USER = {"tenant": "", "user_id": "broker", "display_name": "b", "max_buckets": 0, "keys": []}
OK = (200, json.dumps(USER).encode())
BUSY, BROKEN = (503, b'{"Code":"SlowDown"}'), (500, b"")
SILENCE = ReadTimeoutError(endpoint_url="http://rgw.example")


@dataclass
class Answer:
    status_code: int
    content: bytes


class Answering(Connection):
    """Answers what it is told to, in turn."""

    def __init__(self, *answers: tuple[int, bytes] | Exception) -> None:
        url = "http://rgw.example"
        super().__init__("far", Endpoint(url, url, "us-east-1", "AKIDEXAMPLE", "very-secret-key"))
        self.answers = list(answers)
        self.asked: list[Any] = []

    def send(self, request: Any) -> Any:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Answer(*answer)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceph_asking, "_FIRST_PAUSE_S", 0)


@pytest.mark.parametrize("answers", [(OK,), (BUSY, OK), (SILENCE, BROKEN, OK)])
def test_a_gateway_that_fails_is_asked_again(answers: tuple[Any, ...]) -> None:
    connection = Answering(*answers)
    gateway = Gateway(connection, "admin")
    assert gateway.owner().uid == gateway.owner().uid == "broker"
    assert len(connection.asked) == len(answers)
    first = connection.asked[0]
    assert first.url == "http://rgw.example/admin/user?access-key=AKIDEXAMPLE&format=json"
    assert first.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((BUSY, BUSY, BUSY), "SlowDown"),
        ((BROKEN, BROKEN, BROKEN), "500"),
        ((SILENCE, SILENCE, SILENCE), "did not answer"),
        (((403, b'{"Code":"AccessDenied"}'),), "does not let the marketplace work"),
        (((200, b"<html>a proxy</html>"),), "Is this the admin API of a Ceph gateway"),
    ],
)
def test_an_end_of_patience_says_which_engine(answers: tuple[Any, ...], words: str) -> None:
    connection = Answering(*answers)
    with pytest.raises(EngineUnavailable, match=words) as told:
        Gateway(connection, "/admin/").owner()
    assert "far" in str(told.value)
    assert "very-secret-key" not in str(told.value)
    assert not connection.answers


def test_a_no_is_not_asked_again() -> None:
    connection = Answering((400, b'{"Code":"InvalidArgument"}'))
    with pytest.raises(EngineRefused, match="InvalidArgument"):
        Gateway(connection, "admin").owner()


def test_a_user_that_is_gone_is_revoked() -> None:
    gone = (404, b'{"Code":"NoSuchUser"}')
    connection = Answering(gone)
    gateway = Gateway(connection, "admin")
    ceph_users.revoke(gateway, Policies(gateway, TurnsHere()), "bucketry-x")
    assert [request.method for request in connection.asked] == ["GET"]
    assert connection.asked[0].url.endswith(f"/admin/{ceph_admin.get_user('bucketry-x').target}")
