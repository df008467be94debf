"""Erasures in a bucket: every version and every unfinished upload, too."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from typing import Any

import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse, Unavailable
from tests.conftest import rows
from tests.roots.s3.conftest import Opened
from tests.support import small
from tests.support.faults import Faults, Request

ANN = "ann@example.com"


def every_version(s3: Any, bucket: str) -> dict[str, bytes]:
    found = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", ()):
            where = {"Key": version["Key"], "VersionId": version["VersionId"]}
            body = s3.get_object(Bucket=bucket, **where)["Body"].read()
            found[f"{version['Key']} {version['VersionId']}"] = body
    return found


def said(data: bytes) -> str:
    if data[:4] == b"PAR1":
        return data.decode("latin-1") + repr(pq.read_table(io.BytesIO(data)).to_pylist())
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("latin-1")


def named(lakehouse: Lakehouse) -> dict[str, Counter[tuple[object, ...]]]:
    """The rows of all tables but the published one, which names nobody."""
    tables = [table for table in small.SEED if "machine" not in table]
    return {table: Counter(rows(lakehouse, f"SELECT * FROM {table}")) for table in tables}


def holding(s3: Any, bucket: str) -> list[str]:
    return [name for name, data in every_version(s3, bucket).items() if ANN in said(data)]


@pytest.mark.slow
@pytest.mark.parametrize("is_versioned", [False, True])
def test_nothing_is_left_in_a_bucket(
    landed: Opened, s3: Any, bucket: str, is_versioned: bool
) -> None:
    if is_versioned:
        on = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=on)
    landed().run()
    key = "stedi/customer/landing/packed.json.gz"
    first = gzip.compress(b'{"email": "ann@example.com"}\n')
    for body in (first, gzip.compress(b'{"email": "zoe@example.com"}\n')):
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="stedi/customer/landing/big.json")
    s3.upload_part(
        Bucket=bucket, Key="stedi/customer/landing/big.json", PartNumber=1,
        UploadId=upload["UploadId"], Body=b'{"email": "ann@example.com"}',
    )  # fmt: skip
    landed().run()
    assert holding(s3, bucket)
    before = named(landed())
    assert not landed().prove_erased([("email", ANN)]).holds
    shown = landed().held([("email", ANN)]).versions
    kept = {("customer", "packed.json.gz", 1)} if is_versioned else set()
    assert {(one.source, one.name, one.records) for one in shown} == kept
    forgotten = landed().erase([("email", ANN)])
    assert forgotten
    assert forgotten.found.versions == shown
    assert forgotten.proof.holds, forgotten.proof
    landed().receipt(forgotten)
    assert holding(s3, bucket) == []
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    assert named(landed()) == {
        table: Counter({row: n for row, n in counted.items() if not {ANN, "S1"} & {*row}})
        for table, counted in before.items()
    }
    status = landed().status(verify=True)
    assert status.ok, status.problems
    assert status.sources["customer"].dropped["erased"] == 1
    assert landed().run().built == ()


@pytest.mark.slow
def test_the_same_delivery_again_changes_nothing(
    landed: Opened, tmp_path: Any, s3: Any, bucket: str
) -> None:
    landed().run()
    landed().erase([("email", ANN)])
    small.land(tmp_path)
    ingested = landed().ingest(tmp_path)
    assert (ingested.copied, ingested.erased) == ((), 7)
    s3.upload_file(
        str(tmp_path / "customer/landing/one.json"), bucket, "stedi/customer/landing/again.json"
    )
    landed().run()
    assert holding(s3, bucket) == []
    assert landed().status(verify=True).ok


def test_a_missing_right_stops_it_before_anything_is_changed(
    landed: Opened, aws: Faults, s3: Any, bucket: str
) -> None:
    landed().run()
    before = every_version(s3, bucket)

    def no_uploads(request: Request) -> Any:
        return "denied" if request.method == "GET" and "uploads" in request.path else None

    aws.rule = no_uploads
    with pytest.raises(Unavailable, match="not allowed to s3:ListMultipartUploads"):
        landed().erase([("email", ANN)])
    aws.rule = lambda _: None
    assert {k for k in every_version(s3, bucket) if "lock" not in k} == {
        k for k in before if "lock" not in k
    }


@pytest.mark.parametrize(
    "at", [40, *(pytest.param(n, marks=pytest.mark.slow) for n in (90, 140, 200))]
)
def test_a_lost_network_leaves_whole_files_and_the_next_finishes(
    landed: Opened, aws: Faults, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    landed().run()
    monkeypatch.setattr("stedi.roots.s3.files._TRIES", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    first: list[int] = []

    def lost(request: Request) -> Any:
        first.append(request.number)
        return "cut request" if request.number - first[0] > at else None

    aws.rule = lost
    try:
        landed().erase([("email", ANN)])
    except Exception as error:
        assert type(error).__module__.startswith("stedi"), error
    aws.rule = lambda _: None
    monkeypatch.undo()
    forgotten = landed().erase([("email", ANN)], wait=90)
    assert forgotten
    assert forgotten.proof.holds, forgotten.proof
    assert holding(s3, bucket) == []
    assert landed().status(verify=True).ok
