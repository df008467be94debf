"""The verbs, one function each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from stedi import __version__
from stedi.cli import show
from stedi.errors import DeclarationError, NotAnonymous
from stedi.lakehouse import DEFAULT_DATABASE, DEFAULT_ROOT, DEMO_CUSTOMERS, EngineName, Lakehouse
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.run import RunReport

_Told = TypeVar("_Told")

app = typer.Typer(
    name="stedi",
    help="A data lakehouse for what people agreed to share: raw JSON in, anonymous tables out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich's panels would double the time that --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
)

_ROOT = f"The lakehouse, a folder or s3://bucket/prefix. [default: ./{DEFAULT_ROOT}]"
Root = Annotated[
    str | None,
    typer.Option(
        "--root",
        metavar="ROOT",
        help=_ROOT,
    ),
]
Declarations = Annotated[
    Path | None,
    typer.Option(
        "--declarations", metavar="FOLDER", help="Contracts and transforms other than STEDI's."
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"Of Glue's Data Catalog, for a root on S3. [default: {DEFAULT_DATABASE}]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Engine = Annotated[
    EngineName, typer.Option(metavar="NAME", help="What works out the tables: duckdb or spark.")
]
Master = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Where Spark runs, as in spark://host:7077. [default: here]"),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="seed or strict. [default: the last one used, at first seed]"
    ),
]

AcceptBadFiles = Annotated[
    bool,
    typer.Option("--accept-bad-files", help="Load what fits of files that were set aside whole."),
]
Raw = Annotated[bool, typer.Option("--raw", help="Show text as it is: people's data.")]


class Format(StrEnum):
    """How the rows of a query are printed."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


@dataclass
class _Shared:
    """Options that were given before the verb."""

    root: str | None = None
    declarations: Path | None = None
    database: str = DEFAULT_DATABASE


def _print_version(wanted: bool) -> None:
    if wanted:
        show.line(f"stedi {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    context: typer.Context,
    root: Annotated[
        str | None,
        typer.Option(
            "--root",
            metavar="ROOT",
            envvar="STEDI_ROOT",
            help=_ROOT,
        ),
    ] = None,
    declarations: Annotated[
        Path | None,
        typer.Option(
            "--declarations",
            metavar="FOLDER",
            envvar="STEDI_DECLARATIONS",
            help="Contracts and transforms other than STEDI's.",
        ),
    ] = None,
    database: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            envvar="STEDI_DATABASE",
            help="For a root on S3, the database of Glue's Data Catalog that knows its tables.",
        ),
    ] = DEFAULT_DATABASE,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    context.obj = _Shared(root, declarations, database)


def _told(report: RunReport) -> dict[str, object]:
    return {**asdict(report), "profile_changed": report.profile_changed}


def _lakehouse(
    context: typer.Context,
    root: str | None,
    declarations: Path | None,
    database: str | None = None,
) -> Lakehouse:
    shared: _Shared = context.obj
    return Lakehouse(
        next(one for one in (root, shared.root, DEFAULT_ROOT) if one is not None),
        declarations=declarations or shared.declarations,
        database=database or shared.database,
    )


def _ran(
    ask: Callable[[Callable[[str], None]], _Told], quiet: bool
) -> tuple[_Told, NotAnonymous | None]:
    """What a run tells, and what is to be raised once that was shown, if nothing was published."""
    with show.progress(quiet) as progress:
        try:
            return ask(progress), None
        except NotAnonymous as error:
            if error.report is None:
                raise
            return error.report, error


def _format(given: Format, output: Path | None, as_json: bool) -> Format:
    """How rows are printed, or written to a file: by its ending, where nothing else is said."""
    if output and not output.parent.is_dir():
        raise typer.BadParameter(f"--output {output}: there is no folder {output.parent}")
    if as_json:
        is_other = output and output.suffix.lower() in {f".{one}" for one in Format} - {".json"}
        if given not in (Format.table, Format.json) or is_other:
            raise typer.BadParameter("--json: give that, or another format, not both")
        return Format.json
    if output is None or given is not Format.table:
        if given is Format.parquet and output is None:
            raise typer.BadParameter("--format parquet needs --output FILE")
        return given
    endings = {f".{one}": one for one in Format if one is not Format.table}
    if output.suffix.lower() not in endings:
        known = ", ".join(endings)
        raise typer.BadParameter(f"--output {output}: give it an ending of {known}, or --format")
    return endings[output.suffix.lower()]


@app.command()
def demo(
    context: typer.Context,
    root: Root = None,
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 0,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate 956 customers, run everything, print the counts."""
    lakehouse = _lakehouse(context, root, declarations, database)
    with show.progress(quiet or as_json) as progress:
        simulated, report = lakehouse.demo(seed=seed, progress=progress)
    if as_json:
        told = asdict(simulated) if simulated else None
        _print_json({"simulated": told, "run": _told(report)})
    elif not quiet:
        given = {
            "--root": root or context.obj.root,
            "--declarations": declarations or context.obj.declarations,
        }
        options = {name: str(value) for name, value in given.items() if value is not None}
        show.demo(simulated, report, lakehouse.status(), options)


@app.command()
def simulate(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the landing zone is written.")
    ],
    customers: Annotated[int, typer.Option(help="How many people.")] = DEMO_CUSTOMERS,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    people: Annotated[
        bool,
        typer.Option("--people", help="People walk, change their minds, share Step Trainers."),
    ] = False,
    defects: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N",
            help="Plant N of each kind of defect in each source; KIND=N plants N of one kind.",
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write landing data of any size. truth.json tells what is to be found in it."""
    simulated = Lakehouse.simulate(
        folder, customers=customers, seed=seed, people=people, defects=_defects(defects or [])
    )
    if as_json:
        _print_json(asdict(simulated))
    elif not quiet:
        show.line(
            f"{counted(simulated.customers, 'customer')}, "
            f"{counted(simulated.step_readings, 'step reading')} and "
            f"{counted(simulated.accelerometer_records, 'accelerometer record')} in "
            f"{counted(simulated.files, 'file')} below {folder}; "
            f"{folder / 'truth.json'} counts what must be found in them"
        )


def _defects(given: list[str]) -> int | dict[str, int]:
    """How many of each kind, or by kind."""
    try:
        if len(given) == 1 and "=" not in given[0]:
            return int(given[0])
        return {kind: int(count) for kind, count in (one.rsplit("=", 1) for one in given)}
    except ValueError:
        raise typer.BadParameter("--defects takes a number, or KIND=N as often as needed") from None


@app.command()
def ingest(
    context: typer.Context,
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="A folder or s3://bucket/prefix with <source>/landing/; with --source, files.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="The files are of this source.")
    ] = None,
    starter: Annotated[
        bool, typer.Option("--starter", help="Fetch the public starter data with git.")
    ] = False,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Copy raw files into the landing zone. The same bytes twice change nothing."""
    lakehouse = _lakehouse(context, root, declarations, database)
    if starter == (path is not None) or (starter and source):
        raise typer.BadParameter("give a folder, files with --source, or --starter alone")
    if starter:
        if not quiet and not as_json:
            from stedi.landing.ingest import STARTER_LICENCE

            show.line(STARTER_LICENCE)
        ingested = lakehouse.ingest_starter()
    else:
        assert path is not None
        ingested = lakehouse.ingest(path, source=source)
    if as_json:
        _print_json(asdict(ingested))
    elif not quiet:
        show.line(
            f"{counted(len(ingested.copied), 'file')} copied into {lakehouse.location}, "
            f"{len(ingested.present):,} there already"
        )
        for name in ingested.renamed:
            show.line(
                f"{name}: a file of its name was there with another content; both are read. "
                "Remove the one that it replaces"
            )
        show.remarks(ingested.remarks)


@app.command()
def run(
    context: typer.Context,
    engine: Engine = "duckdb",
    master: Master = None,
    profile: Profile = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE", help="This derived table, and the landing it reads."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read and build everything anew.")] = False,
    max_pairs: Annotated[
        int | None,
        typer.Option(
            metavar="ROWS", help="How many rows the join by time may give, if not the default."
        ),
    ] = None,
    accept_bad_files: AcceptBadFiles = False,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait so long for another run to end.")
    ] = 0.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring every table up to date."""
    lakehouse = _lakehouse(context, root, declarations, database)
    if dry_run:
        planned = lakehouse.plan(
            profile=profile, only=only, full=full, accept_bad_files=accept_bad_files
        )
        if as_json:
            _print_json([asdict(one) for one in planned])
        elif not quiet:
            show.plan(planned)
        return
    report, withheld = _ran(
        lambda progress: lakehouse.run(
            engine=engine,
            master=master,
            profile=profile,
            only=only,
            full=full,
            max_pairs=max_pairs,
            accept_bad_files=accept_bad_files,
            wait=wait,
            progress=progress,
        ),
        quiet or as_json,
    )
    if as_json:
        _print_json(_told(report))
    elif not quiet:
        show.run(report, lakehouse.status())
    if withheld:
        raise withheld


@app.command()
def status(
    context: typer.Context,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file again.")] = False,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show every table, and whether each record is accounted for."""
    result = _lakehouse(context, root, declarations, database).status(verify=verify)
    if as_json:
        show.line(result.model_dump_json(by_alias=True, indent=2))
    elif quiet:
        show.problems(result.problems)
    else:
        show.status(result)
    if not result.ok:
        raise typer.Exit(1)


@app.command()
def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT in Athena's SQL.")],
    format_: Annotated[
        Format, typer.Option("--format", help="How rows are printed; in a FILE, by its ending.")
    ] = Format.table,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write there instead of printing."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The tables as they were then: 2026-11-26T09:30 by this machine's time zone, or "
            "2026-11-26T09:30Z.",
        ),
    ] = None,
    athena: Annotated[
        bool, typer.Option("--athena", help="Run it on Athena, and say what that cost.")
    ] = False,
    workgroup: Annotated[
        str | None, typer.Option(metavar="NAME", help="Athena's workgroup. [default: primary]")
    ] = None,
    output_location: Annotated[
        str | None,
        typer.Option(
            metavar="S3-URI", help="Where Athena keeps the result. [default: the workgroup's]"
        ),
    ] = None,
    as_json: Json = False,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
) -> None:
    """Ask every table in Athena's SQL. Landing and quarantine are tables, too."""
    if output and output.parts[0] == "s3:":
        raise typer.BadParameter("--output is a file here; --output-location is on S3")
    format_ = _format(format_, output, as_json)
    lakehouse = _lakehouse(context, root, declarations, database)
    if not athena:
        if workgroup or output_location:
            raise typer.BadParameter("--workgroup and --output-location need --athena")
        show.rows(lakehouse.query(sql, as_of=as_of), format_.value, output)
        return
    if as_of is not None:
        raise typer.BadParameter("--as-of is not for --athena; write FOR TIMESTAMP AS OF there")
    result = lakehouse.query_athena(sql, workgroup=workgroup, output_location=output_location)
    typer.echo(
        f"Athena scanned {result.bytes_scanned:,} bytes, for about {result.cost:.5f} US$", err=True
    )
    show.rows(result, format_.value, output)


quarantine = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="See what was set aside and why; try again.",
)
app.add_typer(quarantine, name="quarantine")


@quarantine.command("list")
def quarantine_list(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Of one source.")] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="For one reason.")] = None,
    file: Annotated[str | None, typer.Option(metavar="NAME", help="Of one landing file.")] = None,
    limit: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="How many pieces are listed.")
    ] = 20,
    raw: Raw = False,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Count and list what was set aside. Letters and digits are masked."""
    result = _lakehouse(context, root, declarations, database).quarantine(
        source=source, reason=reason, file=file, limit=limit, raw=raw
    )
    if as_json:
        show.line(result.model_dump_json(indent=2))
    else:
        show.quarantine(result, is_narrowed=bool(source or reason or file))


@quarantine.command("show")
def quarantine_show(
    context: typer.Context,
    place: Annotated[
        str, typer.Argument(metavar="PLACE", help="SOURCE/FILE@OFFSET, as the list has it.")
    ],
    raw: Raw = False,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show one piece, why it was set aside, and what usually does it."""
    piece = _lakehouse(context, root, declarations, database).quarantined(place, raw=raw)
    if as_json:
        show.line(piece.model_dump_json(indent=2))
    else:
        show.piece(piece)


@quarantine.command("replay")
def quarantine_replay(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Of one source.")] = None,
    accept_bad_files: AcceptBadFiles = False,
    engine: Engine = "duckdb",
    master: Master = None,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read it again, after a contract or a file was mended."""
    lakehouse = _lakehouse(context, root, declarations, database)
    replay, withheld = _ran(
        lambda progress: lakehouse.replay(
            source=source,
            accept_bad_files=accept_bad_files,
            engine=engine,
            master=master,
            progress=progress,
        ),
        quiet or as_json,
    )
    if as_json:
        _print_json(asdict(replay))
    elif not quiet:
        show.replay(replay)
    if withheld:
        raise withheld


@app.command()
def check(
    context: typer.Context,
    profile: Profile = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Tell where a column comes from, as in TABLE.COLUMN."),
    ] = None,
    graph: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Draw where the published columns come from."),
    ] = None,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check contracts and transforms, and prove what is published. No data is touched."""
    if graph and graph.suffix.lower() != ".svg":
        raise typer.BadParameter(f"--graph {graph}: what is drawn is SVG; name it FILE.svg")
    if graph and not graph.parent.is_dir():
        raise typer.BadParameter(f"--graph {graph}: there is no folder {graph.parent}")
    try:
        checked = _lakehouse(context, root, declarations, database).check(profile=profile)
    except DeclarationError as error:
        if as_json:
            _print_json({"ok": False, "problems": str(error).splitlines()})
        raise
    explanation = checked.explain(explain) if explain else None
    if graph:
        graph.write_text(checked.graph())
    if as_json:
        told = {"explanation": asdict(explanation)} if explanation else {}
        _print_json({"ok": True, "tables": list(checked.tables), **told})
    elif not quiet:
        show.checked(checked, explanation)


@app.command()
def audit(
    context: typer.Context,
    table: Annotated[
        str | None,
        typer.Argument(metavar="TABLE", help="A published table. [default: the only one]"),
    ] = None,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Attack what is published. The attackers know all that the landing zone holds."""
    result = _lakehouse(context, root, declarations, database).audit(table)
    if as_json:
        show.line(result.model_dump_json(indent=2))
    elif quiet:
        show.problems(result.problems)
    else:
        show.audit(result)
    if not result.ok:
        raise typer.Exit(1)


@app.command()
def release(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the data set.")],
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A published table. [default: the only one]"),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            "--license", metavar="TEXT", help="The licence you give it under, best as a URL."
        ),
    ] = None,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write what is published as a data set, if it passes its audit."""
    lakehouse = _lakehouse(context, root, declarations, database)
    released = lakehouse.release(folder, table=table, licence=licence)
    if as_json:
        told = {"folder": str(released.folder), "snapshot": str(released.snapshot)}
        _print_json({**asdict(released), **told})
    elif not quiet:
        show.release(released)


@app.command()
def train(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the model.")],
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A published table. [default: the only one]"),
    ] = None,
    threshold: Annotated[
        float, typer.Option(metavar="P", help="From which probability on it counts as yes.")
    ] = 0.5,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train models on what is published. They are tested on raw rows of people held out."""
    lakehouse = _lakehouse(context, root, declarations, database)
    with show.progress(quiet) as progress:
        trained = lakehouse.train(folder, table=table, threshold=threshold, progress=progress)
    if as_json:
        show.line(trained.model_dump_json(indent=2))
    elif not quiet:
        show.training(trained, folder)


@app.command()
def predict(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a trained model.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="New raw records.")],
    format_: Annotated[
        Format, typer.Option("--format", help="How rows are printed; in a FILE, by its ending.")
    ] = Format.table,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write there instead of printing."),
    ] = None,
    as_json: Json = False,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
) -> None:
    """Tell from accelerometer records whether a foot is there. A trained model does."""
    format_ = _format(format_, output, as_json)
    predicted = _lakehouse(context, root, declarations, database).predict(model, files)
    for reason, count in predicted.set_aside.items():
        typer.echo(f"{counted(count, 'piece')} can't be read: {reason}", err=True)
    show.rows(predicted.rows.to_reader(), format_.value, output)


@app.command()
def ddl(
    context: typer.Context,
    table: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="One table. [default: the landing tables]")
    ] = None,
    location: Annotated[
        str | None, typer.Option(metavar="S3-URI", help="The root on S3, as in s3://bucket/prefix.")
    ] = None,
    root: Root = None,
    declarations: Declarations = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Print Athena's DDL."""
    statements = _lakehouse(context, root, declarations, database).ddl(table, location=location)
    if as_json:
        _print_json(statements)
    else:
        show.line("\n".join(statements.values()).rstrip())


def _print_json(value: Any) -> None:
    show.line(json.dumps(value, indent=2))
