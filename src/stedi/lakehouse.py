"""The facade: what the command line does, as methods with the same names."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from stedi.errors import NotAnonymous, UsageError
from stedi.roots import DEFAULT_DATABASE, open_root

if TYPE_CHECKING:
    from datetime import datetime
    from importlib.resources.abc import Traversable

    from stedi.athena import AthenaResult
    from stedi.declared import Declarations
    from stedi.engines import Engine
    from stedi.landing.ingest import Ingested
    from stedi.privacy.audit import Audit
    from stedi.privacy.proof import Proof
    from stedi.privacy.proof.origins import ColumnOrigins
    from stedi.privacy.published import PublishedTable
    from stedi.quarantine import Quarantine, QuarantinedPiece
    from stedi.query import Result
    from stedi.roots import Files
    from stedi.run import Options, Planned, RunReport
    from stedi.science.predicting import Predicted
    from stedi.science.release import Release
    from stedi.science.training import Training
    from stedi.simulate import Simulated
    from stedi.status import Status
    from stedi.storage.warehouse import Warehouse

# Imports stand in the methods: asking for help or a status must not wait for an engine to load.

__all__ = [
    "DEFAULT_DATABASE",
    "DEFAULT_ROOT",
    "DEMO_CUSTOMERS",
    "Checked",
    "EngineName",
    "Lakehouse",
    "Replay",
]

EngineName = Literal["duckdb", "spark"]
DEFAULT_ROOT = "lakehouse"
DEMO_CUSTOMERS = 956


@dataclass(frozen=True)
class Replay:
    """What came of reading again: pieces set aside by source and reason, before and after."""

    before: Mapping[str, Mapping[str, int]]
    after: Mapping[str, Mapping[str, int]]
    run: RunReport


@dataclass(frozen=True)
class Checked:
    """Declarations that fit together: the tables in the order they are made, and what was proved.

    `events` names the file that the OpenLineage events are in; None where they went elsewhere.
    """

    tables: tuple[str, ...]
    events: str | None
    _declarations: Declarations = field(repr=False)
    _proof: Proof = field(repr=False)

    def explain(self, column: str) -> ColumnOrigins:
        """Tell where a column comes from, given as `table.column`, or by name if it is published.

        Raises `UsageError`.
        """
        from stedi.privacy.proof.origins import column_origins

        return column_origins(self._declarations, self._proof, column)

    def graph(self) -> str:
        """The column lineage of what is published, as an SVG picture."""
        from stedi.privacy.proof.graph import graph

        return graph(self._declarations, self._proof)


class Lakehouse:
    """A lakehouse at one root.

    Args:
        root: The folder that holds, or will hold, landing zone and tables, or `s3://bucket/prefix`.
        declarations: A folder with `contracts/` and `transforms/`; those of STEDI by default.
        database: For a root on S3, the database of Glue's Data Catalog that knows its tables.

    """

    def __init__(
        self,
        root: str | Path = DEFAULT_ROOT,
        *,
        declarations: str | Path | None = None,
        database: str = DEFAULT_DATABASE,
    ) -> None:
        self._root = open_root(root, database)
        self.root = self._root.files.root
        self._database = database
        self._declarations = Path(declarations) if declarations is not None else None
        if self._declarations is not None and not self._declarations.is_dir():
            what = "not a folder" if self._declarations.exists() else "no such folder"
            raise UsageError(f"--declarations {declarations}: {what}")

    def demo(
        self, *, seed: int = 0, progress: Callable[[str], None] | None = None
    ) -> tuple[Simulated | None, RunReport]:
        """Simulate a landing zone of 956 customers, unless one is there, and run everything."""
        from stedi.landing.files import list_files

        simulated = None
        if not list_files(self._root.files, "customer"):
            with tempfile.TemporaryDirectory(prefix="stedi-demo-") as folder:
                simulated = self.simulate(folder, customers=DEMO_CUSTOMERS, seed=seed)
                self.ingest(folder)
        return simulated, self.run(progress=progress)

    @staticmethod
    def simulate(
        destination: str | Path,
        *,
        customers: int,
        seed: int = 0,
        people: bool = False,
        defects: int | Mapping[str, int] = 0,
    ) -> Simulated:
        """Write a landing zone below `destination`, and in `truth.json` what is to be found in it.

        Args:
            destination: A folder; it may exist.
            customers: How many people.
            seed: The same seed gives the same bytes.
            people: Whether customers move like people, change their minds and share Step Trainers.
            defects: How many of each kind of defect each source has, or how many by kind.

        Raises `UsageError` where files already lie there, and for more defects than there is room
        for.

        """
        from stedi.simulate import simulate

        return simulate(
            Path(destination), customers=customers, seed=seed, people=people, defects=defects
        )

    def ingest(self, path: str | Path, *, source: str | None = None) -> Ingested:
        """Copy a folder with `<source>/landing/` into the landing zone, or files of one `source`.

        The same bytes twice change nothing; no file is overwritten.
        """
        from stedi.landing.ingest import ingest_files, ingest_folder
        from stedi.roots import fetch_folder

        sources = [str(contract.source) for contract in self._declared().landing]
        folder = fetch_folder(path)
        if source is None:
            return ingest_folder(self._root.files, folder, sources)
        return ingest_files(self._root.files, folder, source, sources)

    @property
    def location(self) -> str:
        """The root as people call it."""
        return self._root.files.name(self.root)

    def ingest_starter(self) -> Ingested:
        """Fetch the public starter data with git and copy it into the landing zone.

        Raises `Unavailable`.
        """
        from stedi.landing.ingest import starter

        with starter() as folder:
            return self.ingest(folder)

    def run(
        self,
        *,
        engine: EngineName = "duckdb",
        master: str | None = None,
        profile: str | None = None,
        only: Collection[str] | None = None,
        full: bool = False,
        max_pairs: int | None = None,
        accept_bad_files: bool = False,
        wait: float = 0.0,
        progress: Callable[[str], None] | None = None,
    ) -> RunReport:
        """Bring every table up to date.

        Args:
            engine: What works out the tables: DuckDB in this process, or Spark.
            master: Where Spark runs, as in `spark://host:7077`; by default a Spark that runs in
                this process already, or else all cores of this machine.
            profile: `seed`, `strict` or one of the declarations' own; by default the last one used.
            only: Derived tables to bring up to date, with the landing tables that they read,
                instead of everything.
            full: Read and build everything anew.
            max_pairs: How many rows a join by time may give, instead of the default limit.
            accept_bad_files: Load what fits of files that were, or would be, set aside whole.
            wait: How many seconds to wait for another run on this root to end.
            progress: Called with a line at each step.

        Raises `DeclarationError`, `LandingError`, `UsageError`, `RuleBroken`, `PairingTooLarge`,
        `StorageError`, `Unavailable`, `EngineFailed` or `Locked`; each table is then whole,
        as it was or as it is now. Raises `NotAnonymous` after all is done where a table had to be
        published empty.

        """
        return self._run(
            _engine(engine, master),
            profile,
            progress,
            only=only,
            full=full,
            max_pairs=max_pairs,
            accepts_bad_files=accept_bad_files,
            wait=wait,
        )

    def plan(
        self,
        *,
        profile: str | None = None,
        only: Collection[str] | None = None,
        full: bool = False,
        accept_bad_files: bool = False,
    ) -> list[Planned]:
        """What `run` with these arguments would do, table by table; nothing is written."""
        from stedi import run

        declarations, warehouse = self._opened(profile)
        options = self._options(
            declarations, only=only, full=full, accepts_bad_files=accept_bad_files
        )
        return run.dry_run(warehouse, declarations, options)

    def quarantine(
        self,
        *,
        source: str | None = None,
        reason: str | None = None,
        file: str | None = None,
        limit: int | None = None,
        raw: bool = False,
    ) -> Quarantine:
        """What was set aside: all of it counted, and up to `limit` pieces, masked unless `raw`."""
        from stedi.quarantine import quarantine

        declarations, warehouse = self._opened()
        return quarantine(
            warehouse,
            declarations,
            source=source,
            reason=reason,
            file=file,
            limit=limit,
            raw=raw,
        )

    def quarantined(self, place: str, *, raw: bool = False) -> QuarantinedPiece:
        """One piece that was set aside, whole; its place is as `quarantine` gives it."""
        from stedi.quarantine import quarantined

        declarations, warehouse = self._opened()
        return quarantined(warehouse, declarations, place, raw=raw)

    def replay(
        self,
        *,
        source: str | None = None,
        accept_bad_files: bool = False,
        engine: EngineName = "duckdb",
        master: str | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Replay:
        """Read again what was set aside, and bring every table up to date.

        For after a contract or files were mended. What fits now is loaded, once; with
        `accept_bad_files` also what fits of files that were set aside whole. `source` has all this
        done to what is of that source.
        """
        from stedi.quarantine import counts_by_reason

        self._refuse_nothing()
        sources = [str(contract.source) for contract in self._declared().landing]
        if source is not None and source not in sources:
            raise UsageError(f"--source {source}: there are {', '.join(sources)}")
        before = counts_by_reason(self._warehouse())
        replays = {name for name in before if source in (None, name)}
        try:
            report = self._run(
                _engine(engine, master),
                None,
                progress,
                replays=replays,
                accepts_bad_files=accept_bad_files,
                accepts_of=(source,) if source else None,
            )
        except NotAnonymous as error:
            if error.report is not None:
                error.report = Replay(before, counts_by_reason(self._warehouse()), error.report)
            raise
        return Replay(before, counts_by_reason(self._warehouse()), report)

    def status(self, *, verify: bool = False) -> Status:
        """Tables, sources, steps, and whether they add up; `verify` reads every file again."""
        from stedi.status import status

        declarations, warehouse = self._opened()
        return status(warehouse, declarations, verify=verify)

    def query(self, sql: str, *, as_of: datetime | str | None = None) -> Result:
        """Run a SELECT in Athena's SQL over the tables; raises `QueryError`.

        With `as_of`, a time or its ISO 8601 text, over the tables as they were then, as far as
        their snapshots are kept.
        """
        from stedi.query import query

        declarations, warehouse = self._opened()
        if as_of is not None:
            as_of = _time(as_of)
        return query(sql, declarations.schemas, warehouse, as_of)

    def query_athena(
        self,
        sql: str,
        *,
        workgroup: str | None = None,
        output_location: str | None = None,
    ) -> AthenaResult:
        """Run a SELECT on Athena itself, over the tables of this lakehouse's database in Glue.

        The landing tables' names mean Athena's external tables over the raw files there. Raises
        `QueryError` or `Unavailable`. Needs the extra `aws`.
        """
        from stedi import athena
        from stedi.declared.athena import typed_name

        if output_location is not None and not output_location.startswith("s3://"):
            raise UsageError(f"--output-location {output_location}: as in s3://bucket/prefix/")
        declarations = self._declared()
        return athena.query(
            sql,
            {*declarations.schemas, *map(typed_name, declarations.schemas)},
            database=self._database,
            workgroup=workgroup,
            output_location=output_location,
        )

    def check(self, *, profile: str | None = None) -> Checked:
        """Check contracts and transforms without touching data.

        What was proved is emitted as OpenLineage events: to where OpenLineage is configured, or to
        a file below the root, where there is a lakehouse. Raises `DeclarationError`, which lists
        all that is wrong.
        """
        from tempfile import TemporaryDirectory

        from stedi.check import check
        from stedi.engines.duckdb import DuckDBEngine
        from stedi.privacy.proof.openlineage import record_declared

        declarations = self._declared(profile)
        with TemporaryDirectory() as scratch:
            engine = DuckDBEngine(Path(scratch))
            try:
                proof = check(declarations, engine)
            finally:
                engine.close()
        events = record_declared(self._root.files, declarations, proof)
        tables = [*(contract.name for contract in declarations.landing), *declarations.transforms]
        return Checked(tuple(tables), events, declarations, proof)

    def audit(self, table: str | None = None) -> Audit:
        """Check a published table, and attack it with all that the landing zone holds.

        `table` can be left out where only one is published. Raises `UsageError` where it is not
        up to date.
        """
        opened, status = self._published(table)
        status.refuse_stale(opened.contract.name)
        return opened.audit()

    def release(
        self, folder: str | Path, *, table: str | None = None, licence: str | None = None
    ) -> Release:
        """Write a published table as a data set to a new folder, with all that one should know.

        `table` can be left out where only one is published; `licence` is what the owner of the data
        states, best a URL. Raises `UsageError` where the table is not up to date or the folder not
        empty, `NotAnonymous` where the audit fails, and `RuleBroken` where sums don't hold.
        """
        from stedi.science.release import release

        opened, status = self._published(table)
        return release(opened, status, Path(folder).absolute(), licence)

    def train(
        self,
        folder: str | Path,
        *,
        table: str | None = None,
        threshold: float = 0.5,
        progress: Callable[[str], None] | None = None,
    ) -> Training:
        """Train models on what is published, test them on people held out, and keep one.

        The model, its figures and its card go to a new folder; no model where there are too few
        people. From `threshold` on a probability counts as yes. Needs the extra `science`.
        """
        from stedi.science.card import write_model
        from stedi.science.documents import refuse_taken
        from stedi.science.training import train

        if not 0 <= threshold <= 1:
            raise UsageError(f"--threshold {threshold:g}: a probability, from 0 to 1")
        self._refuse_nothing()
        refuse_taken(Path(folder).absolute())
        opened, status = self._published(table)
        status.refuse_stale(opened.contract.name)
        trained = train(opened, threshold, progress or (lambda _: None))
        write_model(trained, Path(folder).absolute())
        return trained.training

    def predict(self, model: str | Path, files: Sequence[str | Path]) -> Predicted:
        """What a kept model says of new records, read as the landing parser reads them."""
        from stedi.science.predicting import predict

        if isinstance(files, str | Path):
            raise UsageError(f"{files}: a list of files")
        return predict(self._declared(), Path(model), [Path(file) for file in files])

    def ddl(self, table: str | None = None, *, location: str | None = None) -> dict[str, str]:
        """Athena's DDL by table; of the landing tables where `table` is None.

        `location` is the root on S3 that the statements name.
        """
        from stedi.declared.athena import DEFAULT_LOCATION, ddl

        declarations = self._declared()
        if location is not None and not re.fullmatch(r"s3://[a-z0-9.-]+(/[\w.=/-]*)?", location):
            raise UsageError(f"--location {location}: as in s3://bucket/prefix, without quotes")
        if table is not None and table not in declarations.contracts:
            raise UsageError(f"no table {table}; there are {', '.join(declarations.contracts)}")
        contracts = [declarations.contracts[table]] if table else declarations.landing
        return {
            contract.name: ddl(contract, location or DEFAULT_LOCATION) for contract in contracts
        }

    def _run(
        self,
        make_engine: Callable[[Path, Files], Engine],
        profile: str | None,
        progress: Callable[[str], None] | None,
        **options: Any,
    ) -> RunReport:
        from stedi import run

        declarations, warehouse = self._opened(profile)
        return run.run(
            warehouse,
            declarations,
            make_engine,
            self._options(declarations, **options),
            progress or (lambda _: None),
        )

    @staticmethod
    def _options(declarations: Declarations, **given: Any) -> Options:
        from stedi.run import Options

        options = Options(**given)
        if isinstance(options.only, str):
            raise UsageError(f"--only {options.only}: a list of tables")
        pairs = options.max_pairs
        if pairs is not None and (not isinstance(pairs, int) or pairs < 0):
            raise UsageError(f"--max-pairs {pairs}: a number of rows, 0 or more")
        if not options.wait >= 0:
            raise UsageError(f"--wait {options.wait:g}: seconds, 0 or more")
        for table in options.only or ():
            if table not in declarations.transforms:
                known = ", ".join(declarations.transforms)
                raise UsageError(f"--only {table}: the derived tables are {known}")
        return options

    def _published(self, table: str | None) -> tuple[PublishedTable, Status]:
        """A published table, and the state of all; raises `UsageError` where it isn't there."""
        from stedi.privacy.published import published_table

        status = self.status()
        return published_table(self._warehouse(), self._declared(), table), status

    def _opened(self, profile: str | None = None) -> tuple[Declarations, Warehouse]:
        """What is declared and what is there; refuses tables of which nobody knows the profile."""
        self._refuse_nothing()
        declarations, warehouse = self._declared(profile), self._warehouse()
        if profile is None:
            warehouse.refuse_lost(declarations.locations)
        return declarations, warehouse

    def _refuse_nothing(self) -> None:
        if not self._root.files.exists:
            raise UsageError(
                f"{self.root}: no lakehouse here; begin with `stedi ingest` or `stedi demo`"
            )

    def _warehouse(self) -> Warehouse:
        from stedi.storage.warehouse import Warehouse

        return Warehouse(self._root)

    def _declared(self, profile: str | None = None) -> Declarations:
        from stedi.declared import packaged, read_declarations
        from stedi.declared.transform import SEED, profiles

        folder: Traversable = self._declarations or packaged()
        if profile is None:
            profile = self._warehouse().profile or SEED
        elif profile not in profiles(folder / "transforms"):
            known = ", ".join(profiles(folder / "transforms"))
            raise UsageError(f"--profile {profile}: there are {known}")
        return read_declarations(folder, profile)


def _time(as_of: datetime | str) -> datetime:
    """A time that was given, or its text; raises `UsageError`."""
    from datetime import datetime

    try:
        given = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except ValueError:
        given = None
    if not isinstance(given, datetime):
        raise UsageError(f"--as-of {as_of!a}: as in 2026-11-26 or 2026-11-26T09:30")
    return given


def _engine(name: EngineName, master: str | None) -> Callable[[Path, Files], Engine]:
    """Makes an engine that spills into a folder."""
    if name == "duckdb":
        if master is not None:
            raise UsageError("--master is Spark's; add --engine spark")
        return _make_duckdb
    if name == "spark":
        return lambda scratch, files: _make_spark(scratch, files, master)
    raise UsageError(f"--engine {name}: there are {', '.join(get_args(EngineName))}")


def _make_duckdb(scratch: Path, files: Files) -> Engine:
    from stedi.engines.duckdb import DuckDBEngine

    return DuckDBEngine(scratch, files)


def _make_spark(scratch: Path, files: Files, master: str | None) -> Engine:
    from stedi.engines.spark import SparkEngine

    return SparkEngine(scratch, master, files)
