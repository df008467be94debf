"""Spark reads and writes a root on S3 through Hadoop's S3A, fetched through Maven."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stedi import Lakehouse
from tests import small
from tests.aws.cloud import Cloud
from tests.aws.conftest import MakeOnS3
from tests.aws.trino import from_maven
from tests.conftest import counts, rows
from tests.test_starter import SEED

pytestmark = pytest.mark.slow
HADOOP_AWS = "org.apache.hadoop:hadoop-aws:3.4.2"
AWS_SDK = "software.amazon.awssdk:bundle:2.29.52"


def run_on_spark(root: str, database: str, declarations: Path | None) -> None:
    jars = ",".join(str(from_maven(artifact)) for artifact in (HADOOP_AWS, AWS_SDK))
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": f"--jars {jars} pyspark-shell"}
    if declarations:
        environment["STEDI_DECLARATIONS"] = str(declarations)
    command = [str(Path(sys.executable).with_name("stedi")), "--root", root]
    done = subprocess.run(
        [*command, "--database", database, "run", "--engine", "spark", "--master", "local[2]"],
        env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_starter_data_on_spark(cloud: Cloud, on_s3: MakeOnS3, starter: Path) -> None:
    one = on_s3("starter_on_spark", None)
    one.lakehouse.ingest(starter)
    run_on_spark(one.uri, one.database, None)
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
    run_on_spark(one.uri, one.database, not_anonymous)
    small_lakehouse.run()
    again = Lakehouse(one.uri, database=one.database, declarations=not_anonymous)
    assert again.run().built == ()
    assert counts(again) == small.SEED
    for table in small.SEED:
        query = f"SELECT * FROM {table}"
        assert sorted(rows(again, query), key=repr) == sorted(
            rows(small_lakehouse, query), key=repr
        )
