from __future__ import annotations

from typing import Any

import pytest

from bucketry.marketplace.domain import schemas
from bucketry.marketplace.domain.errors import InvalidParameters

RULE = {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET", "PUT"]}
INDEX = {"IndexDocument": {"Suffix": "index.html"}}
REDIRECT = {"RedirectAllRequestsTo": {"HostName": "a.example", "Protocol": "https"}}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"object_ownership": "BucketOwnerEnforced"},
        {"cors": {"CORSRules": [RULE, {**RULE, "ID": "x", "MaxAgeSeconds": 10, "AllowedHeaders": ["*"]}]}},
        {"quota": {"size": "10 GB"}},
        {"quota": {"size": 1, "objects": 1}},
        {"website": INDEX},
        {"website": {**INDEX, "ErrorDocument": {"Key": "e/404.html"}}},
        {"website": REDIRECT},
        {
            "website": {
                **INDEX,
                "RoutingRules": [{"Condition": {"KeyPrefixEquals": "a/"}, "Redirect": {"ReplaceKeyPrefixWith": ""}}],
            }
        },
    ],
)
def test_what_the_bucket_can_is_taken(parameters: dict[str, Any]) -> None:
    schemas.check_instance_create(parameters)
    schemas.check_instance_update(parameters)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"versioning": "Enabled"},
            'Unknown parameter "versioning"; this service knows: object_ownership, cors, website',
        ),
        ({"object_ownership": "Me"}, 'object_ownership: "Me" is none of ObjectWriter'),
        ({"object_ownership": 1}, "object_ownership: 1 is"),
        ({"cors": []}, "cors: [] is not of type object"),
        ({"cors": {"CORSRules": []}}, "cors.CORSRules: must not be empty"),
        ({"cors": {"CORSRules": [{"AllowedMethods": ["GET"]}]}}, "cors.CORSRules[0]: AllowedOrigins is missing"),
        ({"cors": {"CORSRules": [{**RULE, "AllowedMethods": ["PATCH"]}]}}, "cors.CORSRules[0].AllowedMethods[0]"),
        ({"cors": {"CORSRules": [{**RULE, "Max": 1}]}}, 'cors.CORSRules[0]: "Max" is not known'),
        ({"quota": {}}, "quota: must not be empty"),
        ({"quota": {"size": "10"}}, 'quota.size: "10" is none. Bytes, or a number with its unit'),
        ({"quota": {"size": "10 GB\n"}}, "quota.size"),
        ({"quota": {"size": 0}}, "quota.size: 0 does not fit minimum 1"),
        ({"quota": {"objects": "9"}}, 'quota.objects: "9" is not of type integer'),
        ({"website": {}}, "website: give IndexDocument, or RedirectAllRequestsTo alone"),
        ({"website": {**INDEX, **REDIRECT}}, "website: give IndexDocument, or RedirectAllRequestsTo alone"),
        ({"website": {"IndexDocument": {"Suffix": "a/b"}}}, "website.IndexDocument.Suffix"),
    ],
)
def test_what_is_wrong_is_told_by_place(parameters: dict[str, Any], words: str) -> None:
    for check in (schemas.check_instance_create, schemas.check_instance_update):
        with pytest.raises(InvalidParameters) as told:
            check(parameters)
        assert words in str(told.value)


def test_null_takes_a_parameter_back_in_updates_alone() -> None:
    schemas.check_instance_update({"cors": None, "website": None, "object_ownership": None})
    with pytest.raises(InvalidParameters):
        schemas.check_instance_create({"cors": None})


@pytest.mark.parametrize(
    "parameters",
    [
        {"permissions": "read-only"},
        {"additional_instances": ["a", "b"]},
        {"prefix": "a/é "},
        {"source_ip": "192.0.2.7"},
        {"source_ip": ["2001:db8::/32", "192.0.2.0/24"]},
        {"expires_in": "90d"},
    ],
)
def test_binding_parameters_are_taken(parameters: dict[str, Any]) -> None:
    schemas.check_binding_create(parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"prefix": "a/*"},
        {"expires_in": 60},
        {"permissions": "admin"},
        {"additional_instances": ["a", "a"]},
        {"additional_instances": "a"},
    ],
)
def test_other_binding_parameters_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters):
        schemas.check_binding_create(parameters)


def test_long_values_are_not_told_whole() -> None:
    with pytest.raises(InvalidParameters) as told:
        schemas.check_instance_create({"object_ownership": "x" * 10_000})
    assert len(str(told.value)) < 400
