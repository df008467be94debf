"""Results, for people to read."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from stedi.errors import QueryError
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.lakehouse import Checked, Replay
    from stedi.privacy.audit import Audit
    from stedi.privacy.proof.explain import Explanation
    from stedi.quarantine import Quarantine, QuarantinedPiece
    from stedi.run import Planned, RunReport, Withdrawn
    from stedi.science.evaluation import Interval
    from stedi.science.release import Release
    from stedi.science.training import Training
    from stedi.simulate import Simulated
    from stedi.status import Status

_ROWS_SHOWN = 50


class Rows(Protocol):
    """Rows in batches: the result of a query, or an Arrow reader."""

    @property
    def schema(self) -> Any:
        """Names and types of the columns."""

    def __iter__(self) -> Iterator[Any]: ...


def line(text: str) -> None:
    """Print a line as it is."""
    with _until_closed():
        sys.stdout.write(text + "\n")


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done, on stderr while that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as spinner:
        yield spinner.update


def run(report: RunReport, status: Status) -> None:
    """What a run did, and what it noted."""
    if report.profile_changed:
        line(f"Profile changed from {report.profile_before} to {report.profile}.")
    if report.swept:
        line(f"Removed {counted(report.swept, 'file')} of before that no table refers to.")
    if not report.built:
        line(f"{_late(status) or 'Everything is up to date'}.")
    else:
        table = _table("table", "rows", "seconds", "how", "why")
        for built in report.built:
            figures = f"{built.rows:,}", f"{built.seconds:.2f}"
            table.add_row(built.table, *figures, built.how, built.reason)
        _print(table)
    if report.withdrawn:
        _withdrawn(report.withdrawn)
    remarks(report.remarks)
    _notes(status)


def remarks(told: Iterable[str]) -> None:
    """Print what could not be done, or was passed over."""
    for remark in told:
        line(f"{remark[0].upper()}{remark[1:]}.")


def _withdrawn(withdrawn: Withdrawn) -> None:
    rows = ", ".join(f"{count:,} of {table}" for table, count in withdrawn.rows.items())
    people = f"People who don't consent any more: {withdrawn.people:,}."
    line(f"{people} Rows of theirs that left: {rows}.")
    if withdrawn.difference:
        found = withdrawn.difference
        line(
            f"Who has the publication of before can compare it with this one in "
            f"{counted(found['regions'], 'region')}; in {found['few']:,} of them fewer rows than k "
            "came or left. `stedi audit` says more."
        )


def release(released: Release) -> None:
    """Where a data set lies, and what is in it."""
    table = _table("file", "bytes")
    for name, size in released.files.items():
        table.add_row(name, f"{size:,}")
    _print(table)
    line(f"{released.rows:,} rows of {released.table} in {released.classes:,} classes.")
    line(f"Read {released.folder / 'README.md'} before you pass it on.")


def training(trained: Training, folder: Path) -> None:
    """What was trained, and what it is worth."""
    line(f"{trained.task[0].upper()}{trained.task[1:]}:")
    if trained.models:
        table = _table("model", "trained on", "ROC AUC", "average precision", "kept")
        for name, figures in trained.models.items():
            kept = _interval(figures.kept) if figures.kept else ""
            for what, found, share in (
                ("published", figures.published, kept),
                ("raw", figures.raw, ""),
            ):
                precision = _interval(found.average_precision)
                table.add_row(name, what, _interval(found.auc), precision, share)
        _print(table)
    line(
        f"{trained.rows:,} pairs of {trained.people:,} people in {trained.folds} folds, each "
        f"tested by models that learnt from the others; {trained.rows_across:,} pairs of people in "
        "two folds were not tested on."
    )
    line(trained.verdict)
    line(f"Written to {folder}; README.md there is the model card.")


def _interval(found: Interval) -> str:
    return f"{found.value:.3f} ({found.lower:.3f} to {found.upper:.3f})"


def plan(planned: Sequence[Planned]) -> None:
    """What a run would do."""
    if not planned:
        line("Everything is up to date.")
        return
    table = _table("table", "how", "files", "rows now", "why")
    for one in planned:
        rows = "" if one.rows is None else f"{one.rows:,}"
        table.add_row(one.table, one.how, f"{one.files:,}", rows, one.reason)
    _print(table)


def demo(
    simulated: Simulated | None, report: RunReport, status: Status, options: Mapping[str, str]
) -> None:
    """What the demo did, and where to look next with the same options."""
    if simulated:
        line(
            f"Simulated {counted(simulated.customers, 'customer')}, "
            f"{simulated.accelerometer_records:,} accelerometer and "
            f"{simulated.step_readings:,} step trainer records."
        )
    else:
        line("There is landing data already; nothing was simulated.")
    built = counted(len(report.built), "table")
    line(f"Brought {built} up to date in {report.seconds:.1f} seconds.\n")
    _tables(status)
    remarks(report.remarks)
    _notes(status)
    option = "".join(f" {name} {shlex.quote(value)}" for name, value in options.items())
    stedi = "stedi" if shutil.which("stedi") == shutil.which(sys.argv[0]) else sys.argv[0]
    line("\nWhere to look next:")
    line(f"  {stedi} status{option}")
    line(f'  {stedi} query{option} "SELECT * FROM machine_learning_curated LIMIT 5"')
    line(f"  {stedi} audit{option}")
    line(f"  {stedi} run{option} --profile strict")


def status(status: Status) -> None:
    """Every table, and how the records add up."""
    line(f"Profile {status.profile}.\n")
    _tables(status)
    sources = _table("source", "files", "records", "loaded", "set aside", "unread files")
    for name, source in status.sources.items():
        aside = sum(source.quarantined.values())
        numbers = (source.files, source.records, source.loaded, aside, source.unread)
        sources.add_row(name, *(f"{number:,}" for number in numbers))
    _print(sources)
    steps = _table("step", "in", "kept", "dropped", "why dropped")
    for name, step in status.steps.items():
        dropped = "" if step.adds_up is None else f"{sum(step.dropped.values()):,}"
        why = ", ".join(f"{reason} {count:,}" for reason, count in step.dropped.items())
        if step.adds_up is None:
            why = "its SELECT groups, unites or cuts rows: no sum to hold"
        steps.add_row(name, f"{step.in_:,}", f"{step.kept:,}", dropped, why)
    if status.steps:
        _print(steps)
    _notes(status)
    if status.ok:
        late = _late(status)
        line(f"\n{f'All there is adds up; {late}' if late else 'Everything adds up'}.")
        return
    line(f"\n{counted(len(status.problems), 'problem')}:")
    for problem in status.problems:
        line(f"  {problem}")


def _late(status: Status) -> str:
    """What `stedi run` would still do; nothing where that is nothing."""
    late = sum(table.freshness != "fresh" for table in status.tables.values())
    return f"`stedi run` brings {counted(late, 'table')} up to date" if late else ""


def problems(found: Iterable[str]) -> None:
    """Print what is wrong where nothing else is printed."""
    for problem in found:
        sys.stderr.write(f"stedi: {problem}\n")


def checked(checked: Checked, explanation: Explanation | None) -> None:
    """What fits together, and where a column comes from."""
    if explanation is None:
        line(f"{len(checked.tables)} tables fit together: {', '.join(checked.tables)}")
        line("No value of a direct column reaches what is published.")
        if checked.events:
            line(f"Column lineage, as OpenLineage events: {checked.events}")
        return
    line(f"{explanation.column} is {explanation.classification}.")
    if explanation.published_through:
        line(f"It is published through {explanation.published_through}.")
    for title, origins, has_steps in (
        ("Its value comes from", explanation.values, True),
        ("Decides which rows there are", explanation.influences, False),
    ):
        line(f"\n{title}:" if origins else f"\n{title}: nothing")
        for origin in origins:
            line(f"  {origin.column} ({origin.classification}), {', '.join(origin.subtypes)}")
            for step in origin.path if has_steps else ():
                line(f"      {step}")


def audit(result: Audit) -> None:
    """Checks and attacks, and how far each got."""
    if not result.rows:
        line(f"{result.table}: {'; '.join(result.problems)}")
        return
    line(
        f"{result.table}: {result.rows:,} rows in {result.classes:,} classes. Each holds rows of "
        f"{result.smallest_class} people or more (k is {result.k}), and none has more than "
        f"{result.largest_share:.1%} of a class.\n"
    )
    if result.checks:
        checks = _table("check", "finds")
        for name, problems in result.checks.items():
            checks.add_row(name, "; ".join(problems) or "nothing wrong")
        _print(checks)
    if result.attacks:
        attacks = _table("attack", "knows", "withheld", "baseline", "mean", "worst", "limit", "")
        for name, attack in result.attacks.items():
            figures = (attack.baseline, attack.mean, attack.worst, attack.limit)
            verdict = {True: "holds", False: "FAILS", None: "measured only"}[attack.ok]
            told = (f"{one:.3f}" if one is not None else "" for one in figures)
            attacks.add_row(name, attack.knows, attack.withheld, *told, verdict)
        _print(attacks)
    for name, attack in result.attacks.items():
        for sentence in filter(None, (attack.summary, attack.note)):
            line(f"{name}: {sentence}")
    line("\nIt holds." if result.ok else f"\n{len(result.problems)} problems:")
    for problem in result.problems:
        line(f"  {problem}")


def quarantine(result: Quarantine, is_narrowed: bool) -> None:
    """What was set aside: counts by source, reason and file, then pieces."""
    if not result.count:
        line("Nothing of that is set aside." if is_narrowed else "Nothing is set aside.")
        return
    groups = _table("source", "reason", "file", "pieces")
    for group in result.groups[:_ROWS_SHOWN]:
        groups.add_row(group.source, group.reason, _visible(group.file), f"{group.count:,}")
    _print(groups)
    if (more := len(result.groups) - _ROWS_SHOWN) > 0:
        line(f"… and {more:,} more groups; --json lists all")
    for reason, group in {group.reason: group for group in result.groups}.items():
        line(f"{reason}: {group.meaning}\n  Usually: {group.cause}")
    pieces = _table("place", "line", "bytes", "reason", "text")
    for piece in result.pieces:
        text = _visible(piece.text.replace("\n", "⏎"))
        pieces.add_row(
            _visible(piece.place), f"{piece.line:,}", f"{piece.byte_length:,}", piece.reason, text
        )
    if result.pieces:
        _print(pieces)
    if more := result.count - len(result.pieces):
        line(f"… and {more:,} more pieces; --limit lists more, --raw shows the text")


def piece(piece: QuarantinedPiece) -> None:
    """One piece that was set aside, and why."""
    line(f"{piece.source}, file {_visible(piece.file)}, line {piece.line:,}")
    line(f"bytes {piece.byte_offset:,} to {piece.byte_offset + piece.byte_length:,}")
    line(f"{piece.reason}: {piece.meaning}\n  Usually: {piece.cause}\n")
    line("\n".join(map(_visible, piece.text.split("\n"))))


def _visible(text: str) -> str:
    """Text in which control characters, which a terminal might obey, are spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def replay(replay: Replay) -> None:
    """What came of reading again."""
    table = _table("source", "reason", "set aside before", "set aside now")
    for source in sorted({*replay.before, *replay.after}):
        before, after = replay.before.get(source, {}), replay.after.get(source, {})
        for reason in sorted({*before, *after}):
            counts = (before.get(reason, 0), after.get(reason, 0))
            table.add_row(source, reason, *(f"{count:,}" for count in counts))
    if replay.before or replay.after:
        _print(table)
    else:
        line("Nothing is set aside.")


def rows(result: Rows, format_: str, output: Path | None) -> None:
    """The rows of a query, printed or written to a file."""
    if format_ == "table" and output is None:
        _rows_as_table(result)
        return
    if output is None:
        with _until_closed():
            _write_rows(result, format_, sys.stdout.buffer)
        return
    if output.is_symlink() or (output.exists() and not output.is_file()):  # as /dev/stdout is
        with output.open("wb") as file:
            _write_rows(result, format_, file)
        return
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as file:
            _write_rows(result, format_, file)
        part.replace(output)  # which stays what it was where anything fails
    finally:
        part.unlink(missing_ok=True)


def _tables(status: Status) -> None:
    table = _table("zone", "table", "rows", "")
    for name, one in status.tables.items():
        rows = "" if one.rows is None else f"{one.rows:,}"
        fresh = "" if one.freshness == "fresh" else f"{one.freshness}: {one.why}"
        table.add_row(one.zone, name, rows, fresh)
    _print(table)


def _notes(status: Status) -> None:
    if status.notes:
        line("\nTo note:")
    for note in status.notes:
        line(f"  {note.text}")


def _rows_as_table(result: Rows) -> None:
    table = _table(*result.schema.names)
    every = (
        row for batch in result for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)
    )
    for row in islice(every, _ROWS_SHOWN):
        table.add_row(*("" if value is None else _visible(str(value)) for value in row))
    _print(table, width=10_000)  # a terminal wraps long lines better than narrow columns
    if more := sum(1 for _ in every):
        line(f"… and {more:,} more rows; --format csv prints all")


def _write_rows(result: Rows, format_: str, file: BinaryIO) -> None:
    if format_ == "json":
        _write_json(result, file)
    elif format_ == "parquet":
        import pyarrow.parquet as pq

        _refuse_twice(result)
        with pq.ParquetWriter(file, result.schema) as writer:
            for batch in result:
                writer.write_batch(batch)
    else:
        import pyarrow as pa
        import pyarrow.csv as csv

        nested = [f.name for f in result.schema if pa.types.is_nested(f.type)]
        if nested:
            raise QueryError(f"column {nested[0]}: no list fits into CSV; use --format json")
        with csv.CSVWriter(file, result.schema) as writer:
            for batch in result:
                writer.write_batch(batch)
    file.flush()


def _write_json(result: Rows, file: BinaryIO) -> None:
    """A JSON array of objects, one row a line."""
    import json

    _refuse_twice(result)
    begin = "[\n"
    for batch in result:
        for row in batch.to_pylist():
            text = json.dumps(_finite(row), default=_as_json, ensure_ascii=False, allow_nan=False)
            file.write((begin + text).encode())
            begin = ",\n"
    file.write(b"[]\n" if begin == "[\n" else b"\n]\n")


def _refuse_twice(result: Rows) -> None:
    names = result.schema.names
    if twice := [name for name in names if names.count(name) > 1]:
        raise QueryError(f"column {twice[0]} twice; name one of them otherwise with AS")


def _finite(value: Any) -> Any:
    """What JSON has no number for (infinity, NaN) as text, wherever it stands."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list) else value


def _as_json(value: object) -> Any:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _table(*columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numeric = {
        "rows",
        "rows now",
        "seconds",
        "files",
        "records",
        "loaded",
        "set aside",
        "unread files",
        "in",
        "kept",
        "pieces",
        "line",
        "bytes",
        "set aside before",
        "set aside now",
        "baseline",
        "mean",
        "worst",
        "limit",
    }
    for column in columns:
        right = column in {*numeric, "dropped"}
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _print(table: Any, width: int | None = None) -> None:
    from rich.console import Console

    if not sys.stdout.isatty():
        width = 10_000

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    with _until_closed():
        Plain(markup=False, highlight=False, width=width).print(table)


@contextmanager
def _until_closed() -> Iterator[None]:
    """End well where a reader of what is printed has had enough."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
