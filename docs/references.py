"""The pages of reference that code makes: commands, Python, SQL functions, errors, settings."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from sqlglot import exp
from typer.main import get_command

import stedi
from stedi import errors
from stedi.cli.commands import app
from stedi.cli.examples import EXAMPLES
from stedi.query import Result
from stedi.sql import told
from stedi.sql.functions import NAMES
from stedi.sql.portable import HELD

MADE = "<!-- made by `make generate`: don't edit -->"
FIRST_USE = (
    *("demo", "ingest", "run", "status", "query", "shell", "export", "page"),
    *("quarantine", "review", "secret", "explain", "check", "audit"),
    *("release", "releases", "train", "predict", "disclose", "erase", "simulate", "ddl", "help"),
)
"""Commands as people come to need them; others follow."""
SETTINGS = {
    "STEDI_ROOT": (
        "`--root`",
        "The lakehouse folder, or `s3://bucket/prefix`. Default: `./lakehouse`.",
    ),
    "STEDI_DECLARATIONS": (
        "`--declarations`",
        "A folder with contracts and transforms of your own.",
    ),
    "STEDI_DATABASE": (
        "`--database`",
        "The database in Glue's Data Catalog, for a lakehouse on S3. Default: `stedi`.",
    ),
    "STEDI_LOG_FORMAT": ("`--log-format`", "`text` or `json`: one line is logged for each event."),
    "STEDI_LOG_FILE": ("`--log-file`", "The file that log lines are appended to. Default: stderr."),
    "STEDI_SECRET": (
        "",
        "The key of fingerprints and seals: at least 32 bytes, for example from "
        "`openssl rand -hex 32`. Default: the file `~/.config/stedi/secret`, which the first run "
        "creates. It can be the ARN of a secret in AWS Secrets Manager. On Glue, pass `--secret`.",
    ),
    "STEDI_UMASK": (
        "",
        "The permissions that new files and folders don't get. Default: `077`, owner only. `027` "
        "lets the group read.",
    ),
    "STEDI_KMS_KEY": (
        "",
        "The KMS key that encrypts what is written to S3. Default: the bucket's, which pages "
        "always get.",
    ),
    "STEDI_READERS": (
        "",
        "ARNs of IAM roles, with commas between. Each run on S3 ends by granting them the columns "
        "of curated tables that identify nobody, in AWS Lake Formation.",
    ),
    "STEDI_TRACEBACK": ("", "`1` prints a traceback after an unexpected error, and Spark's log."),
}
"""Environment variables: the option that says the same, and what each is for."""
OF_OTHERS = {
    "OPENLINEAGE_URL": "Where lineage events are sent. Default: a file below the lakehouse folder. "
    "An `openlineage.yml` works, too.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Where spans and metrics are sent (extra `telemetry`).",
    "JAVA_HOME": "The Java that Spark uses, if its version fits.",
    "PYSPARK_SUBMIT_ARGS": "Spark's own settings, such as `--packages`.",
}
PLACES = {
    "SOURCE/landing/": "Raw files: what was delivered. It can't be rebuilt.",
    "SOURCE/typed/, …/trusted/, …/curated/": "Tables: Iceberg metadata and Parquet data.",
    "_stedi/catalog.db": "The Iceberg catalog of a lakehouse on a disk (SQLite).",
    "_stedi/loads, _stedi/quarantine, _stedi/suspended": "Tables that every lakehouse has.",
    "_stedi/notes": "What each publication was made from, and its counts.",
    "_stedi/boxes": "The range behind each published value.",
    "_stedi/review": "Decisions on suspended consent.",
    "_stedi/erased": "Keyed fingerprints of erased people.",
    "_stedi/receipts": "Receipts of erasures.",
    "_stedi/ledger": "Releases and models, and who is in them, as keyed fingerprints.",
    "_stedi/lock": "Who is running.",
}
EXTRAS = {
    "(none)": ("562 MB", "Everything on one machine: DuckDB, PyIceberg, Arrow, Numba."),
    "aws": ("+ 23 MB", "A lakehouse on Amazon S3, Glue's Data Catalog, Athena."),
    "page": ("+ 88 MB", "`stedi page`."),
    "private": ("+ 277 MB", "`stedi release --private`."),
    "science": ("+ 153 MB", "`stedi train` and `stedi predict`."),
    "spark": ("+ 603 MB", "`stedi run --engine spark`: PySpark and a Java."),
    "telemetry": ("+ 4 MB", "OpenTelemetry spans and metrics."),
}


def commands() -> str:
    """Every command with its options, from the command line itself."""
    top: Any = get_command(app)
    top.name = "stedi"
    names = [*FIRST_USE, *sorted(set(top.commands) - set(FIRST_USE))]
    parts = [
        "# Commands",
        "",
        MADE,
        "",
        "`stedi COMMAND --help` prints the same. Options that all commands share may stand "
        "before or "
        "after the command. The exit status is 0 when done, 1 when a check or a data quality check "
        "failed, 2 for wrong use, and 130 after Ctrl-C; [Schedule and alert]"
        "(../how-to/schedule-and-alert.md#exit-statuses) explains each.",
        "",
        "| command | what it does |",
        "| --- | --- |",
    ]
    for name in names:
        summary = _flat(_help(top.commands[name])).split(". ")[0].rstrip(".")
        parts.append(f"| [`stedi {name}`](#stedi-{name}) | {_cell(summary)} |")
    parts += ["", "## Options before the command", "", *_options(top, ())]
    for name in names:
        parts += _command(f"stedi {name}", top.commands[name], 2)
    return "\n".join([*parts, ""])


SHARED = ("--root", "--declarations", "--database", "--json", "--quiet", "--log-format",
          "--log-file", "--verbose")  # fmt: skip


def _command(name: str, command: Any, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} {name}", "", _help(command), "")
    inner = getattr(command, "commands", {})
    if not inner or command.invoke_without_command:
        yield from _usage(name, command)
    for word, one in inner.items():
        yield from _command(f"{name} {word}", one, level + 1)


def _usage(name: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = " ".join(_metavar(p) if p.required else f"[{_metavar(p)}]" for p in arguments)
    yield from (f"Usage: `{' '.join(f'{name} {words}'.split())} [OPTIONS]`", "")
    if arguments:
        yield from ("| argument | meaning |", "| --- | --- |")
        yield from (f"| `{_metavar(p)}` | {_cell(p.help or '')} |" for p in arguments)
        yield ""
    yield from _options(command, SHARED)
    yield from ("<!-- not run: tests/cli/test_help.py parses each -->", "```bash")
    yield from (*EXAMPLES[name.removeprefix("stedi ")], "```", "")


def _options(command: Any, shared: tuple[str, ...]) -> Iterator[str]:
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    own = [p for p in options if p.opts[0] not in shared and "--help" not in p.opts]
    own = [p for p in own if "completion" not in p.opts[0]]
    if own:
        yield from ("| option | meaning |", "| --- | --- |")
        for p in own:
            names = ", ".join([*p.opts, *p.secondary_opts])
            metavar = "" if p.is_flag else f" {_metavar(p)}"
            yield f"| `{names}{metavar}` | {_cell(p.help or '')} |"
        yield ""
    also = [p.opts[0] for p in options if p.opts[0] in shared]
    if also:
        yield from (f"Shared options: {', '.join(f'`{name}`' for name in also)}.", "")


def _metavar(parameter: Any) -> str:
    kind = parameter.type
    text = parameter.metavar or ("|".join(kind.choices) if hasattr(kind, "choices") else kind.name)
    return str(text).upper() if parameter.metavar is None and "|" not in text else str(text)


def _help(command: Any) -> str:
    text = inspect.cleandoc(command.help or "").split("\f")[0]
    return re.sub(r"\n(?!\n)", " ", text).replace("\n ", "\n\n").strip()


def _flat(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _flat(text).replace("|", "\\|").replace("<", "&lt;")


def python() -> str:
    """The public names, with signatures and docstrings."""
    parts = [
        "# Python",
        "",
        MADE,
        "",
        "`from stedi import Lakehouse`. Methods have the names of the commands, and raise the "
        "[errors](errors.md) of one tree. Times are epoch milliseconds (UTC), distances are "
        "millimetres.",
        "",
        "## Lakehouse",
        "",
        *_docstring(stedi.Lakehouse),
        "",
    ]
    parts += _methods(stedi.Lakehouse)
    parts += ["## Result", "", "What `Lakehouse.query` returns.", "", *_docstring(Result), ""]
    parts += _methods(Result)
    return "\n".join([*parts, ""])


def _methods(class_: type) -> Iterator[str]:
    for name, value in vars(class_).items():
        if name.startswith("_") and name != "__iter__":
            continue
        if isinstance(value, property):
            yield from (f"### {name}", "", *_docstring(value), "")
            continue
        method: Callable[..., Any] = getattr(value, "__func__", value)
        if not inspect.isfunction(method):
            continue
        title = "iteration" if name == "__iter__" else f"{name}()"
        yield from (f"### {title}", "", f"`{_signature(name, method)}`", "")
        yield from (*_docstring(method), "")


def _signature(name: str, method: Callable[..., Any]) -> str:
    parameters = [p for n, p in inspect.signature(method).parameters.items() if n != "self"]
    signature = inspect.Signature(
        [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    )
    returns = inspect.signature(method).return_annotation
    return f"{name}{signature} → {returns}".replace(" = ", "=")


def _docstring(value: object) -> Iterator[str]:
    lines = inspect.cleandoc(inspect.getdoc(value) or "").split("\n")
    text, arguments = [], []
    for n, line in enumerate(lines):
        if line.strip() == "Args:":
            rest = lines[n + 1 :]
            block = rest[: _until(rest)]
            arguments = _entries(textwrap.dedent("\n".join(block)))
            text += ["", *[f"- `{name}`: {about}" for name, about in arguments], ""]
            text += rest[_until(rest) :]
            break
        text.append(line)
    yield from re.sub(r"\n{3,}", "\n\n", "\n".join(text)).strip("\n").split("\n")


def _until(lines: list[str]) -> int:
    for n, line in enumerate(lines):
        if line and not line.startswith(" "):
            return n
    return len(lines)


def _entries(text: str) -> list[tuple[str, str]]:
    found = re.findall(r"^(\w+): (.*(?:\n +.*)*)", text, re.MULTILINE)
    return [(name, _flat(about)) for name, about in found]


def functions() -> str:
    """Which functions a query may call, and which of them mean the same on every engine."""
    same = sorted({name for kind in HELD for name in _names_of(kind)} & set(NAMES))
    may_differ = _may_differ()
    return "\n".join(
        [
            f"**On every engine** ({len(same)}): the same values on DuckDB, Spark and Athena. "
            "`stedi check` accepts these in declared queries, and the operators, `CASE`, `EXISTS`, "
            "`ARRAY[…]` and `ELEMENT_AT` with a number from 1 on.",
            "",
            _listed(same),
            "",
            f"**In `stedi query`** ({len(NAMES)}): with Trino's values, or with an error, or "
            "with a "
            "note on stderr.",
            "",
            _listed(list(NAMES)),
            "",
            "**May differ from Athena**; a note on stderr says so each time:",
            "",
            "| function | difference |",
            "| --- | --- |",
            *(f"| `{name}` | {why} |" for name, why in sorted(may_differ.items())),
            *(
                f"| {_USES[why.split()[0]]} | {why} |"
                for _, why in told._AS_USED
                if ": " not in why
            ),
            "",
        ]
    )


_USES = {
    "decimals": "`/` and `avg` of decimals",
    "arrays,": "comparisons of arrays, maps and rows",
    "keys": "`CAST(… AS JSON)` of maps and rows",
    "fields": "`CAST(… AS JSON)` of rows",
}
"""What is named where no function is, by the first word of what may differ."""


def _may_differ() -> dict[str, str]:
    found = dict(told._BY_NAME)
    for kinds, why in told._BY_KIND:
        found |= {name: why for kind in kinds for name in _names_of(kind)}
    for _, why in told._AS_USED:
        name, colon, rest = why.partition(": ")
        if colon:
            found[name] = rest
    return {name: why for name, why in found.items() if name in NAMES}


def _names_of(kind: type[exp.Expr]) -> list[str]:
    names = [name.lower() for name in getattr(kind, "sql_names", list)()]
    return [*names, *ALSO.get(kind, ())]


ALSO: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.StrPosition: ("strpos",),
    exp.Substring: ("substr",),
    exp.LogicalAnd: ("bool_and",),
    exp.LogicalOr: ("bool_or",),
    exp.UnixToTime: ("from_unixtime",),
    exp.ArraySize: ("cardinality",),
    exp.ApproxQuantile: ("approx_percentile",),
    exp.ParseJSON: ("json_parse",),
    exp.AtTimeZone: ("at_timezone",),
    exp.RegexpSplit: ("regexp_split",),
}
"""Names on Athena that sqlglot has under another one."""


def _listed(names: list[str]) -> str:
    text = ", ".join(f"`{name}`" for name in names) + "."
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def errors_page() -> str:
    """The tree of errors, with what each means and ends with."""
    tree = (errors.__doc__ or "").split("\n\n")[1]
    parts = [
        "# Errors",
        "",
        MADE,
        "",
        "Every error that stedi raises on purpose is a `stedi.StediError`. Its message says what "
        "happened, where, and which command to run; it never contains a person's data. [What to do "
        "at three in the morning](../how-to/schedule-and-alert.md#at-three-in-the-morning) goes "
        "through the messages that an operator meets.",
        "",
        "<!-- not run: a drawing -->",
        "```text",
        *textwrap.dedent(tree).split("\n"),
        "```",
        "",
        "| error | exit status | meaning |",
        "| --- | --- | --- |",
    ]
    for name in sorted(vars(errors)):
        value = vars(errors)[name]
        if isinstance(value, type) and issubclass(value, errors.StediError):
            parts.append(
                f"| `{name}` | {value.exit_status} | {_cell(inspect.getdoc(value) or '')} |"
            )
    return "\n".join([*parts, ""])


def settings() -> str:
    """Environment variables, places of files, extras."""
    parts = [
        "# Settings",
        "",
        MADE,
        "",
        "There is no configuration file. Options win over environment variables.",
        "",
        "## Environment variables",
        "",
        "| variable | same as | meaning |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {option} | {about} |" for name, (option, about) in SETTINGS.items()),
        *(f"| `{name}` | | {about} |" for name, about in OF_OTHERS.items()),
        "",
        "Credentials, region and endpoint of AWS are found as boto3 finds them.",
        "",
        "## Files of a lakehouse",
        "",
        "| below the lakehouse folder | contents |",
        "| --- | --- |",
        *(f"| `{place}` | {about} |" for place, about in PLACES.items()),
        "",
        "## Extras",
        "",
        "An extra is installed from a checkout with `pip install '.[NAME]'`, and several with "
        "`pip install '.[aws,page]'`. Sizes are those of the installed packages on Linux (x86-64, "
        "Python 3.11), beyond what stedi needs anyway, measured by `python docs/sizes.py`.",
        "",
        "| extra | size | needed for |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {size} | {about} |" for name, (size, about) in EXTRAS.items()),
        "",
    ]
    return "\n".join(parts)
