"""The exceptions of a policy that cannot be accepted.

They carry AWS's sentences and no status or code: PutBucketPolicy answers them as MalformedPolicy, the IAM API as
MalformedPolicyDocument (and `PolicyTooLarge` as LimitExceeded), and that translation belongs to the faces.
"""

from __future__ import annotations

import json

_SHOWN_CHARACTERS = 100


class MalformedPolicy(ValueError):
    """A policy document that does not follow the language. The message is one line that may be shown to the user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PolicyTooLarge(MalformedPolicy):
    """A policy document above the limit of where it is to be attached."""


def shown(text: str) -> str:
    """`text` as an error message may carry it: short, ASCII, without control characters or lone surrogates."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return json.dumps(cut)[1:-1]
