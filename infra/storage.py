"""Four buckets and their keys, and the secret: people's data lies in one of them."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnResource, RemovalPolicy
from aws_cdk.aws_kms import CfnKey
from aws_cdk.aws_s3 import CfnBucket, CfnBucketPolicy
from aws_cdk.aws_secretsmanager import CfnResourcePolicy, CfnSecret

from infra.deployment import Deployment, explain, filled, sub
from infra.places import PREFIX

_TLS = "The policy denies it, but names the bucket by its name, which cdk-nag doesn't resolve."


def add(d: Deployment) -> None:
    """Add buckets, keys and the secret."""
    _keys(d)
    _logs(d)
    _lake(d)
    _results(d)
    _code(d)
    _secret(d)


def _keys(d: Deployment) -> None:
    policies = {
        "Lake": d.rights.lake_key(),
        "Results": d.rights.results_key(),
        "Alerts": d.rights.alerts_key(),
    }
    for name, policy in policies.items():
        key = CfnKey(
            d.stack,
            f"{name}Key",
            description=f"{d.settings.name}: {name.lower()}",
            enable_key_rotation=True,
            key_policy=filled(policy),
        )
        _keep(key, keeps=d.settings.keeps_data and name == "Lake")


def _lake(d: Deployment) -> None:
    rules: list[Any] = [
        {
            # A net: versioning is off, and where somebody turns it on, what people's withdrawal
            # or erasure removed is not kept as an old version.
            "id": "old-versions-go",
            "status": "Enabled",
            "prefix": f"{PREFIX}/",
            "noncurrentVersionExpiration": {"noncurrentDays": 1},
            "expiredObjectDeleteMarker": True,
            "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
        }
    ]
    bucket = _bucket(
        d,
        "Lake",
        d.names.lake,
        key="LakeKey",
        lifecycle_configuration={"rules": rules},
        notification_configuration={
            "eventBridgeConfiguration": {"eventBridgeEnabled": True},
        },
    )
    _keep(bucket, keeps=d.settings.keeps_data)
    policy = _policy(d, "Lake", d.rights.lake_bucket())
    _keep(policy, keeps=d.settings.keeps_data)  # a bucket that stays stays closed


def _results(d: Deployment) -> None:
    rule = {
        "id": "results-go",
        "status": "Enabled",
        "expirationInDays": d.settings.result_days,
        "noncurrentVersionExpiration": {"noncurrentDays": 1},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
    }
    _bucket(
        d, "Results", d.names.results, key="ResultsKey", lifecycle_configuration={"rules": [rule]}
    )
    _policy(d, "Results", d.rights.results_bucket())


def _code(d: Deployment) -> None:
    _bucket(d, "Code", d.names.code, versioning_configuration={"status": "Enabled"})
    _policy(d, "Code", d.rights.code_bucket())


def _logs(d: Deployment) -> None:
    rule = {"id": "logs-go", "status": "Enabled", "expirationInDays": d.settings.log_days}
    bucket = _bucket(d, "Logs", d.names.logs, lifecycle_configuration={"rules": [rule]})
    explain(bucket, ("S1", "It has the access logs of the others; its own would never end."))
    names = d.names
    _policy(d, "Logs", d.rights.logs_bucket([names.lake, names.results, names.code]))


def _bucket(d: Deployment, what: str, name: str, key: str | None = None, **more: Any) -> CfnBucket:
    default: Any = {"sseAlgorithm": "AES256"}
    if key:
        default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": sub(f"${{{key}.Arn}}")}
    encryption = {"serverSideEncryptionByDefault": default}
    if key:
        encryption["bucketKeyEnabled"] = True
    if what != "Logs":
        more["logging_configuration"] = {
            "destinationBucketName": _found(d, "LogsBucket").ref,
            "logFilePrefix": f"{what.lower()}/",
        }
    bucket = CfnBucket(
        d.stack,
        f"{what}Bucket",
        bucket_name=sub(name),
        bucket_encryption={"serverSideEncryptionConfiguration": [encryption]},
        public_access_block_configuration={
            "blockPublicAcls": True,
            "ignorePublicAcls": True,
            "blockPublicPolicy": True,
            "restrictPublicBuckets": True,
        },
        **more,
    )
    explain(bucket, ("S10", _TLS))
    if what != "Logs":  # S3 tries to write there as soon as it is named
        bucket.add_resource_dependency(_found(d, "LogsBucketPolicy"))
    return bucket


def _policy(d: Deployment, what: str, policy: dict[str, Any]) -> CfnBucketPolicy:
    made = CfnBucketPolicy(
        d.stack,
        f"{what}BucketPolicy",
        bucket=_found(d, f"{what}Bucket").ref,
        policy_document=filled(policy),
    )
    explain(made, ("S10", _TLS))
    return made


def _secret(d: Deployment) -> None:
    secret = CfnSecret(
        d.stack,
        "Secret",
        name=f"{d.settings.name}/fingerprints",
        description="Key of the fingerprints; without it nobody can tell who was erased.",
        generate_secret_string={"passwordLength": 64, "excludePunctuation": True},
    )
    explain(
        secret,
        (
            "SMG4",
            "Another secret makes runs read everything again and forget who was erased.",
        ),
    )
    _keep(secret, keeps=d.settings.keeps_data)
    CfnResourcePolicy(
        d.stack,
        "SecretPolicy",
        secret_id=secret.ref,
        resource_policy=filled(d.rights.secret()),
    )


def _found(d: Deployment, name: str) -> CfnResource:
    found = d.stack.node.find_child(name)
    assert isinstance(found, CfnResource)
    return found


def _keep(resource: CfnResource, *, keeps: bool) -> None:
    """Leave it behind when the stack is deleted or the resource replaced."""
    if keeps:
        resource.apply_removal_policy(RemovalPolicy.RETAIN)
