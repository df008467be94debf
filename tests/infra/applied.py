"""The template applied to moto, whose CloudFormation lacks most of its types: a call a resource.

`Ref`, `Fn::GetAtt` and `Fn::Sub` are resolved as the resources before them answered; what refers to
something comes after it, and a circle is an error, as in CloudFormation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3  # type: ignore[import-untyped, unused-ignore]

Tree = Any
_REFERENCE = re.compile(r"\$\{([\w:.]+)\}")


@dataclass
class Stack:
    """What was made: the answers to `Ref` and `Fn::GetAtt` of each resource, by its name."""

    region: str
    endpoint: str | None = None
    account: str = "123456789012"
    answers: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Tree] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answers |= {"AWS::Region": self.region, "AWS::AccountId": self.account}

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region, endpoint_url=self.endpoint)

    def apply(self, template: Mapping[str, Tree]) -> None:
        """Make every resource, each after those that it refers to."""
        self.resources = dict(template["Resources"])
        waiting = dict(self.resources)
        while waiting:
            ready = [
                name
                for name, resource in waiting.items()
                if not ({*referred(resource), *resource.get("DependsOn", ())} & {*waiting})
            ]
            assert ready, f"a circle among {sorted(waiting)}"
            for name in ready:
                resource = waiting.pop(name)
                make = _MAKERS[resource["Type"]]
                made = make(self, self.resolved(resource["Properties"]))
                self.answers |= {
                    name if key == "Ref" else f"{name}.{key}": made[key] for key in made
                }

    def resolved(self, tree: Tree) -> Tree:
        """A tree with its references replaced."""
        match tree:
            case {"Ref": name}:
                return self.answers[name]
            case {"Fn::GetAtt": [name, attribute]}:
                return self.answers[f"{name}.{attribute}"]
            case {"Fn::Sub": str(text)}:
                return _REFERENCE.sub(lambda found: self.answers[found[1]], text)
            case dict():
                return {key: self.resolved(value) for key, value in tree.items()}
            case list():
                return [self.resolved(value) for value in tree]
        return tree


def referred(tree: Tree) -> Iterator[str]:
    """The resources that a tree refers to."""
    match tree:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from (found.split(".")[0] for found in _REFERENCE.findall(text))
        case dict():
            for value in tree.values():
                yield from referred(value)
        case list():
            for value in tree:
                yield from referred(value)


Made = dict[str, str]
Maker = Callable[[Stack, Tree], Made]
_MAKERS: dict[str, Maker] = {}


def makes(kind: str) -> Callable[[Maker], Maker]:
    def note(maker: Maker) -> Maker:
        _MAKERS[kind] = maker
        return maker

    return note


def lower(tree: Tree) -> Tree:
    """Keys as services have them that begin in lower case."""
    if isinstance(tree, list):
        return [lower(value) for value in tree]
    if isinstance(tree, dict):
        return {key[0].lower() + key[1:]: lower(value) for key, value in tree.items()}
    return tree


@makes("AWS::S3::Bucket")
def _bucket(stack: Stack, p: Tree) -> Made:
    s3, name = stack.client("s3"), p["BucketName"]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": stack.region})
    s3.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration=p["PublicAccessBlockConfiguration"]
    )
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
        }
        for rule in p["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if "VersioningConfiguration" in p:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=p["VersioningConfiguration"])
    if "LifecycleConfiguration" in p:
        s3.put_bucket_lifecycle_configuration(
            Bucket=name,
            LifecycleConfiguration={"Rules": [*map(_rule, p["LifecycleConfiguration"]["Rules"])]},
        )
    if "LoggingConfiguration" in p:
        logged = p["LoggingConfiguration"]
        target = {
            "TargetBucket": logged["DestinationBucketName"],
            "TargetPrefix": logged["LogFilePrefix"],
        }
        s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={"LoggingEnabled": target})
    if p.get("NotificationConfiguration"):
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    return {"Ref": name, "Arn": f"arn:aws:s3:::{name}"}


def _rule(rule: Tree) -> Tree:
    expiration = {"Days": rule.get("ExpirationInDays")}
    if rule.get("ExpiredObjectDeleteMarker"):
        expiration = {"ExpiredObjectDeleteMarker": True}
    kept = {
        "ID": rule["Id"],
        "Status": rule["Status"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
        "Expiration": expiration,
    }
    for key in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if key in rule:
            kept[key] = rule[key]
    return kept


@makes("AWS::S3::BucketPolicy")
def _bucket_policy(stack: Stack, p: Tree) -> Made:
    # The same to AWS; moto looks for the log's writer within objects alone.
    policy = json.dumps(p["PolicyDocument"]).replace(
        '"Principal": "*"', '"Principal": {"AWS": "*"}'
    )
    stack.client("s3").put_bucket_policy(Bucket=p["Bucket"], Policy=policy)
    return {}


@makes("AWS::KMS::Key")
def _key(stack: Stack, p: Tree) -> Made:
    kms = stack.client("kms")
    made = kms.create_key(Policy=json.dumps(p["KeyPolicy"]), Description=p["Description"])
    key = made["KeyMetadata"]
    if p["EnableKeyRotation"]:
        kms.enable_key_rotation(KeyId=key["KeyId"])
    return {"Ref": key["KeyId"], "Arn": key["Arn"]}


@makes("AWS::SecretsManager::Secret")
def _secret(stack: Stack, p: Tree) -> Made:
    secrets = stack.client("secretsmanager")
    made = secrets.get_random_password(**p["GenerateSecretString"])["RandomPassword"]
    arn = secrets.create_secret(Name=p["Name"], Description=p["Description"], SecretString=made)[
        "ARN"
    ]
    return {"Ref": arn}


@makes("AWS::SecretsManager::ResourcePolicy")
def _secret_policy(stack: Stack, p: Tree) -> Made:
    stack.client("secretsmanager").put_resource_policy(
        SecretId=p["SecretId"], ResourcePolicy=json.dumps(p["ResourcePolicy"])
    )
    return {}


@makes("AWS::IAM::ManagedPolicy")
def _managed(stack: Stack, p: Tree) -> Made:
    made = stack.client("iam").create_policy(
        PolicyName=p["ManagedPolicyName"], PolicyDocument=json.dumps(p["PolicyDocument"])
    )
    return {"Ref": made["Policy"]["Arn"]}


@makes("AWS::IAM::Role")
def _role(stack: Stack, p: Tree) -> Made:
    iam = stack.client("iam")
    trust = json.dumps(p["AssumeRolePolicyDocument"])
    arn = iam.create_role(RoleName=p["RoleName"], AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    for policy in p["Policies"]:
        iam.put_role_policy(
            RoleName=p["RoleName"],
            PolicyName=policy["PolicyName"],
            PolicyDocument=json.dumps(policy["PolicyDocument"]),
        )
    for managed in p.get("ManagedPolicyArns", ()):
        iam.attach_role_policy(RoleName=p["RoleName"], PolicyArn=managed)
    return {"Ref": p["RoleName"], "Arn": arn}


@makes("AWS::Glue::Database")
def _database(stack: Stack, p: Tree) -> Made:
    stack.client("glue").create_database(DatabaseInput=p["DatabaseInput"])
    return {"Ref": p["DatabaseInput"]["Name"]}


@makes("AWS::Glue::Table")
def _table(stack: Stack, p: Tree) -> Made:
    stack.client("glue").create_table(DatabaseName=p["DatabaseName"], TableInput=p["TableInput"])
    return {"Ref": p["TableInput"]["Name"]}


@makes("AWS::Glue::Job")
def _job(stack: Stack, p: Tree) -> Made:
    return {"Ref": stack.client("glue").create_job(**p)["Name"]}


@makes("AWS::Athena::WorkGroup")
def _workgroup(stack: Stack, p: Tree) -> Made:
    configuration = {**p["WorkGroupConfiguration"]}
    configuration["PublishCloudWatchMetricsEnabled"] = configuration.pop(
        "PublishCloudWatchMetricsEnabled"
    )
    stack.client("athena").create_work_group(Name=p["Name"], Configuration=configuration)
    return {"Ref": p["Name"]}


@makes("AWS::LakeFormation::Resource")
def _registered(stack: Stack, p: Tree) -> Made:
    stack.client("lakeformation").register_resource(
        ResourceArn=p["ResourceArn"],
        RoleArn=p["RoleArn"],
        HybridAccessEnabled=p["HybridAccessEnabled"],
    )
    return {"Ref": p["ResourceArn"]}


@makes("AWS::Logs::LogGroup")
def _log_group(stack: Stack, p: Tree) -> Made:
    logs, name = stack.client("logs"), p["LogGroupName"]
    logs.create_log_group(logGroupName=name, kmsKeyId=p["KmsKeyId"])
    logs.put_retention_policy(logGroupName=name, retentionInDays=p["RetentionInDays"])
    return {"Ref": name}


@makes("AWS::Logs::MetricFilter")
def _metric_filter(stack: Stack, p: Tree) -> Made:
    metrics = lower(p["MetricTransformations"])
    name = metrics[0]["metricName"]
    stack.client("logs").put_metric_filter(
        logGroupName=p["LogGroupName"],
        filterName=name,
        filterPattern=p["FilterPattern"],
        metricTransformations=metrics,
    )
    return {"Ref": name}


@makes("AWS::SNS::Topic")
def _topic(stack: Stack, p: Tree) -> Made:
    attributes = {"KmsMasterKeyId": p["KmsMasterKeyId"]}
    made = stack.client("sns").create_topic(Name=p["TopicName"], Attributes=attributes)
    return {"Ref": made["TopicArn"]}


@makes("AWS::SNS::TopicPolicy")
def _topic_policy(stack: Stack, p: Tree) -> Made:
    for topic in p["Topics"]:
        stack.client("sns").set_topic_attributes(
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue=json.dumps(p["PolicyDocument"]),
        )
    return {}


@makes("AWS::CloudWatch::Alarm")
def _alarm(stack: Stack, p: Tree) -> Made:
    stack.client("cloudwatch").put_metric_alarm(**p)
    return {"Ref": p["AlarmName"]}


@makes("AWS::CloudWatch::Dashboard")
def _dashboard(stack: Stack, p: Tree) -> Made:
    stack.client("cloudwatch").put_dashboard(**p)
    return {"Ref": p["DashboardName"]}


@makes("AWS::SQS::Queue")
def _queue(stack: Stack, p: Tree) -> Made:
    name = p["QueueName"]
    attributes = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in p.items()
        if key != "QueueName"
    }
    made = stack.client("sqs").create_queue(QueueName=name, Attributes=attributes)
    return {"Ref": made["QueueUrl"], "Arn": f"arn:aws:sqs:{stack.region}:{stack.account}:{name}"}


@makes("AWS::SQS::QueuePolicy")
def _queue_policy(stack: Stack, p: Tree) -> Made:
    for queue in p["Queues"]:
        stack.client("sqs").set_queue_attributes(
            QueueUrl=queue, Attributes={"Policy": json.dumps(p["PolicyDocument"])}
        )
    return {}


@makes("AWS::Events::Rule")
def _events(stack: Stack, p: Tree) -> Made:
    events, name = stack.client("events"), p.get("Name") or f"rule-{len(stack.answers)}"
    asked = {"Name": name}
    if "EventPattern" in p:
        asked["EventPattern"] = json.dumps(p["EventPattern"])
    if "ScheduleExpression" in p:
        asked["ScheduleExpression"] = p["ScheduleExpression"]
    arn = events.put_rule(**asked)["RuleArn"]
    failed = events.put_targets(Rule=name, Targets=p["Targets"])["FailedEntryCount"]
    assert failed == 0
    return {"Ref": name, "Arn": arn}


@makes("AWS::StepFunctions::StateMachine")
def _machine(stack: Stack, p: Tree) -> Made:
    made = stack.client("stepfunctions").create_state_machine(
        name=p["StateMachineName"], definition=json.dumps(p["Definition"]), roleArn=p["RoleArn"]
    )
    return {"Ref": made["stateMachineArn"], "Arn": made["stateMachineArn"]}


@makes("AWS::Pipes::Pipe")
def _pipe(stack: Stack, p: Tree) -> Made:
    return {"Ref": stack.client("pipes").create_pipe(**p)["Name"]}
