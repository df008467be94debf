"""The ledger, retention and the data of one person, in a bucket."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse
from stedi.errors import Unavailable
from tests.roots.s3.conftest import Opened
from tests.support import small
from tests.support.faults import Faults, Request
from tests.support.tables import declare


def bodies(s3: Any, bucket: str) -> dict[str, bytes]:
    """Every version of every object."""
    found = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", ()):
            where = {"Key": version["Key"], "VersionId": version["VersionId"]}
            found[f"{version['Key']} {version['VersionId']}"] = s3.get_object(
                Bucket=bucket, **where
            )["Body"].read()
    return found


@pytest.mark.slow
def test_what_was_given_out_is_noted_in_the_bucket(
    landed: Opened, s3: Any, bucket: str, tmp_path: Path
) -> None:
    landed().run()
    landed().release(tmp_path / "out", recipient="A University")
    kept = [name.split()[0].rpartition(".")[2] for name in bodies(s3, bucket) if "/ledger/" in name]
    assert sorted(kept) == ["done", "json", "people"]
    [given] = landed().releases().given
    assert (given.recipient, given.state, given.people, given.left) == (
        "A University",
        "given",
        7,
        0,
    )
    record = json.dumps(small.customer("ann", "S1", 9000)).encode()
    s3.put_object(Bucket=bucket, Key="stedi/customer/landing/withdraws.json", Body=record)
    landed().run()
    [given] = landed().releases().given
    assert given.left == 1
    landed().disclose("eve@example.com", tmp_path / "eve")
    told = json.loads((tmp_path / "eve" / "person.json").read_text())
    assert [one["recipient"] for one in told["given_out"]] == ["A University"]
    delivered = (tmp_path / "eve" / "delivered" / "accelerometer").iterdir()
    assert [json.loads(line) for path in delivered for line in path.read_text().splitlines()] == [
        record for record in small.ACCELEROMETER if record["user"] == "eve@example.com"
    ]


@pytest.mark.slow
def test_what_the_bucket_keeps_of_files_as_they_were_is_disclosed_too(
    landed: Opened, s3: Any, bucket: str, tmp_path: Path
) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    key = "stedi/customer/landing/later.json"
    zoe = small.customer("zoe", "S70", 100)
    before = [{**zoe, "phone": phone} for phone in ("0000000001", "0000000002")]
    for body in (*before, small.customer("yan", "S71", 100)):
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(body).encode())
    reading = json.dumps(small.reading("S70", 900, 1)).encode()
    s3.put_object(Bucket=bucket, Key="stedi/step_trainer/landing/zoe.json", Body=reading)
    s3.delete_object(Bucket=bucket, Key="stedi/step_trainer/landing/zoe.json")
    landed().run()
    told = landed().disclose("zoe@example.com", tmp_path / "zoe")
    assert told.records == {"customer": 2, "step_trainer": 1}
    assert (told.rows, told.earlier, told.not_shown) == ({}, {}, [])
    person = json.loads((tmp_path / "zoe" / "person.json").read_text())
    assert {one["file"].partition(", version ")[0] for one in person["delivered"]} == {
        "later.json", "zoe.json",
    }  # fmt: skip
    copies = [path.read_text() for path in (tmp_path / "zoe" / "delivered").rglob("*.json*")]
    delivered = [json.loads(line) for text in copies for line in text.splitlines()]
    assert sorted(delivered, key=str) == sorted([*before, json.loads(reading)], key=str)
    everything = b"".join(p.read_bytes() for p in (tmp_path / "zoe").rglob("*") if p.is_file())
    assert b"yan@example.com" not in everything
    # Of a record that is still there nothing is said twice.
    for _ in range(2):
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(zoe).encode())
    landed().run()
    assert landed().disclose("zoe@example.com", tmp_path / "again").records == {
        "customer": 3, "step_trainer": 1,
    }  # fmt: skip
    landed().erase([("email", "zoe@example.com")])
    assert not [name for name, body in bodies(s3, bucket).items() if b"zoe@" in body]
    assert not [name for name in bodies(s3, bucket) if "step_trainer/landing/zoe" in name]


def test_versions_that_nobody_may_read_are_reported_in_what_is_disclosed(
    landed: Opened, aws: Faults, s3: Any, bucket: str, tmp_path: Path
) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    key = "stedi/customer/landing/later.json"
    for phone in ("0000000001", "0000000002", "0000000003"):
        body = json.dumps({**small.customer("zoe", "S70", 100), "phone": phone}).encode()
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    landed().run()

    def no_versions(request: Request) -> Any:
        return "denied" if "versionId=" in request.path and key in request.path else None

    aws.rule = no_versions
    told = landed().disclose("zoe@example.com", tmp_path / "zoe")
    assert told.records == {"customer": 1}
    assert told.not_shown == ["2 versions of files as they were before, which nobody may read"]
    assert told.not_shown[0] in (tmp_path / "zoe" / "index.html").read_text()
    with pytest.raises(Unavailable, match="not allowed to s3:"):
        landed().erase([("email", "zoe@example.com")])


@pytest.mark.slow
def test_a_private_release_is_charged_in_the_bucket(
    landed: Opened, s3: Any, bucket: str, tmp_path: Path
) -> None:
    landed().run()
    made = landed().release_private(tmp_path / "one")
    names = [name.split()[0] for name in bodies(s3, bucket)]
    kept = [name.rpartition("/")[2] for name in names if "/_stedi/budget/" in name]
    assert sorted(kept) == ["000001.json", "000001.vector"]
    assert any("/step_trainer/synthetic/data/" in name for name in names)
    table = landed().query("SELECT x FROM machine_learning_synthetic").to_arrow()
    assert (
        table.num_rows
        == made.rows
        == pq.read_metadata(tmp_path / "one" / "machine_learning_synthetic.parquet").num_rows
    )
    again = landed().release_private(tmp_path / "two")
    assert (again.is_new, again.spent) == (False, made.spent)
    assert landed().status().ok
    assert landed().run().built == ()


@pytest.mark.slow
@pytest.mark.parametrize("is_versioned", [False, True])
def test_what_is_over_leaves_the_bucket_earlier_versions_included(
    landed: Opened,
    s3: Any,
    bucket: str,
    database: str,
    not_anonymous: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_versioned: bool,
) -> None:
    if is_versioned:
        on = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=on)
    landed().run()
    folder = Path(shutil.copytree(not_anonymous, tmp_path / "declarations"))
    declare(folder, "accelerometer_landing", "retentionDays: 1")
    declare(folder, "accelerometer_landing", "retentionColumn: timestamp")
    monkeypatch.setattr("stedi.run.retain.epoch_ms", lambda: 86_400_000 + 900)

    def opened() -> Lakehouse:
        return Lakehouse(f"s3://{bucket}/stedi", database=database, declarations=folder)

    opened().run()
    status = opened().status(verify=True)
    assert status.problems == []
    assert status.sources["accelerometer"].dropped == {"kept long enough": 9}
    assert opened().run().built == ()
    times = set()
    for name, body in bodies(s3, bucket).items():
        if "accelerometer/landing" in name:
            times |= {json.loads(line)["timestamp"] for line in body.splitlines()}
        elif body[:4] == b"PAR1":
            table = pq.read_table(io.BytesIO(body))
            if {"user", "timestamp"} <= {*table.column_names}:
                times |= {*table.column("timestamp").to_pylist()}
    assert times == {1000, 1500, 2000}
