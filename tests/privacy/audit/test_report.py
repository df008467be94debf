"""The privacy report: its figures are the audit's, it names nobody, and it replaces nobody's work."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import stedi as package
from stedi import Lakehouse, NotAnonymous, UsageError
from stedi.declared import packaged, read_declarations
from stedi.privacy.audit import ATTACKS
from stedi.privacy.audit.attack import Risk
from stedi.privacy.audit.report import Report
from stedi.privacy.proof.expressions import ALLOWED
from tests.support.processes import stedi

TABLE = "machine_learning_curated"
TEXT = Path(package.__file__).parent / "privacy" / "audit" / "report.md"
TO_FILL_IN = "**[TO FILL IN]**"
FIGURE = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)*%?")
NAME = "Zoë Plantäger"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """People who walk, among whom one has a name that is nobody else's; published twice."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("reported") / "root")
    lakehouse.simulate(lakehouse.root, customers=300, seed=9, people=True)
    file = min((lakehouse.root / "customer" / "landing").iterdir())
    first, *others = file.read_text().splitlines()
    planted = json.loads(first) | {"customerName": NAME}
    file.write_text("\n".join([json.dumps(planted), *others, f'{{"customerName": "{NAME}"']))
    lakehouse.run()
    lakehouse.run(full=True)
    return lakehouse


@pytest.fixture(scope="module")
def reported(
    done: Lakehouse, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """What a report says, and the JSON of the same audit."""
    file = tmp_path_factory.mktemp("report") / "report.md"
    told = json.loads(stedi("audit", "--json", "--report", file, "--root", done.root))
    assert [path.name for path in file.parent.iterdir()] == ["report.md"]
    return file.read_text(), told


def numbers(value: Any) -> Iterator[float | str]:
    """Each number in JSON, and those in its texts."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, str):
        yield from FIGURE.findall(value.replace("T", " "))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def generated(report: str) -> str:
    """What a report has beyond the text of every report, and when it was written."""
    fixed = {line for line in TEXT.read_text().splitlines() if "$" not in line}
    lines = [line for line in report.splitlines() if line not in fixed]
    return "\n".join(
        line for line in lines if not line.startswith(("| report written |", "<!-- unchanged"))
    )


def test_every_figure_is_one_of_the_audit(reported: tuple[str, dict[str, Any]]) -> None:
    report, told = reported
    contract = read_declarations(packaged()).contracts[TABLE]
    known = {"5", "95", "216", package.__version__, *FIGURE.findall(TEXT.read_text())}
    known |= {*map(str, range(len(ALLOWED) + 1))}  # places are numbered
    known |= {*FIGURE.findall(" ".join([*ALLOWED, contract.usage, contract.limitations]))}
    for number in numbers(told):
        known |= {number} if isinstance(number, str) else {f"{number:.3f}", f"{number:,}", f"{number:.1%}"}
    found = FIGURE.findall(generated(report))
    assert len(found) > 80
    assert [figure for figure in found if figure not in known] == []


def test_every_figure_of_an_attack_is_there(reported: tuple[str, dict[str, Any]]) -> None:
    report, told = reported
    assert told["attacks"].keys() == {attack.name for attack in ATTACKS}
    for name, attack in told["attacks"].items():
        begin = f"| {name} | {attack['knows']} | {attack['withheld']} |"
        [line] = [line for line in report.splitlines() if line.startswith(begin)]
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        for key, cell in zip(("baseline", "mean", "worst"), cells[3:6], strict=True):
            assert cell == ("" if attack[key] is None else f"{attack[key]:.3f}")
        interval = attack["interval"]
        assert cells[6] == (" to ".join(f"{end:.3f}" for end in interval) if interval else "")
        assert cells[7] == ("" if attack["limit"] is None else f"{attack['limit']:.3f}")
        assert cells[8] == {True: "within its limit", None: "measured only"}[attack["ok"]]
        assert attack["note"] is None or f"- {name}: {attack['note']}." in report
    change = told["attacks"]["difference"]["figures"]
    assert f"{change['changed']:,} of {change['regions']:,} regions changed" in report
    for risk in ("singling out", "linkability", "inference"):
        assert f"| {risk} | within its limit |" in report
    assert f"| snapshot | {told['provenance']['snapshot']} |" in report
    assert f"| rows | {told['rows']:,} |" in report
    assert f"| equivalence classes | {told['classes']:,} |" in report
    assert f"| fewest people in a class | {told['smallest_class']} | at least 5 |" in report
    for place in ALLOWED:
        assert f"| {place} |" in report
    assert "**The proof holds.**" in report
    assert f"stedi audit {TABLE} --root ROOT --report FILE.md" in report


def test_nobody_is_named(done: Lakehouse, reported: tuple[str, dict[str, Any]]) -> None:
    report, _ = reported
    assert "@" not in report
    assert str(done.root) not in report
    query = "SELECT customername, email, phone, serialnumber FROM customer_landing"
    for person in done.query(query).to_arrow().to_pylist():
        for value in person.values():
            assert str(value) not in report
    assert NAME.split()[1] not in report


def test_people_and_rows_that_are_not_published_are_not_counted(
    done: Lakehouse, reported: tuple[str, dict[str, Any]]
) -> None:
    report, told = reported
    figures = {*FIGURE.findall(generated(report))}
    status, attacks = done.status(), told["attacks"]
    inner = [table.rows for name, table in status.tables.items() if name != TABLE]
    inner += [source.records for source in status.sources.values()]
    inner += [count for step in status.steps.values() for count in step.dropped.values()]
    inner += [
        attacks["membership"]["figures"][key] for key in ("people_in_table", "people_outside")
    ]
    inner += [attacks["withdrawal"]["figures"]["people"]]
    inner += [attacks["membership_reference"]["figures"]["reference_people"]]
    assert len(inner) > 15
    for count in inner:
        if count and count >= 10 and count != told["rows"]:
            assert not {str(count), f"{count:,}"} & figures, count


def test_what_only_the_owner_knows_is_left_blank(reported: tuple[str, dict[str, Any]]) -> None:
    report, _ = reported
    assert report.count(TO_FILL_IN) == TEXT.read_text().count(TO_FILL_IN) > 20
    for heading in ("1. Context", "2. Recipients", "3. Harms", "8. Governance", "10. The owner's"):
        section = report.partition(f"## {heading}")[2].partition("\n## ")[0]
        assert TO_FILL_IN in section, heading
    for heading in ("4. Data", "5. Ident", "6. What", "7. How", "9. How"):
        section = report.partition(f"## {heading}")[2].partition("\n## ")[0]
        assert section and TO_FILL_IN not in section, heading


def test_each_risk_has_its_place_in_the_text() -> None:
    places = Template(TEXT.read_text()).get_identifiers()
    assert {risk.replace(" ", "_") for risk in get_args(Risk)} <= {*places}
    assert {attack.risk for attack in ATTACKS} == {*get_args(Risk)}


def test_the_same_publication_gives_the_same_report(
    done: Lakehouse, reported: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "report.md"
    done.audit(report=file)
    assert generated(file.read_text()) == generated(reported[0])


def test_an_audit_that_fails_is_reported_and_ends_with_1(done: Lakehouse, tmp_path: Path) -> None:
    copy = Lakehouse(Path(shutil.copytree(done.root, tmp_path / "root")))
    copy.run(full=True)
    [file] = (copy.root / "_stedi" / "boxes").iterdir()
    boxes = pq.read_table(file)
    for name in ("x_from", "y_from", "z_from"):
        shifted = pa.chunked_array([np.asarray(boxes[name]) + 0.5])
        boxes = boxes.set_column(boxes.column_names.index(name), name, shifted)
    pq.write_table(boxes, file)
    report = tmp_path / "report.md"
    told = stedi("audit", "--report", report, "--root", copy.root, check=1)
    assert f"The privacy report is in {report}" in told
    text = report.read_text()
    assert "FAILED. Don't pass the table on." in text
    assert "- rows: the rows published are not the rows behind them" in text
    assert "| rows | the rows published are not the rows behind them" in text
    assert "are passed" not in text
    report.unlink()
    for options in (["--json"], ["--quiet"]):
        told = stedi("audit", *options, "--report", report, "--root", copy.root, check=1)
        assert "The privacy report" not in told
        assert "FAILED" in report.read_text()
        report.unlink()


def test_a_publication_that_was_withheld_is_reported(tmp_path: Path) -> None:
    lakehouse, file = Lakehouse(tmp_path / "root"), tmp_path / "report.md"
    lakehouse.simulate(lakehouse.root, customers=4)
    with pytest.raises(NotAnonymous):
        lakehouse.run()
    assert not lakehouse.audit(report=file).ok
    text = file.read_text()
    assert "- nothing is published: " in text
    assert "| rows | none that could be audited |" in text
    assert text.count("Not measured: see the problems above.") == len(get_args(Risk))
    assert "| singling out | not measured |" in text
    assert TO_FILL_IN in text


def test_a_publication_that_can_not_be_read_is_reported(done: Lakehouse, tmp_path: Path) -> None:
    copy, file = Lakehouse(tmp_path / "root"), tmp_path / "report.md"
    copy.ingest(done.root)
    copy.run()
    [boxes] = (copy.root / "_stedi" / "boxes").iterdir()
    boxes.write_bytes(boxes.read_bytes()[:100])
    told = stedi("audit", "--report", file, "--root", copy.root, check=1)
    assert "the table of boxes can't be read" in told
    text = file.read_text()
    assert "FAILED. Don't pass the table on." in text
    assert "the table of boxes can't be read; `stedi run --full` rebuilds it" in text
    assert str(tmp_path) not in text


def test_an_attack_that_gets_too_far_fails_its_criterion(done: Lakehouse) -> None:
    contract = done._declared().contracts[TABLE]
    audit = done.audit()
    attack = audit.attacks["inference"]
    worse = attack.model_copy(update={"ok": False, "worst": 0.5, "interval": (0.5, 0.75)})
    failed = audit.model_copy(
        update={
            "ok": False,
            "attacks": {**audit.attacks, "inference": worse},
            "problems": ["inference: reaches 0.500, of 0.010 at most"],
        }
    )
    text = Report(failed, contract, "9").text(datetime.now(UTC))
    assert "| inference | **FAILS** |" in text
    assert "| linkability | within its limit |" in text
    assert "| 0.500 | 0.500 to 0.750 | 0.010 | **FAILS** |" in text
    assert f"- inference: {attack.doubt}." in text
    assert "- inference: reaches 0.500, of 0.010 at most" in text
    unmeasured = attack.model_copy(update={"ok": None, "worst": None, "figures": None})
    audit = audit.model_copy(update={"attacks": {**audit.attacks, "inference": unmeasured}})
    text = Report(audit, contract, "9").text(datetime.now(UTC))
    assert "| inference | not measured |" in text


def test_a_proof_that_does_not_hold_fails_the_audit(done: Lakehouse, tmp_path: Path) -> None:
    """As when a later version of STEDI refuses what an earlier one let pass."""
    file = tmp_path / "report.md"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stedi.privacy.published.Proof.leaks", lambda *_: iter(["a", "b"]))
        assert not done.audit(report=file).ok
    text = file.read_text()
    assert "**The proof fails: 2 things can't be proved; `stedi check` lists them.**" in text
    assert "- proof: 2 things" in text


def test_what_is_weaker_than_recommended_is_said_with_its_reason(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(str(packaged()), tmp_path / "declarations"))
    contract = folder / "contracts" / f"{TABLE}.yaml"
    stated = "k: 4\n          weakerThanRecommended: a pilot | of few\n"
    contract.write_text(contract.read_text().replace("k: 5\n", stated))
    lakehouse = Lakehouse(tmp_path / "root", declarations=folder)
    lakehouse.simulate(lakehouse.root, customers=120, seed=3, people=True)
    lakehouse.run()
    lakehouse.audit(report=tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text()
    assert "**Weaker than recommended:** k is 4, and one person may have up to 1/4" in text
    assert "The stated reason: a pilot | of few." in text
    assert "| at most 1/4 |" in text


# The file --------------------------------------------------------------------------------------------


def test_what_is_there_already_is_not_replaced(done: Lakehouse, tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "bytes.md").write_bytes(b"\xff\xfe")
    (tmp_path / "link.md").symlink_to(tmp_path / "target.md")
    before = sorted(tmp_path.iterdir())
    for name, why in (
        ("folder.md", "no plain file"),
        ("README.md", "there already"),
        ("bytes.md", "there already"),
        ("link.md", "no plain file"),
        ("report.txt", r"ends in \.md"),
        ("report", r"ends in \.md"),
        ("nowhere/report.md", "no folder"),
        ("README.md/report.md", "no folder"),
    ):
        with pytest.raises(UsageError, match=why):
            done.audit(report=tmp_path / name)
    for file in (done.root / "report.md", done.root / "customer" / "landing" / "report.md"):
        with pytest.raises(UsageError, match="lies in the lakehouse"):
            done.audit(report=file)
        assert not file.exists()
    for name in ("s3://bucket/report.md", "file:///tmp/report.md"):
        with pytest.raises(UsageError, match="a file of this machine"):
            done.audit(report=name)
    assert "ends in .md" in stedi("audit", "--report", tmp_path, "--root", done.root, check=2)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.fixture
def audited_already(done: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """The same lakehouse, whose audits take no time."""
    audit = done.audit()
    monkeypatch.setattr("stedi.privacy.published.PublishedTable.audit", lambda _: audit)
    return done


def test_a_report_is_replaced_until_somebody_fills_it_in(
    audited_already: Lakehouse, tmp_path: Path
) -> None:
    done = audited_already
    file = tmp_path / "report.md"
    done.audit(report=file)
    done.audit(report=file)
    filled_in = file.read_text().replace(TO_FILL_IN, "The officer", 1)
    file.write_text(filled_in)
    with pytest.raises(UsageError, match="was filled in"):
        done.audit(report=file)
    assert file.read_text() == filled_in


def test_a_report_that_can_not_be_written_leaves_the_one_before(
    audited_already: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, file = audited_already, tmp_path / "report.md"
    done.audit(report=file)
    before = file.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for method in ("write_text", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, full)
            with pytest.raises(UsageError, match="can't be written: No space left"):
                done.audit(report=file)
        assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
        assert file.read_bytes() == before
