"""Whom what is logged or told wakes: filters, alarms and rules as they are in moto, topic included.

moto keeps metric filters and alarms, but counts no lines and changes no alarm's state. Here lines
are matched against the filters' patterns and counted, and an alarm rings as CloudWatch lets it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

from moto.events.models import EventPattern

from tests.infra.applied import Stack

_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|([\w]+))(?:\s+|$)')


def finds(pattern: str, line: str) -> bool:
    """Whether a filter for unstructured lines finds one: words and quoted phrases, as they stand.

    All terms have to be there, none of those behind `-`; of terms behind `?`, where there are no
    others, one. What is written in braces, brackets or percent signs is another language.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    terms, at = [], 0
    while at < len(pattern):
        match = _TERM.match(pattern, at)
        assert match, f"not understood: {pattern[at:]}"
        phrase = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        terms.append((match[1], phrase in line))
        at = match.end()
    needed = [found for sign, found in terms if sign == ""]
    optional = [found for sign, found in terms if sign == "?"]
    return (
        not any(found for sign, found in terms if sign == "-")
        and all(needed)
        and (bool(needed) or not optional or any(optional))
    )


def counted(stack: Stack, group: str, lines: Sequence[str]) -> dict[tuple[str, str], float]:
    """Sums of metrics by namespace and name, of lines in a log group."""
    sums: dict[tuple[str, str], float] = {}
    for one in stack.client("logs").describe_metric_filters(logGroupName=group)["metricFilters"]:
        for metric in one["metricTransformations"]:
            name = metric["metricNamespace"], metric["metricName"]
            found = sum(finds(one["filterPattern"], line) for line in lines)
            if found:
                sums[name] = sums.get(name, 0) + found * float(metric["metricValue"])
    return sums


def ringing(stack: Stack, sums: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """The alarms that ring for these sums of a period, by name; missing data is no sum."""
    compare = {"GreaterThanThreshold": float.__gt__, "LessThanThreshold": float.__lt__}
    found = {}
    for alarm in stack.client("cloudwatch").describe_alarms()["MetricAlarms"]:
        value = sums.get((alarm["Namespace"], alarm["MetricName"]))
        assert alarm["Statistic"] == "Sum"
        if value is None:
            continue
        assert alarm["EvaluationPeriods"] == 1 or alarm["TreatMissingData"] == "breaching"
        if compare[alarm["ComparisonOperator"]](float(value), alarm["Threshold"]):
            found[alarm["AlarmName"]] = alarm
    return found


def told(stack: Stack, event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Targets of an event that reaches a rule, each with what it is sent. moto decides which rules."""
    events = stack.client("events")
    sent = []
    for rule in events.list_rules()["Rules"]:
        if "EventPattern" not in rule:
            continue
        if EventPattern.load(rule["EventPattern"]).matches_event(cast(Any, event)):
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                sent.append((target["Arn"], _transformed(target, event)))
    return sent


def _transformed(target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """What a target is sent: variables in the place of values become JSON, by EventBridge."""
    if "Input" in target:
        return str(target["Input"])
    transformer = target["InputTransformer"]
    text = str(transformer["InputTemplate"])
    for name, path in transformer["InputPathsMap"].items():
        value: Any = event
        for part in path.removeprefix("$.").split("."):
            value = value[part]
        assert f'"<{name}>' not in text  # within a string, quotes of the value would end it
        text = text.replace(f"<{name}>", json.dumps(value))
    json.loads(text)
    return text


def delivered(stack: Stack, topic: str, message: str) -> str:
    """What a subscriber to a topic receives of a message."""
    sns, sqs = stack.client("sns"), stack.client("sqs")
    queue = sqs.create_queue(QueueName=f"listener-{uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    endpoint = arn["Attributes"]["QueueArn"]
    subscribed = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=endpoint, ReturnSubscriptionArn=True
    )
    sns.publish(TopicArn=topic, Message=message)
    [received] = sqs.receive_message(QueueUrl=queue)["Messages"]
    sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=queue)
    return str(json.loads(received["Body"])["Message"])
