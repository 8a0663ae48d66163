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
    boundary: str | None = None  # the ARN of the managed policy that bounds the user's rights

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:user{self.path}{self.name}"


@dataclass(frozen=True, slots=True)
class Group:
    """An IAM group: users who share its policies. It asks for nothing itself."""

    account_id: str
    name: str
    path: str
    group_id: str  # AGPA…-like, 21 characters
    created_ms: int

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:group{self.path}{self.name}"


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role: rights without keys of their own, taken on for a time by whom `trust` names."""

    account_id: str
    name: str
    path: str
    role_id: str  # AROA…-like, 21 characters
    created_ms: int
    trust: str  # the policy document of who may assume it
    description: str
    max_session_s: int
    tags: Mapping[str, str]
    boundary: str | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:role{self.path}{self.name}"


Entity = User | Group | Role


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
    """A policy with a name of its own, that users, groups and roles of the account can have attached."""

    account_id: str  # "aws": one of AWS's own
    name: str
    path: str
    policy_id: str  # ANPA…-like, 21 characters
    description: str
    created_ms: int
    updated_ms: int
    default_version: str  # "v1"
    attachment_count: int
    tags: Mapping[str, str]
    boundary_count: int = 0  # of how many users and roles it is the boundary

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
class Session:
    """What is particular to temporary credentials."""

    name: str  # of a role's session; "" for those of a user or root
    issued_ms: int
    expires_ms: int
    origin_key_id: str  # the long-term key at the start of the chain: it dies with that
    role_ids: tuple[str, ...] = ()  # of the roles taken on one after another, the session's own last
    policy: Policy | None = None  # what bounds this session beside the rights of its role or user


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a valid access key speaks for, all that authorising needs of it: one value a key, kept until it changes."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: Account
    user: User | None  # None: the account's root, or a role
    policies: Sequence[Policy | None]  # inline, attached, of groups; None: one that cannot be read, which denies all
    is_active: bool
    boundary: Policy | None = None  # one that cannot be read stands as a denial of all
    role: Role | None = None  # whose session it is
    session: Session | None = None  # None: a long-term key

    @property
    def arn(self) -> str:
        if self.role is not None and self.session is not None:
            return f"arn:aws:sts::{self.account.account_id}:assumed-role/{self.role.name}/{self.session.name}"
        return self.user.arn if self.user else self.account.arn

    @property
    def is_root(self) -> bool:
        """Whether it speaks for the account's root, who needs no policy."""
        return self.user is None and self.role is None

    @property
    def bounds(self) -> tuple[Policy | None, Policy | None]:
        """The permissions boundary and the session's policy: what the evaluator takes beside `policies`."""
        return self.boundary, None if self.session is None else self.session.policy

    @property
    def principal_arn(self) -> str:
        """aws:PrincipalArn: of a role's session the role's."""
        return self.role.arn if self.role is not None else self.arn

    @property
    def unique_id(self) -> str:
        """aws:userid."""
        if self.role is not None and self.session is not None:
            return f"{self.role.role_id}:{self.session.name}"
        return self.user.user_id if self.user else self.account.account_id

    @property
    def kind(self) -> str:
        """aws:PrincipalType."""
        return "AssumedRole" if self.role is not None else "User" if self.user else "Account"

    @property
    def tags(self) -> Mapping[str, str]:
        """aws:PrincipalTag/…"""
        owner = self.user or self.role
        return owner.tags if owner is not None else {}


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
