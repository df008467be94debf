"""Who may what: every statement of every policy, made from the declarations.

`infra/app.py` puts them into the template, `python -m infra.policies` into `docs/aws/*.json`. A
role may do what its policy allows and no policy of a bucket, key or secret denies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.places import PAGE, PREFIX, Folders, Names, in_docs
from infra.settings import PROD
from stedi.declared import packaged, read_declarations

Statement = dict[str, Any]
Policy = dict[str, Any]

JOB, ERASURE, STEWARD, ANALYST = "job", "erasure", "steward", "analyst"
SCIENTIST, SYNTHETIC, LAKE_FORMATION = "data-scientist", "synthetic-reader", "lake-formation"

PAGE_READERS = (STEWARD, ANALYST, SCIENTIST)
"""Not who reads synthetic data: they may be outsiders, and the page has counts without noise."""

OBJECT = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")


def ingest(source: str) -> str:
    """The role of a person who delivers files of a source."""
    return f"ingest-{source.replace('_', '-')}"


@dataclass(frozen=True)
class Rights:
    """The policies of one deployment."""

    names: Names
    folders: Folders

    @property
    def people(self) -> Mapping[str, Policy]:
        """The policy of each role that people or programs take on, by the role's name."""
        return {
            JOB: self.job(),
            ERASURE: self.erasure(),
            **{ingest(source): self.ingest(source) for source in self.folders.landing},
            STEWARD: self.steward(),
            ANALYST: self.analyst(),
            SCIENTIST: self.scientist(),
            SYNTHETIC: self.synthetic_reader(),
            LAKE_FORMATION: self.lake_formation(),
        }

    @property
    def workgroups(self) -> Mapping[str, str]:
        """The workgroup of each role that queries."""
        return {
            STEWARD: "stewards",
            ANALYST: "analysis",
            SCIENTIST: "research",
            SYNTHETIC: "synthetic",
        }

    @property
    def groups(self) -> list[tuple[str, list[str], list[str]]]:
        """Folders of the lake, and the only roles that may touch what is in them."""
        f = self.folders
        landing = [
            (f"Landing{_camel(source)}", [folder], [JOB, ERASURE, ingest(source)])
            for source, folder in f.landing.items()
        ]
        readers = [JOB, ERASURE, STEWARD, LAKE_FORMATION]
        return [
            *landing,
            ("TypedAndQuarantine", [*f.typed.values(), f.own], [JOB, ERASURE]),
            ("Trusted", [*f.trusted.values()], [JOB, ERASURE, STEWARD]),
            ("Curated", [*f.curated.values()], readers),
            ("Published", [*f.published.values()], [*readers, SCIENTIST]),
            ("Synthetic", [*f.synthetic.values()], [*readers, SYNTHETIC]),
        ]

    def job(self) -> Policy:
        """The role of the Glue jobs: reads raw files and writes tables."""
        n, f = self.names, self.folders
        return _policy(
            _allow("ReadCode", ["s3:GetObject"], n.bucket(n.code, "*")),
            _allow("WriteTables", [*OBJECT, "s3:DeleteObjectVersion"], n.in_lake(*f.tables)),
            _allow(
                "GrantColumns",
                [
                    "lakeformation:GrantPermissions",
                    "lakeformation:CreateLakeFormationOptIn",
                    "lakeformation:ListPermissions",
                ],
                ["*"],
            ),
            _allow(
                "WriteLogs",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                [n.arn("logs", f"log-group:{n.log_group}/*")],
            ),
            _allow(
                "CountMetrics",
                ["cloudwatch:PutMetricData"],
                ["*"],
                {"StringEquals": {"cloudwatch:namespace": "Glue"}},
            ),
            # It is read before it is replaced: nothing but a page may be.
            _allow("WritePage", ["s3:GetObject", "s3:PutObject"], n.bucket(n.results, PAGE)),
            self._list("FindPage", n.results, [PAGE]),
            _allow("UseResultsKey", ["kms:Decrypt", "kms:GenerateDataKey"], [n.results_key]),
            self._landing(),
        )

    def runs(self) -> Policy:
        """What all runs take, those of an erasure too, beside the policy of their role."""
        n = self.names
        return _policy(
            *self._lists(),
            _allow("KeepCatalog", _CATALOG, n.catalog(n.settings.database, ["*"])),
            _allow("ReadSecret", ["secretsmanager:GetSecretValue"], [n.secret]),
            _allow("UseLakeKey", ["kms:Decrypt", "kms:GenerateDataKey"], [n.lake_key]),
        )

    def _landing(self) -> Statement:
        """What jobs may do with raw files: read them, and cut records out where that is set."""
        places = self.names.in_lake(*self.folders.landing.values())
        if not self.names.settings.jobs_rewrite_raw:
            return _allow("ReadLanding", ["s3:GetObject"], places)
        return _allow("RewriteLanding", [*OBJECT, *_VERSIONS], places)

    def erasure(self) -> Policy:
        """The role of a person who calls `stedi erase`: the whole lakehouse, versions included."""
        n = self.names
        return _policy(
            _allow("RewriteEverything", [*OBJECT, *_VERSIONS], n.in_lake()),
            _allow("ListUploads", ["s3:ListBucketMultipartUploads"], n.bucket(n.lake)),
        )

    def ingest(self, source: str) -> Policy:
        """The role of a person who delivers files of a source: puts new files, and reads none."""
        n, folder = self.names, self.folders.landing[source]
        return _policy(
            _allow("DeliverFiles", ["s3:PutObject", "s3:AbortMultipartUpload"], n.in_lake(folder)),
            self._list("ListLanding", n.lake, [f"{PREFIX}/{folder}/*"]),
            _allow("KnowBucket", ["s3:GetBucketLocation"], n.bucket(n.lake)),
            _allow("UseLakeKey", ["kms:Decrypt", "kms:GenerateDataKey"], [n.lake_key]),
        )

    def steward(self) -> Policy:
        """The role of a person who may see identifiers: queries all but raw data."""
        f = self.folders
        tables = {**f.trusted, **f.curated, **f.published, **f.synthetic}
        return self._reader(STEWARD, tables, self.names.settings.database)

    def scientist(self) -> Policy:
        """The role of data scientists: queries published tables."""
        return self._reader(SCIENTIST, self.folders.published, self.names.settings.published)

    def synthetic_reader(self) -> Policy:
        """The role of people outside: queries differentially private tables."""
        return self._reader(SYNTHETIC, self.folders.synthetic, self.names.settings.published)

    def analyst(self) -> Policy:
        """The role of analysts: Lake Formation says which columns; S3 is closed to them."""
        n, f = self.names, self.folders
        tables = [*f.curated, *f.published]
        return _policy(
            *self._queries(ANALYST),
            _allow("FindTables", _FIND, n.tables(n.settings.database, tables)),
            _allow("ReadByLakeFormation", ["lakeformation:GetDataAccess"], ["*"]),
        )

    def lake_formation(self) -> Policy:
        """The role by which Lake Formation reads for others."""
        n, folders = self.names, self.registered
        return _policy(
            _allow("ReadTables", ["s3:GetObject"], n.in_lake(*folders)),
            self._list("ListTables", n.lake, [f"{PREFIX}/{folder}/*" for folder in folders]),
            _allow("UseLakeKey", ["kms:Decrypt"], [n.lake_key]),
        )

    @property
    def registered(self) -> list[str]:
        """The folders that are registered with Lake Formation, in hybrid access mode."""
        f = self.folders
        return [*f.curated.values(), *f.published.values()]

    def _lists(self) -> list[Statement]:
        """What runs have to know of the bucket: names of objects, versions of them."""
        n = self.names
        return [
            # S3 says that an object isn't there, which Spark asks before it writes, only to who
            # may list without a prefix.
            _allow(
                "ListRoot",
                ["s3:ListBucket"],
                n.bucket(n.lake),
                {"StringLikeIfExists": {"s3:prefix": [PREFIX, f"{PREFIX}/*"]}},
            ),
            _allow(
                "ListVersions",
                ["s3:ListBucketVersions"],
                n.bucket(n.lake),
                {"StringLike": {"s3:prefix": [PREFIX, f"{PREFIX}/*"]}},
            ),
            _allow(
                "KnowBucket", ["s3:GetBucketLocation", "s3:GetBucketVersioning"], n.bucket(n.lake)
            ),
        ]

    def _reader(self, who: str, tables: Mapping[str, str], database: str) -> Policy:
        """Queries tables of a database; those of the published one are links to the lake's."""
        n = self.names
        found = n.tables(n.settings.database, [*tables])
        if database != n.settings.database:
            found = [n.database(database), *n.tables(database, [*tables]), *found]
        return _policy(
            *self._queries(who),
            _allow("FindTables", _FIND, found),
            _allow("ReadTables", ["s3:GetObject"], n.in_lake(*tables.values())),
            self._list("ListTables", n.lake, [f"{PREFIX}/{place}/*" for place in tables.values()]),
            _allow("UseLakeKey", ["kms:Decrypt"], [n.lake_key]),
        )

    def queries(self) -> Policy:
        """What all who query on Athena may, beside the policy of their role."""
        n = self.names
        return _policy(
            _allow("SeeCatalog", _SEE, [n.arn("athena", "datacatalog/AwsDataCatalog")]),
            _allow("FindDatabase", _FIND, n.catalog(n.settings.database)),
            _allow("FindDefaultDatabase", ["glue:GetDatabase"], [n.database("default")]),
            _allow("KnowBuckets", ["s3:GetBucketLocation"], n.bucket(n.results) + n.bucket(n.lake)),
            _allow("UseResultsKey", ["kms:Decrypt", "kms:GenerateDataKey"], [n.results_key]),
        )

    def _queries(self, who: str) -> list[Statement]:
        """What a query on Athena takes, in a workgroup of their own."""
        n, folder = self.names, self.workgroups[who]
        workgroup = n.arn("athena", f"workgroup/{n.workgroup(folder)}")
        return [
            _allow("RunQueries", _QUERY, [workgroup]),
            _allow("KeepResults", _RESULTS, n.bucket(n.results, f"{folder}/*")),
            *(
                [_allow("ReadPage", ["s3:GetObject"], n.bucket(n.results, PAGE))]
                if who in PAGE_READERS
                else []
            ),
            self._list("ListResults", n.results, [f"{folder}/*"]),
        ]

    def _list(self, sid: str, bucket: str, prefixes: Sequence[str]) -> Statement:
        condition = {"StringLike": {"s3:prefix": [*prefixes]}}
        return _allow(sid, ["s3:ListBucket"], self.names.bucket(bucket), condition)

    def lake_bucket(self) -> Policy:
        """The policy of the lake's bucket: it allows nothing, and denies to all but named roles."""
        n = self.names
        landing = n.in_lake(*self.folders.landing.values())
        objects = n.bucket(n.lake, "*")
        encryption = "s3:x-amz-server-side-encryption"
        rewriters = [ERASURE, *([JOB] if n.settings.jobs_rewrite_raw else [])]
        return _policy(
            _tls_only(n.bucket(n.lake) + objects),
            *(
                self._all_but(f"Only{name}", n.in_lake(*folders), roles)
                for name, folders, roles in self.groups
            ),
            # Who delivers can replace nothing. Parts of an upload have no condition of their own.
            _deny(
                "NewFilesOnly",
                ["s3:PutObject"],
                landing,
                {
                    "Null": {"s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                    "ArnNotEquals": {"aws:PrincipalArn": [n.role(who) for who in rewriters]},
                },
            ),
            _deny(
                "NoOtherEncryption",
                ["s3:PutObject"],
                objects,
                {
                    "Null": {encryption: "false"},
                    "StringNotEquals": {encryption: "aws:kms"},
                },
            ),
            # What somebody encrypts with a key that they don't hand over, no run can read.
            _deny(
                "NoKeyOfTheirs",
                ["s3:PutObject"],
                objects,
                {"Null": {f"{encryption}-customer-algorithm": "false"}},
            ),
            _deny(
                "NoOtherKey",
                ["s3:PutObject"],
                objects,
                {
                    "Null": {f"{encryption}-aws-kms-key-id": "false"},
                    "StringNotEquals": {f"{encryption}-aws-kms-key-id": n.lake_key},
                },
            ),
        )

    def results_bucket(self) -> Policy:
        """The policy of the results' bucket: each workgroup's are its role's alone.

        The jobs alone write the page, and members of some roles read it.
        """
        n = self.names
        return _policy(
            _tls_only(n.bucket(n.results) + n.bucket(n.results, "*")),
            self._all_but("OnlyPage", n.bucket(n.results, PAGE), [JOB, *PAGE_READERS]),
            *(
                self._all_but(f"Only{_camel(folder)}", n.bucket(n.results, f"{folder}/*"), [who])
                for who, folder in self.workgroups.items()
            ),
        )

    def code_bucket(self) -> Policy:
        """The policy of the code's bucket: none of our roles may change what the jobs run."""
        n = self.names
        return _policy(
            _tls_only(n.bucket(n.code) + n.bucket(n.code, "*")),
            _deny(
                "JobsCodeIsNotOurs",
                ["s3:PutObject", "s3:DeleteObject"],
                n.bucket(n.code, "*"),
                {"ArnLike": {"aws:PrincipalArn": n.role_by_name("*")}},
            ),
        )

    def logs_bucket(self, sources: Sequence[str]) -> Policy:
        """The policy of the logs' bucket: S3 writes, of our buckets only."""
        n = self.names
        return _policy(
            _tls_only(n.bucket(n.logs) + n.bucket(n.logs, "*")),
            {
                "Sid": "AccessLogs",
                "Effect": "Allow",
                "Principal": {"Service": "logging.s3.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": n.bucket(n.logs, "*"),
                "Condition": {
                    "ArnLike": {
                        "aws:SourceArn": [f"arn:{n.settings.partition}:s3:::{s}" for s in sources]
                    },
                    "StringEquals": {"aws:SourceAccount": n.account},
                },
            },
        )

    def lake_key(self) -> Policy:
        """The policy of the lake's key: administrators manage it, named roles use it through S3."""
        writers = [JOB, ERASURE, *(ingest(source) for source in self.folders.landing)]
        readers = [STEWARD, SCIENTIST, SYNTHETIC, LAKE_FORMATION]
        return _policy(
            self._administered(),
            self._used("WriteThroughS3", ["kms:Decrypt", "kms:GenerateDataKey"], writers),
            self._used("ReadThroughS3", ["kms:Decrypt"], readers),
        )

    def results_key(self) -> Policy:
        """The policy of the results' key, which opens nothing of the lake."""
        return _policy(
            self._administered(),
            self._used(
                "UseThroughS3", ["kms:Decrypt", "kms:GenerateDataKey"], [JOB, *self.workgroups]
            ),
        )

    def alerts_key(self) -> Policy:
        """The policy of the key for logs, alerts and the queue, none of which has people's data."""
        n = self.names
        services = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"]
        return _policy(
            {**self._administered(), "Action": "kms:*"},
            {
                "Sid": "AlarmsAndEvents",
                "Effect": "Allow",
                "Principal": {"Service": services},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "*",
            },
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{n.region}.amazonaws.com"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": n.arn(
                            "logs", f"log-group:{n.log_group}/*"
                        )
                    }
                },
            },
        )

    def secret(self) -> Policy:
        """The policy of the secret: nobody but jobs and the person who erases reads it."""
        return _policy(
            {
                "Sid": "JobsAndErasureOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["secretsmanager:GetSecretValue"],
                "Resource": "*",
                "Condition": {
                    "ArnNotEquals": {
                        "aws:PrincipalArn": [self.names.role(who) for who in (JOB, ERASURE)]
                    }
                },
            }
        )

    def trust(self, who: str) -> Policy:
        """Who takes on a role: a service for this account, or people whom the account lets."""
        services = {JOB: "glue.amazonaws.com", LAKE_FORMATION: "lakeformation.amazonaws.com"}
        if service := services.get(who):
            return trusted(service, self.names)
        return _policy(
            {
                "Sid": "PeopleOfThisAccount",
                "Effect": "Allow",
                "Principal": {"AWS": self.names.account},
                "Action": "sts:AssumeRole",
            }
        )

    def _administered(self) -> Statement:
        return {
            "Sid": "Administer",
            "Effect": "Allow",
            "Principal": {"AWS": self.names.account},
            "Action": _ADMINISTER,
            "Resource": "*",
        }

    def _used(self, sid: str, actions: Sequence[str], roles: Sequence[str]) -> Statement:
        """Use of a key through S3; roles by a condition, since principals have to exist."""
        n = self.names
        return {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": n.account},
            "Action": [*actions],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"kms:ViaService": f"s3.{n.region}.amazonaws.com"},
                "ArnEquals": {"aws:PrincipalArn": [n.role_by_name(who) for who in roles]},
            },
        }

    def _all_but(self, sid: str, objects: Sequence[str], roles: Iterable[str]) -> Statement:
        """Deny everything on objects to all but these roles, administrators included."""
        named = {"ArnNotEquals": {"aws:PrincipalArn": [self.names.role(who) for who in roles]}}
        return _deny(sid, ["s3:*"], objects, named)


def trusted(service: str, names: Names) -> Policy:
    """That a service takes on a role, and for this account only."""
    return _policy(
        {
            "Sid": "ServiceForThisAccount",
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": names.account}},
        }
    )


_CATALOG = [
    *("glue:GetDatabase", "glue:CreateDatabase", "glue:UpdateDatabase", "glue:GetTable"),
    *("glue:GetTables", "glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable"),
]
_FIND = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables"]
_QUERY = [
    *("athena:StartQueryExecution", "athena:StopQueryExecution", "athena:GetQueryExecution"),
    *("athena:GetQueryResults", "athena:BatchGetQueryExecution", "athena:ListQueryExecutions"),
    "athena:GetWorkGroup",
]
_RESULTS = [
    *("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
]
_VERSIONS = ["s3:GetObjectVersion", "s3:DeleteObjectVersion"]
_SEE = [
    *("athena:GetDataCatalog", "athena:GetDatabase", "athena:ListDatabases"),
    *("athena:GetTableMetadata", "athena:ListTableMetadata"),
]
_ADMINISTER = [
    *("kms:Describe*", "kms:List*", "kms:Get*", "kms:Put*", "kms:Update*", "kms:Enable*"),
    *("kms:Disable*", "kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion"),
    *("kms:CancelKeyDeletion", "kms:RotateKeyOnDemand"),
]
"""Neither Encrypt nor Decrypt, nor grants of them: administrators see no data."""


def _policy(*statements: Statement) -> Policy:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def _allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [*actions],
        "Resource": [*resources],
    }
    return {**statement, "Condition": condition} if condition else statement


def _deny(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any]
) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": [*actions],
        "Resource": [*resources],
        "Condition": condition,
    }


def _tls_only(resources: Sequence[str]) -> Statement:
    return _deny("TlsOnly", ["s3:*"], resources, {"Bool": {"aws:SecureTransport": "false"}})


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.replace("-", "_").split("_"))


def documents() -> dict[Path, str]:
    """`docs/aws/*.json`: the same statements, with words in the place of names."""
    rights = Rights(in_docs(PROD), Folders.of(read_declarations(packaged())))
    policies = {
        **rights.people,
        "queries": rights.queries(),
        "runs": rights.runs(),
        "job-trust": rights.trust(JOB),
        "lake-bucket": rights.lake_bucket(),
        "lake-key": rights.lake_key(),
        "results-bucket": rights.results_bucket(),
        "results-key": rights.results_key(),
    }
    return {
        Path("docs") / "aws" / f"{name}.json": json.dumps(policy, indent=2) + "\n"
        for name, policy in policies.items()
    }


if __name__ == "__main__":
    folder = Path(__file__).parents[1]
    for path, text in documents().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
