"""What is stored about one person, as a page that needs no script and no other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from stedi.rights.disclosed import Field, Person, Table

_ROWS_SHOWN = 50
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto;margin:1rem 0}"
    "td,th{border:1px solid #bbb;padding:.2rem .5rem;text-align:left;vertical-align:top}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}"
)


def page(person: Person) -> str:
    """The page, as HTML in which every value stands as text."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width">',
        f"<title>Your personal data</title><style>{_STYLE}</style></head><body>",
        "<h1>Your personal data</h1>",
        f"<p>Collected at {escape(person.made_at)}. The same in a form for programs is in "
        '<a href="person.json">person.json</a>. This folder has personal data: keep it to '
        "yourself.</p>",
        *_section("Identifiers that name you", _identifiers(person)),
        *_section("Why it is stored", _consents(person)),
        *_section("Recipients of data made from it", _given_out(person)),
        *_section("Your records as they were delivered", _delivered(person)),
        "<h2>Your rows in tables</h2>",
        *(part for table in person.tables for part in _table(table)),
        *_section("Published tables made from it", _published(person)),
        *_section("What is not shown", _list(person.not_shown) or "<p>Nothing.</p>"),
        "</body></html>",
        "",
    ]
    return "\n".join(parts)


def _section(title: str, body: str) -> tuple[str, str]:
    return f"<h2>{escape(title)}</h2>", body


def _identifiers(person: Person) -> str:
    rows = (
        (i.kind, i.value, "other people have or had it, too" if i.is_shared else "")
        for i in person.identifiers
    )
    return _grid(("kind", "identifier", ""), rows)


def _consents(person: Person) -> str:
    rows = [
        (
            one.table,
            "yes" if one.is_given else "no",
            (one.since or "not noted") if one.is_given else "",
            one.meaning,
        )
        for one in person.consents
    ]
    if not rows:
        return "<p>No table lists who consents. Each table below names its purpose.</p>"
    return (
        "<p>Each table below names its purpose. Your rows are in trusted and curated tables "
        "because you consent, and as long as you do:</p>"
        + _grid(("table of consent", "you consent", "since", "which means"), rows)
    )


def _given_out(person: Person) -> str:
    if not person.given_out:
        return "<p>No data made from it was given to anybody, as far as is noted.</p>"
    rows = (
        (
            one.at,
            one.recipient or "somebody who wasn't named",
            f"{one.what}, {one.table}, snapshot {one.snapshot}",
            "" if one.is_certain else "perhaps: we can't determine whose readings are in it",
        )
        for one in person.given_out
    )
    return (
        "<p>These contain no names, and nothing in a row names its person. They were made from "
        "your readings and from those of other people:</p>"
        + _grid(("when", "to", "what", ""), rows)
    )


def _delivered(person: Person) -> str:
    if not person.delivered:
        return "<p>None.</p>"
    rows = (
        (
            record.source,
            record.file,
            f"bytes {record.begin:,} to {record.end:,}{', unpacked' if record.is_packed else ''}",
            record.set_aside or "",
            record.copy_in or f"not shown: {record.not_shown}",
        )
        for record in person.delivered[:_ROWS_SHOWN]
    )
    grid = _grid(("source", "file", "place in it", "quarantined because", "copy"), rows)
    return grid + _more(len(person.delivered), "person.json")


def _published(person: Person) -> str:
    return _list(person.published) or "<p>None.</p>"


def _table(table: Table) -> Iterable[str]:
    yield f"<h3>{escape(table.name)}</h3>"
    yield f"<p>{escape(table.purpose)}</p><p>How long: {escape(table.kept)}</p>"
    meanings = ((f.name, f.description) for f in table.fields)
    yield _grid(("column", "meaning"), meanings)
    names = [field.name for field in table.fields]
    rows = [_cells(row, table.fields) for row in table.rows[:_ROWS_SHOWN]]
    if rows:
        yield _grid(names, rows)
    if table.earlier:
        yield f"<p>And {len(table.earlier):,} more rows that only earlier snapshots have.</p>"
    yield _more(len(table.rows), ", ".join(table.files))


def _cells(row: dict[str, Any], fields: Sequence[Field]) -> list[str]:
    return [_cell(row.get(field.name), field) for field in fields]


def _cell(value: object, field: Field) -> str:
    if value is None:
        return ""
    if field.is_time and isinstance(value, int):
        try:
            return f"{value} ({datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC)"
        except (ValueError, OverflowError, OSError):
            pass
    return str(value)


def _more(count: int, where: str) -> str:
    more = f"The first {_ROWS_SHOWN} of {count:,} are shown. " if count > _ROWS_SHOWN else ""
    return f"<p>{more}All: {escape(where)}</p>" if where else ""


def _list(texts: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def _grid(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
