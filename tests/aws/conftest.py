"""Fixtures: S3 and Glue of the tests' own, a Trino over them, lakehouses on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.aws.landing_tables import table_input
from stedi.declared import read_declarations
from tests.aws.cloud import Cloud, running
from tests.aws.stand_in import StandIn
from tests.aws.trino import Trino, started


@dataclass(frozen=True)
class OnS3:
    """A lakehouse with its root at a bucket and its tables in a Glue database."""

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
def on_s3(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> MakeOnS3:
    """Make a lakehouse on S3 whose landing tables Glue knows; nothing is ingested or run yet."""

    def make(database: str, declarations: Path) -> OnS3:
        uri = f"s3://{cloud.bucket}/{database}/root"
        glue = cloud.client("glue")
        glue.create_database(DatabaseInput={"Name": database})
        for contract in read_declarations(declarations).landing:
            glue.create_table(DatabaseName=database, TableInput=table_input(contract, uri))
        lakehouse = StandIn(tmp_path_factory.mktemp(database), cloud, uri, database, declarations)
        return OnS3(lakehouse, uri, database)

    return make
