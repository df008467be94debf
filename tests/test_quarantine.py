"""Quarantined records are counted, explained, masked, and tried again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stedi import Lakehouse, LandingError, UsageError
from stedi.declared import packaged
from stedi.quarantine import Replay
from stedi.run import RunReport
from tests.conftest import Land, rows
from tests.support import small

GOOD = [small.reading("S1", time, 250) for time in range(30)]
BAD = b"".join(b"no record %d of ann@example.com\n" % n for n in range(400))


def refused(do: Callable[..., object], of: str = "step_trainer", **options: object) -> RunReport:
    """The output of a run that does all it can, and fails: too much of a source is quarantined."""
    with pytest.raises(LandingError, match=f"source {of}: .* records were quarantined") as caught:
        do(**options)
    report = caught.value.report
    done = report.run if isinstance(report, Replay) else report
    assert isinstance(done, RunReport)
    return done


def lines(records: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.fixture
def spoilt(lakehouse: Lakehouse, land: Land) -> Lakehouse:
    """Thirty good readings, one with its time in quotes, one cut off."""
    quoted = b'{"sensorReadingTime":"7","serialNumber":"Serial-4711","distanceFromObject":5}\n'
    land("step_trainer", lines(GOOD) + quoted + b'{"sensorReadingTime":8,"seri')
    lakehouse.run()
    return lakehouse


def test_quarantined_records_are_counted_listed_and_explained(spoilt: Lakehouse) -> None:
    found = spoilt.quarantine()
    assert found.count == 2
    assert [(g.source, g.file, g.reason, g.count) for g in found.groups] == [
        ("step_trainer", "one.json", "cut off", 1),
        ("step_trainer", "one.json", "number in quotes", 1),
    ]
    assert all(group.meaning and group.cause for group in found.groups)
    content = (spoilt.root / "step_trainer/landing/one.json").read_bytes()
    offset = content.index(b'{"sensorReadingTime":"7"')
    assert [piece.place for piece in found.pieces] == [
        f"step_trainer/one.json@{offset}",
        f"step_trainer/one.json@{content.index(b'{', offset + 1)}",
    ]
    assert [piece.line for piece in found.pieces] == [31, 32]


def test_text_is_masked_unless_asked_for(spoilt: Lakehouse) -> None:
    [piece] = spoilt.quarantine(reason="number in quotes").pieces
    masked = '{"sensorReadingTime":"0","serialNumber":"xxxxxx-0000","distanceFromObject":0}'
    assert piece.text == spoilt.quarantined(piece.place).text == masked
    assert "Serial-4711" in spoilt.quarantined(piece.place, raw=True).text
    assert "4711" in spoilt.quarantine(raw=True, reason="number in quotes").pieces[0].text


def test_the_list_can_be_narrowed(spoilt: Lakehouse) -> None:
    assert spoilt.quarantine(source="customer").count == 0
    assert spoilt.quarantine(file="one.json").count == 2
    with pytest.raises(UsageError, match="no such landing file"):
        spoilt.quarantine(file="other.json")
    assert (spoilt.quarantine(limit=1).count, len(spoilt.quarantine(limit=1).pieces)) == (2, 1)
    with pytest.raises(UsageError, match="--reason no such reason"):
        spoilt.quarantine(reason="no such reason")
    with pytest.raises(UsageError, match="--limit -1"):
        spoilt.quarantine(limit=-1)
    with pytest.raises(
        UsageError, match=r"step_trainer/one\.json@1: no record was quarantined there"
    ):
        spoilt.quarantined("step_trainer/one.json@1")


def test_nothing_quarantined_is_no_error(small_lakehouse: Lakehouse) -> None:
    assert small_lakehouse.quarantine().count == 0
    small_lakehouse.run()
    assert small_lakehouse.quarantine().pieces == []


def test_replay_after_a_file_was_mended_loads_what_fits_once(spoilt: Lakehouse, land: Land) -> None:
    land("step_trainer", lines([*GOOD, small.reading("S", 7, 5)]) + b'{"sensorReadingTime":8,"se')
    replay = spoilt.replay()
    assert replay.before == {"step_trainer": {"cut off": 1, "number in quotes": 1}}
    assert replay.after == {"step_trainer": {"cut off": 1}}
    assert spoilt.status().tables["step_trainer_landing"].rows == 31
    assert spoilt.replay().after == replay.after
    status = spoilt.status(verify=True)
    assert status.ok
    assert status.tables["step_trainer_landing"].rows == 31


def test_replay_after_the_contract_was_mended(
    lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    land("step_trainer", lines([*GOOD, small.reading("S", -5, 250)]))
    lakehouse.run()
    assert lakehouse.status().sources["step_trainer"].quarantined == {"value out of range": 1}
    declarations = tmp_path / "declarations"
    shutil.copytree(str(packaged()), declarations)
    contract = declarations / "contracts" / "step_trainer_landing.yaml"
    contract.write_text(contract.read_text().replace("minimum: 0", "minimum: -10"))
    mended = type(lakehouse)(lakehouse.root, declarations=declarations)
    assert mended.replay().after == {}
    assert mended.status(verify=True).sources["step_trainer"].loaded == 31


def test_a_file_that_is_mostly_bad_is_quarantined_whole_and_alone(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("step_trainer", lines(GOOD), name="good.json")
    land("step_trainer", lines(GOOD[:3]) + BAD, name="bad.json")
    refused(lakehouse.run)
    status = lakehouse.status(verify=True)
    source = status.sources["step_trainer"]
    assert (source.files, source.records, source.loaded) == (2, 433, 30)
    assert source.quarantined == {"file set aside whole": 3, "not JSON": 400}
    assert {note.code: note.count for note in status.notes}["bad_files"] == 1
    whole = lakehouse.quarantine(reason="file set aside whole", raw=True).pieces
    assert [json.loads(piece.text) for piece in whole] == GOOD[:3]
    assert refused(lakehouse.run).built == ()


def test_bad_files_of_one_source_are_accepted(lakehouse: Lakehouse, land: Land) -> None:
    land("step_trainer", lines(GOOD[:3]) + BAD, name="bad.json")
    land("accelerometer", BAD, name="bad.json")
    refused(lakehouse.run)
    refused(lakehouse.replay, source="accelerometer", accept_bad_files=True)
    [problem] = lakehouse.status().problems
    assert problem.startswith("source step_trainer: 403 of 403 records were quarantined")
    asked = lakehouse.query("SELECT source, verdict FROM loads ORDER BY source").to_arrow()
    assert [tuple(row.values()) for row in asked.to_pylist()] == [
        ("accelerometer", "accepted"),
        ("step_trainer", "bad"),
    ]
    lakehouse.replay(accept_bad_files=True)
    assert lakehouse.status().sources["step_trainer"].loaded == 3


@pytest.mark.parametrize("way", ["run", "replay"])
def test_an_accepted_file_stays_accepted(
    lakehouse: Lakehouse, land: Land, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("step_trainer", lines(GOOD[:3]) + BAD, name="bad.json")
    land("step_trainer", lines(GOOD[3:]), name="good.json")
    refused(lakehouse.run)
    if way == "run":
        lakehouse.run(accept_bad_files=True)
    else:
        lakehouse.replay(accept_bad_files=True)
    for then in ("full run", "another secret", "done"):
        status = lakehouse.status(verify=then == "full run")
        assert status.ok
        assert status.sources["step_trainer"].loaded == 30
        assert status.sources["step_trainer"].quarantined == {"not JSON": 400}
        assert "bad_files" not in {note.code for note in status.notes}
        if then == "another secret":
            monkeypatch.setenv("STEDI_SECRET", f"{then}, of at least thirty-two bytes")
        lakehouse.run(full=True)


def test_few_records_are_no_reason_to_set_a_file_aside(lakehouse: Lakehouse, land: Land) -> None:
    land("step_trainer", lines(GOOD[:1]) + BAD[:300])
    lakehouse.run()
    assert lakehouse.status().sources["step_trainer"].loaded == 1


def test_customers_in_a_quarantined_file_have_their_consent_suspended(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    withdrawn = small.customer("ann", "S1", 5000)
    land("customer", json.dumps(withdrawn).encode() + b"\n" + b"\xff\n" * 100, name="bad.json")
    refused(small_lakehouse.run, "customer")
    assert rows(
        small_lakehouse, "SELECT COUNT(*) FROM customer_trusted WHERE email = 'ann@example.com'"
    ) == [(0,)]
    notes = {note.code: note.count for note in small_lakehouse.status().notes}
    assert notes["set_aside_without_email"] == 100


def test_a_value_outside_a_warning_range_is_read_and_noted(
    lakehouse: Lakehouse, land: Land
) -> None:
    records = [small.customer(name, f"S-{name}", 100) for name in ("ann", "ben", "cat")]
    records[0]["birthDay"], records[1]["birthDay"] = "0967-01-01", "unknown"
    land("customer", records)
    lakehouse.run()
    status = lakehouse.status()
    assert status.sources["customer"].loaded == 3
    assert {note.code: note.count for note in status.notes}["birth_year_out_of_range"] == 2


def test_a_bad_file_that_is_gone_is_forgotten(lakehouse: Lakehouse, land: Land) -> None:
    path = land("step_trainer", BAD, name="bad.json")
    land("step_trainer", lines(GOOD))
    refused(lakehouse.run)
    path.unlink()
    lakehouse.run()
    assert "bad_files" not in {note.code for note in lakehouse.status().notes}
    assert lakehouse.run(accept_bad_files=True).built == ()


def test_no_letter_of_any_script_is_shown(lakehouse: Lakehouse, land: Land) -> None:
    land("customer", '{"customerName":"अमित","phone":"७८","email":"é'.encode())
    refused(lakehouse.run, "customer")
    [piece] = lakehouse.quarantine().pieces
    assert set(piece.text) <= set('{"customerNameemailphone:,x')
