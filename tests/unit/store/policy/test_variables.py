"""Policy variables: which texts are variables, what they become, and that their values are never wildcards."""

from __future__ import annotations

from typing import Any

import pytest

from bucketry.store.policy.language import Effect, Statement
from bucketry.store.policy.malformed import MalformedPolicy
from bucketry.store.policy.variables import parse_template, text_of

CONTEXT: dict[str, Any] = {
    "aws:username": "ann",
    "aws:userid": "*",
    "s3:prefix": "a?b",
    "aws:sourceip": "10.0.0.1",
    "aws:tagkeys": ["one", "two"],
    "aws:only": ["one"],
    "aws:empty": "",
    "aws:none": [],
    "aws:principaltag/cost center": "x",
    "s3:max-keys": 10,
    "aws:securetransport": True,
}


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("plain", "plain"),
        ("$", "$"),
        ("$5 {x}", "$5 {x}"),
        ("${aws:username}", "ann"),
        ("${AWS:UserName}", "ann"),
        ("${ aws:username }", "ann"),
        ("home/${aws:username}/x", "home/ann/x"),
        ("${aws:username}${aws:sourceip}", "ann10.0.0.1"),
        ("${aws:PrincipalTag/Cost Center}", "x"),
        ("${aws:empty}", ""),
        ("${aws:only}", "one"),
        ("${s3:max-keys}-${aws:SecureTransport}", "10-true"),
        ("${aws:missing}", None),
        ("${aws:none}", None),
        ("x${aws:tagkeys}", None),
        ("${aws:missing, 'nobody'}", "nobody"),
        ("${aws:tagkeys, 'many'}", "many"),
        ("${aws:missing,'a}b, c'}", "a}b, c"),
        ("${aws:missing, ''}", ""),
        ("${aws:username, 'nobody'}", "ann"),
        ("${*}${?}${$}", "*?$"),
        ("${$}{aws:username}", "${aws:username}"),
    ],
)
def test_variable_becomes(text: str, resolved: str | None) -> None:
    tokens = parse_template(text, variables=True, wildcards=False).resolve(CONTEXT)
    assert (None if tokens is None else "".join(map(str, tokens))) == resolved


@pytest.mark.parametrize(
    "text", ["${", "${}", "${aws:username", "${ }", "a${'x'}", "${a, b}", "${a, 'b}", "${a'b}", "${${a}}"]
)
def test_broken_variable_is_refused(text: str) -> None:
    with pytest.raises(MalformedPolicy, match="invalid policy variable"):
        parse_template(text, variables=True, wildcards=True)
    assert parse_template(text, variables=False, wildcards=False).parts == (text,)


def test_hostile_variable_text_is_refused_quickly() -> None:
    with pytest.raises(MalformedPolicy):
        parse_template("${" + " " * 20_000, variables=True, wildcards=True)
    with pytest.raises(MalformedPolicy):
        parse_template("${a, " + "'" * 20_001, variables=True, wildcards=True)


def reaches(resource: str, listed: list[str], **more: Any) -> bool:
    effect = Effect.DENY if more.pop("deny", False) else Effect.ALLOW
    statement = Statement(effect=effect, actions=("*",), resources=tuple(listed), **more)
    return statement.matches(resource, more.pop("context", CONTEXT))


@pytest.mark.parametrize(
    ("resource", "listed", "expected"),
    [
        ("arn:aws:s3:::b/ann/x", ["arn:aws:s3:::b/${aws:username}/*"], True),
        ("arn:aws:s3:::b/bob/x", ["arn:aws:s3:::b/${aws:username}/*"], False),
        ("arn:aws:s3:::b/*/x", ["arn:aws:s3:::b/${aws:userid}/*"], True),
        ("arn:aws:s3:::b/bob/x", ["arn:aws:s3:::b/${aws:userid}/*"], False),
        ("arn:aws:s3:::b/a?b", ["arn:aws:s3:::b/${s3:prefix}"], True),
        ("arn:aws:s3:::b/axb", ["arn:aws:s3:::b/${s3:prefix}"], False),
        ("arn:aws:s3:::b/${aws:missing}", ["arn:aws:s3:::b/${aws:missing}"], False),
        ("arn:aws:s3:::b/", ["arn:aws:s3:::b/${aws:missing}"], False),
        ("arn:aws:s3:::b/x", ["arn:aws:s3:::b/${aws:missing}", "arn:aws:s3:::b/x"], True),
        ("arn:aws:s3:::b/x*y", ["arn:aws:s3:::b/x${*}y"], True),
        ("arn:aws:s3:::b/xzy", ["arn:aws:s3:::b/x${*}y"], False),
    ],
)
def test_variable_in_a_resource(resource: str, listed: list[str], expected: bool) -> None:
    assert reaches(resource, listed) is expected
    assert reaches(resource, listed, deny=True) is expected


def test_variables_are_text_in_the_version_of_2008() -> None:
    listed = ["arn:aws:s3:::b/${aws:username}/*"]
    assert not reaches("arn:aws:s3:::b/ann/x", listed, expands_variables=False)
    assert reaches("arn:aws:s3:::b/${aws:username}/x", listed, expands_variables=False)


def test_unresolved_variable_in_not_resource_fails_closed() -> None:
    listed = ["arn:aws:s3:::b/${aws:missing}/*"]
    assert reaches("arn:aws:s3:::b/x", listed, is_not_resource=True, deny=True)
    assert not reaches("arn:aws:s3:::b/x", listed, is_not_resource=True)
    assert reaches("arn:aws:s3:::b/x", ["arn:aws:s3:::b/${aws:username}/*"], is_not_resource=True)
    assert not reaches("arn:aws:s3:::b/ann/x", ["arn:aws:s3:::b/${aws:username}/*"], is_not_resource=True, deny=True)


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (True, "true"), (False, "false"), (7, "7"), (b"a", "a")])
def test_values_of_the_context_become_text(value: object, text: str) -> None:
    assert text_of(value) == text
