"""The facade: what the command line does, as methods with the same names."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stedi.errors import StorageError, UsageError
from stedi.roots import DEFAULT_DATABASE, open_root

if TYPE_CHECKING:
    from datetime import datetime
    from importlib.resources.abc import Traversable

    from stedi.athena import AthenaResult
    from stedi.check import Checked
    from stedi.declared import Declarations
    from stedi.explain import Explanation
    from stedi.landing.ingest import Delivery, Ingested
    from stedi.look import Look
    from stedi.privacy.audit import Audit
    from stedi.privacy.published import PublishedTable
    from stedi.quarantine import Quarantine, QuarantinedPiece, Replay
    from stedi.query import Result
    from stedi.review import Review
    from stedi.rights.disclosed import Disclosure
    from stedi.rights.erase import Forgotten, Proof
    from stedi.rights.find import Found
    from stedi.rights.given_out import GivenOut
    from stedi.rights.rekey import Rekeyed, Secret
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

        The same bytes twice change nothing; no file is overwritten. Records of people who were
        erased, of before that, are left out.
        """
        from stedi.landing.ingest import ingest
        from stedi.landing.taking_out import Screen
        from stedi.look import glance
        from stedi.roots.names import landing_folder

        declarations, files = self._declared(), self._root.files
        delivery = self._delivered(declarations, path, source)
        ingested = ingest(files, delivery, Screen(files, declarations))
        paths = [self.root / name for name in ingested.copied]
        copied = {
            name: [(p, p.name) for p in paths if p.is_relative_to(landing_folder(self.root, name))]
            for name in declarations.sources
        }
        return replace(ingested, glance=tuple(glance(declarations, copied, files.open)))

    def look(self, path: str | Path, *, source: str | None = None) -> Look:
        """Say what is in a delivery, and what `run` would make of it; nothing is copied.

        Takes what `ingest` takes. Reads all of it, at some 60,000 records a second.
        """
        from stedi import look

        declarations, warehouse = self._opened()
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
        return run.run(warehouse, declarations, make_engine, options, progress or (lambda _: None))

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
        accepted = declarations.sources if accept_bad_files else ()
        options = run.Options(only=only, full=full, accept_bad_files=accepted)
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
            warehouse, declarations, source=source, reason=reason, file=file, limit=limit, raw=raw
        )

    def quarantined(self, place: str, *, raw: bool = False) -> QuarantinedPiece:
        """One piece that was set aside, whole; its place is as `quarantine` lists it."""
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
        from stedi.engines import choose
        from stedi.quarantine import replay

        self._require_lakehouse()
        return replay(
            self._warehouse,
            self._declared(),
            choose(engine, master),
            source=source,
            accept_bad_files=accept_bad_files,
            progress=progress or (lambda _: None),
        )

    def review(self, *, raw: bool = False) -> Review:
        """Whose consent is suspended and why, as of the last run; e-mails are masked unless `raw`.

        Until a person decides it does not count: `accept` says that it does.
        """
        from stedi.review import review

        declarations, warehouse = self._opened()
        return review(warehouse, declarations, raw=raw)

    def accept(self, numbers: Sequence[str]) -> list[str]:
        """Note that consents count after all, by the numbers that `review` lists.

        The next run follows it. It holds for what there was to see: whatever else comes suspends
        again. Returns the whole numbers. Raises `UsageError` for one that is not in the list.
        """
        from stedi.review import accept

        if isinstance(numbers, str):
            raise UsageError(f"review accept {numbers}: a list of numbers")
        _, warehouse = self._opened()
        return accept(warehouse, numbers)

    def explain(self, table: str, *, raw: bool = False) -> Explanation:
        """The way of the rows from files to a table: each reason with its count and an example.

        Examples are masked unless `raw`. Raises `UsageError` for a table that isn't built.
        """
        from stedi.explain import explain

        declarations, warehouse = self._opened()
        return explain(warehouse, declarations, table, raw=raw)

    def status(self, *, verify: bool = False, max_age: float | None = None) -> Status:
        """Tables, sources, steps, and whether they add up; `verify` reads every file again.

        With `max_age`, in seconds, `late` says why what there is may be older: no run has ended
        well since, or a landing file has waited longer.
        """
        from stedi import __version__
        from stedi.status import status

        declarations, warehouse = self._opened()
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
            sql: One statement that reads declared tables; or SHOW TABLES, SHOW COLUMNS, DESCRIBE.
            parameters: A value for each question mark in it.
            as_of: A time or its ISO 8601 text: over the tables as they were then, as far as their
                snapshots are kept.
            timeout: How many seconds the engine may take, by default 600.
            memory: How many bytes it may take, by default half of the machine's; it spills the
                rest below the root, up to half of what is free there.

        Raises `QueryError`, `EngineFailed` where a limit is reached, `StorageError` where a file of
        a table is damaged.

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
        )

    def query_athena(
        self, sql: str, *, workgroup: str | None = None, output_location: str | None = None
    ) -> AthenaResult:
        """Run a SELECT on Athena itself, over the tables of this lakehouse's database in Glue.

        The landing tables' names mean Athena's external tables over the raw files there. Raises
        `QueryError` or `Unavailable`. Needs the extra `aws`.
        """
        from stedi import athena

        return athena.query(
            sql,
            self._declared().schemas,
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
        from stedi.check import check_and_record

        return check_and_record(self._declared(profile), self._root.files)

    def audit(self, table: str | None = None, *, report: str | Path | None = None) -> Audit:
        """Check a published table, and attack it with all that the landing zone holds.

        Args:
            table: A published table; can be left out where only one is published.
            report: A file of this machine, ending in `.md`, for a privacy report with what was
                found: ready to go into an impact assessment (DPIA), also where the audit fails.

        Raises `UsageError` where the table is not up to date, or the report can't be written there,
        and `StorageError`, once the report is written, where what is published can't be read.

        """
        from stedi import __version__
        from stedi.privacy.audit.report import Report, require_writable, write

        if report is not None:
            require_writable(Path(report), self.root)
        published, status = self._published(table)
        status.refuse_stale(published.contract.name)
        try:
            audited = published.audit()
        except StorageError as error:
            if report is not None:
                problem = str(error).replace(f"{self.location}/", "")
                failed = published.not_audited(problem)
                write(Report(failed, published.contract, __version__), Path(report))
            raise
        if report is not None:
            write(Report(audited, published.contract, __version__), Path(report))
        return audited

    def page(
        self,
        path: str | Path,
        *,
        audit: bool = False,
        model: str | Path | None = None,
        title: str | None = None,
    ) -> Path:
        """Write the lakehouse as one HTML page that needs nothing else; returns its path.

        It has no record of any person, and counts of few people only as that. Needs the extra
        `page`.

        Args:
            path: A file of this machine, ending in `.html`; an earlier page is replaced.
            audit: Whether to audit what is published and to show how far attacks get, which reads
                all the data behind it.
            model: A folder that `train` wrote, whose figures are shown.
            title: How the page is headed; by default the root's own name.

        Raises `UsageError` where the page can't be written there, `Unavailable` without the extra.

        """
        path = Path(path)
        self.require_page(path)  # the imports below need the extra

        from stedi import __version__
        from stedi.page import write
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
        write(render(facts), path)
        return path

    def require_page(self, path: str | Path) -> None:
        """Raise what `page` raises before it looks at the lakehouse, for whoever works first."""
        from stedi.page import require_extra, require_writable

        require_writable(Path(path), self.root)
        require_extra()

    def release(
        self,
        folder: str | Path,
        *,
        table: str | None = None,
        licence: str | None = None,
        recipient: str | None = None,
        now: bool = False,
    ) -> Release:
        """Write a published table as a data set to a new folder, with all that one should know.

        The ledger notes it. Since two releases can be compared, it is held back until enough people
        came or went since earlier ones, unless `now`.

        Args:
            folder: A new or an empty folder.
            table: Can be left out where only one table is published.
            licence: What the owner of the data states, best a URL.
            recipient: Who gets it.
            now: Release all the same; the result says what that tells.

        Raises `UsageError` where the table is not up to date or the folder not empty,
        `NotAnonymous` where the audit fails or the release is held back, and `RuleBroken` where
        sums don't hold.

        """
        from stedi.science.release import release

        published, status = self._published(table)
        folder = Path(folder).absolute()
        return release(published, status, folder, licence, recipient=recipient, now=now)

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

        They go to a new folder, and to a table of their own. What they cost is taken from a budget
        for a lifetime, for ever, before anything is written. The same state of the lakehouse gives
        the same rows, at no further cost. Needs the extra `private`.

        Args:
            folder: A new or an empty folder.
            table: Can be left out where only one table is published.
            licence: What the owner of the data states, best a URL.
            recipient: Who gets it.
            epsilon: By default what the contract declares.
            wait: How many seconds to wait for a run on this root to end.

        Raises `UsageError` where the table is not up to date or the folder not empty,
        `NotAnonymous` where the budget doesn't allow it, `RuleBroken` where sums don't hold,
        `StorageError` where nobody can tell what was spent, `Unavailable` or `Locked`.

        """
        from stedi.science.private_release import Asked, release_private

        published, status = self._published(table)
        asked = Asked(Path(folder).absolute(), licence, recipient, epsilon, wait)
        return release_private(published, status, asked)

    def releases(self) -> GivenOut:
        """What was given out to whom, models included, and what of it has rows of who left."""
        from stedi.rights.given_out import given_out

        declarations, warehouse = self._opened()
        return given_out(warehouse, declarations)

    def disclose(
        self,
        person: str,
        folder: str | Path,
        *,
        progress: Callable[[str], None] | None = None,
    ) -> Disclosure:
        """Write all that is held of one person to a new folder that its owner alone can read.

        `person` is an identifier of any kind that contracts declare as a `subject`, or
        `kind=identifier`. Nothing of anybody else is in the folder. Raises `UsageError` where
        nothing is held, or where it isn't clear who is meant.
        """
        from stedi.rights.disclose import disclose

        declarations, warehouse = self._opened()
        folder = Path(folder).absolute()
        return disclose(warehouse, declarations, person, folder, progress or (lambda _: None))

    def train(
        self,
        folder: str | Path,
        *,
        table: str | None = None,
        threshold: float = 0.5,
        recipient: str | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Training:
        """Train models on what is published, test them on people held out, and keep one.

        The model, its figures and its card go to a new folder; no model where there are too few
        people. From `threshold` on a probability counts as yes. The ledger notes a model that is
        kept, and its `recipient`. Needs the extra `science`.
        """
        from stedi.rights.ledger import refuse_no_name
        from stedi.science.card import write_model
        from stedi.science.documents import require_empty
        from stedi.science.training import train

        if not 0 <= threshold <= 1:
            raise UsageError(f"--threshold {threshold:g}: a probability, from 0 to 1")
        refuse_no_name(recipient)
        self._require_lakehouse()
        folder = Path(folder).absolute()
        require_empty(folder)
        published, status = self._published(table)
        status.refuse_stale(published.contract.name)
        trained = train(published, threshold, progress or (lambda _: None))
        write_model(trained, published, folder, recipient)
        return trained.training

    def predict(self, model: str | Path, files: Sequence[str | Path]) -> Predicted:
        """What a kept model says of new records, read as the landing parser reads them."""
        from stedi.science.predicting import predict

        if isinstance(files, str | Path):
            raise UsageError(f"{files}: a list of files")
        return predict(self._declared(), Path(model), [Path(file) for file in files])

    def held(
        self,
        subjects: Iterable[tuple[str, str]],
        *,
        with_shared: bool = False,
        progress: Callable[[str], None] | None = None,
    ) -> Found:
        """Where records of these subjects lie: raw files, tables, snapshots, what was set aside.

        Args:
            subjects: Kinds of subjects, as contracts declare them, or their options, each with an
                identifier: `("email", "ann@example.com")`.
            with_shared: Also what others may have left by a thing that they had, too.
            progress: Called with a line at each step.

        Raises `UsageError` where it isn't clear who is meant.

        """
        from stedi.rights.find import find
        from stedi.rights.subjects import asked_for, kinds

        declarations, warehouse = self._opened()
        asked = asked_for(subjects, kinds(declarations))
        return find(
            warehouse,
            declarations,
            asked,
            keep_shared=not with_shared,
            progress=progress or (lambda _: None),
        )

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
        """Forget people, and prove it; None where `confirm` says no.

        Args:
            subjects: As `held` takes them.
            with_shared: Take also what others may have left by a thing that they had, too.
            confirm: Is shown what was found, before anything is done; by default all is done.
            engine: What works out the tables.
            master: Where Spark runs.
            wait: How many seconds to wait for a run on this root to end.
            progress: Called with a line at each step.
            reading: Called with how many bytes the proof has read, and of how many.

        Raises `UsageError`, and what `run` raises; that a table had to be published empty is in
        the report.

        """
        from stedi.engines import choose
        from stedi.rights.erase import Asked, forget_people
        from stedi.rights.subjects import asked_for, kinds

        make_engine = choose(engine, master)
        declarations, warehouse = self._opened()
        asked = Asked(asked_for(subjects, kinds(declarations)), not with_shared, wait)
        return forget_people(
            warehouse,
            declarations,
            make_engine,
            asked,
            confirm or (lambda _: True),
            progress or (lambda _: None),
            reading or (lambda done, total: None),
        )

    def prove_erased(
        self,
        subjects: Iterable[tuple[str, str]],
        *,
        progress: Callable[[str], None] | None = None,
        reading: Callable[[int, int], None] | None = None,
    ) -> Proof:
        """Read every byte under the root for these subjects, raw and decoded, in any form."""
        from stedi.rights.erase import prove
        from stedi.rights.subjects import asked_for, kinds

        declarations, warehouse = self._opened()
        return prove(
            warehouse,
            declarations,
            asked_for(subjects, kinds(declarations)),
            progress or (lambda _: None),
            reading or (lambda done, total: None),
        )

    def receipt(self, forgotten: Forgotten) -> tuple[Path, str]:
        """Write the receipt of an erasure below the root; returns where, and its text."""
        from stedi.landing.erased import Keyer
        from stedi.rights.given_out import out_of_reach
        from stedi.rights.receipt import keep, receipt

        declarations, warehouse = self._opened()
        people = [(identity.kind, identity.value) for identity in forgotten.found.identities]
        beyond = out_of_reach(warehouse, declarations, people)
        text = receipt(forgotten, self.location, Keyer.of_user(), beyond)
        return keep(self._root.files, text, forgotten), text

    @staticmethod
    def check_receipt(path: str | Path) -> Mapping[str, Any]:
        """What a receipt says, if its seal holds; raises `UsageError`."""
        from stedi.landing.erased import Keyer
        from stedi.rights.receipt import check

        return check(Path(path), Keyer.of_user()).content

    def secret(self) -> Secret:
        """Where the secret is, and whether this lakehouse has lists keyed by one before it."""
        from stedi.rights.rekey import secret

        return secret(self._root.files if self._root.files.exists else None)

    def rotate_secret(self, output: Path | None = None) -> tuple[Path, Rekeyed | None]:
        """Make a new secret for this user, keep those before it, and key this lakehouse anew.

        What was made with those before is still compared and checked. `output` is for a secret in
        STEDI_SECRET, which nothing here can change: it gets what has to be its value, and nothing
        is keyed anew. Returns where the secrets are, and what was keyed, None where nothing could
        be. Raises `UsageError`, `StorageError`.
        """
        from stedi.landing.secret import rotate

        place = rotate(output)
        is_here = output is None and self._root.files.exists
        return place, self.rekey() if is_here else None

    def rekey(self) -> Rekeyed:
        """Key this lakehouse's lists of people by the newest secret; see `rotate_secret`.

        Raises `UsageError` where the secret of a list isn't known, `StorageError` for a damaged
        one, `Locked`.
        """
        from stedi.rights.rekey import rekey
        from stedi.run import holding

        _, warehouse = self._opened()
        with holding(warehouse, 0):
            return rekey(self._root.files)

    def subjects_in(self, lines: Iterable[str]) -> list[tuple[str, str]]:
        """Who is named in lines such as `email=ann@example.com`, as `erase` takes them."""
        from stedi.rights.subjects import kinds, read_subjects

        return read_subjects(lines, kinds(self._declared()))

    @property
    def subject_options(self) -> Mapping[str, str]:
        """What subjects are named by, such as `email`, with the kinds of them."""
        from stedi.rights.subjects import kinds

        return {kind.option: kind.name for kind in kinds(self._declared()).values()}

    def ddl(self, table: str | None = None, *, location: str | None = None) -> dict[str, str]:
        """Athena's DDL by table; of the landing tables where `table` is None.

        `location` is the root on S3 that the statements name.
        """
        from stedi.declared.athena import statements

        return statements(self._declared(), table, location)

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
