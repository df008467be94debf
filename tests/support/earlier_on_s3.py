"""A lakehouse on S3 and Glue that version 0.1.0 made, and how it was made: see `earlier`.

PYTHON-WITH-STEDI-0.1.0 -m tests.support.earlier_on_s3
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

from stedi import Lakehouse
from tests.support.cloud import REGION, Cloud, running
from tests.support.earlier import (
    ARCHIVE,
    BEGIN,
    HOUR,
    LATER,
    PLACE,
    SECRET,
    customers_of,
    deliver,
    status,
    take,
)

BUCKET, DATABASE = "stedi-root-0-1-0", "stedi_root_0_1_0"
ROOT = f"s3://{BUCKET}/lakehouse"
OBJECTS = ARCHIVE.with_name("root-0.1.0-s3.tar.xz")
"""The bucket's, beside `glue.json` and the delivery that is still to be ingested."""
FIGURES = ARCHIVE.with_name("root-0.1.0-s3.json")
_INPUT = ("Name", "Description", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")
"""What of a table in Glue one can give again."""


def restored(cloud: Cloud, folder: Path) -> Path:
    """Put everything where it was; returns the folder of the delivery that comes later."""
    with tarfile.open(OBJECTS) as archive:
        archive.extractall(folder, filter="data")
    s3, glue = cloud.client("s3"), cloud.client("glue")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for path in sorted((folder / "objects").rglob("*")):
        if path.is_file():
            key = str(path.relative_to(folder / "objects"))
            s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    catalog = json.loads((folder / "glue.json").read_text())
    glue.create_database(DatabaseInput=catalog["database"])
    for table in catalog["tables"]:
        glue.create_table(DatabaseName=DATABASE, TableInput=table)
    return folder / LATER.name


def main() -> None:
    os.environ["STEDI_SECRET"] = SECRET
    shutil.rmtree(PLACE, ignore_errors=True)
    with running() as cloud:
        os.environ.update(cloud.environment)
        cloud.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        lakehouse = Lakehouse(ROOT, database=DATABASE)
        first = PLACE / "first"
        lakehouse.simulate(first, customers=40, seed=7, people=True)
        take(lakehouse, first)
        customers = customers_of(lakehouse)
        take(lakehouse, deliver(PLACE / "second", customers[-5:], BEGIN, customers[:1]))
        deliver(LATER, customers[-3:], BEGIN + HOUR, customers[1:2])
        write(cloud)
        said = {
            "status": status(lakehouse),
            "run": take(lakehouse, LATER),
            "later": status(lakehouse),
        }
    FIGURES.write_text(json.dumps(said, indent=1) + "\n")
    shutil.rmtree(PLACE)


def write(cloud: Cloud) -> None:
    s3, glue = cloud.client("s3"), cloud.client("glue")
    database = glue.get_database(Name=DATABASE)["Database"]
    catalog = {
        "database": {"Name": DATABASE, "Parameters": database["Parameters"]},
        "tables": [
            {key: table[key] for key in _INPUT if key in table}
            for page in glue.get_paginator("get_tables").paginate(DatabaseName=DATABASE)
            for table in page["TableList"]
        ],
    }
    contents: dict[str, bytes] = {"glue.json": json.dumps(catalog, indent=1, default=str).encode()}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for stored in page["Contents"]:
            body = s3.get_object(Bucket=BUCKET, Key=stored["Key"])["Body"].read()
            contents[f"objects/{stored['Key']}"] = body
    for path in LATER.rglob("*.json"):
        contents[str(path.relative_to(PLACE))] = path.read_bytes()
    with tarfile.open(OBJECTS, "w:xz", preset=9) as archive:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    main()
