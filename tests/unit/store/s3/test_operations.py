"""Routing by the table of operations: what AWS has and the store has not is never taken for what the store has."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from bucketry.store.s3.operations import BY_NAME, Operation, Resource, Unrecognised, recognise

MODEL: Any = botocore.session.get_session().get_service_model("s3")
WITH_MARKER = [name for name in MODEL.operation_names if "?" in MODEL.operation_model(name).http["requestUri"]]


@pytest.mark.parametrize("name", WITH_MARKER)
def test_each_operation_of_the_sdk_is_itself_or_refused(name: str) -> None:
    """A DELETE of an object's annotation must not delete the object, whenever AWS invents the next of its kind."""
    http = MODEL.operation_model(name).http
    path, _, query = http["requestUri"].partition("?")
    resource = Resource.OBJECT if "{Key" in path else Resource.BUCKET
    parameters = [parameter.partition("=")[0] for parameter in query.split("&")]
    found = recognise(http["method"], resource, parameters, has_copy_source=False)
    if isinstance(found, Operation):
        assert found.marker in parameters
    else:
        assert found is Unrecognised.NOT_SUPPORTED
        assert name not in BY_NAME


def test_what_can_be_read_alone_is_refused_with_other_methods() -> None:
    assert recognise("GET", Resource.BUCKET, ["replication"], has_copy_source=False) is BY_NAME["GetBucketReplication"]
    for method in ("PUT", "DELETE", "POST"):
        assert recognise(method, Resource.BUCKET, ["replication"], False) is Unrecognised.NOT_SUPPORTED
