"""What rings: one topic, alarms on what jobs log and on the nightly run, and a dashboard."""

from __future__ import annotations

import json
from typing import Any

from aws_cdk.aws_cloudwatch import CfnAlarm, CfnDashboard
from aws_cdk.aws_events import CfnRule
from aws_cdk.aws_logs import CfnMetricFilter
from aws_cdk.aws_sns import CfnTopic, CfnTopicPolicy

from infra.deployment import Deployment, filled, sub
from infra.settings import JOBS, LOGGED

_OVER = ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")


def add(d: Deployment) -> None:
    """Add topic, alarms and dashboard."""
    topic = _topic(d)
    _ended(d, topic)
    for name, (event, what) in LOGGED.items():
        _logged(d, topic, name, event, what)
    _alarm(
        d,
        topic,
        "NoRun",
        f"No run has ended well for {d.settings.late_hours} hours.",
        **_executions("ExecutionsSucceeded"),
        is_less=True,
        hours=d.settings.late_hours,
    )
    _dashboard(d)


def _topic(d: Deployment) -> CfnTopic:
    topic = CfnTopic(
        d.stack,
        "Alerts",
        topic_name=f"{d.settings.name}-alerts",
        kms_master_key_id=sub("${AlertsKey.Arn}"),
    )
    services = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    CfnTopicPolicy(
        d.stack,
        "AlertsPolicy",
        topics=[topic.ref],
        policy_document={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AlarmsAndEvents",
                    "Effect": "Allow",
                    "Principal": {"Service": services},
                    "Action": "sns:Publish",
                    "Resource": topic.ref,
                },
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sns:Publish",
                    "Resource": topic.ref,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ],
        },
    )
    return topic


def _ended(d: Deployment, topic: CfnTopic) -> None:
    """Report each job, and each night, that failed, took too long or was stopped."""
    jobs = {
        "jobName": [d.names.job(script) for script in JOBS],
        "state": ["FAILED", "TIMEOUT", "STOPPED", "ERROR"],
    }
    runs = {"stateMachineArn": ["${Nightly}"], "status": ["FAILED", "TIMED_OUT", "ABORTED"]}
    for name, source, kind, detail, shown in (
        ("JobEnded", "aws.glue", "Glue Job State Change", jobs, ("jobName", "state", "message")),
        (
            "NightEnded",
            "aws.states",
            "Step Functions Execution Status Change",
            runs,
            ("stateMachineArn", "status", "cause"),
        ),
    ):
        what, how, why = shown
        paths = {"what": what, "how": how, "why": why}
        CfnRule(
            d.stack,
            name,
            event_pattern=filled({"source": [source], "detail-type": [kind], "detail": detail}),
            targets=[
                {
                    "id": "alerts",
                    "arn": topic.ref,
                    "inputTransformer": {
                        "inputPathsMap": {k: f"$.detail.{path}" for k, path in paths.items()},
                        # As values, which EventBridge quotes: a message may have quotes.
                        "inputTemplate": '{"what":<what>,"how":<how>,"why":<why>}',
                    },
                }
            ],
        )


def _logged(d: Deployment, topic: CfnTopic, name: str, event: str, what: str) -> None:
    namespace = d.settings.name
    CfnMetricFilter(
        d.stack,
        f"{name}Count",
        log_group_name=sub("${OutputLog}"),
        filter_pattern=f'"\\"event\\": \\"{event}\\""',
        metric_transformations=[
            {"metricName": name, "metricNamespace": namespace, "metricValue": "1"}
        ],
    )
    _alarm(d, topic, name, what, namespace=namespace, metric_name=name)


def _executions(metric: str) -> dict[str, Any]:
    dimension = {"name": "StateMachineArn", "value": sub("${Nightly}")}
    return {"namespace": "AWS/States", "metric_name": metric, "dimensions": [dimension]}


def _alarm(
    d: Deployment,
    topic: CfnTopic,
    name: str,
    what: str,
    *,
    is_less: bool = False,
    hours: int = 1,
    **metric: Any,
) -> None:
    CfnAlarm(
        d.stack,
        f"{name}Alarm",
        alarm_name=f"{d.settings.name}-{name}",
        alarm_description=what,
        alarm_actions=[topic.ref],
        comparison_operator="LessThanThreshold" if is_less else "GreaterThanThreshold",
        evaluation_periods=hours,
        period=3600 if is_less else 300,
        statistic="Sum",
        threshold=1 if is_less else 0,
        treat_missing_data="breaching" if is_less else "notBreaching",
        **metric,
    )


def _dashboard(d: Deployment) -> None:
    region, name = "${AWS::Region}", d.settings.name
    logged = [[name, metric] for metric in LOGGED]
    ends = ("ExecutionsSucceeded", *_OVER)
    runs = [["AWS/States", ends[0], "StateMachineArn", "${Nightly}"]]
    runs += [[".", metric, ".", "."] for metric in ends[1:]]  # as the line above has it
    charts = {"Runs": runs, "What jobs logged": logged}
    widgets = [
        {
            "type": "metric",
            "width": 12,
            "properties": {
                "title": title,
                "region": region,
                "stat": "Sum",
                "period": 3600,
                "metrics": metrics,
            },
        }
        for title, metrics in charts.items()
    ]
    body = json.dumps({"widgets": widgets}, separators=(",", ":"))
    CfnDashboard(d.stack, "Dashboard", dashboard_name=name, dashboard_body=sub(body))
