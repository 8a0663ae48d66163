"""A policy as the evaluator reads it: statements compiled when the policy is parsed, found by action when a request
comes.

Follows the grammar and the elements reference of the IAM User Guide. What is decided here:

* Actions match without regard to case, resources with it.
* In Resource and NotResource a star takes any characters, `/` and `:` among them: AWS lets a star at the end of an
  ARN part reach over the colons that follow, and of an S3 key `*` takes every `/`. Only the Arn… conditions match
  part by part.
* A resource in the partition aws-us-gov or aws-cn means the same resource here as one in aws: an installation has one
  partition.
* A resource with an unresolved variable matches no resource. So an Allow and a Deny that name it don't apply; a Deny
  with NotResource applies (nothing is excepted), and an Allow with NotResource doesn't: AWS would let it apply to
  everything, here it fails closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from bucketry.store.policy.conditions import Condition, Test
from bucketry.store.policy.patterns import Matcher, compile_any, compile_tokens, tokens_of
from bucketry.store.policy.principals import Grant, Principal, PrincipalSet
from bucketry.store.policy.variables import Context, Template, parse_template

VERSION_2008 = "2008-10-17"
VERSION_2012 = "2012-10-17"

ResourceTest = Callable[[str, Context], bool]
Selection = tuple[tuple["Statement", ...], tuple["Statement", ...]]
"""The Deny and the Allow statements of a policy that cover an action."""

_PARTITIONS = ("arn:aws-us-gov:", "arn:aws-cn:")
_MOST_ACTIONS_KEPT = 512


class Effect(Enum):
    ALLOW = "Allow"
    DENY = "Deny"


def in_one_partition(resource: str) -> str:
    """A resource ARN with the partition that this store's own ARNs have."""
    for partition in _PARTITIONS:
        if resource.startswith(partition):
            return "arn:aws:" + resource[len(partition) :]
    return resource


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `actions` and `resources` are as written; `principals` is None in an identity policy; the
    `is_not_…` tell the Not- forms.
    """

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: PrincipalSet | None = None
    conditions: tuple[Condition, ...] = ()
    sid: str | None = None
    is_not_action: bool = False
    is_not_resource: bool = False
    is_not_principal: bool = False
    expands_variables: bool = True
    _covers: Matcher = field(init=False, repr=False, compare=False)
    _reaches: ResourceTest = field(init=False, repr=False, compare=False)
    _tests: tuple[Test, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises MalformedPolicy for a broken variable in a resource."""
        listed = compile_any(tokens_of(action.lower()) for action in self.actions)
        covers = (lambda action: not listed(action)) if self.is_not_action else listed
        object.__setattr__(self, "_covers", covers)
        object.__setattr__(self, "_reaches", self._compile_resources())
        object.__setattr__(self, "_tests", tuple(condition.holds for condition in self.conditions))

    def covers(self, action_lower: str) -> bool:
        """Whether Action or NotAction takes in the action, given in lower case."""
        return self._covers(action_lower)

    def matches(self, resource: str, context: Context) -> bool:
        """Whether Resource or NotResource takes in the ARN and all conditions hold; action and principal are asked
        for apart.
        """
        if not self._reaches(resource, context):
            return False
        for holds in self._tests:  # noqa: SIM110 - runs for each request, and a generator costs as much as most tests
            if not holds(context):
                return False
        return True

    def grant(self, principal: Principal) -> Grant:
        """How far an Allow of a bucket policy reaches one who asks."""
        if self.principals is None:
            return Grant.NONE
        return self.principals.grant_except(principal) if self.is_not_principal else self.principals.grant(principal)

    def denies(self, principal: Principal) -> bool:
        """Whether a Deny of a bucket policy speaks of one who asks; one without a principal speaks of all."""
        if self.principals is None:
            return True
        return self.principals.denies_except(principal) if self.is_not_principal else self.principals.denies(principal)

    def resource_templates(self) -> tuple[Template, ...]:
        """The resources, cut into text, wildcards and variables."""
        return tuple(
            parse_template(in_one_partition(resource), variables=self.expands_variables, wildcards=True)
            for resource in self.resources
        )

    def _compile_resources(self) -> ResourceTest:
        templates = self.resource_templates()
        static = compile_any(template.tokens() for template in templates if not template.has_variables)
        dynamic = tuple((_start(template), template) for template in templates if template.has_variables)
        if self.is_not_resource:
            return _outside(static, tuple(template for _, template in dynamic), self.effect is Effect.DENY)
        if not dynamic:
            return lambda resource, _context: static(resource)

        def reaches(resource: str, context: Context) -> bool:
            if static(resource):
                return True
            for start, template in dynamic:
                if resource.startswith(start):
                    tokens = template.resolve(context)
                    if tokens is not None and compile_tokens(tokens)(resource):
                        return True
            return False

        return reaches


def _start(template: Template) -> str:
    """The text before the first wildcard or variable: tells most other resources apart without resolving anything."""
    first = template.parts[0]
    return first if isinstance(first, str) else ""


def _outside(static: Matcher, dynamic: tuple[Template, ...], deny: bool) -> ResourceTest:
    def reaches(resource: str, context: Context) -> bool:
        if static(resource):
            return False
        for template in dynamic:
            tokens = template.resolve(context)
            if tokens is None:
                if not deny:
                    return False
            elif compile_tokens(tokens)(resource):
                return False
        return True

    return reaches


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy. Immutable; the statements that cover an action are looked up once for each action and kept."""

    version: str
    statements: tuple[Statement, ...]
    policy_id: str | None = None
    _selections: dict[str, Selection] = field(init=False, default_factory=dict, repr=False, compare=False)

    def select(self, action: str) -> Selection:
        """The Deny and the Allow statements that cover an action such as "s3:GetObject"."""
        found = self._selections.get(action)
        if found is None:
            if len(self._selections) >= _MOST_ACTIONS_KEPT:
                self._selections.clear()
            found = self._selections[action] = _select(self.statements, action.lower())
        return found


def _select(statements: Iterable[Statement], action_lower: str) -> Selection:
    covering = [statement for statement in statements if statement.covers(action_lower)]
    return (
        tuple(statement for statement in covering if statement.effect is Effect.DENY),
        tuple(statement for statement in covering if statement.effect is Effect.ALLOW),
    )


DENY_EVERYTHING = Policy(VERSION_2012, (Statement(effect=Effect.DENY, actions=("*",), resources=("*",)),))
"""What stands for a policy that cannot be read: it denies everything to everyone. As a bucket policy it leaves the
owner's root the way to mend it.
"""
