"""The policies give the rights that docs/aws.md says they give, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from stedi.declared import packaged, read_declarations
from stedi.declared.athena import typed_name

FOLDER = Path(__file__).parents[2] / "docs" / "aws"
DECLARED = read_declarations(packaged())
BUCKET = "arn:aws:s3:::YOUR-BUCKET"
GLUE = "arn:aws:glue:YOUR-REGION:YOUR-ACCOUNT"
WORKGROUP = "arn:aws:athena:YOUR-REGION:YOUR-ACCOUNT:workgroup"
NAMES = ["glue-job", "analyst", "data-scientist", "synthetic-reader", "ingest", "erasure"]

LANDING = [f"{contract.source}/landing" for contract in DECLARED.landing]
TYPED = [contract.location for contract in DECLARED.landing]
DERIVED = {name: DECLARED.contracts[name].location for name in DECLARED.transforms}
SYNTHETIC = {private.table: private.location for _, private in DECLARED.private}
QUERIED = DERIVED | SYNTHETIC
EVERYWHERE = [*LANDING, *TYPED, *QUERIED.values(), "_stedi", "_stedi/quarantine", "_stedi/loads"]


def policy(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def is_allowed(name: str, action: str, resource: str, prefix: str | None = None) -> bool:
    """What IAM would say, for policies that only allow, and conditions on a listing's prefix."""
    return any(
        action in statement["Action"]
        and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        and fulfils(statement.get("Condition"), prefix)
        for statement in policy(name)["Statement"]
    )


def fulfils(condition: dict[str, Any] | None, prefix: str | None) -> bool:
    if condition is None:
        return True
    [(operator, values)] = condition.items()
    assert operator in ("StringLike", "StringLikeIfExists")
    if prefix is None:
        return operator == "StringLikeIfExists"
    [patterns] = values.values()
    return any(fnmatchcase(prefix, pattern) for pattern in patterns)


def can(name: str, action: str, place: str) -> bool:
    """Whether an action is allowed on an object in a folder below the root."""
    return is_allowed(name, action, f"{BUCKET}/stedi/{place}/data/part-0.parquet")


def can_list(name: str, prefix: str) -> bool:
    return is_allowed(name, "s3:ListBucket", BUCKET, prefix)


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in NAMES:
        for statement in policy(name)["Statement"]:
            yield name, statement


def test_every_file_is_a_policy_that_is_tested_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {*NAMES, "glue-job-trust", "lifecycle"}


@pytest.mark.parametrize(
    ("name", "statement"), statements(), ids=lambda one: one if isinstance(one, str) else one["Sid"]
)
def test_a_statement_allows_named_actions_on_named_resources(
    name: str, statement: dict[str, Any]
) -> None:
    assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert statement["Effect"] == "Allow"
    for action in statement["Action"]:
        assert re.fullmatch(r"(s3|glue|athena|logs):[A-Z][A-Za-z]+", action)
    below = r"(stedi/[a-z_]+(/[a-z_]+)?|stedi-code|stedi-results/[a-z-]+)/\*"
    allowed = [
        rf"{BUCKET}(/{below})?",
        rf"{GLUE}:(catalog|database/(stedi|default)|table/stedi/(\*|[a-z_]+))",
        rf"{WORKGROUP}/stedi(-research|-synthetic)?",
        WORKGROUP.replace("workgroup", "datacatalog/AwsDataCatalog"),
        r"arn:aws:logs:YOUR-REGION:YOUR-ACCOUNT:log-group:/aws-glue/\*",
    ]
    for resource in statement["Resource"]:
        assert any(re.fullmatch(pattern, resource) for pattern in allowed), resource
    if {"s3:ListBucket", "s3:ListBucketVersions"} & set(statement["Action"]):
        [values] = statement["Condition"].values()
        assert values["s3:prefix"]


def test_a_listing_is_always_of_a_prefix() -> None:
    for name, prefix in product(NAMES, ("", "other", "stedi-other/", "stedix")):
        assert not is_allowed(name, "s3:ListBucket", BUCKET, prefix)
        assert not is_allowed(name, "s3:ListBucketVersions", BUCKET, prefix)


@pytest.mark.parametrize("place", [*TYPED, *QUERIED.values(), "_stedi"])
def test_the_job_keeps_tables_and_takes_away_their_old_versions(place: str) -> None:
    for action in ("GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion"):
        assert can("glue-job", f"s3:{action}", place)
    assert can_list("glue-job", f"stedi/{place}/data/")
    assert is_allowed("glue-job", "s3:ListBucketVersions", BUCKET, f"stedi/{place}/data/")
    assert is_allowed("glue-job", "s3:GetBucketVersioning", BUCKET)


@pytest.mark.parametrize("place", LANDING)
def test_the_job_only_reads_the_landing_zone(place: str) -> None:
    assert can("glue-job", "s3:GetObject", place)
    assert can_list("glue-job", f"stedi/{place}/")
    for action in ("PutObject", "DeleteObject", "DeleteObjectVersion"):
        assert not can("glue-job", f"s3:{action}", place)


@pytest.mark.parametrize("place", EVERYWHERE)
def test_who_erases_takes_away_all_that_is_kept_of_a_person(place: str) -> None:
    for action in ("GetObjectVersion", "DeleteObjectVersion", "AbortMultipartUpload"):
        assert can("erasure", f"s3:{action}", place)
    for action in ("GetObject", "PutObject", "DeleteObject"):
        assert can("erasure", f"s3:{action}", place) == (place in LANDING)
    assert is_allowed("erasure", "s3:ListBucketMultipartUploads", BUCKET)
    both = [one for name in ("glue-job", "erasure") for one in policy(name)["Statement"]]
    assert {"s3:ListBucket", "s3:ListBucketVersions"} <= {a for one in both for a in one["Action"]}


def test_the_job_reads_its_code_and_nobody_changes_it() -> None:
    wheel = f"{BUCKET}/stedi-code/stedi-1-py3-none-any.whl"
    assert is_allowed("glue-job", "s3:GetObject", wheel)
    for name, action in product(NAMES, ("PutObject", "DeleteObject")):
        assert not is_allowed(name, f"s3:{action}", wheel)


def test_the_job_keeps_the_database_and_no_other() -> None:
    actions = [
        f"{verb}{what}" for verb in ("Get", "Create", "Update") for what in ("Database", "Table")
    ]
    tables = [
        *DECLARED.contracts,
        *(typed_name(one.name) for one in DECLARED.landing),
        "quarantine",
        *SYNTHETIC,
    ]
    for action, table in product([*actions, "GetTables", "DeleteTable"], tables):
        assert is_allowed("glue-job", f"glue:{action}", f"{GLUE}:table/stedi/{table}")
        assert not is_allowed("glue-job", f"glue:{action}", f"{GLUE}:table/other/{table}")
    assert is_allowed("glue-job", "glue:UpdateDatabase", f"{GLUE}:database/stedi")
    assert not is_allowed("glue-job", "glue:GetDatabase", f"{GLUE}:database/other")


@pytest.mark.parametrize(
    ("name", "tables", "workgroup"),
    [
        ("analyst", set(DERIVED), "stedi"),
        ("data-scientist", {"machine_learning_curated"}, "stedi-research"),
        ("synthetic-reader", {"machine_learning_synthetic"}, "stedi-synthetic"),
    ],
)
def test_who_queries_reads_their_tables_and_nothing_else(
    name: str, tables: set[str], workgroup: str
) -> None:
    places = {QUERIED[table] for table in tables}
    for place in EVERYWHERE:
        assert can(name, "s3:GetObject", place) == (place in places)
        assert can_list(name, f"stedi/{place}/") == (place in places)
        for action in ("PutObject", "DeleteObject", "DeleteObjectVersion"):
            assert not can(name, f"s3:{action}", place)
    for table in [
        *DECLARED.contracts,
        *(typed_name(one.name) for one in DECLARED.landing),
        "quarantine",
        "loads",
        *SYNTHETIC,
    ]:
        assert is_allowed(name, "glue:GetTable", f"{GLUE}:table/stedi/{table}") == (table in tables)
    for other in ("stedi", "stedi-research", "stedi-synthetic", "primary"):
        mine = other == workgroup
        result = f"{BUCKET}/stedi-results/{other}/q.csv"
        assert is_allowed(name, "athena:StartQueryExecution", f"{WORKGROUP}/{other}") == mine
        assert is_allowed(name, "s3:GetObject", result) == mine
        assert is_allowed(name, "s3:PutObject", result) == mine
    for action in ("CreateTable", "UpdateTable", "DeleteTable", "CreateDatabase"):
        assert not is_allowed(name, f"glue:{action}", f"{GLUE}:table/stedi/customer_trusted")


def test_who_queries_can_do_all_that_a_query_on_athena_does() -> None:
    for name, workgroup in (
        ("analyst", "stedi"),
        ("data-scientist", "stedi-research"),
        ("synthetic-reader", "stedi-synthetic"),
    ):
        for action in ("Start", "Stop", "Get"):
            assert is_allowed(name, f"athena:{action}QueryExecution", f"{WORKGROUP}/{workgroup}")
        assert is_allowed(name, "athena:GetQueryResults", f"{WORKGROUP}/{workgroup}")
        assert is_allowed(name, "s3:GetBucketLocation", BUCKET)
        assert is_allowed(name, "glue:GetDatabase", f"{GLUE}:database/stedi")
        assert is_allowed(name, "glue:GetDatabase", f"{GLUE}:catalog")


def test_who_delivers_writes_the_landing_zone_and_sees_no_table() -> None:
    for place in EVERYWHERE:
        assert can("ingest", "s3:PutObject", place) == (place in LANDING)
        assert can("ingest", "s3:GetObject", place) == (place in LANDING)
        assert not can("ingest", "s3:DeleteObject", place)


def test_glue_of_this_account_alone_takes_on_the_role() -> None:
    [statement] = policy("glue-job-trust")["Statement"]
    assert statement["Principal"] == {"Service": "glue.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "YOUR-ACCOUNT"}}


def test_old_versions_and_results_go_after_a_day() -> None:
    rules = {rule["Filter"]["Prefix"]: rule for rule in policy("lifecycle")["Rules"]}
    assert set(rules) == {"stedi/", "stedi-results/"}
    for rule in rules.values():
        assert rule["Status"] == "Enabled"
        assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert rules["stedi-results/"]["Expiration"] == {"Days": 1}
    assert "Days" not in rules["stedi/"]["Expiration"]


def test_iam_and_s3_take_the_files_as_they_are() -> None:
    """As far as moto checks them, which it does by IAM's grammar."""
    import boto3
    from moto import mock_aws

    with mock_aws():
        iam = boto3.client("iam", "us-east-1")
        for name in NAMES:
            text = (FOLDER / f"{name}.json").read_text()
            iam.create_policy(PolicyName=name, PolicyDocument=text)
            assert len("".join(text.split())) < 6_144  # the most that IAM takes
        trust = (FOLDER / "glue-job-trust.json").read_text()
        iam.create_role(RoleName="stedi-glue-job", AssumeRolePolicyDocument=trust)
        s3 = boto3.client("s3", "us-east-1")
        s3.create_bucket(Bucket="any")
        s3.put_bucket_lifecycle_configuration(
            Bucket="any", LifecycleConfiguration=policy("lifecycle")
        )
        assert len(s3.get_bucket_lifecycle_configuration(Bucket="any")["Rules"]) == 2


def test_only_jobs_are_told_that_an_object_is_not_there() -> None:
    """S3 says so to who may list without a prefix; Spark can't write where it is refused."""
    told = [name for name in NAMES if is_allowed(name, "s3:ListBucket", BUCKET)]
    assert told == ["glue-job"]
    assert not is_allowed("glue-job", "s3:ListBucketVersions", BUCKET)
