"""Records in lists under a key of objects that wrap them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import LandingError
from stedi.landing.cut import cut
from stedi.landing.locate import locate
from stedi.landing.records import RecordReader
from tests.conftest import Land, rows
from tests.support import parsing, small
from tests.support.parsing import VIEWS, View, parse
from tests.support.reference import Piece

LINES = [f'{{"user":"ann@example.com","timestamp":{n},"x":0.5,"y":-1.25,"z":3}}' for n in range(40)]
FIRST, SECOND = ", ".join(LINES[:25]), ",\n  ".join(LINES[25:])
WRAPPED = {
    "one": f'{{"Records": [{FIRST}, {SECOND}]}}',
    "one a line": f'{{"Records":[{FIRST}]}}\n{{"Records":[{SECOND}]}}\n',
    "side by side": f'{{"Records":[{FIRST}]}}{{"Records":[{SECOND}]}}',
    "pretty": f'{{\n  "Records" : [\n  {FIRST},\n  {SECOND}\n  ]\n}}\n',
    "in other case": f'{{"RECORDS":[{FIRST},{SECOND}]}}',
    "with keys before": f'{{"count":2,"at":"a \\"b\\" {{","Records":[{FIRST},{SECOND}]}}',
    "with keys behind": f'{{"Records":[{FIRST},{SECOND}],"next":null,\n"more":true}}',
    "with objects around": (
        f'{{"meta":{{"a":[1,{{"Records":[]}}]}},"Records":[{FIRST},{SECOND}],"end":{{"b":[{{}}]}}}}'
    ),
    "none among them": f'{{"Records":[]}}\n{{"Records":[{FIRST}]}}\n{{"Records":[ ]}}[{SECOND}]',
    "not wrapped": f"{FIRST}\n{SECOND}",
    "with a byte order mark": f'\xef\xbb\xbf{{"Records":[{FIRST},{SECOND}]}}',
    "in a list": f'[{{"Records":[{FIRST}]}},\n{{"Records":[{SECOND}]}}]',
}

NESTED = {
    "as search engines do": (
        f'{{"took":5,"hits":{{"total":{{"value":40}},"hits":[{FIRST},{SECOND}]}},"aggregations":{{}}}}'
    ),
    "one a line": f'{{"hits":{{"hits":[{FIRST}]}}}}\n{{"hits":{{"hits":[{SECOND}]}}}}\n',
    "pretty": f'{{\n "hits": {{\n  "n":40,\n  "HITS": [\n{FIRST},\n{SECOND}\n]\n}}\n}}\n',
    "none among them": f'{{"hits":{{"hits":[]}},"n":0}}\n{{"hits":{{"hits":[{FIRST},{SECOND}]}}}}',
    "another of that name before": (
        f'{{"hits":{{"n":1}},"HITS":{{"hits":[{FIRST},{SECOND}]}},"a":{{"hits":[{{}}]}}}}'
    ),
    "dots in the key": f'{{"n":1,"hits.hits":[{FIRST},{SECOND}],"more":[1,{{}}]}}',
    "keys behind on both levels": (
        f'{{"hits":{{"hits":[{FIRST},{SECOND}] , "a":[{{"b":1}}]}} , "c":"}}]","d":null}}'
    ),
    "not wrapped": f"{FIRST}\n{SECOND}",
}


def content_of(name: str) -> bytes:
    return WRAPPED[name].encode("latin-1")


@pytest.fixture
def under(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract of accelerations declares that records may be wrapped."""
    declared = replace(parsing.CONTRACTS["accelerometer"], records_under="Records")
    monkeypatch.setitem(parsing.CONTRACTS, "accelerometer", declared)


@pytest.mark.usefixtures("under")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", WRAPPED)
def test_records_are_read_wherever_they_are_wrapped(name: str, view: View) -> None:
    parsed = parse("accelerometer", content_of(name), view=view)
    assert parsed.pieces == []
    assert {record[1] for record in parsed.records} == {*range(40)}
    assert len(parsed.records) == 40
    assert parsed.with_unknown_keys == 0


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", NESTED)
def test_records_are_read_under_a_path_of_keys(
    name: str, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = replace(parsing.CONTRACTS["accelerometer"], records_under="hits.hits")
    monkeypatch.setitem(parsing.CONTRACTS, "accelerometer", declared)
    parsed = parse("accelerometer", NESTED[name].encode(), view=view)
    assert parsed.pieces == []
    assert {record[1] for record in parsed.records} == {*range(40)}
    assert len(parsed.records) == 40


@pytest.mark.usefixtures("under")
@pytest.mark.parametrize("view", [VIEWS[0], View(64), View(64, few=1 << 30)])
def test_what_is_broken_in_a_wrapper_costs_no_other_record(view: View) -> None:
    bad = '{"user":7,"timestamp":1,"x":1,"y":1,"z":1}'
    content = f'{{"Records":[{FIRST},{bad},\n{SECOND}]}}\n'.encode()
    parsed = parse("accelerometer", content, view=view)
    assert len(parsed.records) == 40
    offset = content.index(b'{"user":7')
    [piece] = parsed.pieces
    expected: Piece = ("number where text belongs", offset, bad.encode(), 1)
    assert piece == expected


@pytest.mark.parametrize("view", VIEWS)
def test_without_a_declaration_it_is_one_quarantined_record_with_the_reason(view: View) -> None:
    content = f'{{"Records": [{FIRST}], "next": null}}'.encode()
    parsed = parse("accelerometer", content, view=view)
    assert parsed.records == []
    assert parsed.pieces == [("records in a wrapper", 0, content, 1)]


@pytest.mark.parametrize(
    ("content", "reason", "key"),
    [
        ('{"hits":{"total":2,"hits":[{"a":1},{"b":2}]}}', "records in a wrapper", "hits.hits"),
        ('{"data":{"users":{"edges":[{}]}}}', "records in a wrapper", "data.users.edges"),
        ('{"timestamp":7,"Records":[{}]}', "records in a wrapper", "Records"),
        ('{"a":{"b":[{}]},"c":[{}]}', "key missing", "user"),
        ('{"a":{"b":[{},1]}}', "key missing", "user"),
        ('{"a":[{"b":[{}]}]}', "records in a wrapper", "a"),
        ('{"user":"ann","timestamp":7,"x":1,"y":2,"tags":[{}]}', "key missing", "z"),
        ('{"hits":{"n":1,"hits":[', "records in a wrapper", "hits.hits"),
        ('{"user":"ann","timestamp":7,"x":1,"tags":[', "cut off", None),
    ],
)
def test_the_reason_names_the_keys_that_lead_to_the_list(
    content: str, reason: str, key: str | None
) -> None:
    parsed = parse("accelerometer", f"{content}\n{LINES[0]},\n{LINES[1]}\n".encode())
    assert parsed.pieces == [(reason, 0, content.encode(), 1)]
    assert len(parsed.records) == 2
    reader = RecordReader(parsing.CONTRACTS["accelerometer"])
    assert reader.fault(content.encode()) == key


class _Ann:
    columns = ("user",)

    def among(self, column: str, values: list[str]) -> list[bool]:
        return [value == "ann@example.com" for value in values]

    def record(self, values: dict[str, object]) -> bool:
        return values["timestamp"] == 7

    def piece(self, piece: object) -> bool:
        return True


@pytest.mark.usefixtures("under")
@pytest.mark.parametrize("size", [None, 10])
@pytest.mark.parametrize("name", WRAPPED)
def test_a_record_is_cut_out_of_its_wrapper_and_no_other_goes(
    name: str, size: int | None, tmp_path: Path
) -> None:
    path, target = tmp_path / "one.json", tmp_path / "two.json"
    path.write_bytes(content_of(name))
    contract = parsing.CONTRACTS["accelerometer"]
    found = locate(path, contract, _Ann(), size=size)  # type: ignore[arg-type]
    assert (len(found.places), found.pieces) == (1, 0)
    assert cut(path, [(place.begin, place.end) for place in found.places], target)
    rest = parse("accelerometer", target.read_bytes())
    assert {record[1] for record in rest.records} == {*range(40)} - {7}
    assert len(rest.records) == 39
    assert rest.pieces == []


def test_a_run_says_under_which_key_records_lie_and_reads_them_where_that_is_declared(
    lakehouse: Lakehouse, land: Land, folder: Path
) -> None:
    land("customer", json.dumps({"Records": small.CUSTOMERS}).encode())
    with pytest.raises(LandingError, match="'records in a wrapper' at the key Records"):
        lakehouse.run(only=["customer_trusted"])
    [note] = [note.text for note in lakehouse.status().notes if note.code == "quarantined"]
    assert note == (
        "1 record quarantined; `stedi quarantine list` says why; 1 object of the source customer with "
        "records in a list under the key Records, which `recordsUnder: Records` in the contract "
        "customer_landing reads"
    )
    contract = folder / "contracts" / "customer_landing.yaml"
    text = contract.read_text()
    declared = "      - property: recordsUnder\n        value: Records\n      - property: subject\n"
    contract.write_text(text.replace("      - property: subject\n", declared, 1))
    mended = Lakehouse(lakehouse.root, declarations=folder)
    mended.run(only=["customer_trusted"])
    assert mended.status().ok
    assert rows(mended, "SELECT COUNT(*) FROM customer_landing") == [(len(small.CUSTOMERS),)]
