"""A proxy before moto that asks, of every request, whether the template lets its caller do it.

moto knows no conditions, and a Deny without its conditions denies everybody. So the policies of
buckets are taken from moto, and decided here with those of roles, keys and the secret by
`tests/infra/iam.py`. Keys that moto hands out for a role are that role's; those of the tests are an
administrator's.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from tests.infra.applied import Stack
from tests.infra.iam import is_allowed
from tests.infra.rights import ADMINISTRATOR, Account, Asked
from tests.support.cloud import KEY, REGION

_CREATES = {"s3:ObjectCreationOperation": "true"}
_PARTS = {"s3:ObjectCreationOperation": "false"}
_BUCKET = {
    "location": "s3:GetBucketLocation",
    "versioning": "s3:{}BucketVersioning",
    "policy": "s3:{}BucketPolicy",
    "logging": "s3:{}BucketLogging",
    "encryption": "s3:{}EncryptionConfiguration",
    "notification": "s3:{}BucketNotification",
    "uploads": "s3:ListBucketMultipartUploads",
}
_WORDS = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "DELETE": "Delete", "POST": "Put"}


@dataclass(frozen=True)
class Call:
    """One request to AWS, as it comes in."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """Of the caller."""
        signed = self.headers.get("authorization", "")
        asked = re.search(r"Credential=([^/,]+)/", signed)
        return asked[1] if asked else self.query.get("X-Amz-Credential", ["/"])[0].split("/")[0]

    @property
    def service(self) -> str:
        signed = self.headers.get("authorization", "")
        asked = re.search(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", signed)
        return asked[1] if asked else "s3"

    @property
    def operation(self) -> str:
        """What is asked of a service other than S3."""
        if target := self.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        if action := parse_qs(self.body.decode(errors="replace")).get("Action"):
            return action[0]
        return urlparse(self.path).path.strip("/").split("/")[0] or "Unknown"

    @property
    def fields(self) -> Mapping[str, Any]:
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            found = {k: v[0] for k, v in parse_qs(self.body.decode(errors="replace")).items()}
        return found if isinstance(found, dict) else {}


@dataclass
class Enforcing:
    """Who may what, and who is who."""

    stack: Stack
    refused: list[str] = field(default_factory=list)
    callers: dict[str, str] = field(default_factory=lambda: {KEY: ADMINISTRATOR})
    policies: dict[str, Any] = field(default_factory=dict)
    """Of buckets, where somebody changed them since."""

    def __post_init__(self) -> None:
        self.account = Account(self.stack)
        buckets = self.account.of_type("AWS::S3::Bucket")
        self.buckets = {p["BucketName"]: name.removesuffix("Bucket") for name, p in buckets.items()}
        for name in self.buckets:  # the proxy decides
            self.stack.client("s3").delete_bucket_policy(Bucket=name)

    def refusal(self, call: Call) -> str | None:
        """What is refused of a call, if anything."""
        who = self.callers.get(call.key)
        if who is None:
            return f"no such key {call.key}"
        for one in self.asked(who, call):
            if not self.decided(one):
                return f"{who}: {one.request.action} on {one.request.resource}"
        return None

    def decided(self, asked: Asked) -> bool:
        bucket = asked.request.resource.removeprefix("arn:aws:s3:::").split("/")[0]
        if bucket in self.policies:
            asked = replace(asked, of_resource=self.policies[bucket])
        return is_allowed(asked.request, asked.own, asked.of_resource)

    def asked(self, who: str, call: Call) -> Iterable[Asked]:
        if call.service != "s3":
            yield from self.of_service(who, call)
            return
        bucket, _, key = unquote(urlparse(call.path).path).strip("/").partition("/")
        if not bucket:
            yield self.account.asked(who, "s3:ListAllMyBuckets", "arn:aws:s3:::*")
        elif key:
            yield from self.of_object(who, call, bucket, key)
        else:
            yield from self.of_bucket(who, call, bucket)

    def of_bucket(self, who: str, call: Call, bucket: str) -> Iterator[Asked]:
        arn = f"arn:aws:s3:::{bucket}"
        prefix = {"s3:prefix": call.query["prefix"][0]} if "prefix" in call.query else {}
        for name, action in _BUCKET.items():
            if name in call.query:
                yield self.account.asks(who, action.format(_WORDS[call.method]), arn)
                return
        if "delete" in call.query:
            for one in re.findall(r"<Object>(.*?)</Object>", call.body.decode(), re.DOTALL):
                what = "DeleteObjectVersion" if "<VersionId>" in one else "DeleteObject"
                key = re.findall("<Key>(.*?)</Key>", one, re.DOTALL)[0]
                yield self.account.asks(who, f"s3:{what}", f"{arn}/{key}")
        elif call.method == "DELETE":
            yield self.account.asks(who, "s3:DeleteBucket", arn)
        elif call.method == "PUT":
            yield self.account.asks(who, "s3:CreateBucket", arn)
        elif "versions" in call.query:
            yield self.account.asks(who, "s3:ListBucketVersions", arn, prefix)
        else:
            yield self.account.asks(who, "s3:ListBucket", arn, prefix)

    def of_object(self, who: str, call: Call, bucket: str, key: str) -> Iterator[Asked]:
        arn = f"arn:aws:s3:::{bucket}/{key}"
        query, headers = call.query, call.headers
        context = {
            f"s3:{name}": headers[name]
            for name in (
                "x-amz-server-side-encryption",
                "x-amz-server-side-encryption-aws-kms-key-id",
                "x-amz-server-side-encryption-customer-algorithm",
            )
            if name in headers
        }
        if "if-none-match" in headers:
            context["s3:if-none-match"] = headers["if-none-match"]
        if call.method in ("GET", "HEAD"):
            if "uploadId" in query:
                yield self.account.asks(who, "s3:ListMultipartUploadParts", arn)
                return
            what = "GetObjectVersion" if "versionId" in query else "GetObject"
            yield self.account.asks(who, f"s3:{what}", arn)
            yield from self.with_key(who, bucket, "kms:Decrypt")
        elif call.method == "DELETE":
            what = "DeleteObjectVersion" if "versionId" in query else "DeleteObject"
            what = "AbortMultipartUpload" if "uploadId" in query else what
            yield self.account.asks(who, f"s3:{what}", arn)
        else:
            if source := headers.get("x-amz-copy-source"):
                copied = unquote(source).split("?versionId=")[0].strip("/")
                yield self.account.asks(who, "s3:GetObject", f"arn:aws:s3:::{copied}")
                yield from self.with_key(who, copied.split("/")[0], "kms:Decrypt")
            parts = "uploads" in query or "partNumber" in query
            context |= _PARTS if parts else _CREATES
            yield self.account.asks(who, "s3:PutObject", arn, context)
            yield from self.with_key(who, bucket, "kms:GenerateDataKey")
            if "uploads" in query or "uploadId" in query:
                yield from self.with_key(who, bucket, "kms:Decrypt")

    def with_key(self, who: str, bucket: str, action: str) -> list[Asked]:
        return self.account.with_key(who, self.buckets.get(bucket, ""), action)

    def of_service(self, who: str, call: Call) -> Iterator[Asked]:
        """Of other services: resources of what our roles use, and a name for all else."""
        given, service, operation = call.fields, call.service, call.operation
        arn = f"arn:aws:{service}:{REGION}:{self.stack.account}"
        places = [f"{arn}:{operation}"]
        if service == "glue" and ("Table" in operation or "Database" in operation):
            database = given.get("DatabaseName") or given.get("DatabaseInput", given).get("Name")
            table = given.get("TableInput", given).get("Name", "*")
            places = [f"{arn}:catalog", f"{arn}:database/{database}"]
            if "Table" in operation:
                places.append(f"{arn}:table/{database}/{table}")
        elif service == "glue" and "Job" in operation:
            places = [f"{arn}:job/{given.get('JobName') or given.get('Name')}"]
        elif service == "secretsmanager":
            places = [str(given.get("SecretId"))]
        elif service == "athena" and "WorkGroup" in given:
            places = [f"{arn}:workgroup/{given['WorkGroup']}"]
        elif service == "athena" and "QueryExecutionId" in given:
            asked = {"QueryExecutionId": given["QueryExecutionId"]}
            run = self.stack.client("athena").get_query_execution(**asked)["QueryExecution"]
            places = [f"{arn}:workgroup/{run['WorkGroup']}"]
        elif service == "states" and "stateMachineArn" in given:
            places = [given["stateMachineArn"]]
        elif service == "sts":
            places = [str(given.get("RoleArn", "*"))]
            if operation == "GetCallerIdentity":  # allowed to everybody
                return
        elif service == "kms" and "KeyId" in given:
            places = [given["KeyId"]]
        elif service == "lakeformation":
            places = ["*"]
        prefix = {"monitoring": "cloudwatch"}.get(service, service)
        for place in places:
            yield self.account.asks(who, f"{prefix}:{operation}", place)

    def note(self, call: Call, answer: bytes) -> None:
        """What an allowed call changes of who is who, and who may what."""
        if call.operation == "AssumeRole" and call.service == "sts":
            key = re.findall(r"<AccessKeyId>(.*?)</AccessKeyId>", answer.decode())[0]
            name = call.fields["RoleArn"].rpartition("/")[2]
            self.callers[key] = self.account.short(name)
        if call.service == "s3" and "policy" in call.query:
            bucket = unquote(urlparse(call.path).path).strip("/")
            self.policies[bucket] = json.loads(call.body) if call.method == "PUT" else None


@contextmanager
def enforcing(stack: Stack, kind: type[Enforcing] = Enforcing) -> Iterator[tuple[Enforcing, str]]:
    """The proxy at work before the stack's moto, and its endpoint."""
    judge = kind(stack)
    upstream = urlparse(str(stack.endpoint))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = parse_qs(urlparse(self.path).query, keep_blank_values=True)
            call = Call(self.command, self.path, query, headers, body)
            refusal = judge.refusal(call)
            if refusal:
                judge.refused.append(refusal)
                self.refuse(call, refusal)
                return
            connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port)
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            found = connection.getresponse()
            answer = found.read()
            connection.close()
            if found.status == 404 and self.command in ("GET", "HEAD") and self.hides(call):
                self.refuse(call, "whoever may not list is not told that an object isn't there")
                return
            if found.status < 300:
                judge.note(call, answer)
            self.answer(found.status, found.getheaders(), answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

        def hides(self, call: Call) -> bool:
            bucket, _, key = unquote(urlparse(call.path).path).strip("/").partition("/")
            if call.service != "s3" or not key:
                return False
            who = judge.callers[call.key]
            asked = judge.account.asks(who, "s3:ListBucket", f"arn:aws:s3:::{bucket}")
            return not judge.decided(asked)

        def refuse(self, call: Call, why: str) -> None:
            said = f"<Error><Code>AccessDenied</Code><Message>{why}</Message></Error>"
            status, kind = 403, "application/xml"
            if "x-amz-target" in call.headers or call.service == "lakeformation":
                said = json.dumps({"__type": "AccessDeniedException", "message": why})
                status, kind = 400, "application/x-amz-json-1.1"
            elif call.service != "s3":
                said = f"<ErrorResponse>{said}</ErrorResponse>"
            self.answer(status, [("Content-Type", kind)], said.encode())

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            length = str(len(body))
            for name, value in headers:
                if name.lower() == "content-length" and self.command == "HEAD":
                    length = value
                elif name.lower() not in (
                    "content-length", "transfer-encoding", "connection", "server", "date",
                ):  # fmt: skip
                    self.send_header(name, value)
            self.send_header("Content-Length", length if status != 204 else "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
                self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield judge, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
