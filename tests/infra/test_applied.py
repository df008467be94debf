"""The whole template applied to moto, and `stedi run` on what it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.settings import LOCKED
from stedi import Lakehouse, Locked
from stedi.cli.glue import _VARIABLES
from tests.infra.applied import Stack
from tests.support import small
from tests.support.cloud import REGION


def arguments(stack: Stack) -> dict[str, str]:
    job = stack.client("glue").get_job(JobName="stedi-customer_landing_to_trusted")["Job"]
    found: dict[str, str] = job["DefaultArguments"]
    return found


def test_every_resource_was_made(stack: Stack) -> None:
    buckets = {one["Name"] for one in stack.client("s3").list_buckets()["Buckets"]}
    account = stack.account
    for what in ("lake", "code", "results", "logs"):
        assert f"stedi-{what}-{account}-{REGION}" in buckets
    assert len(stack.client("glue").get_jobs()["Jobs"]) == 5
    links = stack.client("glue").get_tables(DatabaseName="stedi_published")["TableList"]
    assert {link["Name"] for link in links} == {
        "machine_learning_curated",
        "machine_learning_synthetic",
    }
    for link in links:
        assert link["TargetTable"]["DatabaseName"] == "stedi"
    assert len(stack.client("athena").list_work_groups()["WorkGroups"]) == 1 + 4
    assert len(stack.client("lakeformation").list_resources()["ResourceInfoList"]) == 2


@pytest.mark.slow
def test_a_run_on_what_it_made_gives_the_right_counts(
    stack: Stack, tmp_path: Path, not_anonymous: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the arguments of the jobs, in this process; then columns are granted."""
    given = arguments(stack)
    for option, variable in _VARIABLES.items():
        monkeypatch.setenv(variable, given[f"--{option.replace('_', '-')}"])
    small.land(tmp_path)
    bucket = given["--root"].split("/")[2]
    # moto takes a Deny without its conditions; tests/infra/test_who_may.py decides with them.
    stack.client("s3").delete_bucket_policy(Bucket=bucket)

    def opened() -> Lakehouse:
        return Lakehouse(given["--root"], database=given["--database"], declarations=not_anonymous)

    opened().ingest(tmp_path)
    opened().run()
    status = opened().status(verify=True)
    assert status.problems == []
    assert {name: table.rows for name, table in status.tables.items() if name in small.SEED} == (
        small.SEED
    )
    for one in stack.client("s3").list_objects_v2(Bucket=bucket)["Contents"]:
        head = stack.client("s3").head_object(Bucket=bucket, Key=one["Key"])
        assert head["SSEKMSKeyId"] == given["--kms-key"], one["Key"]
    granted = stack.client("lakeformation").list_permissions()["PrincipalResourcePermissions"]
    columns = {
        one["Resource"]["TableWithColumns"]["Name"]: one["Resource"]["TableWithColumns"][
            "ColumnNames"
        ]
        for one in granted
        if one["Principal"]["DataLakePrincipalIdentifier"] == given["--readers"]
    }
    assert {*columns} == {"customer_curated", "machine_learning_curated"}
    assert not {"email", "customername", "phone", "serialnumber"} & {*columns["customer_curated"]}
    holding = opened()._root.lock()
    with holding, pytest.raises(Locked) as held:
        opened().run()
    assert LOCKED in str(held.value)  # what the state machine waits for


def test_a_night_that_does_not_end_well_rings(stack: Stack) -> None:
    alarms: dict[str, Any] = {
        one["AlarmName"]: one
        for one in stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    late = alarms["stedi-NoRun"]
    assert late["TreatMissingData"] == "breaching"
    assert late["Period"] * late["EvaluationPeriods"] == 26 * 3600 <= 7 * 86_400
    topic = late["AlarmActions"]
    assert all(one["AlarmActions"] == topic for one in alarms.values())
