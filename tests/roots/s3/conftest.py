"""Fixtures: S3 and Glue of the tests' own, a Trino over them, lakehouses on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from uuid import uuid4

import pytest

from stedi import Lakehouse
from tests.support import small
from tests.support.cloud import REGION, Cloud, running
from tests.support.faults import Faults, faults
from tests.support.trino import Trino, started


@dataclass(frozen=True)
class OnS3:
    """A lakehouse in a bucket, with its tables in a Glue database."""

    lakehouse: Lakehouse
    uri: str
    database: str


MakeOnS3 = Callable[..., OnS3]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with running() as made, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


@pytest.fixture(scope="module")
def trino(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trino]:
    with started(tmp_path_factory.mktemp("trino"), cloud.catalogs) as server:
        yield server


@pytest.fixture(scope="module")
def on_s3(cloud: Cloud) -> MakeOnS3:
    """Make a lakehouse on S3; nothing is ingested or run yet."""

    def make(database: str, declarations: Path | None) -> OnS3:
        uri = f"s3://{cloud.bucket}/{database}/root"
        return OnS3(Lakehouse(uri, database=database, declarations=declarations), uri, database)

    return make


@pytest.fixture(scope="module")
def ran(on_s3: MakeOnS3, not_anonymous: Path, tmp_path_factory: pytest.TempPathFactory) -> OnS3:
    """The landing zone that `tests.support.small` counts by hand, run once; tests change nothing there."""
    landing = tmp_path_factory.mktemp("landing")
    small.land(landing)
    made = on_s3(f"ran_{uuid4().hex[:8]}", not_anonymous)
    made.lakehouse.ingest(landing)
    made.lakehouse.run()
    return made


@pytest.fixture
def aws(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """AWS as boto3 finds it, behind a proxy that can fail."""
    address = urlparse(cloud.endpoint)
    with faults(str(address.hostname), int(address.port or 0)) as (proxy, endpoint):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setattr("stedi.roots.s3.files._LONGEST_PAUSE", 0.1)
        yield proxy


@pytest.fixture
def s3(aws: Faults, cloud: Cloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"lake-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def database() -> str:
    return f"stedi_{uuid4().hex[:12]}"


Opened = Callable[[], Lakehouse]


@pytest.fixture
def opened(bucket: str, database: str) -> Opened:
    """Opens the lakehouse on S3, each time as another process would."""
    return lambda: Lakehouse(f"s3://{bucket}/stedi", database=database)


@pytest.fixture
def landed(bucket: str, database: str, small_lakehouse: Lakehouse, not_anonymous: Path) -> Opened:
    """The landing zone that `tests.support.small` counts by hand, on S3, not yet run."""
    root = f"s3://{bucket}/stedi"

    def opened() -> Lakehouse:
        return Lakehouse(root, database=database, declarations=not_anonymous)

    opened().ingest(small_lakehouse.root)
    return opened
