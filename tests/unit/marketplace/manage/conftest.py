"""A server a module; each test works in a space of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.kit.manage_server import ManageServer, manage_server

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManageServer]:
    with manage_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def space(server: ManageServer) -> str:
    """The path of a fresh space."""
    name = f"space-{next(_numbers)}"
    assert server.ask("POST", "/orgs/default/spaces", {"name": name}).status == 201
    return f"/orgs/default/spaces/{name}"


@pytest.fixture
def bucket(server: ManageServer, space: str) -> str:
    """The path of a fresh service instance of plan basic, called my-bucket."""
    order = {"service": "s3", "plan": "basic", "name": "my-bucket"}
    assert server.ask("POST", f"{space}/instances", order).status == 201
    return f"{space}/instances/my-bucket"
