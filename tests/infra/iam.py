"""Whether AWS would allow a request: what a role's policies, a resource's policy and a key's say.

For one account. A request is allowed where a policy of the principal or of the resource allows it
and none denies it; a KMS key's own policy has to allow it, too, and one that names the account
leaves the rest to the principal's policies.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from typing import Any

Policy = Mapping[str, Any]
Context = Mapping[str, str]
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Request:
    """What a principal (the ARN of a role) asks to do with a resource."""

    principal: str
    action: str
    resource: str
    context: Context = field(default_factory=dict)

    @property
    def values(self) -> Context:
        """The context with what IAM always adds."""
        return {
            "aws:PrincipalArn": self.principal,
            "aws:PrincipalAccount": ACCOUNT,
            "aws:SecureTransport": "true",
            **self.context,
        }


def is_allowed(request: Request, own: Sequence[Policy], of_resource: Policy | None) -> bool:
    """Whether a request is allowed, by the principal's policies and the resource's."""
    mine = [*effects(request, own, is_own=True)]
    its = [*effects(request, [of_resource] if of_resource else [], is_own=False)]
    if "Deny" in (*mine, *its):
        return False
    if request.action.startswith("kms:"):
        return "Allow" in mine and "Allow" in its
    return "Allow" in mine or "Allow" in its


def effects(request: Request, policies: Sequence[Policy], *, is_own: bool) -> Iterator[str]:
    """The effects of all statements that are about a request."""
    for policy in policies:
        for statement in policy["Statement"]:
            assert {*statement} <= {
                *("Sid", "Effect", "Action", "Resource", "Principal", "Condition")
            }
            if (
                any(matches(request.action.lower(), a.lower()) for a in many(statement["Action"]))
                and any(matches(request.resource, r) for r in many(statement["Resource"]))
                and (is_own or is_about(statement["Principal"], request.principal))
                and fulfils(statement.get("Condition", {}), request.values)
            ):
                yield statement["Effect"]


def is_about(principal: str | Mapping[str, Any], who: str) -> bool:
    """Whether a statement of a resource's policy is about somebody of this account."""
    if principal == "*":
        return True
    assert isinstance(principal, dict)
    named = many(principal.get("AWS", ()))
    return any(one in ("*", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", who) for one in named)


def fulfils(condition: Mapping[str, Mapping[str, Any]], values: Context) -> bool:
    """Whether every operator holds for every key."""
    return all(
        holds(operator, values.get(key), many(wanted))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def holds(operator: str, value: str | None, wanted: Sequence[Any]) -> bool:
    """One operator on one key; a key that is not there fulfils only what is negated."""
    if operator == "Null":
        return any(str(one).lower() == str(value is None).lower() for one in wanted)
    if operator.endswith("IfExists"):
        return value is None or holds(operator.removesuffix("IfExists"), value, wanted)
    if operator in ("StringNotEquals", "ArnNotEquals", "ArnNotLike", "StringNotLike"):
        return value is None or not holds(operator.replace("Not", ""), value, wanted)
    if value is None:
        return False
    if operator in ("StringEquals", "Bool"):
        return value in [str(one) for one in wanted]
    # Both operators for ARNs know wildcards.
    assert operator in ("StringLike", "ArnEquals", "ArnLike"), operator
    return any(matches(value, one) for one in wanted)


def many(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def matches(text: str, pattern: str) -> bool:
    return bool(_compiled(pattern).match(text))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))
