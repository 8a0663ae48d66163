"""A person with a space of their own on a running server: commands, orders, credentials, plain HTTP."""

from __future__ import annotations

import http.client
import itertools
import json
import subprocess
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.kit.programs import bucketry
from tests.kit.server import Server, clean_environment
from tests.kit.store import Reply

_numbers = itertools.count(1)


@dataclass
class Done:
    """What a command left: its exit code, its data (stdout) and its messages (stderr)."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that says what is wrong; nothing else may be on stderr but the heading before it."""
        lines = self.err.splitlines()
        found = [line for line in lines if line.startswith("Error: ")]
        assert found == lines[-1:], self.err
        assert len(lines) <= 2, self.err
        assert self.out == ""
        return found[0]


@dataclass
class Customer:
    """Works in `space` of the org `default`, with `home` as home and current folder."""

    server: Server
    home: Path
    space: str
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, server: Server, home: Path) -> Customer:
        """With a new space."""
        home.mkdir(parents=True, exist_ok=True)
        customer = cls(server, home, f"space-{uuid.uuid4().hex[:8]}")
        customer.ask("POST", "/orgs/default/spaces", {"name": customer.space})
        customer.environment = {
            **clean_environment(),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "BUCKETRY_DATA": str(server.data),
            "BUCKETRY_SPACE": customer.space,
            "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "1",  # what fails is to be seen, not tried again
        }
        return customer

    # --- commands

    def __call__(self, *arguments: str, stdin: str | None = None, **environment: str) -> Done:
        """`bucketry ARGUMENTS…`, whatever comes of it."""
        return self.program(bucketry(), *arguments, stdin=stdin, **environment)

    def ok(self, *arguments: str, stdin: str | None = None, **environment: str) -> Done:
        """A command that must succeed."""
        done = self(*arguments, stdin=stdin, **environment)
        assert done.code == 0, f"{arguments}: {done}"
        return done

    def program(self, *command: str, stdin: str | None = None, **environment: str) -> Done:
        """Any program, in this person's environment."""
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.environment | environment,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def bash(self, script: str, **environment: str) -> Done:
        """A script that must succeed at each line, as typed: aliases work, `bucketry` and `aws` are on the PATH."""
        folder = Path(bucketry()).parent
        begin = "shopt -s expand_aliases\nset -e -o pipefail\n"
        path = f"{folder}:{self.environment['PATH']}"
        done = self.program("bash", "-c", begin + script, **{"PATH": path, **environment})
        assert done.code == 0, f"{script}\n{done.out}\n{done.err}"
        return done

    # --- orders, by the JSON API, which costs less than a process each

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A call of the JSON API that must succeed; `path` is below /api/v1."""
        admin = self.server.admin
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {admin['token']}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{admin['api_url']}/api/v1{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def order(self, plan: str = "basic", name: str = "", **parameters: Any) -> str:
        """Order an instance; its name."""
        name = name or f"instance-{next(_numbers)}"
        self.ask(
            "POST", self._path(), {"service": "s3", "plan": plan, "name": name, "parameters": parameters}
        )  # fmt: skip
        return name

    def key(self, instance: str, name: str = "key", **parameters: Any) -> dict[str, Any]:
        """Make a service key; its credentials."""
        self.ask("POST", self._path(instance, "keys"), {"name": name, "parameters": parameters})
        path = self._path(instance, "keys", name, "credentials")
        credentials: dict[str, Any] = self.ask("GET", path)["credentials"]
        return credentials

    def bucket(self, instance: str) -> str:
        return str(self.ask("GET", self._path(instance))["bucket"])

    def _path(self, *rest: str) -> str:
        return "/".join((f"/orgs/default/spaces/{self.space}/instances", *(quote(part, safe="") for part in rest)))

    # --- use

    def s3(self, credentials: Mapping[str, Any], **config: Any) -> Any:
        """A boto3 client with these credentials."""
        return self.server.client(credentials=credentials, **config)

    @property
    def root(self) -> Any:
        """A boto3 client of the account that all ordered buckets belong to."""
        return self.server.client()


def visit(url: str, method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
    """An HTTP request without credentials of its own, as a browser sends it: names below localhost are this machine,
    redirects are shown, not followed."""
    parts = urlsplit(url)
    host = "127.0.0.1" if (parts.hostname or "").endswith("localhost") else parts.hostname
    connection = http.client.HTTPConnection(host or "", parts.port, timeout=30)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, body or None, {"Host": parts.netloc, **fields})
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def ask_identity(key: Mapping[str, Any], service: str, action: str, **parameters: str) -> Reply:
    """A call of the IAM or STS Query API, signed with a key."""
    version = {"iam": "2010-05-08", "sts": "2011-06-15"}[service]
    body = urlencode({"Action": action, "Version": version, **parameters})
    kind = "application/x-www-form-urlencoded"
    request = AWSRequest("POST", f"{key['endpoint_url']}/", {"Content-Type": kind}, body.encode())
    pair = Credentials(key["access_key_id"], key["secret_access_key"])
    SigV4Auth(pair, service, key["region"]).add_auth(request)
    headers = {name.replace("-", "_"): value for name, value in request.headers.items()}
    return visit(f"{key['endpoint_url']}/", "POST", body.encode(), **headers)
