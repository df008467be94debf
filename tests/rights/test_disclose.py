"""What is held of one person is all there, as it was delivered and as tables, and nobody else is."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import stat
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import zstandard

from stedi import Lakehouse
from stedi.errors import UsageError
from tests.conftest import Land, already_run
from tests.support import small
from tests.support.processes import STEDI, stedi

OTHERS = {
    value
    for record in small.CUSTOMERS
    for value in (record["email"], record["serialNumber"])
    if len(value) > 3
}


def everything(folder: Path) -> bytes:
    """Every byte of a folder, names included."""
    parts = [path.relative_to(folder).as_posix().encode() for path in folder.rglob("*")]
    return b"\n".join([*parts, *(p.read_bytes() for p in folder.rglob("*") if p.is_file())])


def nobody_else(folder: Path, name: str) -> None:
    told = everything(folder).decode()
    others = {r["email"] for r in small.CUSTOMERS} - {f"{name}@example.com"}
    names = {str(r["customerName"]) for r in small.CUSTOMERS} - {name.title()}
    assert not [value for value in others if value.lower() in told.lower()]
    assert not [value for value in names if re.search(rf"\b{value}\b", told)]


def rows(folder: Path, table: str, part: str = "tables") -> list[dict[str, Any]]:
    path = folder / part / f"{table}.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def delivered(folder: Path, source: str) -> list[Any]:
    files = sorted((folder / "delivered" / source).glob("*"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


@already_run
def test_everything_of_a_person_is_there_and_nobody_else(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    told = small_lakehouse.disclose("ann@example.com", out)
    assert told.rows == {
        "customer_landing": 1,
        "accelerometer_landing": 3,
        "step_trainer_landing": 3,
        "customer_trusted": 1,
        "accelerometer_trusted": 3,
        "step_trainer_trusted": 3,
        "customer_curated": 1,
    }
    assert told.records == {"customer": 1, "accelerometer": 3, "step_trainer": 3}
    assert told.not_shown == []
    assert delivered(out, "customer") == [r for r in small.CUSTOMERS if r["email"][:3] == "ann"]
    assert delivered(out, "accelerometer") == [
        r for r in small.ACCELEROMETER if r["user"] == "ann@example.com"
    ]
    assert delivered(out, "step_trainer") == [
        r for r in small.STEP_TRAINER if r["serialNumber"] == "S1"
    ]
    assert {r["distancefromobject"] for r in rows(out, "step_trainer_trusted")} == {210, 220, 230}
    nobody_else(out, "ann")
    assert set(told.files) == {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", sorted({r["customerName"].lower() for r in small.CUSTOMERS}))
def test_a_person_who_asks_gets_nothing_of_anybody_else(
    starterless: Lakehouse, tmp_path: Path, name: str
) -> None:
    starterless.disclose(f"{name}@example.com", tmp_path / "out")
    nobody_else(tmp_path / "out", name)
    customers = delivered(tmp_path / "out", "customer")
    assert customers == [r for r in small.CUSTOMERS if r["email"] == f"{name}@example.com"]


@pytest.fixture(scope="module")
def starterless(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Lakehouse:
    """The small landing zone, run once; read it only."""
    root = tmp_path_factory.mktemp("disclosed") / "root"
    small.land(root)
    lakehouse = Lakehouse(root, declarations=not_anonymous)
    lakehouse.run()
    return lakehouse


@pytest.mark.parametrize(
    ("name", "readings"),
    [
        ("fay", {200}),  # alone from 100 until gus comes at 300; both since
        ("gus", set()),  # never alone
        ("kim", {800}),  # S11 since 200; lee had S10, too, while it was hers
        ("lee", {900}),  # S10: kim had it until 200
        ("jon", {700}),  # S8 and S9 at 700, both bob's
        ("hal", set()),  # ivy has it as long
    ],
)
def test_of_a_shared_device_only_the_time_that_was_theirs_alone(
    starterless: Lakehouse, tmp_path: Path, name: str, readings: set[int]
) -> None:
    told = starterless.disclose(f"{name}@example.com", tmp_path / "out")
    found = rows(tmp_path / "out", "step_trainer_landing")
    assert {row["sensorreadingtime"] for row in found} == readings
    records = delivered(tmp_path / "out", "step_trainer")
    assert {record["sensorReadingTime"] for record in records} == readings
    assert len(told.not_shown) == (name != "jon")
    assert not re.search("[0-9]", "".join(told.not_shown))


def test_who_had_a_device_before_is_told_nothing_of(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    """Pip had P1, and the record was written long after they began to use it."""
    people = [small.customer("pip", "P1", 1000), small.customer("pat", "P1", 2000)]
    people.append(small.customer("pip", "P2", 2000))
    land("customer", people, name="more.json")
    land("step_trainer", [small.reading("P1", t, t) for t in (500, 1500, 2500)], name="more.json")
    small_lakehouse.run()
    for name, expected in (("pat", {2500}), ("pip", {1500})):
        small_lakehouse.disclose(f"{name}@example.com", tmp_path / name)
        found = rows(tmp_path / name, "step_trainer_landing")
        assert {row["distancefromobject"] for row in found} == expected
        told = everything(tmp_path / name)
        assert (b"pat" if name == "pip" else b"pip") not in told.lower()


@already_run
@pytest.mark.parametrize("person", ["S1", "email=ann@example.com", "serial-number=S1", "device=S1"])
def test_any_identifier_names_a_person(
    small_lakehouse: Lakehouse, tmp_path: Path, person: str
) -> None:
    small_lakehouse.disclose(person, tmp_path / "out")
    assert rows(tmp_path / "out", "customer_landing")[0]["email"] == "ann@example.com"


@already_run
@pytest.mark.parametrize("person", ["", " ", "S6", "nobody", "ann", "ANN@example.com", "email="])
def test_where_nobody_is_meant_nothing_is_written(
    small_lakehouse: Lakehouse, tmp_path: Path, person: str
) -> None:
    with pytest.raises(UsageError) as told:
        small_lakehouse.disclose(person, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not person.strip() or person.lower() not in str(told.value).replace("isn't", "")[:40]
    assert ("in other spelling" in str(told.value)) == (person == "ANN@example.com")


@already_run
def test_only_their_owner_can_read_it(small_lakehouse: Lakehouse, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    small_lakehouse.disclose("ann@example.com", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    for path in out.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@already_run
def test_a_folder_that_holds_something_or_lies_in_the_lakehouse_is_left_alone(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    inside = small_lakehouse.root / "customer" / "landing" / "out"
    for folder in (tmp_path / "mine", tmp_path / "link", inside):
        with pytest.raises(UsageError):
            small_lakehouse.disclose("ann@example.com", folder)
    assert not inside.exists()
    assert [*(tmp_path / "empty").iterdir()] == []
    small_lakehouse.disclose("ann@example.com", tmp_path / "empty")
    assert (tmp_path / "empty" / "index.html").exists()


@pytest.mark.parametrize("form", ["array", "one line", "gz", "zst", "CRLF", "BOM", "escapes"])
def test_records_are_as_delivered_byte_for_byte_whatever_the_file_is_like(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path, form: str
) -> None:
    records = [
        b'{"user": "zoe@example.com" , "timestamp":1, "x": 1.50,"y":0.5,"z":1e0}',
        b'{ "z":1, "user":"bob@example.com", "timestamp":2, "x":1,"y":0.5}',
        b'{"USER":"zoe@example.com","timeStamp":3.0,\n "x":1,"y":0.5,"z":1, "more": [1, {}]}',
    ]
    if form == "escapes":
        records[0] = records[0].replace(b"zoe", rb"z\u006fe")
    forms: dict[str, tuple[bytes, bytes, bytes, Callable[[bytes], bytes]]] = {
        "array": (b",\n", b"[", b"]", bytes),
        "one line": (b" ", b"", b"", bytes),
        "gz": (b"\n", b"", b"", gzip.compress),
        "zst": (b"\n", b"", b"", zstandard.ZstdCompressor().compress),
        "CRLF": (b",\r\n", b"", b"\r\n", bytes),
        "BOM": (b"\n", b"\xef\xbb\xbf", b"", bytes),
        "escapes": (b"\n", b"", b"", bytes),
    }
    join, begin, end, pack = forms[form]
    content = begin + join.join(records) + end
    name = f"one.json.{form}" if form in ("gz", "zst") else "more.json"
    land("accelerometer", pack(content), name=name)
    if form != "BOM":  # that one no run has read
        small_lakehouse.run()
    small_lakehouse.disclose("zoe@example.com", tmp_path / "out")
    [copy] = (tmp_path / "out" / "delivered" / "accelerometer").iterdir()
    assert copy.read_bytes() == records[0] + b"\n" + records[2] + b"\n"
    told = json.loads((tmp_path / "out" / "person.json").read_text())["delivered"]
    for one, record in zip(told, (records[0], records[2]), strict=True):
        assert content[one["begin"] : one["end"]] == record
        assert one["is_packed"] == (form in ("gz", "zst"))
        at = one["copy_begin"]
        assert copy.read_bytes()[at : at + one["end"] - one["begin"]] == record
        assert one["file"] == name
    assert b"bob@" not in everything(tmp_path / "out")


def test_quarantined_records_are_disclosed_unless_they_name_others(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    pieces = [
        b'{"user":"ann@example.com","timestamp":"soon","x":1,"y":1,"z":1}',
        b'{"user":"ann@example.com","timestamp":1,"x":1,"y":1,{"user":"ben@example.com","timestamp":2}',
        b'{"user":"ann@example.com","timestamp":1.5,"x":1,"y":1,"z":1,"with":"new.mail@example.org"}',
        b'{"user":"ann@example.com","timestamp":1.5,"x":1,"y":1,"z":1,"with":"eve@example.com"}',
    ]
    land("accelerometer", b"\n".join(pieces), name="bad.json")
    small_lakehouse.run()
    told = small_lakehouse.disclose("ann@example.com", tmp_path / "out")
    nobody_else(tmp_path / "out", "ann")
    text = everything(tmp_path / "out")
    assert pieces[0] in text
    assert b"new.mail" not in text
    shown = [row["raw"] for row in rows(tmp_path / "out", "quarantine")]
    assert pieces[0].decode() in shown
    assert len([raw for raw in shown if raw.startswith("not shown")]) >= 2
    assert any("as delivered, which may say something of other" in text for text in told.not_shown)


def test_a_record_with_a_key_that_names_somebody_else_is_shown_as_a_row_alone(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    record = {
        **small.customer("ann", "S1", 300, consent=100),
        "friend": {"mail": ["EVE@example.com", "eve@example.com"]},
    }
    harmless = {**small.customer("ann", "S1", 400, consent=100), "note": "likes ann@example.com"}
    land("customer", [record, harmless], name="eve@example.com.json")
    small_lakehouse.run()
    small_lakehouse.disclose("ann@example.com", tmp_path / "out")
    nobody_else(tmp_path / "out", "ann")
    assert len(rows(tmp_path / "out", "customer_landing")) == 3
    assert harmless in delivered(tmp_path / "out", "customer")


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></table><iframe>",
    '=HYPERLINK("http://example.org")',
    "@SUM(1)",
    "-2+3",
    "&lt;b&gt; & 'quotes'",
    "ünïcode \u202e \U0001f600",
]


def test_values_are_text_on_the_page_and_in_spreadsheets(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    records = [
        {**small.customer("zoe", "S99", 100 + n, consent=100), "customerName": name}
        for n, name in enumerate(NASTY)
    ]
    land("customer", records, name="<b>nasty&.json")
    small_lakehouse.run()
    small_lakehouse.disclose("zoe@example.com", tmp_path / "out")
    text = (tmp_path / "out" / "index.html").read_text()
    page = Page()
    page.feed(text)
    assert page.tags <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "a", "ul"),
        *("li", "table", "tr", "th", "td"),
    }
    assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "href"}
    for name in NASTY:
        assert name in page.text
    assert "http://" not in re.sub("example.org", "", text.replace("http://example.org", ""))
    assert {row["customername"] for row in rows(tmp_path / "out", "customer_landing")} == {*NASTY}
    with (tmp_path / "out" / "tables" / "customer_landing.csv").open(newline="") as file:
        cells = {row["customername"] for row in csv.DictReader(file)}
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r"]
    assert {cell.lstrip("'") for cell in cells} == {*NASTY}


def test_consent_is_told_with_its_date(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    consent = 1_700_000_000_000
    land("customer", [small.customer("zoe", "S99", consent, consent=consent)], name="more.json")
    small_lakehouse.run()
    for name, given, since in (("zoe", True, "2023-11-14T22:13:20Z"), ("ben", False, None)):
        small_lakehouse.disclose(f"{name}@example.com", tmp_path / name)
        [told] = json.loads((tmp_path / name / "person.json").read_text())["consents"]
        assert (told["is_given"], told["since"]) == (given, since)
        assert "shares data with research" in told["meaning"]
    assert "2023-11-14T22:13:20Z" in (tmp_path / "zoe" / "index.html").read_text()


@already_run
def test_recipients_are_listed_for_people_who_are_in_it(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    small_lakehouse.release(tmp_path / "data", recipient="A & B <University>")
    for name, got in (("ann", 1), ("ned", 0), ("ben", 0), ("fay", 1)):
        small_lakehouse.disclose(f"{name}@example.com", tmp_path / name)
        told = json.loads((tmp_path / name / "person.json").read_text())["given_out"]
        assert [one["recipient"] for one in told] == ["A & B <University>"] * got
    assert "A &amp; B &lt;University&gt;" in (tmp_path / "ann" / "index.html").read_text()


def test_rows_that_only_earlier_snapshots_have_are_told_too(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    path = land("customer", [small.customer("zoe", "S99", 100)], name="more.json")
    small_lakehouse.run()
    path.unlink()
    small_lakehouse.run()
    told = small_lakehouse.disclose("zoe@example.com", tmp_path / "out")
    assert (told.rows, told.earlier) == ({"customer_landing": 0}, {"customer_landing": 1})
    [row] = rows(tmp_path / "out", "customer_landing", "earlier")
    assert row["email"] == "zoe@example.com"


@already_run
def test_the_command_reads_a_person_from_standard_input_and_prints_no_data(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    done = subprocess.run(
        [STEDI, "disclose", "-", tmp_path / "out", "--root", small_lakehouse.root],
        input="ann@example.com\n", capture_output=True, text=True, check=True, env=os.environ,
    )  # fmt: skip
    assert (tmp_path / "out" / "index.html").exists()
    assert "ann" not in done.stdout + done.stderr
    told = json.loads(
        stedi("disclose", "S1", tmp_path / "again", "--json", "--root", small_lakehouse.root)
    )
    assert told["rows"]["customer_landing"] == 1
    assert "nothing is held" in stedi(
        "disclose",
        "not.there@example.com",
        tmp_path / "no",
        "--root",
        small_lakehouse.root,
        check=2,
    )


def test_what_no_run_has_read_is_held_too(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    told = small_lakehouse.disclose("ann@example.com", tmp_path / "out")
    assert told.rows == {}
    assert told.records == {"customer": 1, "accelerometer": 3, "step_trainer": 3}
    nobody_else(tmp_path / "out", "ann")
