"""Truth tables of the condition operators: present, missing, several values, IfExists, the set prefixes, and what
can't be decided.
"""

from __future__ import annotations

from typing import Any

import pytest

from bucketry.store.policy.conditions import parse_condition
from bucketry.store.policy.malformed import MalformedPolicy
from bucketry.store.policy.operators import OPERATORS

ARN = "arn:aws:iam::111111111111:user/ann"


def holds(name: str, listed: str | list[str], context: dict[str, Any], *, deny: bool = False) -> bool:
    values = tuple([listed] if isinstance(listed, str) else listed)
    return parse_condition(name, "Aws:Key", values, variables=True, deny=deny).holds(context)


POSITIVE: list[tuple[str, list[str], list[str], list[str]]] = [
    ("StringEquals", ["a", "b*"], ["a", "b*"], ["A", "", "bx", "aa"]),
    ("StringEquals", [""], [""], ["a"]),
    ("StringEqualsIgnoreCase", ["Ab"], ["ab", "AB", "aB"], ["a", "abc"]),
    ("StringLike", ["a*c", "x?"], ["ac", "abbc", "xy"], ["AC", "x", "xyz"]),
    ("StringLike", ["${*}"], ["*"], ["a", ""]),
    ("NumericEquals", ["10", "1.5"], ["10", "10.0", "1e1", "1.50"], ["11", "-10"]),
    ("NumericLessThan", ["10"], ["9.99", "-1"], ["10", "11"]),
    ("NumericLessThanEquals", ["10"], ["10", "0"], ["10.01"]),
    ("NumericGreaterThan", ["10"], ["10.1"], ["10", "9"]),
    ("NumericGreaterThanEquals", ["10"], ["10", "11"], ["9.9"]),
    (
        "DateEquals",
        ["2020-01-01T00:00:00Z"],
        [
            "2020-01-01T00:00:00Z",
            "2020-01-01",
            "2020",
            "2020-01",
            "1577836800",
            "2020-01-01T01:00:00+01:00",
            "2019-12-31T22:30-0130",
        ],
        ["2020-01-01T00:00:01Z", "1577836801", "2020-01-01T00:00:00.5Z", "2020-01-01T00:00-01:00"],
    ),
    ("DateLessThan", ["1577836800"], ["2019-12-31T23:59:59Z", "0"], ["2020-01-01T00:00:00Z", "2021"]),
    ("DateLessThanEquals", ["2020"], ["2020-01-01T00:00Z"], ["2020-01-02"]),
    ("DateGreaterThan", ["2020"], ["2020-01-01T00:00:00.001Z"], ["2020-01-01"]),
    ("DateGreaterThanEquals", ["2020"], ["2020-01-01", "2030"], ["2019-12-31"]),
    ("Bool", ["true"], ["true", "TRUE"], ["false"]),
    ("Bool", ["False"], ["false"], ["true"]),
    ("BinaryEquals", ["QmluYXJ5"], ["QmluYXJ5"], ["QmluYXJ4"]),
    ("IpAddress", ["10.0.0.0/8"], ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "2001:db8::1", "::10.1.2.3"]),
    ("IpAddress", ["10.1.2.3"], ["10.1.2.3"], ["10.1.2.4"]),
    ("IpAddress", ["10.1.2.3/8"], ["10.9.9.9"], ["11.1.2.3"]),
    ("IpAddress", ["2001:DB8:1234:5678::/64"], ["2001:db8:1234:5678::1"], ["2001:db8:1234:5679::1", "10.0.0.1"]),
    ("IpAddress", ["::ffff:10.0.0.0/104"], ["10.2.3.4"], ["11.2.3.4"]),
    ("IpAddress", ["0.0.0.0/0", "::/0"], ["1.2.3.4", "::1"], []),
    ("ArnEquals", [ARN], [ARN], [ARN + "x", "arn:aws:iam::111111111112:user/ann"]),
    ("ArnEquals", ["arn:*:iam::*:user/*"], [ARN], ["arn:aws:sts::111111111111:user/ann"]),
    (
        "ArnLike",
        ["arn:aws:s3:*:222222222222:x/*"],
        ["arn:aws:s3:eu:222222222222:x/y:z"],
        ["arn:aws:s3:eu:1:222222222222:x/y"],
    ),
    ("ArnLike", ["*"], [ARN], []),
]
NEGATIONS = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "NumericEquals": "NumericNotEquals",
    "DateEquals": "DateNotEquals",
    "IpAddress": "NotIpAddress",
    "ArnEquals": "ArnNotEquals",
    "ArnLike": "ArnNotLike",
}


def test_every_operator_has_a_row() -> None:
    assert {row[0] for row in POSITIVE} | set(NEGATIONS.values()) == set(OPERATORS)
    assert {name for name, (_, negated) in OPERATORS.items() if negated} == set(NEGATIONS.values())


@pytest.mark.parametrize(("name", "listed", "matching", "other"), POSITIVE)
@pytest.mark.parametrize("deny", [False, True])
def test_operator_on_a_value(name: str, listed: list[str], matching: list[str], other: list[str], deny: bool) -> None:
    for value in matching + other:
        assert holds(name, listed, {"aws:key": value}, deny=deny) is (value in matching), value
        assert holds(name + "IfExists", listed, {"aws:key": value}, deny=deny) is (value in matching), value
        if name in NEGATIONS:
            assert holds(NEGATIONS[name], listed, {"aws:key": value}, deny=deny) is (value not in matching), value


ALL_ROWS = [(row[0], row[1]) for row in POSITIVE] + [(NEGATIONS[r[0]], r[1]) for r in POSITIVE if r[0] in NEGATIONS]


@pytest.mark.parametrize(("name", "listed"), ALL_ROWS)
@pytest.mark.parametrize("context", [{}, {"aws:key": []}, {"aws:key": None}])
@pytest.mark.parametrize("deny", [False, True])
def test_missing_key(name: str, listed: list[str], context: dict[str, Any], deny: bool) -> None:
    assert holds(name, listed, context, deny=deny) is (name in NEGATIONS.values())
    assert holds("ForAllValues:" + name, listed, context, deny=deny)
    assert not holds("ForAnyValue:" + name, listed, context, deny=deny)
    for prefix in ("", "ForAllValues:", "ForAnyValue:"):
        assert holds(prefix + name + "IfExists", listed, context, deny=deny)


@pytest.mark.parametrize(
    ("listed", "missing", "present"),
    [("true", True, False), ("false", False, True), (["true", "false"], True, True)],
)
def test_null_asks_whether_the_key_is_there(listed: str | list[str], missing: bool, present: bool) -> None:
    for context in ({}, {"aws:key": None}, {"aws:key": []}):
        assert holds("Null", listed, context) is missing
    for context in ({"aws:key": "x"}, {"aws:key": ""}, {"aws:key": ["x", "y"]}, {"aws:key": False}):
        assert holds("Null", listed, context) is present


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("ForAnyValue:StringEquals", ["a", "z"], True),
        ("ForAnyValue:StringEquals", ["y", "z"], False),
        ("ForAllValues:StringEquals", ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "z"], False),
        ("ForAnyValue:StringNotEquals", ["a", "z"], True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], False),
        ("ForAllValues:StringNotEquals", ["y", "z"], True),
        ("ForAllValues:StringNotEquals", ["a", "z"], False),
        ("ForAllValues:StringEquals", [""], True),
        ("ForAnyValue:StringEquals", [""], False),
        ("ForAnyValue:StringNotEquals", [""], False),
        ("ForAllValues:StringNotEquals", ["", "a"], False),
    ],
)
@pytest.mark.parametrize("deny", [False, True])
def test_set_prefix_looks_at_each_value(name: str, values: list[str], expected: bool, deny: bool) -> None:
    assert holds(name, ["a", "b"], {"aws:key": values}, deny=deny) is expected
    assert holds(name, ["a", "b"], {"aws:key": tuple(values)}, deny=deny) is expected
    assert holds(name + "IfExists", ["a", "b"], {"aws:key": values}, deny=deny) is (expected or values == [""])
    if len(values) == 1:
        assert holds(name, ["a", "b"], {"aws:key": values[0]}, deny=deny) is expected


def test_several_values_without_a_prefix_fail_closed_when_they_disagree() -> None:
    for name in ("StringEquals", "StringNotEquals"):
        assert not holds(name, "a", {"aws:key": ["a", "z"]})
        assert holds(name, "a", {"aws:key": ["a", "z"]}, deny=True)
    assert holds("StringEquals", ["a", "b"], {"aws:key": ["a", "b"]})
    assert not holds("StringEquals", ["a", "b"], {"aws:key": ["y", "z"]}, deny=True)
    assert holds("StringNotEquals", ["a", "b"], {"aws:key": ["y", "z"]})


@pytest.mark.parametrize(
    ("name", "listed", "value"),
    [
        ("NumericEquals", "1", "one"),
        ("NumericNotEquals", "1", ""),
        ("NumericLessThan", "1", "NaN"),
        ("NumericLessThan", "1", "-Infinity"),
        ("NumericLessThan", "1", "1_0"),
        ("NumericLessThan", "5", "٣"),
        ("DateLessThan", "2020", "2020-13-01"),
        ("DateNotEquals", "2020", "yesterday"),
        ("DateGreaterThan", "2020", "2020-02-30T00:00:00Z"),
        ("Bool", "true", "yes"),
        ("BinaryEquals", "QUJD", "not base64!"),
        ("IpAddress", "10.0.0.0/8", "10.0.0"),
        ("NotIpAddress", "10.0.0.0/8", "unknown"),
        ("NotIpAddress", "10.0.0.0/8", "010.0.0.1"),
        ("ArnEquals", ARN, "user/ann"),
        ("ArnNotLike", "*", ""),
    ],
)
@pytest.mark.parametrize("suffix", ["", "IfExists"])
def test_unreadable_value_of_the_request_fails_closed(name: str, listed: str, value: str, suffix: str) -> None:
    assert not holds(name + suffix, listed, {"aws:key": value})
    assert holds(name + suffix, listed, {"aws:key": value}, deny=True)


def test_unresolved_variable_matches_nothing_and_its_negation_holds_for_deny_only() -> None:
    context = {"aws:key": "x"}
    for name in ("StringEquals", "StringLike", "StringEqualsIgnoreCase"):
        assert not holds(name, "${aws:missing}", context)
        assert not holds(name, "${aws:missing}", context, deny=True)
        assert holds(name, ["${aws:missing}", "x"], context)
        assert not holds(NEGATIONS[name], "${aws:missing}", context)
        assert holds(NEGATIONS[name], "${aws:missing}", context, deny=True)
        assert not holds(NEGATIONS[name], ["${aws:missing}", "x"], context, deny=True)
    assert not holds("ArnEquals", "arn:aws:iam::1:user/${aws:missing}", {"aws:key": ARN})
    assert holds("ArnNotEquals", "arn:aws:iam::1:user/${aws:missing}", {"aws:key": ARN}, deny=True)


def test_variables_in_values_are_literal() -> None:
    context = {"aws:key": "home/ann", "aws:username": "*", "aws:name": "ANN"}
    assert not holds("StringLike", "home/${aws:username}", context)
    assert holds("StringLike", "home/${aws:username}", {**context, "aws:key": "home/*"})
    assert holds("StringLike", "h*/${aws:username, 'x'}", {**context, "aws:key": "home/*"})
    assert holds("StringEqualsIgnoreCase", "HOME/${aws:name}", context)
    assert holds("ArnLike", "arn:aws:iam::*:user/${aws:u}", {"aws:key": ARN, "aws:u": "ann"})
    assert holds("ArnEquals", "${aws:whole}", {"aws:key": ARN, "aws:whole": ARN})
    assert holds("Bool", "${aws:flag}", {"aws:key": "True", "aws:flag": "true"})


def test_values_that_are_not_text_are_compared_as_text() -> None:
    assert holds("Bool", "true", {"aws:key": True})
    assert holds("NumericEquals", "10", {"aws:key": 10})
    assert holds("StringEquals", "10", {"aws:key": 10})
    assert holds("ForAllValues:NumericLessThan", "10", {"aws:key": [1, 2.5]})


@pytest.mark.parametrize(
    "name",
    [
        *("StringMatches", "stringequals", "", "IfExists", "Null:StringEquals", "NullIfExists", "ForAnyValue:Null"),
        *(
            "ForAny:StringEquals",
            ":StringEquals",
            "ForAllValues:ForAnyValue:StringEquals",
            "StringEqualsIfExistsIfExists",
        ),
    ],
)
def test_unknown_operator_is_refused(name: str) -> None:
    with pytest.raises(MalformedPolicy, match="Invalid Condition type"):
        holds(name, "true", {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("NumericEquals", "ten"),
            ("NumericEquals", "${aws:username}"),
            ("DateEquals", "soon"),
            ("DateEquals", "2020-1-1"),
        ),
        *(
            ("Bool", "yes"),
            ("Null", "maybe"),
            ("IpAddress", "10.0.0.0/33"),
            ("IpAddress", "host"),
            ("NotIpAddress", "*"),
        ),
        *(("BinaryEquals", "%"), ("ArnEquals", "user/ann"), ("ArnLike", "arn:aws:s3"), ("StringLike", "${")),
    ],
)
def test_policy_value_of_the_wrong_type_is_refused(name: str, value: str) -> None:
    with pytest.raises(MalformedPolicy):
        holds(name, value, {})
