"""The command `stedi`: its verbs, and the options before them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Context, Exit, Option, Typer

from stedi import __version__
from stedi.cli import quarantine, review, secret, show
from stedi.cli.audit import audit
from stedi.cli.check import check, ddl
from stedi.cli.erase import SETTINGS, erase
from stedi.cli.examples import epilog
from stedi.cli.explain import explain
from stedi.cli.export import export
from stedi.cli.ingest import ingest, simulate
from stedi.cli.logs import LogFormat
from stedi.cli.page import page
from stedi.cli.query import query
from stedi.cli.rights import disclose, releases
from stedi.cli.run import demo, run
from stedi.cli.science import predict, release, train
from stedi.cli.shell import shell
from stedi.cli.status import status
from stedi.cli.verb import DECLARATIONS, LOG_FILE, LOG_FORMAT, ROOT, VERBOSE, Call
from stedi.errors import UsageError
from stedi.lakehouse import DEFAULT_DATABASE

app = Typer(
    name="stedi",
    help="A data lakehouse that keeps only the data that customers consented to share.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich's panels would double the time that --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    *(demo, simulate, ingest, run, status, explain, query, shell, export),
    *(page, check, audit, release, releases, disclose, train, predict, ddl),
):
    app.command(epilog=epilog(command.__name__))(command)
app.command(context_settings=SETTINGS, epilog=epilog("erase"))(erase)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(review.app, name="review")
app.add_typer(secret.app, name="secret")


def _print_version(is_asked: bool) -> None:
    if is_asked:
        show.line(f"stedi {__version__}")
        raise Exit


@app.command("help", epilog=epilog("help"))
def print_help(
    context: Context,
    command: Annotated[
        list[str] | None, Argument(metavar="COMMAND", help="A command, such as quarantine list.")
    ] = None,
) -> None:
    """Print the help of stedi, or of a command."""
    asked = context.parent
    assert asked is not None
    for name in command or ():
        group: Any = asked.command
        found = group.get_command(asked, name) if hasattr(group, "get_command") else None
        if found is None:
            raise UsageError(f"help {name}: there is no such command; `stedi help` lists them")
        asked = type(asked)(found, info_name=name, parent=asked)
    show.line(asked.get_help())


@app.callback()
def _before_the_verb(
    context: Context,
    root: Annotated[str | None, ROOT(envvar="STEDI_ROOT")] = None,
    declarations: Annotated[Path | None, DECLARATIONS(envvar="STEDI_DECLARATIONS")] = None,
    database: Annotated[
        str,
        Option(
            metavar="NAME",
            envvar="STEDI_DATABASE",
            help="Database in AWS Glue's Data Catalog, for a lakehouse on S3.",
        ),
    ] = DEFAULT_DATABASE,
    log_format: Annotated[LogFormat | None, LOG_FORMAT(envvar="STEDI_LOG_FORMAT")] = None,
    log_file: Annotated[Path | None, LOG_FILE(envvar="STEDI_LOG_FILE")] = None,
    verbose: Annotated[bool | None, VERBOSE()] = None,
    _version: Annotated[
        bool,
        Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    context.obj = Call(
        root, declarations, database, log_format=log_format, log_file=log_file, verbose=verbose
    )
