from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from stedi import Lakehouse
from tests.aws.faults import Faults, faults


@pytest.fixture(scope="session")
def aws_server() -> Iterator[tuple[str, int]]:
    """A server of S3, Glue and Athena on loopback."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def aws(aws_server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """AWS as boto3 finds it: that server, behind a proxy that can fail."""
    with faults(*aws_server) as (proxy, endpoint):
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("stedi.files.s3._LONGEST_PAUSE", 0.1)
        yield proxy


@pytest.fixture
def s3(aws: Faults) -> Any:
    import boto3

    return boto3.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"lake-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def database() -> str:
    return f"stedi_{uuid4().hex[:12]}"


OnS3 = Callable[[], Lakehouse]


@pytest.fixture
def on_s3(bucket: str, database: str) -> OnS3:
    """Opens the lakehouse on S3, each time as another process would."""
    return lambda: Lakehouse(f"s3://{bucket}/stedi", database=database)


@pytest.fixture
def landed(bucket: str, database: str, small_lakehouse: Lakehouse, not_anonymous: Path) -> OnS3:
    """The landing zone that `tests.small` counts by hand, on S3, not yet run."""
    root = f"s3://{bucket}/stedi"

    def opened() -> Lakehouse:
        return Lakehouse(root, database=database, declarations=not_anonymous)

    opened().ingest(small_lakehouse.root)
    return opened
