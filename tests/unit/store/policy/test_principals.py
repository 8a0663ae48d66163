"""Principal and NotPrincipal: what may be written, and whom it reaches."""

from __future__ import annotations

from typing import Any

import pytest

from bucketry.store.policy.malformed import MalformedPolicy
from bucketry.store.policy.principals import ANONYMOUS, Grant, Principal, parse_principals

ONE, TWO = "111111111111", "222222222222"
ROOT = Principal(ONE, f"arn:aws:iam::{ONE}:root", "c" * 64, True)
ANN = Principal(ONE, f"arn:aws:iam::{ONE}:user/ann", "c" * 64, False)
BOB = Principal(ONE, f"arn:aws:iam::{ONE}:user/team/bob", "c" * 64, False)
STRANGER = Principal(TWO, f"arn:aws:iam::{TWO}:user/ann", "d" * 64, False)
ALL = (ROOT, ANN, BOB, STRANGER, ANONYMOUS)
D, A, N = Grant.DIRECT, Grant.ACCOUNT, Grant.NONE


@pytest.mark.parametrize(
    ("element", "grants"),
    [
        ("*", (D, D, D, D, D)),
        ({"AWS": "*"}, (D, D, D, D, D)),
        ({"AWS": ["*", TWO]}, (D, D, D, D, D)),
        ({"AWS": ONE}, (D, A, A, N, N)),
        ({"AWS": f"arn:aws:iam::{ONE}:root"}, (D, A, A, N, N)),
        ({"AWS": f"arn:aws-us-gov:iam::{ONE}:root"}, (D, A, A, N, N)),
        ({"AWS": f"arn:aws-cn:iam::{ONE}:user/ann"}, (N, D, N, N, N)),
        ({"AWS": f"arn:aws:iam::{ONE}:user/ann"}, (N, D, N, N, N)),
        ({"AWS": f"arn:aws:iam::{ONE}:user/team/bob"}, (N, N, D, N, N)),
        ({"AWS": f"arn:aws:iam::{ONE}:user/bob"}, (N, N, N, N, N)),
        ({"AWS": [f"arn:aws:iam::{ONE}:user/ann", ONE]}, (D, D, A, N, N)),
        ({"AWS": [ONE, TWO]}, (D, A, A, A, N)),
        ({"CanonicalUser": "c" * 64}, (D, A, A, N, N)),
        ({"CanonicalUser": ["d" * 64], "AWS": f"arn:aws:iam::{ONE}:user/ann"}, (N, D, N, A, N)),
        ({"Service": "logging.s3.amazonaws.com"}, (N, N, N, N, N)),
        ({"Federated": "accounts.google.com"}, (N, N, N, N, N)),
    ],
)
def test_principal_reaches(element: Any, grants: tuple[Grant, ...]) -> None:
    parsed = parse_principals(element)
    assert tuple(map(parsed.grant, ALL)) == grants
    assert tuple(map(parsed.denies, ALL)) == tuple(grant is not N for grant in grants)


@pytest.mark.parametrize(
    ("element", "granted", "denied"),
    [
        ("*", (N, N, N, N, N), (False, False, False, False, False)),
        ({"AWS": ONE}, (N, N, N, D, N), (False, True, True, True, True)),
        ({"AWS": f"arn:aws:iam::{ONE}:user/ann"}, (D, N, D, D, N), (True, True, True, True, True)),
        ({"AWS": [f"arn:aws:iam::{ONE}:user/ann", ONE]}, (N, N, N, D, N), (False, False, True, True, True)),
        ({"Service": "logging.s3.amazonaws.com"}, (D, D, D, D, N), (True, True, True, True, True)),
    ],
)
def test_not_principal_reaches(element: Any, granted: tuple[Grant, ...], denied: tuple[bool, ...]) -> None:
    parsed = parse_principals(element)
    assert tuple(map(parsed.grant_except, ALL)) == granted
    assert tuple(map(parsed.denies_except, ALL)) == denied


@pytest.mark.parametrize(
    "element",
    [
        *(None, "", [], {}, 5, ["*"], "111111111111", f"arn:aws:iam::{ONE}:root"),
        *({"AWS": []}, {"AWS": None}, {"AWS": 111111111111}, {"AWS": [None]}, {"AWS": {"a": "b"}}, {"AWS": ""}),
        *({"AWS": "1111"}, {"AWS": "1111111111111"}, {"AWS": "١١١١١١١١١١١١"}, {"AWS": ONE + "\n"}),
        *(
            {"AWS": f"arn:aws:iam::{ONE}:user/*"},
            {"AWS": f"arn:aws:iam::{ONE}:user/an?"},
            {"AWS": "arn:aws:iam::*:root"},
        ),
        *(
            {"AWS": f"arn:aws:iam::{ONE}:user/"},
            {"AWS": f"arn:aws:iam::{ONE}:group/x"},
            {"AWS": f"arn:aws:s3::{ONE}:root"},
        ),
        *({"AWS": f"arn:aws-iso:iam::{ONE}:root"}, {"AWS": f"arn:aws:iam:us:{ONE}:root"}, {"aws": ONE}, {"User": ONE}),
        *(
            {"CanonicalUser": "*"},
            {"CanonicalUser": "not hex"},
            {"Service": "*"},
            {"Federated": ""},
            {"AWS": ONE, "X": "y"},
        ),
    ],
)
def test_bad_principal_is_refused(element: Any) -> None:
    with pytest.raises(MalformedPolicy, match="Invalid principal in policy"):
        parse_principals(element)


def test_arn_that_is_none_is_nobodys() -> None:
    odd = Principal(ONE, "not an arn", None, False)
    parsed = parse_principals({"AWS": f"arn:aws:iam::{ONE}:user/ann"})
    assert parsed.grant(odd) is Grant.NONE
    assert parsed.denies_except(odd)
