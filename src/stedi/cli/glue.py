"""The way in for Spark jobs, as AWS Glue starts them: one job a table."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from stedi.errors import StediError
from stedi.lakehouse import DEFAULT_DATABASE, Lakehouse

_OPTIONS = ("--root", "--profile", "--declarations", "--database", "--page")


def job(table: str, arguments: Sequence[str] | None = None) -> None:
    """Bring one derived table up to date on Spark, and the landing tables that it reads.

    Understands `--root`, `--profile`, `--declarations`, `--database` and `--page` (where the page
    is written afterwards; needs the extra `page`). Glue passes options of its own along, which are
    left alone. STEDI_SECRET may come as CUSTOMER_STEDI_SECRET. Ends the process with a message
    where the table can't be built.
    """
    if secret := os.environ.get("CUSTOMER_STEDI_SECRET"):  # Glue sets variables so named only
        os.environ.setdefault("STEDI_SECRET", secret)
    try:
        _bring_up_to_date(table, sys.argv[1:] if arguments is None else arguments)
    except StediError as error:
        raise SystemExit(f"stedi: {error}") from None


def _bring_up_to_date(table: str, arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--root", required=True, help="the lakehouse, a folder every worker sees")
    parser.add_argument("--profile", help="seed, strict or shielded; by default the last one used")
    parser.add_argument("--declarations", help="contracts and transforms other than STEDI's")
    parser.add_argument(
        "--database", default=DEFAULT_DATABASE, help="of Glue's Data Catalog, for a root on S3"
    )
    parser.add_argument("--page", help="where the page is written afterwards, s3://…/NAME.html")
    options, unknown = parser.parse_known_args(arguments)
    for argument in unknown:
        name = argument.split("=")[0]
        if near := get_close_matches(name, _OPTIONS, n=1, cutoff=0.8):
            parser.error(f"there is no {name}; did you mean {near[0]}?")
    lakehouse = Lakehouse(
        options.root, declarations=options.declarations, database=options.database
    )
    if options.page:
        lakehouse.require_page(options.page)
    try:
        report = lakehouse.run(engine="spark", profile=options.profile, only=[table], progress=_say)
    except StediError as error:
        if options.page and error.report is not None:  # it ran, and the page says what is wrong
            lakehouse.page(options.page)
        raise
    if not report.built:
        _say(f"{table}: up to date")
    for built in report.built:
        _say(f"{built.table}: {built.rows:,} rows in {built.seconds:.1f} s ({built.reason})")
    if options.page:
        lakehouse.page(options.page)
        _say(f"The page is in {options.page}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a job's output is its log
