"""An unknown key and a wrong signature cost the same work, and secrets are compared in constant time."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, cast

import pytest

import bucketry
from bucketry.store.gateway.authenticate import Authenticator
from bucketry.store.identity.store import Identity
from bucketry.store.identity.types import Caller
from bucketry.store.s3.errors import InvalidAccessKeyId, S3Error, SignatureDoesNotMatch
from tests.unit.store.gateway.test_authenticate import CALLER, Keys, signed_request

SOURCE = Path(bucketry.__path__[0])
# Where a secret, or what is made of one, meets what somebody sent.
COMPARING = (
    "store/s3/sigv4.py",
    "store/s3/sigv2.py",
    "store/s3/chunked.py",
    "store/s3/post_policy.py",
    "marketplace/access/tokens.py",
)
SECRETS = {"expected", "signature", "secret", "token", "password", "provided", "digest", "stored"}


def _work(*callers: Caller) -> tuple[S3Error, Counter[str]]:
    """The error of a request, and how often which function of ours ran for it, hashes of the library included."""
    authenticator = Authenticator(cast(Identity, Keys(*callers)), "us-east-1")
    request, now_ms = signed_request()
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and "bucketry" in frame.f_code.co_filename:
            calls[frame.f_code.co_qualname if hasattr(frame.f_code, "co_qualname") else frame.f_code.co_name] += 1
        elif event == "c_call" and argument.__name__ in ("digest", "compare_digest", "sha256", "openssl_sha256"):
            calls[argument.__name__] += 1

    signed = authenticator.identify(request, now_ms)
    assert signed is not None
    sys.setprofile(note)
    try:
        authenticator.verify(request, signed, now_ms)
    except S3Error as error:
        return error, calls
    finally:
        sys.setprofile(None)
    raise AssertionError("it was let in")


def test_unknown_key_costs_what_a_wrong_signature_costs() -> None:
    wrong, work = _work(replace(CALLER, secret_access_key="another"))
    assert isinstance(wrong, SignatureDoesNotMatch)
    unknown, same = _work()
    assert isinstance(unknown, InvalidAccessKeyId)
    checking = {"digest", "compare_digest", "sha256", "openssl_sha256"} & (set(work) | set(same))
    assert "compare_digest" in checking
    assert {name: work[name] for name in checking} == {name: same[name] for name in checking}


@pytest.mark.parametrize("name", COMPARING)
def test_secrets_are_compared_in_constant_time(name: str) -> None:
    tree = ast.parse((SOURCE / name).read_text())
    calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    calls |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "compare_digest" in calls
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            continue
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        names |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
        assert not names & SECRETS, f"{name}:{node.lineno}"
