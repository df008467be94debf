"""A verb: a function whose first argument is a call with the options that all verbs share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial, wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Abort, Context, Exit, Option

from stedi.cli import complete, logs, show, stopping
from stedi.cli.watch import watching
from stedi.lakehouse import DEFAULT_DATABASE, DEFAULT_ROOT, EngineName, Lakehouse

if TYPE_CHECKING:
    from stedi.privacy.audit import Audit
    from stedi.rights.given_out import GivenOut
    from stedi.status import Status

ROOT = partial(
    Option,
    "--root",
    metavar="ROOT",
    help=f"Lakehouse folder, or s3://bucket/prefix. [default: ./{DEFAULT_ROOT}]",
)
DECLARATIONS = partial(
    Option,
    "--declarations",
    metavar="FOLDER",
    help="Folder with your own contracts and transforms.",
)
Root = Annotated[str | None, ROOT()]
Declarations = Annotated[Path | None, DECLARATIONS()]
Database = Annotated[
    str | None,
    Option(
        "--database",
        metavar="NAME",
        help=f"Database in AWS Glue's Data Catalog, for S3. [default: {DEFAULT_DATABASE}]",
    ),
]
Json = Annotated[
    bool, Option("--json", help="Print JSON for programs; errors too, on standard error.")
]
LOG_FORMAT = partial(
    Option,
    "--log-format",
    metavar="KIND",
    help="Log events, one a line: text or json.",
)
LOG_FILE = partial(Option, "--log-file", metavar="FILE", help="Append the log to this file.")
VERBOSE = partial(Option, "--verbose", "-v", help="Log each step and its duration.")
Quiet = Annotated[bool, Option("--quiet", "-q", help="Print errors only.")]

# Options of more verbs than one, but not of all.
AcceptBadFiles = Annotated[
    bool, Option("--accept-bad-files", help="Load the valid records of quarantined files.")
]
Engine = Annotated[
    EngineName, Option(metavar="NAME", help="Engine that runs the transforms: duckdb or spark.")
]
Master = Annotated[
    str | None,
    Option(metavar="URL", help="Spark master, such as spark://host:7077. [default: this machine]"),
]
Profile = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="seed, strict, shielded or your own. [default: the last one used, at first seed]",
        autocompletion=complete.profiles,
    ),
]
PublishedTable = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="A published table. [default: the only one]",
        autocompletion=complete.tables,
    ),
]


@dataclass(frozen=True)
class Call:
    """The shared options of one call: each field is an option of every verb."""

    root: Root = None
    declarations: Declarations = None
    database: Database = None
    as_json: Json = False
    quiet: Quiet = False
    log_format: Annotated[logs.LogFormat | None, LOG_FORMAT()] = None
    log_file: Annotated[Path | None, LOG_FILE()] = None
    verbose: Annotated[bool | None, VERBOSE()] = None

    @cached_property
    def lakehouse(self) -> Lakehouse:
        """The lakehouse that the options name."""
        return Lakehouse(
            DEFAULT_ROOT if self.root is None else self.root,
            declarations=self.declarations,
            database=DEFAULT_DATABASE if self.database is None else self.database,
        )

    def show(self, result: object, show_text: Callable[[], None]) -> None:
        """Print a result as JSON or as text, or not at all."""
        if self.as_json:
            show.as_json(result)
        elif not self.quiet:
            show_text()

    def judge(self, result: Audit | Status | GivenOut, show_text: Callable[[], None]) -> None:
        """Show a result that may be bad: its problems are told even when quiet, and end with 1."""
        if self.quiet and not self.as_json:
            show.problems(result.problems)
        self.show(result, show_text)
        if not result.ok:
            raise Exit(1)


@contextmanager
def stopping_with(what_is_true: Callable[[], str]) -> Iterator[None]:
    """Raise `Stopped` after Ctrl-C, whatever a library has made of it."""
    try:
        yield
    except (KeyboardInterrupt, Abort):
        raise stopping.Stopped(what_is_true()) from None
    except Exception:
        if stopping.was_asked_for():
            raise stopping.Stopped(what_is_true()) from None
        raise


def verb(
    *,
    without: Collection[str] = (),
    stopped: str = stopping.NOTHING_CHANGED,
    takes_long: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function that takes a `Call`, then options and arguments of its own.

    The command takes the fields of `Call` as options after its own, but those that it does
    `without`. A function that has a parameter of the same name gets that option, too, and decides
    where it stands in the help. Options given after the verb win over those before it. `stopped` is
    what is true after Ctrl-C, unless the function adds to it by `stopping_with`. How work goes that
    `takes_long` is shown.
    """
    parameters = signature(Call, eval_str=True).parameters
    shared = {name: option for name, option in parameters.items() if name not in without}
    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=Context)

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = dict(signature(function, eval_str=True).parameters)
        del own["call"]

        @wraps(function)
        def command(context: Context, **arguments: Any) -> None:
            options = {name: value for name in shared if (value := arguments[name]) is not None}
            if options.get("database") == "":  # is none; an empty root is refused
                del options["database"]
            call = replace(context.obj, **options)
            logs.begin(call.log_format, call.log_file, verbose=bool(call.verbose))
            is_quiet = call.quiet or not takes_long
            with (
                stopping_with(lambda: stopped),
                logs.following(context.info_name or function.__name__),
                watching(quiet=is_quiet, as_json=call.as_json),
            ):
                function(call, **{name: arguments[name] for name in own})

        every = [context, *(own | shared).values()]
        command.__signature__ = Signature(every)  # type: ignore[attr-defined]
        return command

    return decorate
