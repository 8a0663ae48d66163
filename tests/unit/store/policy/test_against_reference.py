"""The evaluator and the naive one of `reference` decide alike, for random policies and requests; and what must always
hold of decisions.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bucketry.store.policy.conditions import parse_condition
from bucketry.store.policy.evaluator import AccessRequest, Decision, Principal, evaluate, identity_allows
from bucketry.store.policy.parser import parse_policy
from tests.unit.store.policy import reference

ACCOUNTS = ("111111111111", "222222222222")
NAMES = ("ann", "dir/bob", "*")
BUCKET = "arn:aws:s3:::bucket"

actions = st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketPolicy", "s3:PutBucketPolicy"])
action_patterns = st.sampled_from(["s3:GetObject", "s3:Get*", "S3:put*", "*", "s3:*", "s3:?etObject", "s3:*Bucket*"])
keys = st.sampled_from(["", "/ann/x", "/a", "/*/x", "/dir/ann", "/${aws:username}/x", "/é"])
resources = st.builds(lambda key: BUCKET + key, keys)
resource_patterns = st.sampled_from(
    [
        *("*", BUCKET, BUCKET + "/*", BUCKET + "*", "arn:aws:s3:::*", BUCKET + "/a*x", BUCKET + "/?"),
        *(
            BUCKET + "/${aws:username}/*",
            BUCKET + "/${aws:UserName, 'dir'}/*",
            BUCKET + "/${*}/x",
            BUCKET + "/${s3:prefix}",
        ),
    ]
)
strings = st.sampled_from(["", "a", "A", "ab", "ann", "*", "a*", "?", "é", "${aws:username}"])
numbers = st.sampled_from(["0", "1", "10", "-1", "1.0", "1.5", "1e1"])
dates = st.sampled_from(["2020-01-01T00:00:00Z", "2026-06-30T12:00:00Z", "1577836800", "1782820800"])
ips = st.sampled_from(["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::1", "2001:db8::/32", "192.168.1.5"])
arns = st.sampled_from(
    [
        *("arn:aws:iam::111111111111:user/ann", "arn:aws:iam::*:user/*", "arn:aws:s3:::a:b", "arn:*:s3:::a?b"),
        *("arn:aws:iam::111111111111:user/${aws:username}", "arn:aws:iam::*:root"),
    ]
)
TYPED: dict[str, Any] = {
    "String": st.one_of(
        strings, st.sampled_from(["${aws:username}", "${s3:prefix, 'a'}", "a?", "a${*}", "${s3:prefix}b"])
    ),
    "Numeric": numbers,
    "Date": dates,
    "Bool": st.sampled_from(["true", "false"]),
    "IpAddress": ips,
    "NotIpAddress": ips,
    "Arn": arns,
}
OPERATORS = {
    "String": ["Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike"],
    "Numeric": ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"],
    "Date": ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"],
    "Bool": [""],
    "IpAddress": [""],
    "NotIpAddress": [""],
    "Arn": ["Equals", "Like", "NotEquals", "NotLike"],
}
CONDITION_KEYS = ["aws:username", "s3:prefix", "aws:SourceIp", "s3:max-keys", "aws:CurrentTime", "aws:TagKeys"]


@st.composite
def single_conditions(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    family = draw(st.sampled_from(sorted(TYPED)))
    name = draw(st.sampled_from(["", "ForAnyValue:", "ForAllValues:"])) + family
    name += draw(st.sampled_from(OPERATORS[family])) + draw(st.sampled_from(["", "", "IfExists"]))
    return name, draw(st.sampled_from(CONDITION_KEYS)), draw(st.lists(TYPED[family], min_size=1, max_size=3))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(CONDITION_KEYS))
        if draw(st.integers(0, 9)) == 0:
            block.setdefault("Null", {})[key] = draw(st.sampled_from(["true", "false", ["true", "false"]]))
            continue
        name, key, listed = draw(single_conditions())
        block.setdefault(name, {})[key] = listed
    return block


@st.composite
def statements(
    draw: st.DrawFn, with_principal: bool, effects: tuple[str, ...] = ("Allow", "Allow", "Deny")
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": draw(st.sampled_from(effects))}
    statement[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(
        st.one_of(action_patterns, st.lists(action_patterns, min_size=1, max_size=2))
    )
    statement[draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"]))] = draw(
        st.lists(resource_patterns, min_size=1, max_size=3)
    )
    condition = draw(conditions())
    if condition:
        statement["Condition"] = condition
    if with_principal:
        statement[draw(st.sampled_from(["Principal", "Principal", "NotPrincipal"]))] = draw(principal_elements())
    return statement


def principal_elements() -> st.SearchStrategy[Any]:
    users = [f"arn:aws:iam::{account}:user/{name}" for account in ACCOUNTS for name in ("ann", "dir/bob")]
    roots = [f"arn:aws:iam::{account}:root" for account in ACCOUNTS]
    entries = st.lists(st.sampled_from([*users, *roots, *ACCOUNTS]), min_size=1, max_size=3)
    return st.one_of(st.just("*"), st.just({"AWS": "*"}), st.builds(lambda names: {"AWS": names}, entries))


@st.composite
def policies(draw: st.DrawFn, with_principal: bool = False) -> dict[str, Any]:
    return {
        "Version": draw(st.sampled_from(["2012-10-17", "2012-10-17", "2008-10-17"])),
        "Statement": draw(st.lists(statements(with_principal), min_size=1, max_size=4)),
    }


context_values = st.one_of(
    *(strings, numbers, dates, ips, arns, st.sampled_from(["true", "FALSE", "not a number"])),
    st.lists(st.one_of(strings, numbers, st.just("ann")), max_size=3),
)


contexts = st.dictionaries(st.sampled_from([key.lower() for key in CONDITION_KEYS]), context_values)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    account = draw(st.sampled_from(ACCOUNTS))
    arn = draw(st.sampled_from([f"arn:aws:iam::{account}:root", *(f"arn:aws:iam::{account}:user/{n}" for n in NAMES)]))
    return {
        "principal": draw(st.sampled_from([None, (account, arn), (account, arn), (account, arn)])),
        "action": draw(actions),
        "resource": draw(resources),
        "context": draw(contexts),
        "owner": draw(st.sampled_from([*ACCOUNTS, None])),
    }


def real_request(request: dict[str, Any]) -> AccessRequest:
    account, arn = request["principal"] or (None, None)
    principal = Principal(account, arn, None, arn is not None and arn.endswith(":root"))
    return AccessRequest(principal, request["action"], request["resource"], request["context"], request["owner"])


def decide(request: dict[str, Any], identity: list[dict[str, Any]], *others: dict[str, Any] | None) -> Decision:
    def parsed(document: dict[str, Any] | None) -> Any:
        return None if document is None else parse_policy(json.dumps(document))

    return evaluate(real_request(request), [parsed(each) for each in identity], *map(parsed, others))


identities = st.lists(policies(), max_size=2)
bucket_policies = st.one_of(st.none(), policies(with_principal=True))
bounds = st.one_of(st.none(), st.none(), policies())


@settings(max_examples=150)
@given(requests(), identities, bucket_policies, bounds, bounds)
def test_decision_is_that_of_the_naive_evaluator(
    request: dict[str, Any],
    identity: list[dict[str, Any]],
    bucket: dict[str, Any] | None,
    boundary: dict[str, Any] | None,
    session: dict[str, Any] | None,
) -> None:
    expected = reference.evaluate(request, identity, bucket, boundary, session)
    assert decide(request, identity, bucket, boundary, session).name == expected


@settings(max_examples=400)
@given(single_conditions(), contexts, st.booleans(), st.booleans())
def test_condition_holds_as_in_the_naive_evaluator(
    condition: tuple[str, str, list[str]], context: dict[str, Any], deny: bool, variables: bool
) -> None:
    name, key, listed = condition
    compiled = parse_condition(name, key, tuple(listed), variables=variables, deny=deny)
    version = "2012-10-17" if variables else "2008-10-17"
    assert compiled.holds(context) is reference.condition_holds(name, key, listed, deny, context, version)


@settings(max_examples=50)
@given(
    requests(), identities, bucket_policies, statements(False, ("Deny",)), statements(True, ("Deny",)), st.booleans()
)
def test_one_more_deny_never_allows_more(
    request: dict[str, Any],
    identity: list[dict[str, Any]],
    bucket: dict[str, Any] | None,
    deny: dict[str, Any],
    bucket_deny: dict[str, Any],
    in_bucket_policy: bool,
) -> None:
    before = decide(request, identity, bucket)
    if in_bucket_policy and bucket is not None:
        after = decide(request, identity, {**bucket, "Statement": [*bucket["Statement"], bucket_deny]})
    else:
        after = decide(request, [*identity, {"Version": "2012-10-17", "Statement": [deny]}], bucket)
    assert after is not Decision.ALLOW or before is Decision.ALLOW
    if before is Decision.EXPLICIT_DENY:
        assert after is Decision.EXPLICIT_DENY


@settings(max_examples=50)
@given(requests(), identities, bucket_policies, st.data())
def test_one_allow_less_never_allows_more(
    request: dict[str, Any], identity: list[dict[str, Any]], bucket: dict[str, Any] | None, data: st.DataObject
) -> None:
    documents = [*identity, *([bucket] if bucket else [])]
    allows = [
        (document, statement)
        for document in documents
        for statement in document["Statement"]
        if statement["Effect"] == "Allow" and len(document["Statement"]) > 1
    ]
    before = decide(request, identity, bucket)
    if not allows:
        return
    document, dropped = data.draw(st.sampled_from(allows))
    document["Statement"].remove(dropped)
    after = decide(request, identity, bucket)
    assert after is not Decision.ALLOW or before is Decision.ALLOW


@settings(max_examples=50)
@given(requests(), identities, bucket_policies, policies())
def test_bounds_never_allow_more(
    request: dict[str, Any], identity: list[dict[str, Any]], bucket: dict[str, Any] | None, bound: dict[str, Any]
) -> None:
    for boundary, session in ((bound, None), (None, bound)):
        after = decide(request, identity, bucket, boundary, session)
        assert after is not Decision.ALLOW or decide(request, identity, bucket) is Decision.ALLOW


@settings(max_examples=50)
@given(requests(), identities)
def test_callers_half_agrees_with_the_decision_in_the_own_account(
    request: dict[str, Any], identity: list[dict[str, Any]]
) -> None:
    parsed = [parse_policy(json.dumps(document)) for document in identity]
    real = real_request({**request, "owner": request["principal"][0] if request["principal"] else None})
    assert identity_allows(real, parsed) is (evaluate(real, parsed, None) is Decision.ALLOW)


anything = st.one_of(
    *(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.binary()),
    st.lists(st.one_of(st.text(), st.integers(), st.none()), max_size=3),
)


@settings(max_examples=50)
@given(policies(), st.dictionaries(st.sampled_from([key.lower() for key in CONDITION_KEYS]), anything), st.text())
def test_no_context_makes_evaluation_raise(policy: dict[str, Any], context: dict[str, Any], resource: str) -> None:
    request = {"principal": None, "action": "s3:GetObject", "resource": resource, "context": context, "owner": None}
    assert isinstance(decide({**request, "principal": (ACCOUNTS[0], "no arn")}, [policy], None), Decision)
