"""A running store for tests: SDK clients, requests signed by botocore, and raw bytes over a socket."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import apsw
import boto3
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from tests.kit.secrets import leaked

REGION = "us-east-1"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Key:
    """An access key and whose it is."""

    access_key_id: str
    secret_access_key: str
    account_id: str = ""
    canonical_id: str = ""
    session_token: str | None = None

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.access_key_id, self.secret_access_key, self.session_token)


@dataclass
class Reply:
    """An HTTP answer as it came."""

    status: int
    headers: dict[str, str]  # lower-case names
    body: bytes
    lines: list[str] = field(default_factory=list)  # the header section, line by line

    @property
    def code(self) -> str:
        """The Code of an error document; "" where there is none."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found[1].decode() if found else ""

    def element(self, name: str) -> str | None:
        """The text of an element of the document."""
        found = ElementTree.fromstring(self.body).find(name)
        return None if found is None else found.text


class _Signer(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types here
    """botocore's, signing the x-amz-content-sha256 that it is given (None: the hash of the body)."""

    def __init__(self, key: Key, content_sha256: str | None) -> None:
        super().__init__(key.credentials, "s3", REGION)
        self._content_sha256 = content_sha256

    def payload(self, request: AWSRequest) -> str:
        return self._content_sha256 or str(super().payload(request))


class Connection:
    """One TCP connection to the store, to which anything can be written."""

    def __init__(self, port: int, timeout_s: float = 20) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """Break the connection without the closing handshake."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._socket.close()

    def _more(self) -> bool:
        data = self._socket.recv(65536)
        self._buffer += data
        return bool(data)

    def reply(self, is_head: bool = False) -> Reply:
        """The next answer, interim ones included. EOFError when the connection ends before it is whole."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                raise EOFError(f"the connection ended after {self._buffer!r}")
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status_line, *lines = head.decode().split("\r\n")
        status = int(status_line.split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if is_head or status in (100, 204, 304) else int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            if not self._more():
                raise EOFError(f"the body ended after {len(self._buffer)} of {length} bytes")
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Reply(status, headers, body, lines)

    def begins_with(self, start: bytes) -> bool:
        """Whether an answer that begins with `start` comes within a short while."""
        self._socket.settimeout(0.2)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while self._more():
                pass
        return self._buffer.startswith(start)

    def is_closed_by_store(self) -> bool:
        """Wait for the end of the connection; False if anything comes instead."""
        if self._buffer:
            return False
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Store:
    """One store process on a folder, with two accounts."""

    def __init__(self, data: Path, log_level: str = "debug") -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.data = data
        self.log = data / "store.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kit.store_process", str(data), log_level],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'src'}"},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self.log.read_text()
        started = json.loads(line)
        self.port: int = started["port"]
        self.website_port: int = started["website_port"]
        self.one, self.two = (Key(**account) for account in started["accounts"])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def client(self, key: Key | None, service: str = "s3", **options: Any) -> Any:
        """A boto3 client without retries; `key` None: it signs nothing."""
        config: dict[str, Any] = {"retries": {"max_attempts": 0}, "signature_version": "s3v4", **options}
        if service != "s3":
            del config["signature_version"]
        if key is None:
            config["signature_version"] = UNSIGNED
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key.access_key_id if key else None,
            aws_secret_access_key=key.secret_access_key if key else None,
            aws_session_token=key.session_token if key else None,
            config=Config(**config),
        )

    def user(self, name: str, policy: Mapping[str, Any] | None = None, account: Key | None = None) -> Key:
        """A new IAM user of account one (or of `account`, by its root), with an inline policy, and its key."""
        root = account or self.one
        iam = self.client(root, "iam")
        iam.create_user(UserName=name)
        if policy is not None:
            iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"], root.account_id)

    def spoil_setting(self, bucket: str, setting: str, text: str) -> None:
        """Damage a bucket's setting on the disk, and make the store look at the bucket again."""
        database = apsw.Connection(str(self.data / "identity.sqlite"))
        database.set_busy_timeout(10_000)
        of_bucket = "bucket_id = (SELECT bucket_id FROM bucket WHERE name = ?)"
        statement = f"UPDATE bucket_setting SET document = ? WHERE name = ? AND {of_bucket}"
        with database:
            database.execute(statement, (text, setting, bucket))
            database.execute("UPDATE bucket SET revision = revision + 1 WHERE name = ?", (bucket,))
        database.close()

    @contextlib.contextmanager
    def connection(self, timeout_s: float = 20) -> Iterator[Connection]:
        connection = Connection(self.port, timeout_s)
        try:
            yield connection
        finally:
            connection.close()

    def signed_headers(
        self,
        key: Key | None,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        service: str = "s3",
    ) -> dict[str, str]:
        """The headers of a request as botocore signs it (`Host` among them); unsigned without a key."""
        given = {"Host": self.host, **(headers or {})}
        if key is None:
            return given
        request = AWSRequest(method, f"http://{given['Host']}{target}", headers=given, data=body)
        if service == "s3":
            _Signer(key, given.get("x-amz-content-sha256")).add_auth(request)
        else:
            SigV4Auth(key.credentials, service, REGION).add_auth(request)
        return dict(request.headers.items())

    def presigned(self, key: Key, method: str, target: str, expires_s: int = 300, host: str | None = None) -> str:
        """The target of a presigned URL: path and query."""
        request = AWSRequest(method, f"http://{host or self.host}{target}")
        S3SigV4QueryAuth(key.credentials, "s3", REGION, expires=expires_s).add_auth(request)
        return "/" + str(request.url).split("/", 3)[3]

    def request(
        self,
        method: str,
        target: str,
        key: Key | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """One request on a connection of its own, signed if there is a key; nothing is normalised on the way."""
        fields = self.signed_headers(key, method, target, headers, body)
        if (body or method in ("PUT", "POST")) and "Content-Length" not in fields:
            fields["Content-Length"] = str(len(body))
        with self.connection() as connection:
            connection.send(head(method, target, fields) + body)
            return connection.reply(is_head=method == "HEAD")

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """SIGTERM, then wait."""
        if self._process.poll() is None:
            self._process.terminate()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        code = self._process.wait(20)
        found = leaked(self.log.read_text(), self.data)
        assert not found, f"secrets in the log: {found[:5]}"
        return code


def head(method: str, target: str, fields: Mapping[str, str]) -> bytes:
    """The header section of a request, as given."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def allow(*actions: str, resource: str | list[str] = "*", **condition: Any) -> dict[str, Any]:
    """A policy document of one Allow."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}
