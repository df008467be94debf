"""Stands in for a lakehouse with its root on S3: a local one, copied to S3 and Glue after each run.

Data files are those of the local tables, byte for byte, and schemas go the same way as there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyiceberg.catalog.glue import GlueCatalog

from stedi import Lakehouse
from stedi.contracts import Column
from stedi.landing.ingest import Ingested
from stedi.pipeline import RunReport
from stedi.storage.schemas import (
    data_files,
    describe,
    evolve,
    has_columns,
    make_table,
    without_dead,
)
from stedi.storage.uris import local_path
from stedi.storage.warehouse import Version
from tests.aws.cloud import KEY, REGION, Cloud, typed_name


class StandIn(Lakehouse):
    """A lakehouse in a local folder, and what of it Trino reads below `uri` and in `database`."""

    def __init__(
        self, root: Path, cloud: Cloud, uri: str, database: str, declarations: Path | None = None
    ) -> None:
        super().__init__(root, declarations=declarations)
        self._cloud, self._uri, self._database = cloud, uri, database

    def ingest(self, path: str | Path, *, source: str | None = None) -> Ingested:
        ingested = super().ingest(path, source=source)
        for contract in self._declared().landing:
            folder = f"{contract.source}/landing"
            self._cloud.upload(self.root / folder, f"{self._prefix}/{folder}")
        return ingested

    def run(self, **options: Any) -> RunReport:
        report = super().run(**options)
        catalog = self._catalog()
        catalog.create_namespace_if_not_exists(self._database)
        warehouse, declarations = self._warehouse(), self._declared()
        for table, columns in declarations.schemas.items():
            version = warehouse.version(table)
            if version is not None:
                location = f"{self._uri}/{declarations.locations[table]}"
                self._copy(catalog, version, columns, location)
        return report

    def _copy(
        self, catalog: GlueCatalog, version: Version, columns: tuple[Column, ...], location: str
    ) -> None:
        name = f"{self._database}.{typed_name(version.table)}"
        if not catalog.table_exists(name):
            make_table(catalog, name, location, columns)
        table = catalog.load_table(name)
        here = {
            file.uri.replace(version.location, location): local_path(file.uri)
            for file in version.files
        }
        present = {file.file_path: file for file in data_files(table, table.current_snapshot())}
        with table.transaction() as transaction:
            if not has_columns(table.schema(), columns):
                evolve(transaction, columns)
            update = transaction.update_snapshot()
            swaps = not present or present.keys() - here.keys()
            producer = without_dead(update.overwrite()) if swaps else update.fast_append()
            for uri in present.keys() - here.keys():
                producer.delete_data_file(present[uri])
            for uri in here.keys() - present.keys():
                key = uri.removeprefix(f"s3://{self._cloud.bucket}/")
                self._cloud.client("s3").upload_file(str(here[uri]), self._cloud.bucket, key)
                added = describe(here[uri], uri, transaction.table_metadata)
                producer.append_data_file(added)
            producer.commit()

    @property
    def _prefix(self) -> str:
        return self._uri.removeprefix(f"s3://{self._cloud.bucket}/")

    def _catalog(self) -> GlueCatalog:
        names = ("endpoint", "region", "access-key-id", "secret-access-key")
        values = (self._cloud.endpoint, REGION, KEY, KEY)
        properties = {
            f"{service}.{name}": value
            for service in ("s3", "glue")
            for name, value in zip(names, values, strict=True)
        }
        return GlueCatalog("stedi", **properties)
