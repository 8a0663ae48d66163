"""docs/api.md: every route of the JSON API, what it takes and what it answers, from the table that it is routed by."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from bucketry.marketplace.manage import views
from bucketry.marketplace.manage.routes import API_ROOT, ROUTES, Route

INTRODUCTION = f"""\
# The API

JSON over HTTP below `{API_ROOT}`, on the broker's address (127.0.0.1:8080 by default). The command line speaks it.

* Who asks is told by `Authorization: Bearer TOKEN`; the administrator's token is `token` in `admin.json`.
* Bodies are one JSON object in UTF-8 of at most 1 MiB. Unknown fields are refused by name.
* Names in paths are percent-encoded. A service instance is named by org, space and name, or by its guid alone.
* Repeating a `POST` or `PUT` that was done in the same words answers 200 instead of 201, and changes nothing.
* Every answer has an `X-Request-Id`; secrets are only in the answers of `credentials` and `env`.

Errors have one shape, and `remedy` may be empty where `message` says what to do:

    {{"error": {{"code": "AppNotFound", "message": "App 'web' not found. …", "remedy": ""}}}}

| status | meaning |
|---|---|
| 400 | the request can't be right: `InvalidRequest`, `InvalidName`, `InvalidParameters`, … |
| 401 | no token, or one that is not known: `InvalidToken` |
| 403 | not allowed: `PaidPlansNotAllowed` |
| 404 | not there: `InstanceNotFound`, `KeyNotFound`, `UnknownPlan`, `NoSuchRoute`, … |
| 405, 413 | another method is meant; the body is too large |
| 409 | a conflict: `BucketNotEmpty` (with `objects`, `size_bytes`, `uploads`), `ExistsDifferently`, `NameTaken`, … |
| 422, 502 | the engine refuses this order (`EngineRefused`), or does not answer (`EngineUnavailable`) |
| 500 | nobody foresaw it; the server's log has the request id |
"""
STREAM = """
## Emptying

`POST …/empty` answers one JSON object a line (`application/x-ndjson`) while it goes on, with the sums of what has been
removed. The last line has `"done": true`, or an `error` as above and its `status`:

    {"objects": 1000, "size_bytes": 52428800, "uploads": 0, "done": false}
    {"objects": 1234, "size_bytes": 60000000, "uploads": 1, "done": true}
"""


def text() -> str:
    bodies = {route.body.__name__: route.body for route in ROUTES if route.body is not None}
    shown = [view for view in vars(views).values() if inspect.isclass(view) and view.__module__ == views.__name__]
    return (
        INTRODUCTION
        + "\n## Calls\n\n| method | path | body | what |\n|---|---|---|---|\n"
        + "".join(_row(route) for route in ROUTES)
        + STREAM
        + "\n## Bodies\n\nFields with a default may be left out.\n"
        + "".join(_struct(body) for body in bodies.values())
        + "\n## Answers\n"
        + "".join(_struct(view) for view in shown)
    )


def _row(route: Route) -> str:
    body = f"`{route.body.__name__}`" if route.body else "–"
    meaning = inspect.getdoc(route.handler)
    assert meaning is not None, f"{route.handler} must say what it does"
    assert "\n" not in meaning, f"{route.handler} must say it in one line"
    return f"| {route.method} | `{route.path}` | {body} | {meaning.replace('|', chr(92) + '|')} |\n"


def _struct(struct: type[msgspec.Struct]) -> str:
    fields = [
        f"`{field.encode_name}`: {_type(field.type)}{_default(field)}" for field in msgspec.structs.fields(struct)
    ]
    meaning = " ".join((struct.__doc__ or "").split()) if struct.__doc__ else ""
    lines = [f"\n### {struct.__name__}\n"]
    lines += [f"\n{meaning}\n"] if meaning else []
    lines += ["\n" + ", ".join(fields) + "\n"] if fields else []
    return "".join(lines)


def _type(kind: Any) -> str:
    named = {str: "text", bool: "boolean", int: "integer", float: "number"}
    if kind in named:
        return named[kind]
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        return kind.__name__
    arguments = getattr(kind, "__args__", ())
    if type(None) in arguments:
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None)) + " or null"
    if getattr(kind, "__origin__", None) is dict:
        return "object"
    return f"list of {_type(arguments[0])}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f" = `{msgspec.json.encode(value).decode()}`"
