"""Parameters of instances and bindings: their JSON Schemas, as the catalog publishes them, and the check against them.

The schemas are draft-04, the dialect platforms know: no `required: []`, no numeric `exclusiveMinimum`, no outside
`$ref`. `cors` and `website` are AWS's own documents (CORSConfiguration, WebsiteConfiguration of the Amazon S3 API
Reference), so that a file made for `aws s3api put-bucket-cors` serves here too.
Only what is done is published; the rest is refused.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bucketry.marketplace.domain.errors import InvalidParameters

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import _Validator

DIALECT = "http://json-schema.org/draft-04/schema#"
_SHOWN_CHARACTERS = 80


def _object(properties: Mapping[str, Any], required: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": dict(properties), **more}
    if names := list(required):
        schema["required"] = names
    return schema


_TEXT = {"type": "string", "minLength": 1, "maxLength": 1024}
_HOST = {"type": "string", "minLength": 1, "maxLength": 255}
_PROTOCOL = {"type": "string", "enum": ["http", "https"]}

_CORS_RULE = _object(
    {
        "ID": {"type": "string", "maxLength": 255},
        "AllowedOrigins": {"type": "array", "items": _TEXT, "minItems": 1},
        "AllowedMethods": {
            "type": "array",
            "items": {"type": "string", "enum": ["GET", "PUT", "POST", "DELETE", "HEAD"]},
            "minItems": 1,
        },
        "AllowedHeaders": {"type": "array", "items": _TEXT},
        "ExposeHeaders": {"type": "array", "items": _TEXT},
        "MaxAgeSeconds": {"type": "integer", "minimum": 0, "maximum": 2147483647},
    },
    required=("AllowedOrigins", "AllowedMethods"),
)

_CORS = _object(
    {"CORSRules": {"type": "array", "items": _CORS_RULE, "minItems": 1, "maxItems": 100}},
    required=("CORSRules",),
    description="Which web pages may use the bucket from a browser: the document of `aws s3api put-bucket-cors`.",
)

_ROUTING_RULE = _object(
    {
        "Condition": _object(
            {
                "HttpErrorCodeReturnedEquals": {"type": "string", "pattern": "^[45][0-9][0-9]$"},
                "KeyPrefixEquals": _TEXT,
            },
            minProperties=1,
        ),
        "Redirect": _object(
            {
                "HostName": _HOST,
                "HttpRedirectCode": {"type": "string", "pattern": "^3[0-9][0-9]$"},
                "Protocol": _PROTOCOL,
                "ReplaceKeyPrefixWith": {"type": "string", "maxLength": 1024},
                "ReplaceKeyWith": _TEXT,
            },
            minProperties=1,
        ),
    },
    required=("Redirect",),
)

_WEBSITE = _object(
    {
        "IndexDocument": _object({"Suffix": {**_TEXT, "pattern": "^[^/]+$"}}, required=("Suffix",)),
        "ErrorDocument": _object({"Key": _TEXT}, required=("Key",)),
        "RedirectAllRequestsTo": _object({"HostName": _HOST, "Protocol": _PROTOCOL}, required=("HostName",)),
        "RoutingRules": {"type": "array", "items": _ROUTING_RULE, "minItems": 1, "maxItems": 50},
    },
    oneOf=[
        {
            "required": ["RedirectAllRequestsTo"],
            "not": {
                "anyOf": [
                    {"required": ["IndexDocument"]},
                    {"required": ["ErrorDocument"]},
                    {"required": ["RoutingRules"]},
                ]
            },
        },
        {"required": ["IndexDocument"], "not": {"required": ["RedirectAllRequestsTo"]}},
    ],
    description="Serve the bucket as a website: the document of `aws s3api put-bucket-website`. Give IndexDocument, "
    "or RedirectAllRequestsTo alone.",
)

_OWNERSHIP = {
    "type": "string",
    "enum": ["ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"],
    "description": "Who owns uploaded objects, and whether ACLs count.",
}

_QUOTA = _object(
    {
        "size": {
            "type": ["string", "integer"],
            "pattern": "^[1-9][0-9]{0,11} ?([kKMGTP]i?)?B(?![\\s\\S])",  # $ would let a line's end pass
            "minimum": 1,
            "maximum": 9007199254740991,
            "description": "Bytes, or a number with its unit: 500 MB, 10 GB (10^9), 10 GiB (2^30).",
        },
        "objects": {"type": "integer", "minimum": 1, "maximum": 9007199254740991},
    },
    minProperties=1,
    description="How much the bucket may hold: size, objects or both. An upload beyond it is refused.",
)

_INSTANCE_PROPERTIES: dict[str, dict[str, Any]] = {
    "object_ownership": _OWNERSHIP,
    "cors": _CORS,
    "website": _WEBSITE,
    "quota": _QUOTA,
}


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}], "description": schema["description"] + " null: as if never given."}


INSTANCE_CREATE: dict[str, Any] = {"$schema": DIALECT, **_object(_INSTANCE_PROPERTIES)}

INSTANCE_UPDATE: dict[str, Any] = {
    "$schema": DIALECT,
    **_object({name: _or_null(schema) for name, schema in _INSTANCE_PROPERTIES.items()}),
}

BINDING_CREATE: dict[str, Any] = {
    "$schema": DIALECT,
    **_object(
        {
            "additional_instances": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 255},
                "uniqueItems": True,
                "maxItems": 20,
                "description": "Names of other instances in the same space whose buckets these credentials reach too.",
            },
            "permissions": {
                "type": "string",
                "enum": ["read-write", "read-only", "write-only"],
                "description": "What the credentials may do; read-write where not given. write-only: store objects, "
                "neither read, list nor delete them.",
            },
            "prefix": {
                "type": "string",
                "minLength": 1,
                "maxLength": 512,
                "not": {"pattern": "[*?$\\x00-\\x1f\\x7f]"},
                "description": "How the keys begin that these credentials reach, in each of their buckets. They read "
                "and set no settings of the bucket then. Without * ? and $.",
            },
            "source_ip": {
                "type": ["string", "array"],
                "items": {"type": "string", "minLength": 1, "maxLength": 64},
                "minItems": 1,
                "maxItems": 20,
                "uniqueItems": True,
                "minLength": 1,
                "maxLength": 64,
                "description": "Addresses and ranges (192.0.2.0/24) from which the credentials work, and from nowhere "
                "else.",
            },
            "expires_in": {
                "type": "string",
                "pattern": "^[1-9][0-9]{0,8}[smhdw]$",
                "not": {"pattern": "\\s"},  # a line's end would pass for the text's
                "description": "How long the credentials work: a number with s, m, h, d or w for seconds to weeks, as "
                "12h or 90d.",
            },
        }
    ),
}


def published() -> dict[str, Any]:
    """The `schemas` of a plan in the catalog, a fresh copy."""
    return copy.deepcopy(
        {
            "service_instance": {
                "create": {"parameters": INSTANCE_CREATE},
                "update": {"parameters": INSTANCE_UPDATE},
            },
            "service_binding": {"create": {"parameters": BINDING_CREATE}},
        }
    )


def check_instance_create(parameters: Mapping[str, Any]) -> None:
    """Raises InvalidParameters with the place and the reason."""
    _check("instance create", parameters)


def check_instance_update(parameters: Mapping[str, Any]) -> None:
    """As check_instance_create; a null takes a parameter back."""
    _check("instance update", parameters)


def check_binding_create(parameters: Mapping[str, Any]) -> None:
    """As check_instance_create."""
    _check("binding create", parameters)


_SCHEMAS = {"instance create": INSTANCE_CREATE, "instance update": INSTANCE_UPDATE, "binding create": BINDING_CREATE}


@lru_cache(maxsize=len(_SCHEMAS))
def _validator(which: str) -> _Validator:
    from jsonschema import Draft4Validator  # slow to import, and most orders have no parameters

    return Draft4Validator(_SCHEMAS[which])


def _check(which: str, parameters: Mapping[str, Any]) -> None:
    if not parameters:
        return
    schema = _SCHEMAS[which]
    if unknown := sorted(set(parameters) - set(schema["properties"])):
        known = ", ".join(schema["properties"])
        raise InvalidParameters(f"Unknown parameter {_shown(unknown[0])}; this service knows: {known}.")
    errors = list(_validator(which).iter_errors(parameters))
    if errors:
        raise InvalidParameters(_sentence(errors[0]))


def _sentence(error: ValidationError) -> str:
    """What is wrong and where, from the innermost error that says it."""
    while error.context and error.validator == "anyOf":
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    expected: Any = error.validator_value
    known: Any = error.schema
    instance: Any = error.instance
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    value = _shown(error.instance)
    match error.validator:
        case "enum":
            reason = f"{value} is none of {', '.join(map(str, expected))}"
        case "type":
            types = expected if isinstance(expected, list) else [expected]
            reason = f"{value} is not of type {' or '.join(types)}"
        case "required":
            missing = next(name for name in expected if name not in instance)
            reason = f"{missing} is missing"
        case "additionalProperties":
            unknown = next(name for name in instance if name not in known["properties"])
            reason = f"{_shown(unknown)} is not known; known are {', '.join(known['properties'])}"
        case "oneOf":
            reason = "give IndexDocument, or RedirectAllRequestsTo alone"
        case "minItems" | "minLength" | "minProperties":
            reason = "must not be empty"
        case "maxItems":
            reason = f"at most {expected} are possible"
        case "maxLength":
            reason = f"is longer than {expected} characters"
        case "uniqueItems":
            reason = "names something twice"
        case "pattern":
            reason = f"{value} does not match {expected}"
            if "description" in known:
                reason = f"{value} is none. {known['description'].rstrip('.')}"
        case "not":
            reason = f"{value} is not possible. {known['description'].rstrip('.')}"
        case _:
            reason = f"{value} does not fit {error.validator} {expected}"
    return f"Parameter {path}: {reason}."


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
