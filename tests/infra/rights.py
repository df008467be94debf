"""The roles and places of the committed template, and requests about them, for both deciders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.infra.applied import Stack
from tests.infra.iam import ACCOUNT, Policy, Request

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "infra" / "stedi.template.json"
REGION = "eu-west-1"
ADMINISTRATOR = "administrator"
KEYS = ("Lake", "Results", "Alerts")


def template() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(TEMPLATE.read_text())
    return made


@dataclass(frozen=True)
class Asked:
    """One request with all policies that decide it."""

    request: Request
    own: Sequence[Policy]
    of_resource: Policy | None


class Account:
    """The account as the template makes it: ARNs are those of a stack, or worked out."""

    def __init__(self, stack: Stack | None = None) -> None:
        self.resources: dict[str, Any] = stack.resources if stack else template()["Resources"]
        self._stack = stack or Stack(REGION)
        if stack is None:
            self._work_out()
        self._properties = {
            name: self._stack.resolved(resource["Properties"])
            for name, resource in self.resources.items()
        }

    def _work_out(self) -> None:
        names = self._stack.answers
        for name, resource in self.resources.items():
            names[name] = f"arn:of:{name}"
            names[f"{name}.Arn"] = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"
            if resource["Type"] == "AWS::IAM::Role":
                role = resource["Properties"]["RoleName"]
                names[f"{name}.Arn"] = f"arn:aws:iam::{ACCOUNT}:role/{role}"
            if resource["Type"] == "AWS::S3::Bucket":
                bucket = self._stack.resolved(resource["Properties"]["BucketName"])
                names[name], names[f"{name}.Arn"] = bucket, f"arn:aws:s3:::{bucket}"
        names["Secret"] = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:stedi/fingerprints-a1"

    def properties(self, name: str) -> Any:
        return self._properties[name]

    def of_type(self, kind: str) -> dict[str, Any]:
        """The properties of all resources of a type, by their names."""
        return {
            name: self._properties[name]
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    @cached_property
    def roles(self) -> Mapping[str, Sequence[Policy]]:
        """The policies of every role; and of an administrator, who may do everything."""
        everything = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
        managed = {
            self._stack.answers[name]: p["PolicyDocument"]
            for name, p in self.of_type("AWS::IAM::ManagedPolicy").items()
        }
        roles: dict[str, Sequence[Policy]] = {ADMINISTRATOR: [everything]}
        for p in self.of_type("AWS::IAM::Role").values():
            roles[self.short(p["RoleName"])] = [
                *(policy["PolicyDocument"] for policy in p["Policies"]),
                *(managed[arn] for arn in p.get("ManagedPolicyArns", ())),
            ]
        return roles

    @cached_property
    def prefix(self) -> str:
        """What the names of roles begin with."""
        return str(self.properties("JobRole")["RoleName"]).removesuffix("job")

    def short(self, role: str) -> str:
        """A role's name without what all begin with."""
        return role.removeprefix(self.prefix)

    def asked(self, who: str, action: str, resource: str, **context: str) -> Asked:
        """A request of a role."""
        keys = {key.replace("__", ":").replace("_", "-"): value for key, value in context.items()}
        return self.asks(who, action, resource, keys)

    def asks(
        self, who: str, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> Asked:
        """The same, with the context as IAM names it."""
        name = who if who == ADMINISTRATOR else f"{self.prefix}{who}"
        principal = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        request = Request(principal, action, resource, context or {})
        return Asked(request, self.roles[who], self._policy(resource))

    def _policy(self, resource: str) -> Policy | None:
        return next(
            (policy for arn, policy in self._policies.items() if resource.startswith(arn)), None
        )

    @cached_property
    def _policies(self) -> Mapping[str, Policy]:
        """The policies of resources, by what the ARNs of these begin with."""
        return {
            **{
                f"arn:aws:s3:::{p['Bucket']}": p["PolicyDocument"]
                for p in self.of_type("AWS::S3::BucketPolicy").values()
            },
            **{self.key(name): self.properties(f"{name}Key")["KeyPolicy"] for name in KEYS},
            self._stack.answers["Secret"]: self.properties("SecretPolicy")["ResourcePolicy"],
        }

    # What each verb takes: all of its requests have to be allowed.

    def to_read(self, who: str, bucket: str, key: str) -> list[Asked]:
        return [
            self.asked(who, "s3:GetObject", self._object(bucket, key)),
            *self.with_key(who, bucket, "kms:Decrypt"),
        ]

    def to_add(self, who: str, bucket: str, key: str) -> list[Asked]:
        """A new object, on the condition that there is none of that name."""
        return [
            self.asked(
                who,
                "s3:PutObject",
                self._object(bucket, key),
                s3__if_none_match="*",
                s3__ObjectCreationOperation="true",
            ),
            *self.with_key(who, bucket, "kms:GenerateDataKey"),
        ]

    def to_replace(self, who: str, bucket: str, key: str) -> list[Asked]:
        return [
            self.asked(
                who, "s3:PutObject", self._object(bucket, key), s3__ObjectCreationOperation="true"
            ),
            *self.with_key(who, bucket, "kms:GenerateDataKey"),
        ]

    def to_delete(self, who: str, bucket: str, key: str) -> list[Asked]:
        return [self.asked(who, "s3:DeleteObject", self._object(bucket, key))]

    def to_list(self, who: str, bucket: str, prefix: str) -> list[Asked]:
        arn = self._stack.answers[f"{bucket}Bucket.Arn"]
        return [self.asked(who, "s3:ListBucket", arn, s3__prefix=prefix)]

    def key(self, name: str) -> str:
        return str(self._stack.answers[f"{name}Key.Arn"])

    def _object(self, bucket: str, key: str) -> str:
        return f"{self._stack.answers[f'{bucket}Bucket.Arn']}/{key}"

    def with_key(self, who: str, bucket: str, action: str) -> list[Asked]:
        if f"{bucket}Key" not in self.resources:
            return []
        service = f"s3.{REGION}.amazonaws.com"
        return [self.asked(who, action, self.key(bucket), kms__ViaService=service)]
