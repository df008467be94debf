"""Spark reads and writes a lakehouse on S3 through Hadoop's S3A, fetched through Maven."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.declared import packaged, read_declarations
from tests.conftest import counts, rows
from tests.roots.s3.conftest import MakeOnS3, Opened
from tests.support import small
from tests.support.cloud import Cloud
from tests.support.faults import Faults, Kind
from tests.support.processes import STEDI
from tests.support.starter import SEED
from tests.support.trino import from_maven

pytestmark = pytest.mark.slow
HADOOP_AWS = "org.apache.hadoop:hadoop-aws:3.4.2"
AWS_SDK = "software.amazon.awssdk:bundle:2.29.52"


def run_on_spark(
    root: str, database: str, declarations: Path | None
) -> subprocess.CompletedProcess[str]:
    jars = ",".join(str(from_maven(artifact)) for artifact in (HADOOP_AWS, AWS_SDK))
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": f"--jars {jars} pyspark-shell"}
    if declarations:
        environment["STEDI_DECLARATIONS"] = str(declarations)
    command = [str(STEDI), "--root", root]
    return subprocess.run(
        [*command, "--database", database, "run", "--engine", "spark", "--master", "local[2]"],
        env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def test_the_starter_data_on_spark(cloud: Cloud, on_s3: MakeOnS3, starter: Path) -> None:
    one = on_s3("starter_on_spark", None)
    one.lakehouse.ingest(starter)
    assert run_on_spark(one.uri, one.database, None).returncode == 0
    assert counts(Lakehouse(one.uri, database=one.database)) == SEED
    assert Lakehouse(one.uri, database=one.database).status(verify=True).ok
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=cloud.bucket)
    keys = [found["Key"] for page in pages for found in page["Contents"]]
    assert not [key for key in keys if "scratch" in key or "_temporary" in key]


def test_engines_take_turns_on_s3(
    on_s3: MakeOnS3, small_lakehouse: Lakehouse, not_anonymous: Path
) -> None:
    one = on_s3("taking_turns", not_anonymous)
    one.lakehouse.ingest(small_lakehouse.root)
    assert run_on_spark(one.uri, one.database, not_anonymous).returncode == 0
    small_lakehouse.run()
    again = Lakehouse(one.uri, database=one.database, declarations=not_anonymous)
    assert again.run().built == ()
    assert counts(again) == small.SEED
    contracts = read_declarations(packaged()).contracts
    for table in small.SEED:
        names = [c.name for c in contracts[table].columns if c.name != "arrived"]  # when it came
        query = f"SELECT {', '.join(names)} FROM {table}"
        assert sorted(rows(again, query), key=repr) == sorted(
            rows(small_lakehouse, query), key=repr
        )


@pytest.mark.parametrize("kind", ["slow down", "error", "cut request", "cut response"])
def test_spark_through_bad_connections(
    landed: Opened, aws: Faults, bucket: str, database: str, not_anonymous: Path, kind: Kind
) -> None:
    """What Hadoop itself reads and writes fails again and again, and is asked for again.

    Hadoop does not go on behind an answer that was cut: then the run may stop, and the next one
    does what is missing.
    """
    asked = itertools.count(1)
    aws.rule = lambda request: (
        kind if "Hadoop" in request.client and next(asked) % 10 == 0 else None
    )
    root = f"s3://{bucket}/stedi"
    done = run_on_spark(root, database, not_anonymous)
    assert len(aws.met) > 5
    aws.rule = lambda _: None
    if kind == "cut response" and done.returncode:
        assert done.stderr.startswith("stedi: Spark could not read or write a file")
        assert len(done.stderr.splitlines()) == 1
        done = run_on_spark(root, database, not_anonymous)
    assert done.returncode == 0, done.stderr
    assert counts(landed()) == small.SEED
    assert landed().status(verify=True).ok
