"""The words of the identity store: accounts, users, access keys, policies, buckets and their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bucketry.store.policy.language import Policy
from bucketry.store.s3.acl import Acl


@dataclass(frozen=True, slots=True)
class Account:
    """An owner of buckets and users. `canonical_id` is 64 hex digits, as ACLs and listings name owners."""

    account_id: str  # 12 digits
    canonical_id: str
    display_name: str
    email: str
    created_ms: int = 0

    @property
    def arn(self) -> str:
        """The ARN of the account's root."""
        return f"arn:aws:iam::{self.account_id}:root"


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user of an account."""

    account_id: str
    name: str
    path: str  # "/" or "/…/"
    user_id: str  # AIDA…-like, 21 characters
    created_ms: int
    tags: Mapping[str, str]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:user{self.path}{self.name}"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key without its secret."""

    access_key_id: str
    account_id: str
    user_name: str | None  # None: the account's root
    is_active: bool
    created_ms: int


@dataclass(frozen=True, slots=True)
class KeyUse:
    """When, for which service and region a key was last used."""

    used_ms: int
    service: str
    region: str


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A policy with a name of its own, that users of the account can have attached."""

    account_id: str
    name: str
    path: str
    policy_id: str  # ANPA…-like, 21 characters
    description: str
    created_ms: int
    updated_ms: int
    default_version: str  # "v1"
    attachment_count: int
    tags: Mapping[str, str]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:policy{self.path}{self.name}"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One text of a managed policy."""

    version_id: str  # "v1"
    document: str
    is_default: bool
    created_ms: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a valid access key speaks for, all that authorising needs of it: one value a key, kept until it changes."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: Account
    user: User | None  # None: the account's root
    policies: Sequence[Policy | None]  # inline and attached; None: one that cannot be read, which denies all
    is_active: bool

    @property
    def arn(self) -> str:
        return self.user.arn if self.user else self.account.arn


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    block_public_acls: bool = True
    ignore_public_acls: bool = True
    block_public_policy: bool = True
    restrict_public_buckets: bool = True


# What a bucket's settings are set to: documents as text, tags, a block.
Setting = str | Mapping[str, str] | PublicAccessBlock


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """A bucket as lists name it, without its settings."""

    name: str
    bucket_id: str
    account_id: str
    region: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """A bucket and its settings. Documents are kept as given, parsed once per change by who uses them."""

    name: str
    bucket_id: str  # names its folder; never used again
    owner: Account
    region: str
    created_ms: int
    object_ownership: str  # ObjectWriter, BucketOwnerPreferred, BucketOwnerEnforced; "": removed, acts as ObjectWriter
    revision: int  # grows with each change of settings: a key for caches
    policy_text: str | None  # the JSON as it was set
    policy: Policy | None  # parsed; where policy_text can't be parsed, is_policy_broken
    is_policy_broken: bool
    acl: Acl | None  # None: private
    public_access_block: PublicAccessBlock | None
    cors: str | None  # XML documents as this store writes them
    website: str | None
    tags: Mapping[str, str] | None
    settings: Mapping[str, str]  # what later settings need: name → document
