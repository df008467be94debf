"""What the proof tells: to people, as a picture, and as OpenLineage events."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from stedi import Lakehouse, Unavailable, UsageError
from tests.conftest import already_run, remarks
from tests.support.processes import stedi

Event = dict[str, Any]


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No OpenLineage configuration but the test's own; its client leaves some in the environment."""

    def forget() -> None:
        for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
            del os.environ[name]

    monkeypatch.chdir(tmp_path)
    forget()
    yield
    forget()


def kept(root: Path) -> list[Event]:
    [file] = (root / "_stedi").glob("openlineage-*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_column_is_explained_down_to_what_was_delivered(small_lakehouse: Lakehouse) -> None:
    found = small_lakehouse.check().explain("distancefromobject")
    assert (found.column, found.classification) == (
        "machine_learning_curated.distancefromobject",
        "quasi",
    )
    assert "at least 1 person" in (found.published_through or "")  # the tests' k
    [value] = found.values
    assert value.column == "step_trainer_landing.distancefromobject"
    assert value.subtypes == ("TRANSFORMATION",)  # a CAST
    assert value.path[0].endswith("(transforms/machine_learning_curated.sql)")
    influences = {one.column: one for one in found.influences}
    assert "JOIN" in influences["accelerometer_landing.timestamp"].subtypes
    assert influences["customer_landing.email"].classification == "direct"


def test_a_column_of_any_table_can_be_explained(small_lakehouse: Lakehouse) -> None:
    checked = small_lakehouse.check()
    assert [o.column for o in checked.explain("customer_curated.email").values] == [
        "customer_landing.email"
    ]
    assert checked.explain("customer_landing.email").values == ()
    for name in ("nothing", "customer_curated.nothing", "nothing.email"):
        with pytest.raises(UsageError, match="there is no"):
            checked.explain(name)


def test_the_graph_is_a_picture_of_every_table_that_matters(small_lakehouse: Lakehouse) -> None:
    checked = small_lakehouse.check()
    root = ElementTree.fromstring(checked.graph())
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {*checked.tables, "distancefromobject", "serialnumber", "published, k = 1"} <= texts


def test_the_command_line_explains_and_draws(tmp_path: Path) -> None:
    told = stedi("check", "--explain", "x", "--root", tmp_path)
    assert "accelerometer_landing.x (quasi), IDENTITY" in told
    assert "at least 5 people" in told
    stedi("check", "--graph", tmp_path / "graph.svg", "--quiet", "--root", tmp_path)
    assert ElementTree.parse(tmp_path / "graph.svg").getroot().tag.endswith("svg")
    told = json.loads(stedi("check", "--json", "--explain", "x", "--root", tmp_path))
    assert told["explanation"]["values"][0]["column"] == "accelerometer_landing.x"
    assert "no such column" in stedi("check", "--explain", "q", "--root", tmp_path, check=2)


@already_run
def test_lineage_is_kept_as_openlineage_events(small_lakehouse: Lakehouse) -> None:
    events = kept(small_lakehouse.root)
    assert [event["job"]["name"] for event in events][-1] == "seed.machine_learning_curated"
    assert len(events) == 5
    [output] = events[-1]["outputs"]
    lineage = output["facets"]["columnLineage"]
    assert lineage["_schemaURL"].endswith("ColumnLineageDatasetFacet")
    [x] = lineage["fields"]["x"]["inputFields"]
    assert (x["name"], x["field"]) == ("accelerometer_trusted", "x")
    assert [(t["type"], t["subtype"]) for t in x["transformations"]] == [("DIRECT", "IDENTITY")]
    of_rows = {(one["name"], one["field"]): one["transformations"] for one in lineage["dataset"]}
    [join] = of_rows["step_trainer_trusted", "sensorreadingtime"]
    assert (join["type"], join["subtype"]) == ("INDIRECT", "JOIN")
    assert {one["name"] for one in events[-1]["inputs"]} >= {"accelerometer_trusted"}


@already_run
def test_new_declarations_replace_what_was_kept(small_lakehouse: Lakehouse) -> None:
    [before] = (small_lakehouse.root / "_stedi").glob("openlineage-*")
    small_lakehouse.run()
    assert before.exists()
    small_lakehouse.run(profile="strict")
    assert not before.exists()
    assert kept(small_lakehouse.root)[-1]["job"]["name"] == "strict.machine_learning_curated"


@pytest.fixture
def catalog() -> Iterator[tuple[str, list[Event]]]:
    """Somebody who takes OpenLineage events over HTTP: where, and what arrived."""
    arrived: list[Event] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", arrived
    server.shutdown()
    server.server_close()


def test_events_go_where_openlineage_is_configured(
    small_lakehouse: Lakehouse,
    catalog: tuple[str, list[Event]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, arrived = catalog
    monkeypatch.setenv("OPENLINEAGE_URL", url)
    small_lakehouse.run()
    assert [event["eventType"] for event in arrived] == ["START", "COMPLETE"] * 5
    assert arrived[0]["run"]["runId"] == arrived[1]["run"]["runId"]
    assert not list((small_lakehouse.root / "_stedi").glob("openlineage-*"))
    assert small_lakehouse.check().events is None
    assert len(arrived) == 15


def test_a_run_is_not_stopped_by_a_catalog_that_is_away(
    small_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__RETRY", '{"total": 0}')
    [remark] = remarks(small_lakehouse.run())
    assert remark.startswith("lineage could not be recorded: ConnectionError")
    assert small_lakehouse.status().ok
    with pytest.raises(Unavailable, match=r"hold together, but .* could not be sent"):
        small_lakehouse.check()


@already_run
def test_events_hold_nobodys_data(small_lakehouse: Lakehouse) -> None:
    [file] = (small_lakehouse.root / "_stedi").glob("openlineage-*.jsonl")
    assert "example.com" not in file.read_text()
