"""A run is broken, and subscribers to the alerts hear of it: from what the job prints on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.settings import JOBS, LOGGED
from stedi import Lakehouse
from stedi.cli.glue import job
from stedi.simulate import simulate
from tests.infra.applied import Stack
from tests.infra.listening import counted, delivered, finds, ringing, told
from tests.infra.rights import template
from tests.support import small
from tests.support.cloud import REGION
from tests.support.glue import IN_ORDER

LOG = "/stedi/jobs/output"
TABLES = [JOBS[script] for script in IN_ORDER]
Printed = pytest.CaptureFixture[str]


def ended(table: str, root: Path, *options: str) -> int:
    """Run a job as Glue's script does; the status that it ends with."""
    try:
        job(table, ["--root", str(root), *options])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except ZeroDivisionError:
        return 1  # as Python ends
    return 0


def rung(stack: Stack, printed: str) -> set[str]:
    """Short names of the alarms that ring for what a job printed; each one reaches a listener."""
    alarms = ringing(stack, counted(stack, LOG, printed.splitlines()))
    for name, alarm in alarms.items():
        assert alarm["ActionsEnabled"]
        [topic] = alarm["AlarmActions"]
        assert delivered(stack, topic, alarm["AlarmDescription"]) == alarm["AlarmDescription"]
        assert LOGGED[name.removeprefix("stedi-")][1] == alarm["AlarmDescription"]
    return {name.removeprefix("stedi-") for name in alarms}


def passed_over(root: Path) -> None:
    (root / "customer" / "landing" / "withdrawn.json.tmp").write_text("{}\n")


def waits(root: Path) -> None:
    for path in (root / "accelerometer" / "landing").glob("*.json"):
        os.utime(path, (1_000_000_000, 1_000_000_000))


def without_names(root: Path) -> None:
    kept = [{k: v for k, v in one.items() if k != "email"} for one in small.CUSTOMERS * 20]
    small.write(root, "customer", kept, "bad.json")


def held(root: Path) -> None:
    waits(root)
    Lakehouse(root)._root.lock().__enter__()


BROKEN: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...], int, set[str]]] = {
    "nothing": (lambda _: None, "customer_trusted", (), 0, set()),
    "a file is passed over": (passed_over, "customer_trusted", (), 0, {"Remark"}),
    "a file waits": (waits, "customer_trusted", ("--max-age", "26h"), 0, {"Stale"}),
    "a source is set aside": (without_names, "customer_trusted", (), 1, {"RunFailed", "SetAside"}),
    "an input is missing": (lambda _: None, "accelerometer_trusted", (), 1, {"RunFailed"}),
    "an option is wrong": (lambda _: None, "customer_trusted", ("--wait", "x"), 2, {"RunFailed"}),
    "an option is misspelt": (lambda _: None, "customer_trusted", ("--wiat", "1"), 2, {"RunFailed"}),
    "another run has the lock, and files wait": (
        held, "customer_trusted", ("--max-age", "26h"), 1, {"RunFailed", "Stale"}
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("how", BROKEN)
def test_a_run_that_is_broken_is_heard_of(
    how: str, stack: Stack, tmp_path: Path, spark: None, capsys: Printed
) -> None:
    break_it, table, options, status, alarms = BROKEN[how]
    small.land(tmp_path)
    break_it(tmp_path)
    capsys.readouterr()
    assert ended(table, tmp_path, *options) == status
    assert rung(stack, capsys.readouterr().out) == alarms


@pytest.mark.slow
def test_a_fault_is_heard_of_and_quotes_nothing(
    stack: Stack, tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("ann@example.com")

    monkeypatch.setattr(Lakehouse, "run", fails)
    assert ended("customer_trusted", tmp_path) == 1
    printed = capsys.readouterr().out
    assert rung(stack, printed) == {"RunFailed"}
    assert "ann@example.com" not in printed


@pytest.mark.slow
def test_a_publication_withheld_is_heard_of(
    stack: Stack, tmp_path: Path, spark: None, capsys: Printed
) -> None:
    """Seven people are too few for the packaged contract."""
    small.land(tmp_path)
    for table in TABLES[:-1]:
        assert ended(table, tmp_path) == 0
    capsys.readouterr()
    assert ended(TABLES[-1], tmp_path) == 1
    assert rung(stack, capsys.readouterr().out) == {"RunFailed", "Withheld", "Remark"}


@pytest.mark.slow
def test_a_good_night_is_silent(stack: Stack, tmp_path: Path, spark: None, capsys: Printed) -> None:
    """Clean deliveries and a night without any: an alarm that rings every night is not heard."""
    simulate(tmp_path, customers=300)
    capsys.readouterr()
    for _ in range(2):
        for table in TABLES:
            assert ended(table, tmp_path, "--max-age", "26h") == 0
    assert rung(stack, capsys.readouterr().out) == set()


def of_job(name: str, state: str) -> dict[str, Any]:
    """As Glue tells it: https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html"""
    return {
        "version": "0",
        "id": "abcdef00-1234-5678-9abc-def012345678",
        "detail-type": "Glue Job State Change",
        "source": "aws.glue",
        "account": "123456789012",
        "time": "2026-11-30T02:10:00Z",
        "region": REGION,
        "resources": [],
        "detail": {
            "jobName": name,
            "severity": "ERROR",
            "state": state,
            "jobRunId": "jr_1",
            "message": 'SystemExit: stedi: column "user"\nof source customer',
        },
    }


def of_night(stack: Stack, status: str, machine: str = "") -> dict[str, Any]:
    """See https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html"""
    return {
        **of_job("", ""),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "detail": {
            "executionArn": "arn:aws:states:…",
            "stateMachineArn": machine or stack.answers["Nightly"],
            "name": "one",
            "status": status,
            "input": "{}",
            "output": None,
            "cause": None if status == "TIMED_OUT" else '{"JobRunState": "FAILED"}',
        },
    }


def test_jobs_and_nights_that_end_badly_are_told_with_the_reason(stack: Stack) -> None:
    topic = stack.answers["Alerts"]
    for script in IN_ORDER:
        for state in ("FAILED", "TIMEOUT", "STOPPED"):
            event = of_job(f"stedi-{script}", state)
            [(target, message)] = told(stack, event)
            assert target == topic
            heard = json.loads(delivered(stack, topic, message))
            why = event["detail"]["message"]
            assert heard == {"what": f"stedi-{script}", "how": state, "why": why}
    for status in ("FAILED", "TIMED_OUT", "ABORTED"):
        [(target, message)] = told(stack, of_night(stack, status))
        assert target == topic
        assert json.loads(message)["how"] == status


def test_what_ends_well_and_what_is_others_is_not_told(stack: Stack) -> None:
    assert told(stack, of_job("stedi-step_trainer_trusted", "SUCCEEDED")) == []
    assert told(stack, of_job("somebody-elses", "FAILED")) == []
    for status in ("RUNNING", "SUCCEEDED"):
        assert told(stack, of_night(stack, status)) == []
    assert told(stack, of_night(stack, "FAILED", "arn:aws:states:eu-west-1:1:x")) == []


def test_files_in_landing_start_the_night_and_no_others(stack: Stack) -> None:
    def arrives(key: str, bucket: str = stack.answers["LakeBucket"]) -> list[tuple[str, str]]:
        detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 1}}
        event = {**of_job("", ""), "detail-type": "Object Created", "source": "aws.s3"}
        return told(stack, {**event, "detail": detail})

    for source in ("customer", "accelerometer", "step_trainer"):
        [(target, message)] = arrives(f"stedi/{source}/landing/a.json")
        assert target == stack.answers["Arrivals.Arn"]
        assert message == '"files arrived"'
        assert arrives(f"stedi/{source}/trusted/a.parquet") == []
    assert arrives("stedi/_stedi/lock") == []
    assert arrives("stedi/customer/landing/a.json", "another") == []


def test_nobody_but_alarms_and_rules_may_publish_and_the_key_lets_them() -> None:
    """Without the key's leave, CloudWatch's messages to an encrypted topic are lost in silence."""
    resources = template()["Resources"]
    services = {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    allowed = [
        one
        for one in resources["AlertsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow"
    ]
    assert [{*one["Principal"]["Service"]} for one in allowed] == [services]
    key = resources["AlertsKey"]["Properties"]["KeyPolicy"]["Statement"]
    [used] = [one for one in key if "Service" in one["Principal"] and "Condition" not in one]
    assert services <= {*used["Principal"]["Service"]}
    assert {*used["Action"]} == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert resources["Alerts"]["Properties"]["KmsMasterKeyId"] == {"Fn::Sub": "${AlertsKey.Arn}"} or (
        resources["Alerts"]["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": ["AlertsKey", "Arn"]}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "line", "is_found"),
    [
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ('"run failed"', "the run failed", True),
        ('"run failed"', "failed run", False),
        ("run failed", "failed run", True),
        ("run -failed", "failed run", False),
        ("?one ?two", "two", True),
        ("?one ?two", "three", False),
        (r'"\"event\": \"remark\""', '{"event": "remark"}', True),
        (r'"\"event\": \"remark\""', json.dumps({"text": '"event": "remark"'}), False),
    ],
)
def test_filters_find_what_the_documentation_says(pattern: str, line: str, is_found: bool) -> None:
    assert finds(pattern, line) == is_found
