"""What the identity store refuses, one class a reason, named as IAM's error codes where IAM has one.

Source: AWS IAM API Reference, "Errors" of each action; the texts say what AWS says there. The gateway gives them a
status.
"""

from __future__ import annotations


class IdentityError(Exception):
    """Base of all that this package raises on purpose. `text` may be shown to the caller."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


class NoSuchEntity(IdentityError):
    """What was named is not there (any more)."""


class EntityAlreadyExists(IdentityError):
    """The name is taken inside the account."""


class DeleteConflict(IdentityError):
    """Something else still hangs on what was to be deleted."""


class LimitExceeded(IdentityError):
    """One more than AWS allows."""


class MalformedPolicyDocument(IdentityError):
    """A policy that cannot be read cannot be set."""


class InvalidInput(IdentityError):
    """A value outside its rules."""


class BucketTaken(IdentityError):
    """The bucket's name is in use; `owner` is the account id of whoever has it, the caller's own perhaps."""

    def __init__(self, name: str, owner: str) -> None:
        self.owner = owner
        super().__init__(f"The bucket name {name} is taken.")


class NoSuchBucket(IdentityError):
    """The bucket to change is not there, or was replaced by another of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no bucket {name}.")


class SettingConflict(IdentityError):
    """Another setting of the bucket is not what this change needs it to be."""

    def __init__(self, name: str, which: str) -> None:
        super().__init__(f"The setting {which} of the bucket {name} does not allow the change.")


class IdentityUnwritable(Exception):
    """The disk failed a change, which is not there. No answer that a rule asks for, so none of the above."""

    def __init__(self, reason: str, *, is_full: bool) -> None:
        self.is_full = is_full
        super().__init__(reason)


class UnreadableIdentity(IdentityError):
    """identity.sqlite cannot be opened: a newer format, another program's file, or another master key."""
