"""Each role at work, and as an attacker: on moto, behind a proxy that asks the template's policies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped, unused-ignore]
import pytest
from botocore.exceptions import ClientError

from tests.infra.applied import Stack
from tests.infra.enforced import Enforcing, enforcing
from tests.infra.rights import ADMINISTRATOR
from tests.infra.rows import ROWS
from tests.support import small
from tests.support.cloud import KEY, REGION, Cloud

ROLES = [who for who in ROWS if who != ADMINISTRATOR]
RAW = "stedi/customer/landing/known.json"
TRUSTED = "stedi/customer/trusted/data/a.parquet"
PUBLISHED = "stedi/step_trainer/curated/data/a.parquet"


class Account:
    """The account as one of its roles meets it."""

    def __init__(self, judge: Enforcing, stack: Stack, endpoint: str) -> None:
        self.judge, self.stack, self.endpoint = judge, stack, endpoint
        self.lake = stack.answers["LakeBucket"]
        self.results = stack.answers["ResultsBucket"]
        self.code = stack.answers["CodeBucket"]
        judge.callers |= {self.key(who): who for who in ROLES}

    def key(self, who: str) -> str:
        return KEY if who == ADMINISTRATOR else f"AKIA{who.replace('-', '').upper()}"

    def client(self, who: str, service: str = "s3") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.key(who),
            aws_secret_access_key="of anybody",
        )

    def stedi(self, who: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        keys = {"AWS_ACCESS_KEY_ID": self.key(who), "AWS_ENDPOINT_URL": self.endpoint}
        return subprocess.run(
            [sys.executable, "-m", "stedi", *words],
            env={**os.environ, **keys, **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="module")
def account(stack: Stack, cloud: Cloud) -> Iterator[Account]:
    with enforcing(stack) as (judge, endpoint):
        made = Account(judge, stack, endpoint)
        yield made


def lay_out(account: Account) -> None:
    """Objects that roles try to read, replace or copy."""
    s3 = account.stack.client("s3")
    for key in (RAW, TRUSTED, PUBLISHED):
        s3.put_object(Bucket=account.lake, Key=key, Body=b"{}\n")


def is_refused(attempt: Callable[[], Any]) -> bool:
    """Whether AWS refuses; any other failure is an error of the test."""
    try:
        attempt()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("AccessDenied", "AccessDeniedException", "403", "412", "PreconditionFailed")
        return code not in ("412", "PreconditionFailed")
    return False


@pytest.mark.slow
def test_each_role_has_the_rights_that_its_work_takes(
    account: Account, tmp_path: Path, not_anonymous: Path
) -> None:
    """Deliveries, a run, a second one that finds nothing to do, the page of each, an erasure."""
    small.land(tmp_path)
    given = account.stack.client("glue").get_job(JobName="stedi-step_trainer_trusted")["Job"]
    arguments = given["DefaultArguments"]
    root = ("--root", arguments["--root"])
    for source in ("customer", "accelerometer", "step_trainer"):
        who = f"ingest-{source.replace('_', '-')}"
        folder = str(tmp_path / source / "landing")
        for _ in range(2):  # the second time finds it there
            done = account.stedi(who, "ingest", *root, "--source", source, folder)
            assert done.returncode == 0, done.stderr
    environment = {
        "STEDI_SECRET": arguments["--secret"],
        "STEDI_KMS_KEY": arguments["--kms-key"],
        "STEDI_READERS": arguments["--readers"],
        "STEDI_DECLARATIONS": str(not_anonymous),
    }
    page = arguments["--page"]
    run = ("run", *root, "--database", arguments["--database"], "--page", page)
    for expected in ("machine_learning_curated", "up to date"):
        done = account.stedi("job", *run, **environment)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
    told = account.stedi("job", "status", *root, "--verify", "--json", **environment)
    tables = json.loads(told.stdout)["tables"]
    assert {name: tables[name]["rows"] for name in small.SEED} == small.SEED
    del environment["STEDI_READERS"]  # jobs grant columns, and do it again the next night
    done = account.stedi(
        "erasure", "erase", *root, "--yes", "--email", "ann@example.com", **environment
    )
    assert done.returncode == 0, done.stderr
    # Only the role that delivers tries to read what is there, and does without.
    assert [one for one in account.judge.refused if not one.startswith("ingest-")] == []
    bucket, key = page.removeprefix("s3://").split("/", 1)
    readers = ("steward", "analyst", "data-scientist")
    for who in readers:
        shown = account.client(who).get_object(Bucket=bucket, Key=key)
        assert "machine_learning_curated" in shown["Body"].read().decode()
        assert shown["SSEKMSKeyId"] == account.stack.answers["ResultsKey.Arn"]
    for who in {*ROWS} - {*readers, "job"}:
        assert is_refused(partial(account.client(who).get_object, Bucket=bucket, Key=key)), who


def attempts(account: Account, who: str) -> dict[str, Callable[[], Any]]:
    """What nobody but an administrator may, and most of it not even they."""
    s3, lake = account.client(who), account.lake
    glue, kms, iam = (account.client(who, one) for one in ("glue", "kms", "iam"))
    athena, states = account.client(who, "athena"), account.client(who, "stepfunctions")
    key = account.stack.answers["LakeKey"]
    job = "stedi-customer_landing_to_trusted"
    role = account.stack.answers["JobRole.Arn"]
    script = {"Name": "glueetl", "ScriptLocation": f"s3://{account.results}/research/mine.py"}
    return {
        "copy raw data into results": lambda: s3.copy_object(
            Bucket=account.results, Key="research/a", CopySource={"Bucket": lake, "Key": RAW}
        ),
        "copy raw data to where it is published": lambda: s3.copy_object(
            Bucket=lake, Key="stedi/step_trainer/curated/data/b", CopySource={"Bucket": lake, "Key": RAW}
        ),
        "grant the key": lambda: kms.create_grant(
            KeyId=key, GranteePrincipal=role, Operations=["Decrypt"]
        ),
        "decrypt without S3": lambda: kms.decrypt(KeyId=key, CiphertextBlob=b"x"),
        "replace a job's script": lambda: glue.update_job(
            JobName=job, JobUpdate={"Role": role, "Command": script}
        ),
        "start a job with code of one's own": lambda: glue.start_job_run(
            JobName=job, Arguments={"--extra-py-files": f"s3://{account.results}/research/mine.py"}
        ),
        "make a job with the jobs' role": lambda: glue.create_job(
            Name="mine", Role=role, Command=script
        ),
        "replace the jobs' code": lambda: s3.put_object(
            Bucket=account.code, Key="environment.tar.gz", Body=b"mine"
        ),
        "change the state machine": lambda: states.update_state_machine(
            stateMachineArn=account.stack.answers["Nightly"], definition="{}"
        ),
        "give oneself rights": lambda: iam.put_role_policy(
            RoleName="stedi-analyst", PolicyName="more", PolicyDocument="{}"
        ),
        "change who takes on a role": lambda: iam.update_assume_role_policy(
            RoleName="stedi-job", PolicyDocument="{}"
        ),
        "change the workgroup": lambda: athena.update_work_group(
            WorkGroup="stedi-research",
            ConfigurationUpdates={"EnforceWorkGroupConfiguration": False},
        ),
        "query in another workgroup": lambda: athena.start_query_execution(
            QueryString="SELECT 1", WorkGroup="primary"
        ),
        "open the bucket": lambda: s3.put_bucket_policy(Bucket=lake, Policy="{}"),
        "remove the bucket's policy": lambda: s3.delete_bucket_policy(Bucket=lake),
        "keep old versions": lambda: s3.put_bucket_versioning(
            Bucket=lake, VersioningConfiguration={"Status": "Enabled"}
        ),
        "stop the access logs": lambda: s3.put_bucket_logging(Bucket=lake, BucketLoggingStatus={}),
        "read the jobs' log": lambda: account.client(who, "logs").filter_log_events(
            logGroupName="/stedi/jobs/output"
        ),
        "silence an alarm": lambda: account.client(who, "cloudwatch").delete_alarms(
            AlarmNames=["stedi-Withheld"]
        ),
        "take on another role": lambda: account.client(who, "sts").assume_role(
            RoleArn=account.stack.answers["StewardRole.Arn"], RoleSessionName="mine"
        ),
        "open the secret": lambda: account.client(who, "secretsmanager").put_resource_policy(
            SecretId=account.stack.answers["Secret"], ResourcePolicy="{}"
        ),
    }  # fmt: skip


MAY = {
    "job": {"copy raw data to where it is published"},
    "erasure": {"copy raw data to where it is published"},
    "nightly-service": {"start a job with code of one's own"},
}
"""Jobs make what is published of raw data. Only Step Functions takes on the last role, and what it
does passes no arguments."""


@pytest.mark.slow
@pytest.mark.parametrize("who", [*ROLES])
def test_no_role_gets_around_its_row(who: str, account: Account) -> None:
    lay_out(account)
    tried = attempts(account, who)
    allowed = {name for name, attempt in tried.items() if not is_refused(attempt)}
    assert allowed == MAY.get(who, set())


def test_the_night_takes_nothing_from_the_person_who_starts_it(stack: Stack) -> None:
    """Its input is replaced at once, and a job is started with its name alone."""
    resources = {name: one["Properties"] for name, one in stack.resources.items()}
    definition = stack.resolved(resources["Nightly"]["Definition"])
    first = definition["States"][definition["StartAt"]]
    assert first["Type"] == "Pass" and {*first} == {"Type", "Result", "Next"}
    task = definition["States"]["InOrder"]["ItemProcessor"]["States"]["Run"]
    assert task["Parameters"] == {"JobName.$": "$.job"}


def test_results_go_where_the_workgroup_says(stack: Stack) -> None:
    for one in stack.client("athena").list_work_groups()["WorkGroups"]:
        if one["Name"] != "primary":
            asked = stack.client("athena").get_work_group(WorkGroup=one["Name"])
            assert asked["WorkGroup"]["Configuration"]["EnforceWorkGroupConfiguration"] is True


@pytest.mark.slow
@pytest.mark.parametrize("source", ["customer", "accelerometer", "step-trainer"])
def test_a_role_that_delivers_only_adds(source: str, account: Account) -> None:
    who = f"ingest-{source}"
    s3, folder = account.client(who), f"stedi/{source.replace('-', '_')}/landing"
    there = f"{folder}/there.json"
    account.stack.client("s3").put_object(Bucket=account.lake, Key=there, Body=b"{}\n")
    put = {"Bucket": account.lake, "Body": b"{}\n"}

    def in_parts(key: str, **condition: str) -> None:
        upload = s3.create_multipart_upload(Bucket=account.lake, Key=key)["UploadId"]
        where = {"Bucket": account.lake, "Key": key, "UploadId": upload}
        part = s3.upload_part(**where, PartNumber=1, Body=b"{}\n")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(**where, MultipartUpload=parts, **condition)

    s3.put_object(**put, Key=f"{folder}/new.json", IfNoneMatch="*")
    in_parts(f"{folder}/parts.json", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(**put, Key=there, IfNoneMatch="*")
    aside = "customer" if source == "accelerometer" else "accelerometer"
    attempts = {
        "replace": lambda: s3.put_object(**put, Key=there),
        "replace in parts": lambda: in_parts(there),
        "copy over it": lambda: s3.copy_object(
            Bucket=account.lake, Key=there, CopySource={"Bucket": account.lake, "Key": there}
        ),
        "delete": lambda: s3.delete_object(Bucket=account.lake, Key=there),
        "delete several": lambda: s3.delete_objects(Bucket=account.lake, Delete={"Objects": [{"Key": there}]}),
        "read": lambda: s3.get_object(Bucket=account.lake, Key=there),
        "head": lambda: s3.head_object(Bucket=account.lake, Key=there),
        "list versions": lambda: s3.list_object_versions(Bucket=account.lake, Prefix=f"{folder}/"),
        "list all": lambda: s3.list_objects_v2(Bucket=account.lake),
        "deliver for another": lambda: s3.put_object(**put, Key=f"stedi/{aside}/landing/a.json", IfNoneMatch="*"),
        "write a table": lambda: s3.put_object(**put, Key=TRUSTED, IfNoneMatch="*"),
        "other encryption": lambda: s3.put_object(**put, Key=f"{folder}/plain.json", IfNoneMatch="*",
                              ServerSideEncryption="AES256"),
        "other key": lambda: s3.put_object(**put, Key=f"{folder}/other.json", IfNoneMatch="*",
                              ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/mine"),
        "key of one's own": lambda: s3.put_object(**put, Key=f"{folder}/mine.json", IfNoneMatch="*",
                              SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32),
    }  # fmt: skip
    assert {name for name, attempt in attempts.items() if not is_refused(attempt)} == set()


@pytest.mark.slow
def test_administrators_see_no_data_as_long_as_they_change_no_policy(account: Account) -> None:
    lay_out(account)
    s3 = account.client(ADMINISTRATOR)
    for key in (RAW, TRUSTED, PUBLISHED):
        assert is_refused(partial(s3.get_object, Bucket=account.lake, Key=key))
    kms = account.client(ADMINISTRATOR, "kms")
    lake = account.stack.answers["LakeKey.Arn"]
    role = account.stack.answers["JobRole.Arn"]
    for attempt in (
        lambda: kms.create_grant(KeyId=lake, GranteePrincipal=role, Operations=["Decrypt"]),
        lambda: kms.decrypt(KeyId=lake, CiphertextBlob=b"x"),
    ):
        assert is_refused(attempt)
    glue = account.client(ADMINISTRATOR, "glue")  # docs/aws.md: CloudTrail shows who does
    assert not is_refused(lambda: glue.get_job(JobName="stedi-step_trainer_trusted"))
