"""A clock that tests turn, and documents that they set."""

from __future__ import annotations

import json


class TurnableClock:
    """Epoch milliseconds; stands still until it is turned."""

    def __init__(self) -> None:
        self.now_ms = 1_767_225_600_000

    def __call__(self) -> int:
        return self.now_ms


def allow(action: str = "s3:GetObject", resource: str = "arn:aws:s3:::photos/*") -> str:
    """An identity policy of one statement."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
