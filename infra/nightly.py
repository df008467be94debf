"""The jobs in their order, every night and some minutes after files arrive."""

from __future__ import annotations

import json
from typing import Any

from aws_cdk.aws_events import CfnRule
from aws_cdk.aws_iam import CfnRole
from aws_cdk.aws_pipes import CfnPipe
from aws_cdk.aws_sqs import CfnQueue, CfnQueuePolicy
from aws_cdk.aws_stepfunctions import CfnStateMachine

from infra.deployment import Deployment, explain, filled, sub
from infra.places import PREFIX
from infra.policies import Policy, Statement, trusted
from infra.settings import JOBS, LOCKED


def add(d: Deployment) -> None:
    """Add the state machine, and what starts it."""
    machine = CfnStateMachine(
        d.stack,
        "Nightly",
        state_machine_name=f"{d.settings.name}-nightly",
        role_arn=_role(d, "Nightly", "states.amazonaws.com", _runs_jobs(d)),
        definition=filled(definition(d)),
    )
    reason = "Each job writes its log; executions keep their history for 90 days by themselves."
    explain(machine, ("SF1", reason), ("SF2", reason))
    _scheduled(d, machine)
    _on_arrival(d, machine)


def definition(d: Deployment) -> dict[str, Any]:
    """The state machine: one job after the other, each again while another run has the lock.

    Each job grants columns again as its last step.
    """
    one = {
        "StartAt": "Run",
        "States": {
            "Run": {
                "Type": "Task",
                "Resource": f"arn:{d.settings.partition}:states:::glue:startJobRun.sync",
                "Parameters": {"JobName.$": "$"},
                "ResultPath": None,
                "TimeoutSeconds": d.settings.timeout_minutes * 60 + 600,
                "Retry": [
                    {
                        "ErrorEquals": ["Glue.ConcurrentRunsExceededException"],
                        "IntervalSeconds": 120,
                        "BackoffRate": 1.5,
                        "MaxAttempts": 10,
                    }
                ],
                "Catch": [
                    {
                        "ErrorEquals": ["States.TaskFailed"],
                        "Next": "Why",
                        "ResultPath": "$.error",
                    }
                ],
                "End": True,
            },
        },
    }
    # A job's name is its whole input, so that a caught error needs an object around it.
    states: dict[str, Any] = one["States"]  # type: ignore[assignment]
    states["Run"]["Parameters"] = {"JobName.$": "$.job"}
    states["Why"] = {
        "Type": "Choice",
        "Choices": [
            {"Variable": "$.error.Cause", "StringMatches": f"*{LOCKED}*", "Next": "WaitForLock"},
        ],
        "Default": "Failed",
    }
    states["WaitForLock"] = {"Type": "Wait", "Seconds": 300, "Next": "Run"}
    states["Failed"] = {
        "Type": "Fail",
        "ErrorPath": "$.error.Error",
        "CausePath": "$.error.Cause",
    }
    return {
        "StartAt": "Jobs",
        "TimeoutSeconds": 6 * 3600,
        "States": {
            "Jobs": {
                "Type": "Pass",
                "Result": [{"job": d.names.job(script)} for script in JOBS],
                "Next": "InOrder",
            },
            "InOrder": {
                "Type": "Map",
                "MaxConcurrency": 1,
                "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **one},
                "End": True,
            },
        },
    }


def _runs_jobs(d: Deployment) -> Statement:
    return {
        "Sid": "RunJobs",
        "Effect": "Allow",
        "Action": ["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"],
        "Resource": [d.names.arn("glue", f"job/{d.names.job(script)}") for script in JOBS],
    }


def _starts(d: Deployment) -> Statement:
    machine = d.names.arn("states", f"stateMachine:{d.settings.name}-nightly")
    return {
        "Sid": "Start",
        "Effect": "Allow",
        "Action": ["states:StartExecution"],
        "Resource": [machine],
    }


def _scheduled(d: Deployment, machine: CfnStateMachine) -> None:
    role = _role(d, "Schedule", "events.amazonaws.com", _starts(d))
    CfnRule(
        d.stack,
        "EveryNight",
        name=f"{d.settings.name}-every-night",
        schedule_expression=d.settings.schedule,
        targets=[{"id": "nightly", "arn": machine.ref, "roleArn": role, "input": "{}"}],
    )


def _on_arrival(d: Deployment, machine: CfnStateMachine) -> None:
    """Gather what arrives: equal messages are one for five minutes, and each waits so long."""
    name = f"{d.settings.name}-arrivals.fifo"
    queue = CfnQueue(
        d.stack,
        "Arrivals",
        queue_name=name,
        fifo_queue=True,
        content_based_deduplication=True,
        delay_seconds=d.settings.gather_seconds,
        kms_master_key_id=sub("${AlertsKey.Arn}"),
        message_retention_period=86_400,
    )
    explain(
        queue,
        ("SQS3", "A message only says that files came; each night reads them anyway."),
    )
    rule = CfnRule(
        d.stack,
        "FilesArrive",
        name=f"{d.settings.name}-files-arrive",
        event_pattern=filled(
            {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": ["${LakeBucket}"]},
                    "object": {
                        "key": [
                            {"prefix": f"{PREFIX}/{folder}/"}
                            for folder in d.folders.landing.values()
                        ]
                    },
                },
            }
        ),
        targets=[
            {
                "id": "arrivals",
                "arn": queue.attr_arn,
                "input": json.dumps("files arrived"),
                "sqsParameters": {"messageGroupId": "arrivals"},
            }
        ],
    )
    CfnQueuePolicy(
        d.stack,
        "ArrivalsPolicy",
        queues=[queue.ref],
        policy_document={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:*",
                    "Resource": queue.attr_arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
                {
                    "Sid": "FilesArrive",
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue.attr_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
                },
            ],
        },
    )
    taken: Statement = {
        "Sid": "TakeMessages",
        "Effect": "Allow",
        "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "Resource": [d.names.arn("sqs", name)],
    }
    read: Statement = {
        "Sid": "ReadMessages",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": ["${AlertsKey.Arn}"],
    }
    role = _role(d, "Arrivals", "pipes.amazonaws.com", taken, read, _starts(d))
    CfnPipe(
        d.stack,
        "ArrivalsStartJobs",
        name=f"{d.settings.name}-arrivals",
        role_arn=role,
        source=queue.attr_arn,
        source_parameters={"sqsQueueParameters": {"batchSize": 1}},
        target=machine.ref,
        target_parameters={
            "inputTemplate": "{}",
            "stepFunctionStateMachineParameters": {"invocationType": "FIRE_AND_FORGET"},
        },
    )


def _role(d: Deployment, what: str, service: str, *statements: Statement) -> str:
    policy: Policy = {"Version": "2012-10-17", "Statement": [*statements]}
    role = CfnRole(
        d.stack,
        f"{what}ServiceRole",
        role_name=d.names.role_name(f"{what.lower()}-service"),
        assume_role_policy_document=filled(trusted(service, d.names)),
        policies=[{"policyName": what.lower(), "policyDocument": filled(policy)}],
    )
    return str(role.attr_arn)
