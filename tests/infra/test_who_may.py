"""Who may what in the account that the template makes: everybody's whole row.

The rows are written by hand. What each role, bucket, key and secret says is taken from the
committed template, and `tests/infra/iam.py` decides; by `make test-all` iam-simulate decides, too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.places import Folders, in_docs
from infra.policies import Rights
from infra.settings import PROD
from stedi.declared import packaged, read_declarations
from tests.infra.iam import ACCOUNT, Request, is_allowed
from tests.infra.rights import ADMINISTRATOR, REGION, Account, Asked
from tests.infra.rows import LANDING, ROWS, TABLES, VERBS, WORKGROUPS


@pytest.fixture(scope="module")
def account() -> Account:
    return Account()


def objects() -> Iterator[tuple[str, str, str]]:
    """Every place with objects: what it is called, the bucket, and a key in it."""
    for place in (*LANDING, *TABLES):
        for name in ("a.json",) if place in LANDING else ("data/a.parquet", "metadata/v1.json"):
            yield place, "Lake", f"stedi/{place}/{name}"
    for workgroup in WORKGROUPS:
        yield f"results of {workgroup}", "Results", f"{workgroup}/q.csv"
    yield "page", "Results", "page/lakehouse.html"
    yield "code", "Code", "environment.tar.gz"
    yield "logs", "Logs", "lake/2026-11-30"


def questions(account: Account, who: str) -> Iterator[tuple[str, str, list[Asked]]]:
    """All content of a row: place, verb and the requests that it takes."""
    for place, bucket, key in objects():
        for verb in VERBS:
            yield place, verb, getattr(account, f"to_{verb}")(who, bucket, key)
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:stedi/fingerprints-a1"
    yield "secret", "read", [account.asked(who, "secretsmanager:GetSecretValue", secret)]
    for key in ("Lake", "Results"):
        plain = [account.asked(who, "kms:Decrypt", account.key(key))]
        yield f"{key} key without S3", "read", plain
    for bucket, what in (("Lake", "the lake's key"), ("Results", "the results' key")):
        yield f"{what}, through S3", "use", account.with_key(who, bucket, "kms:Decrypt")
    job = f"arn:aws:glue:{REGION}:{ACCOUNT}:job/stedi-customer_landing_to_trusted"
    yield "jobs", "start", [account.asked(who, "glue:StartJobRun", job)]
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:stedi-nightly"
    yield "nightly", "start", [account.asked(who, "states:StartExecution", machine)]


def decided(asked: list[Asked]) -> bool:
    return all(is_allowed(one.request, one.own, one.of_resource) for one in asked)


@pytest.mark.parametrize("who", ROWS)
def test_each_role_may_what_its_row_lists_and_nothing_else(who: str, account: Account) -> None:
    found: dict[str, set[str]] = {}
    answers: dict[tuple[str, str], set[bool]] = {}
    for place, verb, asked in questions(account, who):
        answers.setdefault((place, verb), set()).add(decided(asked))
    for (place, verb), told in answers.items():
        assert len(told) == 1, f"{who} may {verb} only some of {place}"
        if told == {True}:
            found.setdefault(place, set()).add(verb)
    assert found == {place: {*verbs.split()} for place, verbs in ROWS[who].items()}


def test_every_role_of_the_template_has_a_row(account: Account) -> None:
    assert {*ROWS} == {*account.roles}


def test_every_folder_of_the_declarations_has_a_column() -> None:
    declarations = read_declarations(packaged())
    folders = {*declarations.locations.values(), *(f"{s}/landing" for s in declarations.sources)}
    asked = {*LANDING, *TABLES, "_stedi/suspended"}  # which lies where `loads` does
    assert folders <= asked


@pytest.mark.parametrize("who", ROWS)
def test_names_of_objects_are_listed_by_those_who_read_or_deliver_them(
    who: str, account: Account
) -> None:
    found = {
        place
        for place in (*LANDING, *TABLES)
        if decided(account.to_list(who, "Lake", f"stedi/{place}/"))
    }
    row = {place for place in ROWS[who] if place in (*LANDING, *TABLES)}
    assert found == (row if who != ADMINISTRATOR else {*LANDING, *TABLES})


def test_a_listing_without_a_prefix_is_for_jobs_and_erasure(account: Account) -> None:
    """S3 says that an object is not there to those only, and Spark can't write where it is refused."""
    arn = account.properties("LakeBucketPolicy")["Bucket"]
    listed = [account.asked(who, "s3:ListBucket", f"arn:aws:s3:::{arn}") for who in ROWS]
    may = [who for who, one in zip(ROWS, listed, strict=True) if decided([one])]
    assert may == ["job", "erasure", ADMINISTRATOR]


@pytest.mark.parametrize(
    ("who", "tables"),
    [
        ("steward", {"customer_trusted", "accelerometer_trusted", "step_trainer_trusted"}
         | {"customer_curated", "machine_learning_curated", "machine_learning_synthetic"}),
        ("analyst", {"customer_curated", "machine_learning_curated"}),
        ("data-scientist", {"machine_learning_curated"}),
        ("synthetic-reader", {"machine_learning_synthetic"}),
        ("ingest-customer", set()),
        ("lake-formation", set()),
    ],
)  # fmt: skip
def test_tables_are_found_by_those_who_query_them(
    who: str, tables: set[str], account: Account
) -> None:
    every = [*read_declarations(packaged()).schemas, "customer_typed", "machine_learning_synthetic"]
    for action in ("glue:GetTable", "glue:UpdateTable", "glue:DeleteTable", "glue:CreateTable"):
        found = set()
        for table in every:
            arns = [
                f"arn:aws:glue:{REGION}:{ACCOUNT}:{what}"
                for what in ("catalog", "database/stedi", f"table/stedi/{table}")
            ]
            if decided([account.asked(who, action, arn) for arn in arns]):
                found.add(table)
        assert found == (tables if action == "glue:GetTable" else set())


def test_each_reader_queries_in_a_workgroup_of_their_own(account: Account) -> None:
    of = dict(
        zip(["steward", "analyst", "data-scientist", "synthetic-reader"], WORKGROUPS, strict=True)
    )
    for who in [who for who in ROWS if who != ADMINISTRATOR]:
        for workgroup in [*WORKGROUPS, "primary"]:
            name = workgroup if workgroup == "primary" else f"stedi-{workgroup}"
            arn = f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{name}"
            may = decided([account.asked(who, "athena:StartQueryExecution", arn)])
            assert may == (of.get(who) == workgroup)


def test_nothing_is_read_or_written_without_tls(account: Account) -> None:
    for who in ROWS:
        for _, bucket, key in objects():
            arn = f"arn:aws:s3:::{account.properties(f'{bucket}Bucket')['BucketName']}/{key}"
            for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
                assert not decided([account.asked(who, action, arn, aws__SecureTransport="false")])


@pytest.mark.parametrize(
    "header",
    [
        {"s3:x-amz-server-side-encryption": "AES256"},
        {
            "s3:x-amz-server-side-encryption": "aws:kms",
            "s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-west-1:1:key/x",
        },
    ],
)
def test_nobody_writes_into_the_lake_with_another_key(
    header: dict[str, str], account: Account
) -> None:
    for who in ("job", "erasure"):
        own = {
            "s3:x-amz-server-side-encryption": "aws:kms",
            "s3:x-amz-server-side-encryption-aws-kms-key-id": account.key("Lake"),
        }
        for headers, may in ((header, False), (own, True), ({}, True)):
            one = account.to_replace(who, "Lake", "stedi/customer/trusted/data/a.parquet")[0]
            request = type(one.request)(
                one.request.principal, one.request.action, one.request.resource,
                {**one.request.context, **headers},
            )  # fmt: skip
            assert is_allowed(request, one.own, one.of_resource) == may


def test_parts_of_a_large_delivery_need_no_condition_and_its_end_does(account: Account) -> None:
    """Neither CreateMultipartUpload nor UploadPart takes If-None-Match."""
    key = account.properties("LakeBucket")["BucketName"]
    arn = f"arn:aws:s3:::{key}/stedi/customer/landing/a.json"
    for creating, may in (("false", True), ("true", False)):
        asked = account.asked(
            "ingest-customer", "s3:PutObject", arn, s3__ObjectCreationOperation=creating
        )
        assert decided([asked]) == may


def test_services_take_on_their_roles_for_this_account_only(account: Account) -> None:
    services = {}
    for role in account.of_type("AWS::IAM::Role").values():
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Action"] == "sts:AssumeRole"
        if service := statement["Principal"].get("Service"):
            services[role["RoleName"]] = service
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        else:
            assert statement["Principal"] == {"AWS": ACCOUNT}
    assert services == {
        "stedi-job": "glue.amazonaws.com",
        "stedi-lake-formation": "lakeformation.amazonaws.com",
        "stedi-nightly-service": "states.amazonaws.com",
        "stedi-schedule-service": "events.amazonaws.com",
        "stedi-arrivals-service": "pipes.amazonaws.com",
    }


@pytest.mark.slow
def test_iam_simulate_decides_the_same(account: Account, tmp_path: Path) -> None:
    """An implementation by others, from npm: `@cloud-copilot/iam-simulate`."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    package = "@cloud-copilot/iam-simulate@0.1.173"
    subprocess.run(
        ["npm", "install", "--silent", "--prefix", tmp_path, package], check=True, timeout=300
    )
    asked = [one for who in ROWS for _, _, some in questions(account, who) for one in some]
    assert len(asked) > 1500
    simulations = [
        {
            "request": {
                "principal": one.request.principal,
                "action": one.request.action,
                "resource": {"resource": one.request.resource, "accountId": ACCOUNT},
                "contextVariables": dict(one.request.values),
            },
            "identityPolicies": [
                {"name": str(n), "policy": policy} for n, policy in enumerate(one.own)
            ],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
            **({"resourcePolicy": one.of_resource} if one.of_resource else {}),
        }
        for one in asked
    ]
    (tmp_path / "asked.json").write_text(json.dumps(simulations))
    (tmp_path / "decide.mjs").write_text(
        """
        import { readFileSync } from "node:fs";
        import { runSimulation } from "@cloud-copilot/iam-simulate";
        const told = [];
        for (const one of JSON.parse(readFileSync("asked.json", "utf8"))) {
          const found = await runSimulation(one, {});
          told.push(found.resultType === "error" ? found.errors : found.overallResult);
        }
        console.log(JSON.stringify(told));
        """
    )
    done = subprocess.run(
        ["node", "decide.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    ours = [is_allowed(one.request, one.own, one.of_resource) for one in asked]
    differ = [
        (one.request, its)
        for one, our, its in zip(asked, ours, told, strict=True)
        if (its == "Allowed") != our
    ]
    assert differ == []
    assert {str(one) for one in told} <= {"Allowed", "ExplicitlyDenied", "ImplicitlyDenied"}


@pytest.mark.parametrize("rewrites", [False, True])
def test_jobs_cut_records_out_of_raw_files_where_that_is_set(rewrites: bool) -> None:
    settings = replace(PROD, jobs_rewrite_raw=rewrites)
    rights = Rights(in_docs(settings), Folders.of(read_declarations(packaged())))
    text = json.dumps([rights.job(), rights.lake_bucket()]).replace("YOUR-ACCOUNT", ACCOUNT)
    own, bucket = json.loads(text)
    for place in LANDING:
        for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"):
            request = Request(
                f"arn:aws:iam::{ACCOUNT}:role/stedi-job",
                action,
                f"arn:aws:s3:::YOUR-LAKE/stedi/{place}/a.json",
                {"s3:ObjectCreationOperation": "true"},
            )
            assert is_allowed(request, [own], bucket) == rewrites
