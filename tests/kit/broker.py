"""A platform's side of the Open Service Broker API, by plain HTTP."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.kit.server import Server


@dataclass
class BrokerReply:
    status: int
    headers: dict[str, str]  # lower-case names
    body: dict[str, Any]


@dataclass
class Broker:
    """The broker of a server, asked with the credentials of its admin.json."""

    server: Server
    version: str = "2.17"

    def ask(
        self, method: str, path: str, body: object = None, *, password: str = "", **headers: str | None
    ) -> BrokerReply:
        """`path` is below /v2; a header that is None is left out."""
        admin = self.server.admin
        address = urlsplit(admin["api_url"])
        pair = f"{admin['broker_username']}:{password or admin['broker_password']}"
        sent: dict[str, str | None] = {
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "X-Broker-API-Version": self.version,
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        try:
            given = {name: value for name, value in sent.items() if value is not None}
            connection.request(method, f"/v2{path}", data, given)
            answer = connection.getresponse()
            text = answer.read()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return BrokerReply(answer.status, fields, json.loads(text) if text else {})
        finally:
            connection.close()
