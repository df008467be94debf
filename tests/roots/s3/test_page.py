"""The page of a lakehouse on S3, and a page that is put there, as a Glue job does."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from stedi.errors import UsageError
from tests.roots.s3.conftest import OnS3
from tests.support.cloud import Cloud
from tests.support.processes import stedi


def test_it_is_put_where_browsers_show_it_and_replaces_a_page_alone(
    cloud: Cloud, ran: OnS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEDI_KMS_KEY", "arn:aws:kms:eu-west-1:123456789012:key/of-the-lakehouse")
    uri = f"s3://{cloud.bucket}/results/page.html"
    stedi("page", uri, "--title", "first", "--root", ran.uri, "--database", ran.database)
    ran.lakehouse.page(uri, title="second")
    put = boto3.client("s3").get_object(Bucket=cloud.bucket, Key="results/page.html")
    assert put["ContentType"] == "text/html; charset=utf-8"
    assert "SSEKMSKeyId" not in put  # readers of a page need no key of the lakehouse
    there = put["Body"].read().decode()
    assert "<title>second" in there
    here = ran.lakehouse.page(tmp_path / "page.html", title="second").read_text()
    assert len(here.splitlines()) == len(there.splitlines())

    boto3.client("s3").put_object(Bucket=cloud.bucket, Key="results/other.html", Body=b"<p>mine")
    with pytest.raises(UsageError, match=r"other\.html: is there already, and is no page of ours"):
        ran.lakehouse.page(f"s3://{cloud.bucket}/results/other.html")


@pytest.mark.parametrize(
    ("below", "why"),
    [
        ("{root}/page.html", "lies in the lakehouse"),
        ("s3://{bucket}/results/page.txt", r"ends in \.html"),
        ("s3://{bucket}/results/", r"ends in \.html"),
        ("s3:///page.html", "name an object, as in s3://bucket/folder/page.html"),
        ("s3://{bucket}", r"ends in \.html"),
    ],
)
def test_other_places_are_refused(cloud: Cloud, ran: OnS3, below: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        ran.lakehouse.page(below.format(root=ran.uri, bucket=cloud.bucket))
