"""The HTTP client of the command line: JSON over one kept connection, from the standard library alone.

Redirects are not followed (the token would go where the redirect points) and proxies are not asked. Every way in which
a server can be missing, wrong or broken becomes a CliError that says which server and what to do.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from bucketry.cli.errors import NOT_ALLOWED, TIMED_OUT, USAGE, ApiError, CliError
from bucketry.cli.locate import Address
from bucketry.cli.output import message

API_ROOT = "/api/v1"
TIMEOUT_SECONDS = 90.0


class Client:
    """Speaks to one server. `timeout_seconds` counts for each wait on the network, not for a whole stream."""

    def __init__(self, address: Address, *, timeout_seconds: float = TIMEOUT_SECONDS, verbose: bool = False) -> None:
        self._address = address
        self._verbose = verbose
        self._timeout_seconds = timeout_seconds
        self._base_path = ""
        self._connection = self._new_connection()

    def _new_connection(self) -> http.client.HTTPConnection:
        url = urllib.parse.urlsplit(self._address.url)
        try:
            port = url.port
        except ValueError:
            port = 0
        if url.scheme not in ("http", "https") or not url.hostname or port == 0 or url.query or url.fragment:
            raise CliError(
                f"{self._address.url!r} is not the address of a server", "It must look like http://127.0.0.1:8080."
            )
        self._base_path = url.path.rstrip("/").removesuffix(API_ROOT)
        if url.scheme == "https":
            return http.client.HTTPSConnection(url.hostname, port, timeout=self._timeout_seconds)
        return http.client.HTTPConnection(url.hostname, port, timeout=self._timeout_seconds)

    def get(self, *path: str, **query: str) -> Any:
        """The JSON at a path, given by its segments."""
        return self.request("GET", *path, query=query)[1]

    def request(
        self, method: str, *path: str, body: object = None, query: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of an answer; ApiError for what the server refuses, CliError for what is no answer."""
        response = self._send(method, path, body, query)
        try:
            content = response.read()
        except TimeoutError:
            raise self._timed_out() from None
        except (OSError, http.client.HTTPException) as error:
            raise self._broken_off(error) from None
        return response.status, self._decode(response, content)

    def stream(self, method: str, *path: str, body: object = None) -> Iterator[dict[str, Any]]:
        """The JSON objects of an answer that comes line by line, as they come."""
        response = self._send(method, path, body, None)
        if response.status >= 400:
            self._decode(response, response.read())
        while True:
            try:
                line = response.readline()
            except TimeoutError:
                raise self._timed_out() from None
            except (OSError, http.client.HTTPException) as error:
                raise self._broken_off(error) from None
            if not line:
                return
            try:
                value = json.loads(line)
            except ValueError:
                raise self._not_bucketry(response) from None
            if not isinstance(value, dict):
                raise self._not_bucketry(response)
            yield value

    def wait_for(self, timeout_seconds: float) -> None:
        """Wait this long for answers from now on."""
        self._timeout_seconds = self._connection.timeout = timeout_seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_seconds)

    def close(self) -> None:
        self._connection.close()

    def _send(
        self, method: str, path: tuple[str, ...], body: object, query: dict[str, str] | None
    ) -> http.client.HTTPResponse:
        target = self._target(path, query)
        headers = {"Authorization": f"Bearer {self._address.token}", "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        started = time.monotonic()
        try:
            self._connection.request(method, target, content, headers)
            response = self._connection.getresponse()
        except TimeoutError:
            raise self._timed_out() from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        except ValueError:
            # http.client refuses header values with line ends, and shows them in its error: that stays here.
            raise CliError(
                f"the token for {self._address.url} is none: it has a line end or letters that no token has",
                "Check BUCKETRY_TOKEN, or the `token` in admin.json.",
                exit_code=NOT_ALLOWED,
            ) from None
        if self._verbose:
            elapsed_ms = (time.monotonic() - started) * 1000
            request_id = response.getheader("X-Request-Id", "-")
            message(f"{method} {target}: {response.status} in {elapsed_ms:.0f} ms, request {request_id}")
        return response

    def _target(self, path: tuple[str, ...], query: dict[str, str] | None) -> str:
        try:
            target = "".join("/" + urllib.parse.quote(part, safe="") for part in path)
        except UnicodeEncodeError:
            raise CliError("a name that was given is not UTF-8 text", "Check the names.", exit_code=USAGE) from None
        # `.` and `..` survive quoting, and servers and proxies resolve them: they would name something else.
        if any(part in ("", ".", "..") for part in path):
            raise CliError("a name can't be empty, `.` or `..`", "Check the names that were given.", exit_code=USAGE)
        if query:
            target += "?" + urllib.parse.urlencode(query)
        return self._base_path + API_ROOT + target

    def _decode(self, response: http.client.HTTPResponse, content: bytes) -> Any:
        if response.status == 204 and not content:
            return None
        try:
            value = json.loads(content)
        except ValueError:
            raise self._not_bucketry(response) from None
        if 200 <= response.status < 300:
            return value
        error = value.get("error") if isinstance(value, dict) else None
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            raise self._not_bucketry(response)
        request_id = response.getheader("X-Request-Id", "")
        text, remedy = error["message"], str(error.get("remedy") or "")
        if response.status >= 500 and request_id:
            remedy = f"{remedy} (request {request_id})".strip()
        raise ApiError(response.status, str(error.get("code", "")), text, remedy, request_id)

    def _timed_out(self) -> CliError:
        return CliError(
            f"{self._address.url} did not answer within {self._timeout_seconds:.0f} s",
            "What was asked for may still be going on: look with `bucketry services` before asking again.",
            exit_code=TIMED_OUT,
        )

    def _broken_off(self, error: Exception) -> CliError:
        return CliError(
            f"the answer of {self._address.url} broke off ({_reason(error)})",
            "Look at what was done with `bucketry services`, then ask again.",
        )

    def _unreachable(self, error: Exception) -> CliError:
        url = self._address.url
        if type(error).__name__ == "SSLCertVerificationError":
            return CliError(
                f"the certificate of {url} can't be trusted ({_reason(error)})",
                "If it is your own, name its authority's file in SSL_CERT_FILE.",
                exit_code=NOT_ALLOWED,
            )
        if isinstance(error, socket.gaierror):
            return CliError(f"the name in {url} is not known", "Check BUCKETRY_URL.")
        if isinstance(error, ConnectionRefusedError):
            return CliError(f"no server answers at {url}", self._address.start_hint)
        return CliError(f"{url} can't be spoken with ({_reason(error)})", self._address.start_hint)

    def _not_bucketry(self, response: http.client.HTTPResponse) -> CliError:
        kind = response.getheader("Content-Type", "no content type").partition(";")[0]
        return CliError(
            f"{self._address.url} answered {response.status} with what is not bucketry's JSON ({kind})",
            "Check that the address is that of the API (`api_url` in admin.json), not of S3 or another server.",
        )


def _reason(error: Exception) -> str:
    """What an error of the network says, without numbers of the operating system."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    verify_message = getattr(error, "verify_message", None)
    return str(verify_message or getattr(error, "strerror", None) or error or type(error).__name__)
