"""Roles: one for the jobs, one for each kind of person, one by which Lake Formation reads."""

from __future__ import annotations

from aws_cdk.aws_iam import CfnManagedPolicy, CfnRole

from infra.deployment import Deployment, explain_wildcards, filled, sub
from infra.policies import ANALYST, ERASURE, JOB

_FILES = "Objects in folders that the declarations name: their keys can't be known before."
_TABLES = "Tables of the one database, those that contracts declare later among them."
_LAKE_FORMATION = "Lake Formation's and CloudWatch's actions here take no resource."


def add(d: Deployment) -> None:
    """Add the roles."""
    for name, policy in (("queries", d.rights.queries()), ("runs", d.rights.runs())):
        managed = CfnManagedPolicy(
            d.stack,
            name.capitalize(),
            managed_policy_name=d.names.role_name(name),
            policy_document=filled(policy),
        )
        explain_wildcards(managed, policy, _TABLES)
    for who, policy in d.rights.people.items():
        name = "".join(word.capitalize() for word in who.split("-"))
        role = CfnRole(
            d.stack,
            f"{name}Role",
            role_name=d.names.role_name(who),
            assume_role_policy_document=filled(d.rights.trust(who)),
            policies=[{"policyName": who, "policyDocument": filled(policy)}],
            managed_policy_arns=_managed(d, who),
        )
        reason = f"{_FILES} {_LAKE_FORMATION}" if who in (JOB, ANALYST) else _FILES
        explain_wildcards(role, policy, reason)


def _managed(d: Deployment, who: str) -> list[str] | None:
    if who in (JOB, ERASURE):
        return [sub("${Runs}")]
    return [sub("${Queries}")] if who in d.rights.workgroups else None
