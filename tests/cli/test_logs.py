"""What operators see: logs, times, and what is sent to OpenTelemetry."""

from __future__ import annotations

import json
import logging
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, events
from stedi.status import Times
from tests.conftest import Land, already_run
from tests.support import small
from tests.support.processes import Done, started, stedi


@pytest.fixture(autouse=True)
def declarations(monkeypatch: pytest.MonkeyPatch, not_anonymous: Path) -> None:
    monkeypatch.setenv("STEDI_DECLARATIONS", str(not_anonymous))


def cli(*arguments: str | Path) -> Done:
    return started(*arguments).ended()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@already_run
def test_each_event_is_a_line_of_json_with_run_table_rows_seconds_and_reason(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    log = tmp_path / "stedi.log"
    land("accelerometer", [small.acceleration("ann", 3000, 0.7)], "two.json")
    land("accelerometer", b"nonsense of ann@example.com\n", "three.json")
    given = ("--root", small_lakehouse.root, "--log-format", "json", "--log-file", log)
    report = json.loads(stedi("run", "--json", *given))
    told = lines(log)
    [begin, *_, end, command] = told
    assert (begin["event"], end["event"], command["event"]) == (
        "run.started",
        "run",
        "command.ended",
    )
    assert {line["run"] for line in told if "run" in line} == {report["run"]}
    [read] = [line for line in told if line["event"] == "table.read"]
    assert read["table"] == "accelerometer_landing"
    assert (read["files"], read["records"], read["set_aside"], read["rows"]) == (2, 2, 1, 20)
    assert read["reason"] == "2 new landing files" and read["seconds"] >= 0
    built = {line["table"]: line["rows"] for line in told if line["event"] == "table.built"}
    assert built == {
        **{name: small.SEED[name] for name in ("customer_trusted", "customer_curated")},
        "accelerometer_trusted": small.SEED["accelerometer_trusted"] + 1,
        "machine_learning_curated": small.SEED["machine_learning_curated"] + 1,
    }
    assert command["exit_status"] == 0
    assert all(datetime.fromisoformat(line["time"]).tzinfo for line in told)
    assert "ann@example.com" not in log.read_text()

    stedi("run", "--verbose", *given)  # appended, with more
    more = lines(log)[len(told) :]
    assert "plan" in {line["event"] for line in more if line["level"] == "debug"}
    assert more[-2]["tables"] == 0


@already_run
def test_the_log_is_text_on_stderr_unless_told_otherwise_and_none_unless_asked_for(
    small_lakehouse: Lakehouse,
) -> None:
    root = small_lakehouse.root
    done = cli("run", "--root", root, "--log-format", "text")
    [begin, *_, end] = done.stderr.splitlines()
    assert " info run.started run=" in begin and "profile=seed" in begin
    assert " info command.ended command=run exit_status=0" in end
    assert cli("run", "--root", root).stderr == ""
    refused = cli("run", "--root", root, "--log-file", root / "no" / "such" / "log")
    assert refused.returncode == 2 and "No such file or directory" in refused.stderr
    assert cli("run", "--log-format", "xml", "--root", root).returncode == 2


@already_run
def test_how_a_command_failed_is_logged_without_what_was_typed(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    given = ("--root", small_lakehouse.root, "--log-format", "json", "--log-file", log)
    assert cli("disclose", "zoe@example.com", tmp_path / "out", *given).returncode == 2
    [typed] = lines(log)
    assert (typed["command"], typed["exit_status"], typed["error"]) == ("disclose", 2, "UsageError")
    assert "zoe" not in log.read_text()
    for file in (small_lakehouse.root / "_stedi" / "loads" / "metadata").glob("*.metadata.json"):
        file.unlink()
    assert cli("run", *given).returncode == 1
    failed = lines(log)[-1]
    assert failed["error"] == "StorageError" and "stedi run --full" in failed["message"]


# Times ----------------------------------------------------------------------------------------


@already_run
def test_status_has_times_and_the_programs_version(small_lakehouse: Lakehouse, land: Land) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    small_lakehouse.run()
    told = json.loads(stedi("status", "--json", "--root", small_lakehouse.root))
    times = {name: time and datetime.fromisoformat(time) for name, time in told["times"].items()}
    assert before <= times["last_run"] <= datetime.now(UTC)
    assert times["last_commit"] <= times["last_run"]
    assert times["oldest_unread"] is None
    assert told["version"] and told["late"] == []
    path = land("customer", [small.customer("pat", "S20", 100)], "late.json")
    delivered = datetime.now(UTC) - timedelta(hours=30)
    os.utime(path, (delivered.timestamp(),) * 2)
    now = small_lakehouse.status().times
    assert now.oldest_unread is not None and now.newest_delivery is not None
    assert abs(now.oldest_unread - delivered) < timedelta(seconds=1)
    assert now.newest_delivery > delivered


@already_run
def test_max_age_ends_with_one_when_something_waits_or_no_run_ended_well(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    root = small_lakehouse.root
    (root / "_stedi" / "last-run.json").unlink()
    never = cli("status", "--quiet", "--max-age", "26h", "--root", root)
    assert (never.returncode, never.stderr) == (1, "stedi: no run has ended well yet\n")
    small_lakehouse.run()
    assert cli("status", "--max-age", "26h", "--root", root).returncode == 0
    path = land("customer", [small.customer("pat", "S20", 100)], "late.json")
    assert cli("status", "--max-age", "26h", "--root", root).returncode == 0
    os.utime(path, (time.time() - 27 * 3600,) * 2)
    waits = cli("status", "--json", "--max-age", "26h", "--root", root)
    [why] = json.loads(waits.stdout)["late"]
    assert waits.returncode == 1 and "is not read yet" in why
    assert cli("status", "--max-age", "2d", "--root", root).returncode == 0
    for wrong in ("26", "h", "-1h", "1h30m", "26 h", "nan", "1e3h"):
        assert cli("status", "--max-age", wrong, "--root", root).returncode == 2


NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "is_late"),
    [(-25, False), (-27, True), (0, False), (0.05, False), (1, True), (9000, True)],
)
def test_a_run_of_the_future_says_nothing_of_how_old_things_are(
    hours: float, is_late: bool
) -> None:
    times = Times(last_run=NOW + timedelta(hours=hours))
    assert bool(times.late(26 * 3600, NOW)) == is_late


def test_a_damaged_note_of_the_last_run_is_none(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path)
    small.land(tmp_path)
    note = tmp_path / "_stedi" / "last-run.json"
    note.parent.mkdir()
    for content in (
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"ended": 5}',
        b'{"ended": "2026-11-30T12:00:00"}',
    ):
        note.write_bytes(content)
        assert lakehouse.status().times.last_run is None


# OpenTelemetry --------------------------------------------------------------------------------


def test_stages_are_spans_and_numbers_are_metrics(
    tmp_path: Path, not_anonymous: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = pytest.importorskip("opentelemetry.sdk.metrics")
    from opentelemetry import metrics as metrics_api
    from opentelemetry import trace as trace_api
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from stedi import telemetry

    telemetry._instrument.cache_clear()
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace_api, "get_tracer", tracing.get_tracer)
    monkeypatch.setattr(metrics_api, "get_meter", metrics.MeterProvider([reader]).get_meter)
    small.land(tmp_path / "root")
    small.write(tmp_path / "root", "customer", b"nonsense of ann@example.com\n", "bad.json")
    lakehouse = Lakehouse(tmp_path / "root", declarations=not_anonymous)
    lakehouse.run()
    with pytest.raises(ValueError, match="of ann"), events.stage("broken"):
        raise ValueError("of ann@example.com")

    ended = {span.name for span in spans.get_finished_spans()}
    assert {"run", "plan", "landing", "table.built", "compaction", "expiry", "broken"} <= ended
    [broken] = [span for span in spans.get_finished_spans() if span.name == "broken"]
    assert not broken.status.is_ok and "ann" not in broken.to_json()
    data: Any = reader.get_metrics_data()
    points: dict[str, Any] = {}
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        points[metric.name] = {
            tuple(point.attributes.values()): getattr(point, "value", None)
            or getattr(point, "sum", 0)
            for point in metric.data.data_points
        }
    assert points["stedi.table.rows"]["customer_trusted",] == small.SEED["customer_trusted"]
    assert points["stedi.table.rows"]["customer_landing",] == small.SEED["customer_landing"]
    assert points["stedi.source.set_aside"]["customer",] == 1
    assert points["stedi.staleness.seconds"][()] > 0
    assert ("table.built", "customer_trusted") in points["stedi.stage.seconds"]
    telemetry._instrument.cache_clear()


def test_opentelemetry_is_set_up_where_the_environment_says_where_to_send() -> None:
    telemetry = pytest.importorskip("stedi.telemetry")
    here = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
    assert telemetry.is_asked_for(here)
    assert not telemetry.is_asked_for({"OTEL_SERVICE_NAME": "stedi"})
    assert not telemetry.is_asked_for({**here, "OTEL_SDK_DISABLED": "true"})


def test_without_a_log_events_cost_nothing(caplog: pytest.LogCaptureFixture) -> None:
    events.event("something", logging.DEBUG, rows=1)
    assert caplog.records == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
@already_run
def test_a_log_that_is_full_is_told_once_and_stops_nothing(small_lakehouse: Lakehouse) -> None:
    done = cli("run", "--quiet", "--root", small_lakehouse.root, "--log-file", "/dev/full")
    assert (done.returncode, done.stderr) == (
        0,
        "stedi: --log-file /dev/full: No space left on device\n",
    )
