"""The way in for Spark jobs, as AWS Glue starts them: one job a table.

A job's output is its log: an event a line, as JSON, where alarms count some of them.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from stedi.cli.logs import Formatter
from stedi.errors import StediError
from stedi.events import LOGGER, event
from stedi.lakehouse import DEFAULT_DATABASE, Lakehouse
from stedi.run import RunReport

_OPTIONS = (
    *("--root", "--profile", "--declarations", "--database", "--wait", "--max-age"),
    *("--secret", "--kms-key", "--readers", "--page"),
)
_VARIABLES = {"secret": "STEDI_SECRET", "kms_key": "STEDI_KMS_KEY", "readers": "STEDI_READERS"}
"""Options that are for this process what these environment variables are elsewhere."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def job(table: str, arguments: Sequence[str] | None = None) -> None:
    """Update one derived table on Spark, and the landing tables that it reads.

    Understands `--root`, `--profile`, `--declarations`, `--database` and `--wait` as `stedi run`
    does; `--max-age` reports landing files that have waited longer. `--secret` is the ARN of the
    secret in AWS Secrets Manager (STEDI_SECRET may come as CUSTOMER_STEDI_SECRET, too), `--kms-key`
    the key of what is written, `--readers` the roles that are granted columns in AWS Lake
    Formation, `--page` where the page is written afterwards (needs the extra `page`). Glue passes
    options of its own along, which are left alone. Ends the process with a message where the table
    can't be built, or is published empty.
    """
    _log_to_output()
    if secret := os.environ.get("CUSTOMER_STEDI_SECRET"):  # Glue sets variables so named only
        os.environ.setdefault("STEDI_SECRET", secret)
    try:
        _bring_up_to_date(table, sys.argv[1:] if arguments is None else arguments)
    except StediError as error:
        if isinstance(error.report, RunReport):
            _tell(table, error.report)
        _failed(table, error, message=str(error))
        raise SystemExit(f"stedi: {error}") from None
    except BaseException as error:  # wrong arguments, a fault: what it says may quote data
        _failed(table, error)
        raise


def _bring_up_to_date(table: str, arguments: Sequence[str]) -> None:
    options = _read(arguments)
    for name, variable in _VARIABLES.items():
        if value := getattr(options, name):
            os.environ[variable] = value
    lakehouse = Lakehouse(
        options.root, declarations=options.declarations, database=options.database
    )
    if options.page:
        lakehouse.require_page(options.page)
    try:
        report = lakehouse.run(
            engine="spark",
            profile=options.profile,
            only=[table],
            wait=options.wait,
            progress=_say,
        )
    except StediError as error:
        if options.page and error.report is not None:  # it ran, and the page says what is wrong
            lakehouse.page(options.page)
        if options.max_age is not None:  # what it could not read waits on
            with suppress(StediError):
                _tell_late(lakehouse, options.max_age)
        raise
    _tell(table, report)
    if options.page:
        lakehouse.page(options.page)
        _say(f"The page is in {options.page}")
    if options.max_age is not None:
        _tell_late(lakehouse, options.max_age)


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--root", required=True, help="the lakehouse, a folder every worker sees")
    parser.add_argument("--profile", help="seed, strict or shielded; by default the last one used")
    parser.add_argument("--declarations", help="contracts and transforms other than STEDI's")
    parser.add_argument(
        "--database", default=DEFAULT_DATABASE, help="of Glue's Data Catalog, for a lakehouse on S3"
    )
    parser.add_argument("--wait", type=float, default=0.0, help="seconds, for another run to end")
    parser.add_argument("--max-age", type=_seconds, help="as in 26h, for landing files to wait")
    parser.add_argument("--secret", help="ARN of the secret in AWS Secrets Manager")
    parser.add_argument("--kms-key", help="ARN of the key of what is written")
    parser.add_argument("--readers", help="ARNs of roles that are granted columns, with commas")
    parser.add_argument("--page", help="where the page is written afterwards, s3://…/NAME.html")
    options, unknown = parser.parse_known_args(arguments)
    for argument in unknown:
        name = argument.split("=")[0]
        if near := get_close_matches(name, _OPTIONS, n=1, cutoff=0.8):
            parser.error(f"there is no {name}; did you mean {near[0]}?")
    return options


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError("a number and its unit, as in 90s, 30m, 26h or 2d")
    return float(match[1]) * _UNITS[match[2]]


def _log_to_output() -> None:
    """Write a line for each event on stdout, which Glue keeps, as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Formatter("json"))
    LOGGER.handlers = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def _tell(table: str, report: RunReport) -> None:
    """Say what a run did. Its remarks are events that it told itself."""
    if not report.built:
        _say(f"{table}: up to date")
    for built in report.built:
        _say(f"{built.table}: {built.rows:,} rows in {built.seconds:.1f} s ({built.reason})")
    for remark in report.remarks:
        _say(f"remark: {remark}")
    for name, why in {**report.unmatched, **report.withheld}.items():
        event("publication.withheld", logging.ERROR, table=name, why=why)
    for why in report.unread:
        event("files.unread", logging.ERROR, why=why)
    for source, why in report.refused.items():
        event("source.refused", logging.ERROR, source=source, why=why)


def _tell_late(lakehouse: Lakehouse, max_age: float) -> None:
    """Say that a landing file has waited for longer than it may."""
    oldest = lakehouse.status().times.oldest_unread
    if oldest is not None and datetime.now(UTC) - oldest > timedelta(seconds=max_age):
        event("data.late", logging.ERROR, since=oldest.isoformat(timespec="seconds"))


def _failed(table: str, error: BaseException, **more: str) -> None:
    """Say that a job ends with another status than 0, whatever the reason."""
    event("job.failed", logging.ERROR, table=table, error=type(error).__name__, **more)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a job's output is its log
