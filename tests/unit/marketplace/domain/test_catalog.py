from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft4Validator

from bucketry.marketplace.domain import catalog, schemas
from bucketry.marketplace.domain.catalog import CatalogError


def shipped() -> dict[str, Any]:
    text = resources.files("bucketry.marketplace.domain").joinpath("catalog.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_default_catalog_is_the_contract() -> None:
    (service,) = catalog.default().services
    assert (service.name, service.description) == ("s3", "Secure, durable, highly scalable object storage")
    told = {plan.name: (plan.is_free, plan.is_public, plan.empties_on_delete, plan.price) for plan in service.plans}
    assert told == {
        "basic": (False, False, False, "$0.03 / GB / month"),
        "basic-public": (False, True, False, "$0.03 / GB / month"),
        "basic-sandbox": (True, False, True, "free"),
        "basic-public-sandbox": (True, True, True, "free"),
    }


def test_ids_of_the_default_catalog_never_change() -> None:
    (service,) = catalog.default().services
    assert service.guid == "4740df9d-6d24-512c-84da-6f3716507044"
    assert [plan.guid for plan in service.plans] == [
        "63c147dc-d238-5847-af5c-45c51667976e",
        "49b80281-bc5b-5ef6-aef1-6a43c6ebf5e9",
        "26e5fbd6-4343-59b8-b031-9991287e282d",
        "60434532-bca4-5582-8087-61ad2477ea94",
    ]


def spoilt(path: str, value: object) -> bytes:
    """The shipped catalog with one thing replaced; `path` as errors name it."""
    found = shipped()
    *way, last = [int(part) if part.isdigit() else part for part in path.replace("]", "").replace("[", ".").split(".")]
    place: Any = found
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("services", [], "services: there must be at least one"),
        ("services", ..., "`services`"),
        ("services[0].name", "my service", "services[0].name"),
        ("services[0].plans", [], "services[0].plans: there must be"),
        (
            "services[0].plans[1].name",
            "basic",
            "services[0].plans[1].name: 'basic' is the name of services[0].plans[0]",
        ),
        ("services[0].plans[2].id", "4740df9d-6d24-512c-84da-6f3716507044", "services[0].plans[2].id"),
        ("services[0].plans[0].id", "", "services[0].plans[0].id"),
        ("services[0].plans[0].free", True, "services[0].plans[0].free: must be false"),
        ("services[0].plans[2].free", False, "services[0].plans[2].free: must be true"),
        ("services[0].plans[0].free", "no", "services[0].plans[0].free"),
        ("services[0].plans[0].description", "", "services[0].plans[0].description"),
        ("services[0].plans[0].plan_updatable", True, "services[0].plans[0]: Object contains unknown field"),
        ("services[0].plans[0].bucketry.engnie", "x", "services[0].plans[0].bucketry: Object contains unknown field"),
        ("services[0].plans[0].bucketry.engine", "", "services[0].plans[0].bucketry.engine"),
        ("services[0].plans[0].metadata.costs[0].amount.usd", "free", "services[0].plans[0].metadata.costs"),
        ("services[0].plans[0].metadata.costs[0].amount.usd", -1, "services[0].plans[0].metadata.costs[0].amount"),
        ("services[0].plans[0].metadata.bullets", [1], "services[0].plans[0].metadata.bullets"),
        ("services[0].tags", ["x" * 2049], "services[0].tags"),
        ("services[0].metadata.shareable", "yes", "services[0].metadata.shareable"),
        ("services[0].metadata.displayName", 1, "services[0].metadata.displayName"),
    ],
)
def test_mistakes_are_told_by_place(path: str, value: object, words: str) -> None:
    with pytest.raises(CatalogError) as told:
        catalog.parse(spoilt(path, value))
    assert words in str(told.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"services": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_catalog_is_refused(text: bytes) -> None:
    with pytest.raises(CatalogError):
        catalog.parse(text)


def test_an_operator_can_add_plans_without_code() -> None:
    found = shipped()
    found["services"][0]["plans"].append(
        {"id": "p5", "name": "archive", "description": "Cheap", "bindable": False, "bucketry": {"engine": "ceph"}}
    )
    known = catalog.parse(json.dumps(found).encode())
    plan = known.services[0].plan_named("archive")
    assert plan is not None
    assert (plan.engine, plan.is_bindable, plan.is_free, plan.is_public) == ("ceph", False, True, False)
    assert known.engine_names() == {"embedded", "ceph"}


def _walk(schema: Any) -> Any:
    yield schema
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for child in children:
        yield from _walk(child)


@pytest.mark.parametrize("schema", [schemas.INSTANCE_CREATE, schemas.INSTANCE_UPDATE, schemas.BINDING_CREATE])
def test_schemas_are_what_platforms_take(schema: dict[str, Any]) -> None:
    """CAT-8, CAT-15: draft-04, up to 64 kB, no outside reference, no `required: []`."""
    Draft4Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-04/schema#"
    assert len(json.dumps(schema)) <= 64 * 1024
    for part in _walk(schema):
        if isinstance(part, dict):
            assert "$ref" not in part
            assert part.get("required") != []
            assert not isinstance(part.get("exclusiveMinimum", False), int | float) or isinstance(
                part.get("exclusiveMinimum", False), bool
            )
