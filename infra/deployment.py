"""What every module of the template is given, and how names become CloudFormation's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Fn, Stack, Validations

from infra.places import Folders, Names
from infra.policies import Policy, Rights
from infra.settings import Settings


@dataclass(frozen=True)
class Deployment:
    """One stack, and what it is made from."""

    stack: Stack
    settings: Settings
    names: Names
    folders: Folders
    rights: Rights


def sub(text: str) -> str:
    """A text in which CloudFormation fills in `${…}`."""
    return Fn.sub(text) if "${" in text else text


def filled(tree: Any) -> Any:
    """The same of all texts in a tree of lists and dictionaries."""
    if isinstance(tree, dict):
        return {key: filled(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [filled(value) for value in tree]
    if not isinstance(tree, str) or "${" not in tree:
        return tree
    whole = re.fullmatch(r"\$\{([\w:]+)\}", tree)
    return {"Ref": whole[1]} if whole else {"Fn::Sub": tree}


def explain(resource: CfnResource, *reasons: tuple[str, str]) -> None:
    """Why findings of cdk-nag are meant to be so: the id of each, and the reason."""
    for rule, reason in reasons:
        Validations.of(resource).acknowledge(
            Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason)
        )


def explain_wildcards(role: CfnResource, policy: Policy, reason: str) -> None:
    """Why a role's policy has resources with a star, each of them by itself."""
    found = [r for statement in policy["Statement"] for r in statement["Resource"] if "*" in r]
    shown = (re.sub(r"\$\{([\w:.]+)\}", r"<\1>", resource) for resource in dict.fromkeys(found))
    explain(role, *((f"IAM5[Resource::{resource}]", reason) for resource in shown))
