from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, Locked, StediError, StorageError, Unavailable, UsageError
from stedi.roots import open_root
from stedi.roots.s3.errors import NotAllowed
from stedi.roots.s3.files import S3Files
from tests.conftest import counts, remarks
from tests.roots.s3.conftest import OnS3, Opened
from tests.support import small
from tests.support.cloud import REGION, Cloud
from tests.support.faults import Faults, Kind, Request

SOURCES = ("customer", "accelerometer", "step_trainer")


def keys(s3: Any, bucket: str) -> set[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {one["Key"] for page in pages for one in page.get("Contents", ())}


def everything(lakehouse: Lakehouse) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: sorted(but_arrivals(lakehouse, table), key=repr)
        for table in lakehouse.status().tables
    }


def but_arrivals(lakehouse: Lakehouse, table: str) -> list[tuple[Any, ...]]:
    """The rows of a table, but for when the disk or the bucket says that files arrived."""
    found = lakehouse.query(f"SELECT * FROM {table}").to_arrow()
    kept = [name for name in found.column_names if name != "arrived"]
    return [tuple(row.values()) for row in found.select(kept).to_pylist()]


@pytest.mark.slow
def test_the_same_tables_as_on_a_disk(
    landed: Opened, small_lakehouse: Lakehouse, s3: Any, bucket: str
) -> None:
    small_lakehouse.run()
    landed().run()
    assert everything(landed()) == everything(small_lakehouse)
    status = landed().status(verify=True)
    assert status.ok, status.problems
    assert status.tables["customer_trusted"].location == f"s3://{bucket}/stedi/customer/trusted"
    assert not [key for key in keys(s3, bucket) if "scratch" in key]
    assert landed().run().built == ()


@pytest.mark.parametrize("profile", ["seed", pytest.param("strict", marks=pytest.mark.slow)])
def test_the_starter_data(opened: Opened, starter: Path, profile: str, tmp_path: Path) -> None:
    opened().ingest(starter)
    opened().run(profile=profile)
    trusted, published = {"seed": (40_981, 43_681), "strict": (32_025, 32_025)}[profile]
    found = counts(opened())
    assert found["accelerometer_trusted"] == trusted
    assert found["machine_learning_curated"] == published
    assert opened().audit(report=tmp_path / "report.md").ok
    assert f"| rows | {published:,} |" in (tmp_path / "report.md").read_text()
    assert opened().ingest(starter).copied == ()


@pytest.mark.slow
def test_what_changes_costs_what_changed(landed: Opened, tmp_path: Path) -> None:
    landed().run()
    late = tmp_path / "late.json"
    late.write_text(json.dumps(small.acceleration("ann", 5000, 0.1)))
    landed().ingest(late, source="accelerometer")
    built = {one.table: one.how for one in landed().run().built}
    assert built["accelerometer_landing"] == "append"
    assert built["accelerometer_trusted"] == "append"
    assert "customer_trusted" not in built
    assert landed().status(verify=True).ok


@pytest.mark.slow  # on a disk it is quick, and in tests/run
def test_a_file_taken_away_and_one_that_changed(landed: Opened, s3: Any, bucket: str) -> None:
    landed().run()
    before = counts(landed())
    [key] = [key for key in keys(s3, bucket) if "step_trainer/landing" in key]
    s3.delete_object(Bucket=bucket, Key=key)
    [key] = [key for key in keys(s3, bucket) if "accelerometer/landing" in key]
    records = s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
    s3.put_object(Bucket=bucket, Key=key, Body=b"\n".join(records[1:]))
    assert not landed().status().ok
    landed().run()
    after = counts(landed())
    assert after["step_trainer_landing"] == 0
    assert after["accelerometer_landing"] == (before["accelerometer_landing"] or 0) - 1
    assert landed().status(verify=True).ok


@pytest.mark.slow  # on a disk it is quick, and in tests/run
def test_records_that_are_delivered_again_are_loaded_once(landed: Opened, tmp_path: Path) -> None:
    lakehouse = landed()
    lakehouse.run()
    before = everything(lakehouse)["accelerometer_landing"]
    new = small.acceleration("ann", 9000, 0.5)
    small.write(tmp_path / "more", "accelerometer", [*small.ACCELEROMETER, new], "more.json")
    lakehouse.ingest(tmp_path / "more")
    lakehouse.run()
    status = lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert status.sources["accelerometer"].dropped == {"re-delivered": len(small.ACCELEROMETER)}
    after = everything(lakehouse)["accelerometer_landing"]
    assert len(after) == len(before) + 1
    lakehouse.run(full=True)
    assert everything(lakehouse)["accelerometer_landing"] == after


@pytest.mark.slow  # on a disk it is quick, and in tests/run
def test_bad_records_are_quarantined(landed: Opened, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"user": "ann@example.com"\n' + json.dumps(small.acceleration("ann", 1, 0.1)))
    landed().ingest(bad, source="accelerometer")
    landed().run()
    found = landed().quarantine()
    assert found.count == 1
    assert (
        landed().quarantined(found.pieces[0].place).reason == found.pieces[0].reason
        if (found.pieces)
        else True
    )
    landed().replay()
    assert landed().quarantine().count == 1


def test_a_delivery_from_another_bucket(
    opened: Opened, small_lakehouse: Lakehouse, s3: Any
) -> None:
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="deliveries", CreateBucketConfiguration=place)
    for path in small_lakehouse.root.rglob("*.json"):
        s3.upload_file(str(path), "deliveries", f"today/{path.relative_to(small_lakehouse.root)}")
    assert len(opened().ingest("s3://deliveries/today").copied) == len(SOURCES)


def test_who_withdraws_is_gone_from_every_version(
    landed: Opened, s3: Any, bucket: str, tmp_path: Path
) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    landed().run()
    first = {key for key in keys(s3, bucket) if "step_trainer/curated/data" in key}
    withdrawal = tmp_path / "withdrawal.json"
    withdrawal.write_text(json.dumps(small.customer("ann", "S1", 9000)))
    landed().ingest(withdrawal, source="customer")
    report = landed().run()
    assert report.withdrawn
    assert report.withdrawn.people == 1
    assert remarks(report) == []
    found = s3.list_object_versions(Bucket=bucket, Prefix="stedi/step_trainer/curated/")
    left = {one["Key"] for one in (*found.get("Versions", ()), *found.get("DeleteMarkers", ()))}
    assert first
    assert not first & left


@pytest.mark.slow
def test_versions_that_may_not_be_removed_are_told(
    landed: Opened, aws: Faults, s3: Any, bucket: str
) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    aws.rule = lambda request: "denied" if request.path.startswith(f"/{bucket}?versions") else None
    landed().run()
    [remark] = remarks(landed().run(full=True))
    assert "s3:ListBucketVersions is not allowed" in remark


def every(count: int, kind: Kind, aws: Faults) -> None:
    """Faults of S3, and of Glue but for answers cut short, which boto3 takes for refusals."""
    aws.rule = lambda request: (
        kind
        if request.number % count == 0 and not (request.action and kind == "cut response")
        else None
    )


@pytest.mark.parametrize(
    "kind",
    [
        "cut response",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("slow down", "error", "cut request", "slow")
        ),
    ],
)
def test_a_run_through_bad_connections(landed: Opened, aws: Faults, kind: Kind) -> None:
    every(5, kind, aws)
    landed().run()
    aws.rule = lambda _: None
    assert len(aws.met) > 10
    assert counts(landed()) == small.SEED
    assert landed().status(verify=True).ok


@pytest.mark.slow
def test_an_empty_file_and_one_in_an_archive(landed: Opened, s3: Any, bucket: str) -> None:
    lines = [json.dumps(small.acceleration("ann", n, 0.1)) for n in range(9000, 9100)]
    packed = gzip.compress("\n".join(lines).encode())
    s3.put_object(Bucket=bucket, Key="stedi/accelerometer/landing/more/empty.json", Body=b"")
    s3.put_object(Bucket=bucket, Key="stedi/accelerometer/landing/more/a.json.gz", Body=packed)
    s3.put_object(Bucket=bucket, Key="stedi/accelerometer/landing/_hidden/a.json", Body=b"{")
    s3.put_object(Bucket=bucket, Key="stedi/accelerometer/landing/more/", Body=b"")
    landed().run()
    assert counts(landed())["accelerometer_landing"] == small.SEED["accelerometer_landing"] + 100
    assert landed().quarantine().count == 0
    assert landed().status(verify=True).ok


def test_an_object_is_read_on_from_where_it_was_cut(aws: Faults, s3: Any, bucket: str) -> None:
    content = bytes(range(256)) * (1 << 14)
    s3.put_object(Bucket=bucket, Key="p/large", Body=content)
    files = S3Files.at(f"s3://{bucket}/p")
    aws.rule = lambda request: (
        "cut response" if request.method == "GET" and request.number % 2 else None
    )
    with files.open(files.root / "large") as stream:
        assert stream.read(1 << 23) is not None
        stream.seek(0)
        assert stream.readall() == content
    files.fetch([files.root / "large"])
    assert (files.root / "large").read_bytes() == content
    assert "cut response" in aws.met


@pytest.mark.parametrize(
    "after", [pytest.param(n, marks=pytest.mark.slow) for n in (20, 40, 60, 80, 100, 120, 140)]
)
def test_a_run_that_loses_its_bucket_stops_cleanly_and_the_next_completes_it(
    landed: Opened,
    aws: Faults,
    s3: Any,
    bucket: str,
    after: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stedi.roots.s3.files._TRIES", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    begin = len(aws.met)
    first: list[int] = []

    def rule(request: Request) -> Kind | None:
        first.append(request.number)
        return "cut request" if request.number > first[0] + after else None

    aws.rule = rule
    with pytest.raises(StediError):
        landed().run()
    assert len(aws.met) > begin
    aws.rule = lambda _: None
    with pytest.raises(Locked):  # it could not be let go of
        landed().run()
    s3.put_object(Bucket=bucket, Key="stedi/_stedi/lock", Body=b"died")  # as after a minute
    landed().run()
    assert counts(landed()) == small.SEED
    assert landed().status(verify=True).ok


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "part", "action", "where"),
    [
        ("GET", "customer/landing", "s3:GetObject", "customer/landing"),
        ("PUT", "customer/typed", "s3:PutObject", "customer/typed"),
        ("GET", "list-type=2", "s3:ListBucket", ""),
    ],
)
def test_a_missing_right_names_action_and_resource(
    landed: Opened, aws: Faults, bucket: str, method: str, part: str, action: str, where: str
) -> None:
    aws.rule = lambda r: "denied" if r.method == method and part in r.path else None
    with pytest.raises(NotAllowed, match=f"{action} on arn:aws:s3:::{bucket}.*{where}"):
        landed().run()
    aws.rule = lambda _: None
    landed().run()
    assert counts(landed()) == small.SEED


def test_what_is_not_there_is_told_from_what_one_may_not_read(
    landed: Opened, aws: Faults, bucket: str
) -> None:
    """As S3 answers who may list a prefix only: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
    aws.rule = lambda r: "unlisted" if not r.action and f"/{bucket}/" in r.path else None
    landed().run()
    landed().run()
    assert "unlisted" in aws.met
    assert counts(landed()) == small.SEED
    assert landed().status(verify=True).ok


def test_a_missing_right_to_the_catalog_is_no_damage(
    ran: OnS3, not_anonymous: Path, aws: Faults
) -> None:
    lakehouse = Lakehouse(ran.uri, database=ran.database, declarations=not_anonymous)
    aws.rule = lambda r: "denied" if r.action == "AWSGlue.GetTable" else None
    with pytest.raises(NotAllowed, match="glue:GetTable"):
        lakehouse.run(full=True)
    aws.rule = lambda _: None
    assert lakehouse.run().built == ()


def test_one_run_at_a_time(ran: OnS3) -> None:
    with open_root(ran.uri).lock():
        assert "running" in {note.code for note in ran.lakehouse.status().notes}
        with pytest.raises(Locked, match="process"):
            ran.lakehouse.run()
    ran.lakehouse.run()


def test_a_lock_that_was_lost_commits_nothing(
    landed: Opened, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stedi.roots.s3.lock.RENEWED_EVERY", 0.01)

    def steal(text: str) -> None:
        s3.put_object(Bucket=bucket, Key="stedi/_stedi/lock", Body=b"process 1 elsewhere")
        s3.put_object(Bucket=bucket, Key=theirs, Body=b"to be committed")

    theirs = "stedi/customer/typed/data/1/part-0.parquet"
    with pytest.raises(Locked, match="lost"):
        landed().run(progress=steal)
    assert theirs in keys(s3, bucket)
    s3.put_object(Bucket=bucket, Key="stedi/_stedi/lock", Body=b"")
    landed().run()
    assert counts(landed()) == small.SEED


def test_a_folder_that_cannot_be_a_lakehouse() -> None:
    for root in ("s3://", "s3://b", "s3://bucket/a b", "s3://BUCKET/x", "gs://bucket/x"):
        with pytest.raises(UsageError, match="--root"):
            Lakehouse(root)


def test_no_bucket(opened: Opened, s3: Any, bucket: str) -> None:
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(Unavailable, match="no such bucket"):
        opened().run()


def test_of_two_who_commit_at_once_one_is_refused(landed: Opened) -> None:
    landed().run()
    early, late = landed()._warehouse(), landed()._warehouse()
    table = "customer_trusted"
    seen, also_seen = early.version(table), late.version(table)
    assert seen
    assert also_seen
    early.commit(table, [], seen.notes, keep=[file.uri for file in seen.files])
    with pytest.raises(StorageError, match="someone else committed"):
        late.commit(table, [], seen.notes, keep=[file.uri for file in also_seen.files])
    assert len(landed()._warehouse().history(table)) == 2
    assert counts(landed()) == small.SEED


def test_a_database_that_is_another_roots_is_refused(ran: OnS3, bucket: str) -> None:
    other = Lakehouse(f"s3://{bucket}/other", database=ran.database)
    with pytest.raises(StorageError, match="--database NAME"):
        other.run()
    assert counts(ran.lakehouse) == small.SEED


def test_landing_tables_are_registered(ran: OnS3, cloud: Cloud) -> None:
    glue = cloud.client("glue")
    found = glue.get_table(DatabaseName=ran.database, Name="customer_landing")["Table"]
    assert found["TableType"] == "EXTERNAL_TABLE"
    assert found["StorageDescriptor"]["Location"].startswith(f"{ran.uri}/customer/landing/")
    names = {one["Name"] for one in glue.get_tables(DatabaseName=ran.database)["TableList"]}
    assert {"customer_landing", "customer_typed", "customer_trusted"} <= names
