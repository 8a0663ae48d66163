"""Say in a test that a call of an SDK is refused, and how."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

_STATUS_ONLY = frozenset({"400", "403", "404", "405", "412", "416"})  # the codes of answers without a document: HEAD


@contextlib.contextmanager
def refused(code: str, status: int | None = None) -> Iterator[dict[str, Any]]:
    """The call inside must fail with this error code; afterwards the mapping holds the Error element's fields."""
    fields: dict[str, Any] = {}
    with pytest.raises(ClientError) as caught:
        yield fields
    response = caught.value.response
    assert response["Error"]["Code"] == code, response
    if status is not None:
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    elif code in _STATUS_ONLY:
        assert response["ResponseMetadata"]["HTTPStatusCode"] == int(code)
    fields.update(response["Error"])


def refusal(call: Callable[[], Any]) -> str:
    """The code of the error that a call must end in."""
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])
