"""What is delivered into a bucket replaces nothing, with the rights to put files and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from stedi import Lakehouse, Unavailable, UsageError
from stedi.landing.secret import secret_of_user
from stedi.roots import open_root
from stedi.roots.s3 import new
from tests.roots.s3.conftest import Opened
from tests.support import small
from tests.support.cloud import Cloud
from tests.support.faults import Faults, Kind, Request

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:nothing-a1b2c3"


def bodies(s3: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
    return {
        one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed
    }


@pytest.mark.parametrize("part", [1 << 26, 5 << 20])
def test_an_object_that_is_there_is_left_as_it_is(
    part: int, bucket: str, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one request, and in parts, of which only the last request has the condition."""
    monkeypatch.setattr(new, "PART", part)
    files = open_root(f"s3://{bucket}/stedi", "stedi").files
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1" * (6 << 20))
    second.write_bytes(b"2" * (6 << 20))
    target = files.root / "customer" / "landing" / "one.json"
    files.add_new(first, target)
    with pytest.raises(FileExistsError):
        files.add_new(second, target)
    [body] = bodies(s3, bucket, "stedi/").values()
    assert body == first.read_bytes()
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_two_who_deliver_at_once_keep_both_files(
    opened: Opened, bucket: str, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes between the listing and the upload."""
    path = tmp_path / "one.json"
    path.write_text(json.dumps(small.acceleration("ann", 1, 0.1)))
    key = "stedi/accelerometer/landing/one.json"
    upload = new.upload_new

    def late(files: Any, path: Path, where: str) -> None:
        if where == key:
            s3.put_object(Bucket=bucket, Key=key, Body=b"of the other")
        upload(files, path, where)

    monkeypatch.setattr("stedi.roots.s3.files.upload_new", late)
    ingested = opened().ingest(path, source="accelerometer")
    assert ingested.renamed == ("accelerometer/landing/one-2.json",)
    found = bodies(s3, bucket, "stedi/accelerometer/landing/")
    assert found[key] == b"of the other"
    assert found[key.replace("one", "one-2")] == path.read_bytes()


def test_who_delivers_need_not_read(
    aws: Faults, opened: Opened, bucket: str, s3: Any, tmp_path: Path
) -> None:
    """With what `docs/aws/ingest-accelerometer.json` allows: put, and list that folder."""
    delivery = tmp_path / "one.json"
    delivery.write_text(json.dumps(small.acceleration("ann", 1, 0.1)))
    allowed = "stedi/accelerometer/landing/"

    def rule(request: Request) -> Kind | None:
        path = unquote(request.path)
        is_put = request.method == "PUT" and path.startswith(f"/{bucket}/{allowed}")
        is_listed = "list-type=2" in path and f"prefix={allowed}" in path
        return None if is_put or is_listed else "denied"

    aws.rule = rule
    assert opened().ingest(delivery, source="accelerometer").copied == (
        "accelerometer/landing/one.json",
    )
    again = opened().ingest(delivery, source="accelerometer")
    assert again.copied == ("accelerometer/landing/one-2.json",)  # it can't see that it is the same
    with pytest.raises(Unavailable, match="not allowed"):
        opened().ingest(delivery, source="customer")
    assert len(bodies(s3, bucket, "stedi/")) == 2


@pytest.mark.slow
def test_everything_is_written_with_the_key_that_is_given(
    landed: Opened, bucket: str, s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The lock too: where the bucket's policy asks for the key, a put without it is refused."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/of-the-lake"
    monkeypatch.setenv("STEDI_KMS_KEY", key)
    landed().run()
    more = tmp_path / "more.json"
    more.write_text(json.dumps(small.acceleration("ann", 77, 0.1)))
    landed().ingest(more, source="accelerometer")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    keys = {
        one["Key"]: s3.head_object(Bucket=bucket, Key=one["Key"]).get("SSEKMSKeyId")
        for one in listed
    }
    delivered = [f"stedi/{source}/landing/one.json" for source in ("customer", "accelerometer")]
    without = {name for name, used in keys.items() if used != key}
    assert "stedi/_stedi/lock" in keys
    assert without == {*delivered, "stedi/step_trainer/landing/one.json"}  # put before


def test_the_secret_comes_from_secrets_manager_by_its_arn(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cloud.client("secretsmanager").create_secret(
        Name="fingerprints", SecretString="a secret that is long enough, from the store"
    )
    monkeypatch.setenv("STEDI_SECRET", made["ARN"])
    assert secret_of_user() == b"a secret that is long enough, from the store"
    monkeypatch.setenv("STEDI_SECRET", ARN)
    with pytest.raises(Unavailable, match="ResourceNotFoundException"):
        secret_of_user()
    monkeypatch.setenv("STEDI_SECRET", "arn:aws:s3:::bucket")
    with pytest.raises(UsageError, match="not the ARN of a secret"):
        secret_of_user()


Grants = Callable[[], list[tuple[str, str, list[str]]]]


@pytest.fixture
def granted(cloud: Cloud, database: str) -> Grants:
    def listed() -> list[tuple[str, str, list[str]]]:
        found = cloud.client("lakeformation").list_permissions()["PrincipalResourcePermissions"]
        tables = [
            (one["Principal"], one["Resource"]["TableWithColumns"], one["Permissions"])
            for one in found
            if one["Resource"].get("TableWithColumns", {}).get("DatabaseName") == database
        ]
        return sorted(
            (who["DataLakePrincipalIdentifier"], table["Name"], table["ColumnNames"])
            for who, table, rights in tables
            if rights == ["SELECT"]
        )

    return listed


def test_columns_are_granted_at_the_end_of_each_run(
    landed: Opened, granted: Grants, cloud: Cloud, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is rebuilt has lost its grants; names, e-mails and serials are in none."""
    role = "arn:aws:iam::123456789012:role/stedi-analyst"
    landed().run()
    assert granted() == []
    monkeypatch.setenv("STEDI_READERS", role)
    report = landed().run()
    expected = [
        (
            role,
            "customer_curated",
            [
                "birthday",
                *("registrationdate", "lastupdatedate", "sharewithresearchasofdate"),
                *("sharewithpublicasofdate", "sharewithfriendsasofdate"),
            ],
        ),
        (role, "machine_learning_curated", ["distancefromobject", "x", "y", "z"]),
    ]
    assert granted() == expected
    # moto knows no opting in: what can't be done is told, and the run goes on.
    told = [remark for remark in report.remarks if "stedi-analyst" in remark]
    assert len(told) == 2
    client = cloud.client("lakeformation")
    for _, table, columns in expected:
        selected = {"DatabaseName": database, "Name": table, "ColumnNames": columns}
        client.revoke_permissions(
            Principal={"DataLakePrincipalIdentifier": role},
            Resource={"TableWithColumns": selected},
            Permissions=["SELECT"],
        )
    assert granted() == []
    assert landed().run().built == ()  # nothing to do, and granted all the same
    assert granted() == expected


def test_a_folder_has_nobody_to_grant_to(
    small_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEDI_READERS", "arn:aws:iam::123456789012:role/stedi-analyst")
    assert not [r for r in small_lakehouse.run().remarks if "stedi-analyst" in r]
