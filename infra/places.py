"""Where what lies: folders of the lake by who may read them, and names of everything else.

Folders come from the declarations. Names have CloudFormation's pseudo parameters in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.settings import Settings
from stedi.declared import Declarations
from stedi.declared.athena import typed_name

PREFIX = "stedi"
"""Of the lake's bucket: the lakehouse's root is `s3://BUCKET/stedi`."""
PAGE = "page/lakehouse.html"
"""Of the results' bucket: the page that each job writes."""


@dataclass(frozen=True)
class Folders:
    """Folders of the lakehouse, by what is in them; those of tables by the tables' names."""

    landing: Mapping[str, str]
    typed: Mapping[str, str]
    trusted: Mapping[str, str]
    curated: Mapping[str, str]
    published: Mapping[str, str]
    synthetic: Mapping[str, str]
    own: str = "_stedi"

    @classmethod
    def of(cls, declarations: Declarations) -> Folders:
        """The folders of these declarations."""
        derived = [declarations.contracts[name] for name in declarations.transforms]
        return cls(
            landing={str(c.source): f"{c.source}/landing" for c in declarations.landing},
            typed={typed_name(c.name): c.location for c in declarations.landing},
            trusted={c.name: c.location for c in derived if c.zone == "trusted"},
            curated={
                c.name: c.location for c in derived if c.zone == "curated" and not c.is_published
            },
            published={c.name: c.location for c in derived if c.is_published},
            synthetic={private.table: private.location for _, private in declarations.private},
        )

    @property
    def tables(self) -> list[str]:
        """Every folder that runs write."""
        kinds = (self.typed, self.trusted, self.curated, self.published, self.synthetic)
        return [*(folder for kind in kinds for folder in kind.values()), self.own]


@dataclass(frozen=True)
class Names:
    """What everything is called; in a template with pseudo parameters, in the docs with words."""

    settings: Settings
    lake: str
    code: str
    results: str
    logs: str
    bucket_name: str
    bucket_arn: str
    role_arn: str
    lake_key: str
    results_key: str
    secret: str
    region: str = "${AWS::Region}"
    account: str = "${AWS::AccountId}"

    def bucket(self, bucket: str, *keys: str) -> list[str]:
        """ARNs of objects in one of our buckets; of the bucket itself without keys."""
        arn = self._bucket(bucket, self.bucket_arn)
        return [f"{arn}/{key}" for key in keys] or [arn]

    def in_lake(self, *folders: str) -> list[str]:
        """ARNs of all objects in folders of the lakehouse; of all its objects without folders."""
        places = [f"{PREFIX}/{folder}/*" for folder in folders] or [f"{PREFIX}/*"]
        return self.bucket(self.lake, *places)

    def uri(self, bucket: str, key: str) -> str:
        """The `s3://` URI of a key in one of our buckets."""
        return f"s3://{self._bucket(bucket, self.bucket_name)}/{key}"

    def _bucket(self, bucket: str, shape: str) -> str:
        what = next(w for w in ("lake", "code", "results", "logs") if getattr(self, w) == bucket)
        return shape.format(name=bucket, resource=f"{what.capitalize()}Bucket")

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something in this account and region."""
        return f"arn:{self.settings.partition}:{service}:{self.region}:{self.account}:{resource}"

    def role(self, who: str) -> str:
        """The ARN of a role of ours, of what may be made after the roles."""
        resource = "".join(word.capitalize() for word in who.split("-"))
        return self.role_arn.format(name=self.role_by_name(who), resource=f"{resource}Role")

    def role_by_name(self, who: str) -> str:
        """The same, of what has to be made before them."""
        return f"arn:{self.settings.partition}:iam::{self.account}:role/{self.role_name(who)}"

    def role_name(self, who: str) -> str:
        """The name of a role of ours."""
        return f"{self.settings.name}-{who.replace('_', '-')}"

    def workgroup(self, what: str) -> str:
        """The name of a workgroup of ours."""
        return f"{self.settings.name}-{what}"

    def job(self, script: str) -> str:
        """The name of the Glue job of a script."""
        return f"{self.settings.name}-{script}"

    @property
    def log_group(self) -> str:
        """What the names of the jobs' log groups begin with."""
        return f"/{self.settings.name}/jobs"

    def catalog(self, database: str, tables: Sequence[str] = ()) -> list[str]:
        """ARNs that Glue asks about for tables of a database."""
        return [
            self.arn("glue", "catalog"),
            self.database(database),
            *self.tables(database, tables),
        ]

    def database(self, database: str) -> str:
        """The ARN of a database alone."""
        return self.arn("glue", f"database/{database}")

    def tables(self, database: str, tables: Sequence[str]) -> list[str]:
        """The ARNs of tables alone: Glue asks for those of catalog and database, too."""
        return [self.arn("glue", f"table/{database}/{table}") for table in tables]


def in_template(settings: Settings) -> Names:
    """The names in a template: CloudFormation fills in account, region and what it makes."""
    end = "${AWS::AccountId}-${AWS::Region}"
    return Names(
        settings,
        lake=f"{settings.name}-lake-{end}",
        code=f"{settings.name}-code-{end}",
        results=f"{settings.name}-results-{end}",
        logs=f"{settings.name}-logs-{end}",
        bucket_name="${{{resource}}}",
        bucket_arn="${{{resource}.Arn}}",
        role_arn="${{{resource}.Arn}}",
        lake_key="${LakeKey.Arn}",
        results_key="${ResultsKey.Arn}",
        secret="${Secret}",  # noqa: S106 - a reference, whose value is an ARN
    )


def in_docs(settings: Settings) -> Names:
    """The names in `docs/aws/*.json`: words to be replaced."""
    return Names(
        settings,
        lake="YOUR-LAKE",
        code="YOUR-CODE",
        results="YOUR-RESULTS",
        logs="YOUR-LOGS",
        bucket_name="{name}",
        bucket_arn="arn:aws:s3:::{name}",
        role_arn="{name}",
        lake_key="YOUR-LAKE-KEY",
        results_key="YOUR-RESULTS-KEY",
        secret="YOUR-SECRET",  # noqa: S106 - to be replaced
        region="YOUR-REGION",
        account="YOUR-ACCOUNT",
    )
