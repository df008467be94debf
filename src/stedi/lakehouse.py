"""The facade: the commands of the command line, as methods with the same names."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from stedi.errors import EngineFailed, StediError, StorageError, UsageError
from stedi.progress import doing, reached
from stedi.roots import DEFAULT_DATABASE, is_elsewhere, open_root

if TYPE_CHECKING:
    from datetime import datetime
    from importlib.resources.abc import Traversable

    from stedi.athena import AthenaResult
    from stedi.check import Checked
    from stedi.declared import Declarations
    from stedi.explain import Explanation
    from stedi.export import Exported
    from stedi.landing.ingest import Delivery, Ingested
    from stedi.look import Look
    from stedi.privacy.audit import Audit
    from stedi.privacy.published import PublishedTable
    from stedi.quarantine import Quarantine, QuarantinedPiece, Replay
    from stedi.query import Result
    from stedi.review import Review
    from stedi.rights.disclosed import Disclosure
    from stedi.rights.erase import Forgotten
    from stedi.rights.find import Found
    from stedi.rights.given_out import GivenOut
    from stedi.rights.prove import Proof
    from stedi.rights.rekey import Rekeyed, Secret
    from stedi.roots import Files
    from stedi.run import Planned, RunReport
    from stedi.science.predicting import Predicted
    from stedi.science.private_release import PrivateRelease
    from stedi.science.release import Release
    from stedi.science.training import Training
    from stedi.simulate import Simulated
    from stedi.sql.parameters import Parameter
    from stedi.status import Status
    from stedi.storage.warehouse import Warehouse

# Imports stand in the methods: asking for help or a status must not wait for an engine to load.

__all__ = ["DEFAULT_DATABASE", "DEFAULT_ROOT", "DEMO_CUSTOMERS", "EngineName", "Lakehouse"]

EngineName = Literal["duckdb", "spark"]
DEFAULT_ROOT = "lakehouse"
DEMO_CUSTOMERS = 956
_PROBLEMS_TOLD = 5
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def _naming_damage(
    verb: Callable[Concatenate[Lakehouse, _Given], _Result],
) -> Callable[Concatenate[Lakehouse, _Given], _Result]:
    """A verb which, where it fails and files are damaged, says which and what mends them."""

    def named(self: Lakehouse, /, *given: _Given.args, **options: _Given.kwargs) -> _Result:
        try:
            return verb(self, *given, **options)
        except Exception as error:
            if isinstance(error, StediError) and not isinstance(error, EngineFailed):
                raise
            if problems := self._damage():
                raise StorageError("\n".join(problems)) from None
            raise

    update_wrapper(named, verb)
    return named


class Lakehouse:
    """A lakehouse in one folder or bucket.

    Args:
        root: The lakehouse folder, or `s3://bucket/prefix`. It may be new.
        declarations: A folder with `contracts/` and `transforms/`. Default: those of STEDI.
        database: For a lakehouse on S3, its database in Glue's Data Catalog.

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
        """Simulate a landing zone of 956 customers, unless there is one, and run everything.

        They are people who walk, change consent and share devices: there is something to find.
        """
        from stedi.landing.files import list_files
        from stedi.roots.copies import temporary_folder

        simulated = None
        if not list_files(self._root.files, "customer"):
            with temporary_folder() as folder:
                simulated = self.simulate(folder, customers=DEMO_CUSTOMERS, seed=seed, people=True)
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
        """Write a landing zone to `destination`, and to `truth.json` what a run must find in it.

        Args:
            destination: A folder; it may exist.
            customers: The number of customers.
            seed: The same random seed writes the same bytes.
            people: Whether to simulate people who walk, change consent and share devices.
            defects: How many of each kind of defect to plant in each source, or how many by kind.

        Raises `UsageError` if the folder already has landing files, or if there is no room for so
        many defects.

        """
        from stedi.simulate import simulate

        return simulate(
            Path(destination), customers=customers, seed=seed, people=people, defects=defects
        )

    def ingest(self, path: str | Path, *, source: str | None = None) -> Ingested:
        """Copy a folder with `<source>/landing/` into the landing zone, or files of one `source`.

        The same bytes twice change nothing, and no file is overwritten. Earlier records of erased
        people are left out.
        """
        from stedi.declared.profiles import SEED
        from stedi.landing.ingest import ingest
        from stedi.landing.removal import Screen
        from stedi.look import glance
        from stedi.roots import NotAllowed
        from stedi.roots.names import landing_folder

        files = self._root.files
        try:
            declarations = self._declared()
        except NotAllowed:  # the catalog has the profile, and every profile these sources
            declarations = self._declared(SEED)
        delivery = self._delivered(declarations, path, source)
        try:
            screen = Screen(files, declarations)
        except NotAllowed:  # who delivers need not read: the next run looks, before it reads
            screen = None
        ingested = ingest(files, delivery, screen)
        paths = [self.root / name for name in ingested.copied]
        copied = {
            name: [(p, p.name) for p in paths if p.is_relative_to(landing_folder(self.root, name))]
            for name in declarations.sources
        }
        with suppress(NotAllowed):
            return replace(ingested, glance=tuple(glance(declarations, copied, files.open)))
        return ingested

    @_naming_damage
    def look(self, path: str | Path, *, source: str | None = None) -> Look:
        """Report what is in a delivery, and what `run` would do with it. Nothing is copied.

        It takes the arguments of `ingest`, and reads about 60,000 records a second.
        """
        from stedi import look

        declarations, warehouse = self._declared(), self._warehouse()
        delivery = self._delivered(declarations, path, source)
        return look.look(warehouse, declarations, delivery.files)

    def _delivered(
        self, declarations: Declarations, path: str | Path, source: str | None
    ) -> Delivery:
        from stedi.landing.ingest import delivered_files, delivered_folder
        from stedi.roots import fetch_folder

        folder, sources = fetch_folder(path), declarations.sources
        if source is None:
            return delivered_folder(folder, sources)
        return delivered_files(self._root.files, folder, source, sources)

    @property
    def location(self) -> str:
        """The lakehouse folder as people write it."""
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
        """Update every table that is out of date.

        Args:
            engine: The engine that runs the transforms: DuckDB in this process, or Spark.
            master: Where Spark runs, as in `spark://host:7077`. Default: a Spark session of this
                process, or else all cores of this machine.
            profile: `seed`, `strict`, `shielded` or a profile of the declarations. Default: the
                last one used.
            only: Update only these derived tables, and the landing tables that they read.
            full: Read and rebuild everything.
            max_pairs: The maximum rows that a time join may return, instead of the default limit.
            accept_bad_files: Load the valid records of quarantined files.
            wait: How many seconds to wait until another run ends.
            progress: Called with a line at each step.

        Raises `DeclarationError`, `LandingError`, `UsageError`, `RuleBroken`, `PairingTooLarge`,
        `StorageError`, `Unavailable`, `EngineFailed` or `Locked`. Each table is then whole, either
        as before the run or updated. Raises `NotAnonymous` at the end if a table was published
        empty.

        """
        from stedi import run
        from stedi.engines import choose

        make_engine = choose(engine, master)
        declarations, warehouse = self._opened(profile)
        options = run.Options(
            only=only,
            full=full,
            max_pairs=max_pairs,
            accept_bad_files=declarations.sources if accept_bad_files else (),
            wait=wait,
        )
        return run.run(warehouse, declarations, make_engine, options, progress or doing)

    @_naming_damage
    def plan(
        self,
        *,
        profile: str | None = None,
        only: Collection[str] | None = None,
        full: bool = False,
        accept_bad_files: bool = False,
    ) -> list[Planned]:
        """Return what `run` with these arguments would do, table by table. Nothing is written."""
        from stedi import run

        declarations, warehouse = self._opened(profile)
        accepted = declarations.sources if accept_bad_files else ()
        options = run.Options(only=only, full=full, accept_bad_files=accepted)
        return run.dry_run(warehouse, declarations, options)

    @_naming_damage
    def quarantine(
        self,
        *,
        source: str | None = None,
        reason: str | None = None,
        file: str | None = None,
        limit: int | None = None,
        raw: bool = False,
    ) -> Quarantine:
        """Return counts of quarantined records, and up to `limit` of them, masked unless `raw`."""
        from stedi.quarantine import quarantine

        declarations, warehouse = self._opened()
        return quarantine(
            warehouse, declarations, source=source, reason=reason, file=file, limit=limit, raw=raw
        )

    @_naming_damage
    def quarantined(self, place: str, *, raw: bool = False) -> QuarantinedPiece:
        """Return one quarantined record, by its place as `quarantine` lists it."""
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
        """Read quarantined records again, and update every table.

        Use it after you mended a contract or files. Records that are valid now are loaded once,
        with `accept_bad_files` also those of quarantined files. `source` limits this to a source.
        """
        from stedi.engines import choose
        from stedi.quarantine import replay

        self._require_lakehouse()
        return replay(
            self._warehouse,
            self._declared(),
            choose(engine, master),
            source=source,
            accept_bad_files=accept_bad_files,
            progress=progress or doing,
        )

    @_naming_damage
    def review(self, *, raw: bool = False) -> Review:
        """Return suspended consents with their reasons, as of the last run; masked unless `raw`.

        A suspended consent doesn't count until a person decides: `accept` records that it counts.
        """
        from stedi.review import review

        declarations, warehouse = self._opened()
        return review(warehouse, declarations, raw=raw)

    @_naming_damage
    def accept(self, numbers: Sequence[str]) -> list[str]:
        """Record that consents count after all, by the numbers that `review` lists.

        The next run follows the decision. It holds for the evidence there was: new evidence
        suspends the consent again. Returns the full numbers. Raises `UsageError` for a number that
        isn't in the list.
        """
        from stedi.review import accept

        if isinstance(numbers, str):
            raise UsageError(f"review accept {numbers}: a list of numbers")
        _, warehouse = self._opened()
        return accept(warehouse, numbers)

    @_naming_damage
    def explain(self, table: str, *, raw: bool = False) -> Explanation:
        """Follow the rows from files to a table: each reason with its count and an example.

        Examples are masked unless `raw`. Raises `UsageError` for a table that hasn't been built.
        """
        from stedi.explain import explain

        declarations, warehouse = self._opened()
        return explain(warehouse, declarations, table, raw=raw)

    def status(self, *, verify: bool = False, max_age: float | None = None) -> Status:
        """Return tables, sources, steps, and whether they reconcile; `verify` reads files again.

        With `max_age`, in seconds, `late` says why the data may be older: no run has succeeded
        since, or a landing file has waited longer.
        """
        from stedi import __version__
        from stedi.status import status

        declarations, warehouse = self._opened()
        if not (warehouse.files.is_used(map(str, declarations.sources))):
            raise self._no_lakehouse()
        return status(warehouse, declarations, verify=verify, max_age=max_age, version=__version__)

    def query(
        self,
        sql: str,
        *,
        parameters: Sequence[Parameter] = (),
        as_of: datetime | str | None = None,
        timeout: float | None = None,
        memory: int | None = None,
    ) -> Result:
        """Run a SELECT in Athena's SQL over the tables.

        Args:
            sql: One statement that reads declared tables, or SHOW TABLES, SHOW COLUMNS, DESCRIBE.
            parameters: A value for each question mark in the statement.
            as_of: A time, or its ISO 8601 text: read the snapshots of that time, if they are kept.
            timeout: How many seconds the statement may take. Default: 600.
            memory: How many bytes it may use. Default: half of the machine's. It spills the rest
                to the lakehouse folder, up to half of the free space.

        Raises `QueryError`, `EngineFailed` if a limit is reached, `StorageError` if a file of a
        table is damaged.

        """
        from stedi.query import DEFAULT_TIMEOUT, Limits, query

        limits = Limits(DEFAULT_TIMEOUT if timeout is None else timeout, memory)
        declarations, warehouse = self._opened()
        return query(
            sql,
            declarations.schemas,
            warehouse,
            as_of,
            limits,
            database=self._database,
            parameters=parameters,
            released={private.table for _, private in declarations.private},
        )

    @_naming_damage
    def export_duckdb(self, file: str | Path) -> Exported:
        """Write a DuckDB file with a view for each table, for tools that open DuckDB.

        The views read the Parquet files of the present snapshots: export again after a run. An
        earlier export is replaced. Raises `UsageError` where the file can't be written there, or
        the lakehouse is on S3.
        """
        from stedi import __version__
        from stedi.export import export_duckdb

        declarations, warehouse = self._opened()
        return export_duckdb(warehouse, declarations.schemas, Path(file), __version__)

    def query_athena(
        self,
        sql: str,
        *,
        workgroup: str | None = None,
        output_location: str | None = None,
        parameters: Sequence[Parameter] = (),
    ) -> AthenaResult:
        """Run a SELECT on Athena itself, over the tables of this lakehouse's database in Glue.

        There, landing tables are Athena's external tables over the raw files. Raises
        `QueryError` or `Unavailable`. Needs the extra `aws`.
        """
        from stedi import athena

        return athena.query(
            sql,
            self._declared().schemas,
            database=self._database,
            workgroup=workgroup,
            output_location=output_location,
            parameters=parameters,
        )

    def check(self, *, profile: str | None = None) -> Checked:
        """Check contracts and transforms without touching data.

        Emits the proved lineage as OpenLineage events: to where OpenLineage is configured, or to a
        file in the lakehouse folder, if there is one. Raises `DeclarationError`, which lists all
        faults.
        """
        from stedi.check import check_and_record

        return check_and_record(self._declared(profile), self._root.files)

    @_naming_damage
    def audit(
        self,
        table: str | None = None,
        *,
        report: str | Path | None = None,
        engine: EngineName = "duckdb",
        master: str | None = None,
    ) -> Audit:
        """Check a published table, and attack it with all raw data.

        Args:
            table: A published table. Default: the only one.
            report: A file on this machine, ending in `.md`, for a privacy report with the findings,
                ready for an impact assessment (DPIA). It is also written if the audit fails.

            engine: Engine that reads the raw rows, and counts them if there are many.
            master: Where Spark runs. Default: this machine.

        Raises `UsageError` if the table is out of date, or the report can't be written, and
        `StorageError` (after writing the report) if the published table can't be read.

        """
        from stedi import __version__
        from stedi.engines import choose
        from stedi.privacy.audit.report import Report, report_at

        make_engine = choose(engine, master)

        document = None if report is None else report_at(Path(report))
        if document is not None:
            document.require_writable(self.root)
        published, status = self._published(table)
        published = replace(published, make_engine=make_engine)
        status.refuse_stale(published.contract.name)
        try:
            audited = published.audit()
        except StorageError as error:
            if document is not None:
                problem = str(error).replace(f"{self.location}/", "")
                failed = Report(published.not_audited(problem), published.contract, __version__)
                document.write(failed.text(datetime.now(UTC)))
            raise
        if document is not None:
            of = Report(audited, published.contract, __version__)
            document.write(of.text(datetime.now(UTC)))
        return audited

    @_naming_damage
    def page(
        self,
        path: str | Path,
        *,
        audit: bool = False,
        model: str | Path | None = None,
        title: str | None = None,
    ) -> Path:
        """Write the lakehouse as one HTML page that needs no other file; return its path.

        The page contains no record of a person, and no exact count of few people. Needs the extra
        `page`. The path returned for a URI is that of a copy of this process.

        Args:
            path: A file or an `s3://` URI that ends in `.html`; an earlier page is replaced.
            audit: Whether to audit what is published and to show how far attacks get, which reads
                all the data behind it.
            model: A folder that `train` wrote, whose figures are shown.
            title: The title of the page. Default: the name of the lakehouse folder.

        Raises `UsageError` where the page can't be written there, `Unavailable` without the extra.

        """
        there = self.require_page(path)  # the imports below need the extra

        from stedi import __version__
        from stedi.page import page_at
        from stedi.page.facts import gather
        from stedi.page.render import render
        from stedi.status import status

        declarations, warehouse = self._opened()
        facts = gather(
            warehouse,
            declarations,
            status(warehouse, declarations),
            title=title or self.root.name or "lakehouse",
            stedi=__version__,
            with_audit=audit,
            model=None if model is None else Path(model),
        )
        doing("drawing the page")
        html = render(facts)
        if there is None:
            page_at(Path(path)).write(html)
            return Path(path)
        files, copy = there
        page_at(copy).write(html)
        files.publish([copy])
        return copy

    def require_page(self, path: str | Path) -> tuple[Files, Path] | None:
        """Raise what `page` raises before it looks at the lakehouse, for callers that work first.

        Returns where the page belongs if that is no file of this machine.
        """
        from stedi.page import page_at, require_extra, require_publishable

        require_extra()
        if not is_elsewhere(path):
            page_at(Path(path)).require_writable(self.root)
            return None
        folder, _, name = str(path).rpartition("/")
        try:
            files = open_root(folder).files
        except UsageError:
            example = "s3://bucket/folder/page.html"
            raise UsageError(f"page {path}: name an object, as in {example}") from None
        require_publishable(str(path), files, files.root / name, self._root.files.name(self.root))
        files.root.mkdir(parents=True, exist_ok=True)
        return files, files.root / name

    @_naming_damage
    def release(
        self,
        folder: str | Path,
        *,
        table: str | None = None,
        licence: str | None = None,
        recipient: str | None = None,
        now: bool = False,
    ) -> Release:
        """Write a published table as a data set with its data sheet to a new folder.

        The ledger records it. Since two releases can be compared, it is held back until enough
        people joined or left since earlier releases, unless `now`.

        Args:
            folder: A new or an empty folder.
            table: A published table. Default: the only one.
            licence: What the owner of the data states, preferably a URL.
            recipient: Who receives it.
            now: Release anyway; the result says what that reveals.

        Raises `UsageError` if the table is out of date or the folder not empty, `NotAnonymous` if
        the audit fails or the release is held back, and `RuleBroken` if counts don't reconcile.

        """
        from stedi.science.release import release

        published, status = self._published(table)
        folder = Path(folder).absolute()
        return release(published, status, folder, licence, recipient=recipient, now=now)

    @_naming_damage
    def release_private(
        self,
        folder: str | Path,
        *,
        table: str | None = None,
        licence: str | None = None,
        recipient: str | None = None,
        epsilon: float | None = None,
        wait: float = 0.0,
    ) -> PrivateRelease:
        """Write synthetic rows under person-level differential privacy; `release --private` does.

        They go to a new folder, and to a table of their own. The cost is charged to a lifetime
        budget before anything is written. The same state of the lakehouse returns the same rows,
        at no further cost. Needs the extra `private`.

        Args:
            folder: A new or an empty folder.
            table: A published table. Default: the only one.
            licence: What the owner of the data states, preferably a URL.
            recipient: Who receives it.
            epsilon: Default: what the contract declares.
            wait: How many seconds to wait until a run ends.

        Raises `UsageError` if the table is out of date or the folder not empty, `NotAnonymous` if
        the budget doesn't allow it, `RuleBroken` if counts don't reconcile, `StorageError` if
        nobody can tell what was spent, `Unavailable` or `Locked`.

        """
        from stedi.science.private_release import ReleaseRequest, release_private

        published, status = self._published(table)
        asked = ReleaseRequest(Path(folder).absolute(), licence, recipient, epsilon, wait)
        return release_private(published, status, asked)

    @_naming_damage
    def releases(self) -> GivenOut:
        """Return releases and models, with recipients, and which have rows of people who left."""
        from stedi.rights.given_out import given_out

        declarations, warehouse = self._opened()
        return given_out(warehouse, declarations)

    @_naming_damage
    def disclose(
        self,
        person: str,
        folder: str | Path,
        *,
        progress: Callable[[str], None] | None = None,
    ) -> Disclosure:
        """Write one person's data to a new folder that only its owner can read.

        `person` is an identifier of any kind that contracts declare as a `subject`, or
        `kind=identifier`. The folder contains nothing about anybody else. Raises `UsageError` if
        there is no data, or if it isn't clear who is meant.
        """
        from stedi.rights.disclose import disclose

        declarations, warehouse = self._opened()
        folder = Path(folder).absolute()
        return disclose(warehouse, declarations, person, folder, progress or doing)

    @_naming_damage
    def train(
        self,
        folder: str | Path,
        *,
        table: str | None = None,
        threshold: float = 0.5,
        recipient: str | None = None,
        sample: int | None = None,
        licence: str | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Training:
        """Train models on the published table, test them on unseen people, and keep one.

        The model, its figures and its card go to a new folder; there is no model if there are too
        few people. `threshold` is the decision threshold. The ledger records a model that is kept,
        and its `recipient`. With a `sample` models learn from about so many rows, which is faster;
        by default from all, or from 16.8 million where there are more.
        The card states the `licence`. Needs the extra `science`.
        """
        from stedi import __version__
        from stedi.rights.ledger import refuse_no_name
        from stedi.science.card import Details, write_model
        from stedi.science.documents import require_empty
        from stedi.science.training import train

        if not 0 <= threshold <= 1:
            raise UsageError(f"--threshold {threshold:g}: a probability, from 0 to 1")
        if sample is not None and sample < 1:
            raise UsageError(f"--sample {sample}: a number of rows, 1 or more")
        refuse_no_name(recipient)
        self._require_lakehouse()
        begun = time.monotonic()
        folder = Path(folder).absolute()
        require_empty(folder)
        published, status = self._published(table)
        status.refuse_stale(published.contract.name)
        if sample is None and published.is_large:
            sample = published.room.rows
        trained = train(published, threshold, progress or doing, sample)
        details = Details(__version__, time.monotonic() - begun, licence, sample)
        write_model(trained, published, folder, recipient, details)
        return trained.training

    def predict(self, model: str | Path, files: Sequence[str | Path]) -> Predicted:
        """Return a model's predictions for new records, which are read like landing files."""
        from stedi.science.predicting import predict

        if isinstance(files, str | Path):
            raise UsageError(f"{files}: a list of files")
        return predict(self._declared(), Path(model), [Path(file) for file in files])

    @_naming_damage
    def held(
        self,
        subjects: Iterable[tuple[str, str]],
        *,
        with_shared: bool = False,
        progress: Callable[[str], None] | None = None,
    ) -> Found:
        """Find the records of people: raw files, tables, snapshots, quarantined records.

        Args:
            subjects: Kinds of subjects, as contracts declare them, or their options, each with an
                identifier: `("email", "ann@example.com")`.
            with_shared: Also records of a device from the time of others who have or had it.
            progress: Called with a line at each step.

        Raises `UsageError` if it isn't clear who is meant.

        """
        from stedi.rights.find import find
        from stedi.rights.subjects import asked_for, kinds
        from stedi.rights.versions import Versions

        declarations, warehouse = self._opened()
        asked = asked_for(subjects, kinds(declarations))
        return find(
            warehouse,
            declarations,
            asked,
            keep_shared=not with_shared,
            with_mentions=True,
            versions=Versions(warehouse, declarations),
            progress=progress or doing,
        )

    @_naming_damage
    def erase(
        self,
        subjects: Iterable[tuple[str, str]],
        *,
        with_shared: bool = False,
        confirm: Callable[[Found], bool] | None = None,
        engine: EngineName = "duckdb",
        master: str | None = None,
        wait: float = 0.0,
        progress: Callable[[str], None] | None = None,
        reading: Callable[[int, int], None] | None = None,
    ) -> Forgotten | None:
        """Erase people, and prove it. Returns None if `confirm` returns False.

        Args:
            subjects: As `held` takes them.
            with_shared: Also erase records of a device from the time of others who have or had it.
            confirm: Receives the findings before anything is changed. Default: erase them.
            engine: The engine that runs the transforms.
            master: Where Spark runs.
            wait: How many seconds to wait until a run ends.
            progress: Called with a line at each step.
            reading: Called with the bytes that the proof has read, and with their total.

        Raises `UsageError`, and the errors of `run`. If a table was published empty, the report
        says so.

        """
        from stedi.engines import choose
        from stedi.rights.erase import ErasureRequest, forget_people
        from stedi.rights.subjects import asked_for, kinds

        make_engine = choose(engine, master)
        declarations, warehouse = self._opened()
        asked = ErasureRequest(asked_for(subjects, kinds(declarations)), not with_shared, wait)
        return forget_people(
            warehouse,
            declarations,
            make_engine,
            asked,
            confirm or (lambda _: True),
            progress or doing,
            reading or reached,
        )

    @property
    def is_erasing(self) -> bool:
        """Whether an erasure was begun and not finished; the next run finishes it."""
        from stedi.run import forget

        return forget.is_begun(self._root.files)

    @_naming_damage
    def prove_erased(
        self,
        subjects: Iterable[tuple[str, str]],
        *,
        progress: Callable[[str], None] | None = None,
        reading: Callable[[int, int], None] | None = None,
    ) -> Proof:
        """Search every byte in the lakehouse folder for people, raw and decoded, in any form.

        If nothing is left, this completes the receipts of their erasures that were interrupted.
        """
        from stedi.rights.prove import prove
        from stedi.rights.receipt import complete
        from stedi.rights.subjects import asked_for, kinds

        declarations, warehouse = self._opened()
        identities = asked_for(subjects, kinds(declarations))
        proof = prove(warehouse, declarations, identities, progress or doing, reading or reached)
        complete(self._root.files, identities, proof)
        return proof

    @_naming_damage
    def receipt(self, forgotten: Forgotten) -> tuple[Path, str]:
        """Return where the receipt of an erasure is in the lakehouse folder, and its text."""
        from stedi.landing.erased import Keyer
        from stedi.run.receipts import keep, written

        text = written(forgotten.receipt, Keyer.of_user())
        return keep(self._root.files, forgotten.receipt, text), text

    @staticmethod
    def check_receipt(path: str | Path) -> Mapping[str, Any]:
        """Return the content of a receipt, if its seal is intact. Raises `UsageError`."""
        from stedi.landing.erased import Keyer
        from stedi.run.receipts import check

        return check(Path(path), Keyer.of_user())

    def secret(self) -> Secret:
        """Return where the secret is, and whether lists here are keyed by an earlier secret."""
        from stedi.rights.rekey import secret

        return secret(self._root.files if self._root.files.exists else None)

    def rotate_secret(self, output: Path | None = None) -> tuple[Path, Rekeyed | None]:
        """Make a new secret for this user, keep earlier ones, and key this lakehouse by it.

        Fingerprints made with earlier secrets can still be compared and verified. Returns where the
        secrets are, and the lists that were keyed again; None if there are none.

        Args:
            output: For a secret in STEDI_SECRET, which stedi can't change: a file for its new
                value. No list is keyed again then.

        Raises `UsageError` or `StorageError`.

        """
        from stedi.landing.secret import rotate

        place = rotate(output)
        is_here = output is None and self._root.files.exists
        return place, self.rekey() if is_here else None

    @_naming_damage
    def rekey(self) -> Rekeyed:
        """Key this lakehouse's lists of people by the newest secret; see `rotate_secret`.

        Raises `UsageError` if the secret of a list isn't known, `StorageError` if a list is
        damaged, or `Locked`.
        """
        from stedi.rights.rekey import rekey
        from stedi.run import holding

        _, warehouse = self._opened()
        with holding(warehouse, 0):
            return rekey(self._root.files)

    def subjects_in(self, lines: Iterable[str]) -> list[tuple[str, str]]:
        """Return the people in lines such as `email=ann@example.com`, as `erase` takes them."""
        from stedi.rights.subjects import kinds, read_subjects

        return read_subjects(lines, kinds(self._declared()))

    @property
    def subject_options(self) -> Mapping[str, str]:
        """Return the options that name people, such as `email`, with their kinds."""
        from stedi.rights.subjects import kinds

        return {kind.option: kind.name for kind in kinds(self._declared()).values()}

    def ddl(self, table: str | None = None, *, location: str | None = None) -> dict[str, str]:
        """Return Athena's DDL by table; by default of the landing tables.

        `location` is the lakehouse on S3 that the statements name.
        """
        from stedi.declared.athena import statements

        return statements(self._declared(), table, location)

    def _damage(self) -> list[str]:
        """What is wrong with files and counts, as far as anybody can tell now."""
        try:
            return self.status(verify=True).problems[:_PROBLEMS_TOLD]
        except StorageError as error:
            return [str(error)]
        except Exception:
            return []  # what went wrong at first says more

    def _published(self, table: str | None) -> tuple[PublishedTable, Status]:
        """A published table, and the state of all; raises `UsageError` where it isn't there."""
        from stedi.privacy.published import published_table

        status = self.status()
        return published_table(self._warehouse(), self._declared(), table), status

    def _opened(self, profile: str | None = None) -> tuple[Declarations, Warehouse]:
        """What is declared and what is there; refuses tables of which nobody knows the profile."""
        self._require_lakehouse()
        declarations, warehouse = self._declared(profile), self._warehouse()
        if profile is None:
            warehouse.refuse_lost(declarations.locations)
        return declarations, warehouse

    def _require_lakehouse(self) -> None:
        if not self._root.files.exists:
            raise self._no_lakehouse()

    def _no_lakehouse(self) -> UsageError:
        return UsageError(
            f"{self.root}: no lakehouse here; begin with `stedi ingest` or `stedi demo`"
        )

    def _warehouse(self) -> Warehouse:
        from stedi.storage.warehouse import Warehouse

        return Warehouse(self._root)

    def _declared(self, profile: str | None = None) -> Declarations:
        from stedi.declared import packaged, read_declarations
        from stedi.declared.profiles import SEED, profiles

        folder: Traversable = self._declarations or packaged()
        if profile is None:
            profile = self._warehouse().profile or SEED
        elif profile not in profiles(folder / "transforms"):
            known = ", ".join(profiles(folder / "transforms"))
            raise UsageError(f"--profile {profile}: unknown profile; choose {known}")
        return read_declarations(folder, profile)
