"""Roles: one for the jobs, one for each kind of person, one by which Lake Formation reads."""

from __future__ import annotations

from aws_cdk.aws_iam import CfnManagedPolicy, CfnRole

from infra.deployment import Deployment, explain_wildcards, filled, sub
from infra.policies import ANALYST, JOB

_FILES = "Objects in folders that the declarations name: their keys can't be known before."
_LAKE_FORMATION = "Lake Formation's and CloudWatch's actions here take no resource."


def add(d: Deployment) -> None:
    """Add the roles."""
    CfnManagedPolicy(
        d.stack,
        "Queries",
        managed_policy_name=d.names.role_name("queries"),
        policy_document=filled(d.rights.queries()),
    )
    for who, policy in d.rights.people.items():
        name = "".join(word.capitalize() for word in who.split("-"))
        role = CfnRole(
            d.stack,
            f"{name}Role",
            role_name=d.names.role_name(who),
            assume_role_policy_document=filled(d.rights.trust(who)),
            policies=[{"policyName": who, "policyDocument": filled(policy)}],
            managed_policy_arns=[sub("${Queries}")] if who in d.rights.workgroups else None,
        )
        reason = f"{_FILES} {_LAKE_FORMATION}" if who in (JOB, ANALYST) else _FILES
        explain_wildcards(role, policy, reason)
