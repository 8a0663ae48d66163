"""The few calls that every order and binding makes, without botocore's way of a call: over wire.py, where there is one.

Stands in the place of botocore's clients of S3 and IAM: the same calls with the same arguments, answers and errors, and
the same rules of repeating; every other call is botocore's. See docs/decisions/0100-orders.md.

References: AWS IAM API Reference, "Making query requests"; Amazon S3 API Reference, CreateBucket, DeleteBucket,
ListMultipartUploads.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from bucketry.marketplace.engines.signing import Signer
from bucketry.marketplace.engines.wire import Wire

_FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
_LOCATION = (
    '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>{}'
    "</LocationConstraint></CreateBucketConfiguration>"
)
# As botocore's mode "standard".
_REPEATED_STATUSES = (500, 502, 503, 504)
_REPEATED_CODES = frozenset(
    {
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "BandwidthLimitExceeded",
    }
)


class Courier:
    """Takes signed requests of one service to an engine, again where that may help."""

    def __init__(self, wire: Wire, signer: Signer, attempts: int, user_agent: str) -> None:
        self._wire = wire
        self._signer = signer
        self.service = signer.service
        self._attempts = attempts
        self._unsigned = {"user-agent": user_agent}

    def ask(
        self, operation: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[ElementTree.Element | None, int]:
        """The document that is the answer (None: it has none), and how often it had to be asked for again. Raises
        botocore's exceptions: ClientError for an answer that is an error, HTTPClientError where there was none."""
        from botocore.exceptions import ClientError, HTTPClientError

        failure: Exception
        for attempt in range(self._attempts):
            if attempt:
                time.sleep(random.random() * 2 ** (attempt - 1))
            try:
                status, content = self._send(method, path, query, headers, body)
            except HTTPClientError as error:
                failure = error
                continue
            if status < 300:
                return _document(content), attempt
            code, message = _error(_document(content))
            told = {"Error": {"Code": code or str(status), "Message": message}}
            failure = ClientError({**told, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]  # what is read of it
            if status not in _REPEATED_STATUSES and code not in _REPEATED_CODES:
                break
        raise failure

    def _send(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        named = {"host": self._wire.host, **headers}
        signed = self._signer.signed(method, path, query, named, body, moment) | self._unsigned
        if method != "GET":
            signed["content-length"] = str(len(body))
        status, _, content = self._wire.ask(method, f"{path}?{query}" if query else path, signed, body)
        return status, content


class _Light:
    def __init__(self, client: Any, courier: Courier) -> None:
        self._client = client
        self._courier = courier

    def __getattr__(self, name: str) -> Any:
        """All that is not here."""
        return getattr(self._client, name)


class LightIam(_Light):
    """IAM: forms there, documents back."""

    _VERSION = "2010-05-08"
    CALLS: ClassVar = {
        "create_access_key": "CreateAccessKey",
        "create_user": "CreateUser",
        "delete_access_key": "DeleteAccessKey",
        "delete_user": "DeleteUser",
        "delete_user_policy": "DeleteUserPolicy",
        "list_access_keys": "ListAccessKeys",
        "put_user_policy": "PutUserPolicy",
    }

    _TELLING = ("CreateAccessKey", "CreateUser", "ListAccessKeys")  # what they answer is read

    def __init__(self, client: Any, courier: Courier) -> None:
        super().__init__(client, courier)
        for name, action in self.CALLS.items():
            setattr(self, name, partial(self._ask, action))

    def _ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        fields = [("Action", action), ("Version", self._VERSION)]
        for name, value in arguments.items():
            if isinstance(value, str):
                fields.append((name, value))
                continue
            for number, member in enumerate(value, 1):
                fields += [(f"{name}.member.{number}.{key}", text) for key, text in member.items()]
        answer, repeats = self._courier.ask(action, "POST", "/", "", _FORM, urlencode(fields).encode())
        result = None if answer is None else answer.find(f"{{*}}{action}Result")
        if result is None and action in self._TELLING:
            raise _unreadable(action)
        told = {} if result is None else _members(result)
        return {**told, "ResponseMetadata": {"RetryAttempts": repeats}}


class LightS3(_Light):
    """S3, with the bucket in the path."""

    def create_bucket(self, **asked: Any) -> None:
        ownership = asked.get("ObjectOwnership")
        headers = {"x-amz-object-ownership": ownership} if ownership else {}
        location = asked.get("CreateBucketConfiguration", {}).get("LocationConstraint")
        body = _LOCATION.format(location).encode() if location else b""
        self._courier.ask("CreateBucket", "PUT", _path(asked["Bucket"]), "", headers, body)

    def delete_bucket(self, **asked: Any) -> None:
        self._courier.ask("DeleteBucket", "DELETE", _path(asked["Bucket"]), "", {})

    def list_multipart_uploads(self, **asked: Any) -> dict[str, Any]:
        """The first page, and of each upload what it is called."""
        query = f"max-uploads={asked.get('MaxUploads', 1000)}&uploads="
        answer, _ = self._courier.ask("ListMultipartUploads", "GET", _path(asked["Bucket"]), query, {})
        if answer is None:
            raise _unreadable("ListMultipartUploads")
        return {"Uploads": [_members(upload) for upload in answer.iterfind("{*}Upload")]}


def _path(bucket: str) -> str:
    return f"/{quote(bucket, safe='')}"


def _document(content: bytes) -> ElementTree.Element | None:
    """None for what is none: that of a proxy on the way, say."""
    try:
        return ElementTree.fromstring(content) if content else None  # noqa: S314  # as botocore reads: expat bounds entities
    except ElementTree.ParseError:
        return None


def _unreadable(operation: str) -> Exception:
    from botocore.exceptions import ResponseStreamingError

    return ResponseStreamingError(error=f"the answer to {operation} is not the document that it should be")


def _error(document: ElementTree.Element | None) -> tuple[str, str]:
    """Code and message of an error document: S3's is an Error itself, IAM's has one inside."""
    if document is None:
        return "", ""
    error = document if document.tag.endswith("Error") else document.find("{*}Error")
    return ("", "") if error is None else (error.findtext("{*}Code", ""), error.findtext("{*}Message", ""))


def _members(element: ElementTree.Element) -> dict[str, Any]:
    """What an element has in it, by name. A list is an element of members; an empty one can't be told from a text."""
    found: dict[str, Any] = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        if not len(child):
            found[name] = child.text or ""
        elif child[0].tag.endswith("member"):
            found[name] = [_members(member) for member in child]
        else:
            found[name] = _members(child)
    return found
