"""S3 and Glue of the tests' own, on one endpoint: moto's, served from this process."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3  # type: ignore[import-untyped, unused-ignore]
from moto.moto_api._internal.models import moto_api_backend  # type: ignore[attr-defined, unused-ignore]
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

REGION = "eu-west-1"
KEY = "testing"


@dataclass(frozen=True)
class Cloud:
    """An endpoint that speaks for S3 and for Glue, with one bucket."""

    endpoint: str
    bucket: str

    def client(self, service: str) -> Any:
        """A client of `s3` or `glue`."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """What names the endpoint to users of AWS's own libraries."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def catalogs(self) -> Mapping[str, Mapping[str, str]]:
        """Trino's catalogs over it: `hive`, which finds Iceberg tables as Athena does, `iceberg`.

        https://trino.io/docs/476/object-storage/metastores.html
        """
        both = {
            "hive.metastore.glue.endpoint-url": self.endpoint,
            "hive.metastore.glue.region": REGION,
            "hive.metastore.glue.aws-access-key": KEY,
            "hive.metastore.glue.aws-secret-key": KEY,
            "fs.native-s3.enabled": "true",
            "s3.endpoint": self.endpoint,
            "s3.region": REGION,
            "s3.path-style-access": "true",
            "s3.aws-access-key": KEY,
            "s3.aws-secret-key": KEY,
        }
        return {
            "hive": {
                "connector.name": "hive",
                "hive.metastore": "glue",
                "hive.iceberg-catalog-name": "iceberg",
                **both,
            },
            "iceberg": {"connector.name": "iceberg", "iceberg.catalog.type": "glue", **both},
        }

    def upload(self, folder: Path, prefix: str) -> None:
        """Put the files of a folder below a prefix of the bucket."""
        s3 = self.client("s3")
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                s3.upload_file(str(path), self.bucket, f"{prefix}/{path.relative_to(folder)}")


class _Dispatcher(DomainDispatcherApplication):
    """moto's, which looks through its own folder at every request: most of what one costs."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]


class _Application:
    """moto's, and of Glue what Trino asks for and moto (5.2) lacks: that there are no statistics.

    moto's 500 would do too, but Trino asks ten times before it takes it for an answer.
    """

    def __init__(self) -> None:
        self._moto = _Dispatcher()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_X_AMZ_TARGET") != "AWSGlue.GetColumnStatisticsForTable":
            answer: Iterable[bytes] = self._moto(environ, start_response)
            return answer
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
        return [b'{"ColumnStatisticsList": [], "Errors": []}']


@contextmanager
def running() -> Iterator[Cloud]:
    """A cloud with an empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it logs every request
    server = make_server(
        "127.0.0.1", 0, _Application(), threaded=True, request_handler=MotoRequestHandler
    )
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        # All of moto in a process has one memory: what was made before would be there.
        moto_api_backend.reset()
        made = Cloud(f"http://127.0.0.1:{server.server_port}", f"stedi-{uuid4().hex[:8]}")
        made.client("s3").create_bucket(
            Bucket=made.bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
