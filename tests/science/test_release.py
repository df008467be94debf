"""The release: opened with tools that aren't ours, checked against what lies in the lakehouse."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse
from stedi.declared import packaged
from stedi.errors import NotAnonymous, RuleBroken, UsageError
from stedi.text import about
from tests.support.processes import stedi
from tests.support.withdrawn import somebody

COLUMNS = ["distancefromobject", "x", "y", "z"]
FILE = "machine_learning_curated.parquet"
NOW = int(time.time() * 1000)
WEAKER = "weaker than the 5 and 1/5 that are recommended. The stated reason: "


def ask(sql: str) -> list[Any]:
    """What DuckDB makes of a query."""
    return list(duckdb.execute(sql).fetchall())


def rows(lakehouse: Lakehouse) -> int:
    found = lakehouse.status().tables["machine_learning_curated"].rows
    assert found
    return found


def copied(lakehouse: Lakehouse, folder: Path) -> Lakehouse:
    shutil.copytree(lakehouse.root, folder / "root")
    copy = Lakehouse(folder / "root")
    copy.run(full=True)
    return copy


def test_pandas_reads_it(walking: Lakehouse, released: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(released / FILE)
    assert list(table.columns) == COLUMNS
    assert len(table) == rows(walking)


def test_polars_reads_it(walking: Lakehouse, released: Path) -> None:
    import polars as pl

    table = pl.read_parquet(released / FILE)
    assert table.columns == COLUMNS
    assert table.height == rows(walking)


def test_duckdb_reads_it(walking: Lakehouse, released: Path) -> None:
    [(count,)] = ask(f"SELECT COUNT(*) FROM '{released / FILE}'")
    assert count == rows(walking)


def test_hugging_face_datasets_read_it(
    walking: Lakehouse, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    cache = str(tmp_path / "cache")
    table = datasets.load_dataset(str(released), split="train", cache_dir=cache)
    assert table.column_names == COLUMNS
    assert table.num_rows == rows(walking)
    boxes = datasets.load_dataset(str(released), "boxes", split="train", cache_dir=cache)
    assert boxes.num_rows == pq.read_metadata(released / "boxes.parquet").num_rows


@pytest.mark.slow
def test_croissant_describes_it(walking: Lakehouse, released: Path) -> None:
    import mlcroissant

    data_set = mlcroissant.Dataset(jsonld=str(released / "croissant.json"))
    assert not data_set.metadata.issues.errors
    assert not data_set.metadata.issues.warnings
    assert (
        "has rows of at least 5 people; README.md has the evidence" in data_set.metadata.description
    )
    records = list(data_set.records(record_set="machine_learning_curated"))
    first = pq.read_table(released / FILE).slice(0, 1).to_pylist()[0]
    assert records[0] == {f"machine_learning_curated/{n}": value for n, value in first.items()}
    assert len(records) == rows(walking)
    boxes = sum(1 for _ in data_set.records(record_set="boxes"))
    assert boxes == pq.read_metadata(released / "boxes.parquet").num_rows


def test_checksums_are_what_sha256sum_finds(released: Path) -> None:
    listed = (released / "SHA256SUMS").read_text()
    assert {line.split("  ")[1] for line in listed.splitlines()} == {
        path.name for path in released.iterdir() if path.name != "SHA256SUMS"
    }
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=released, check=True)


def test_two_releases_are_the_same_bytes(
    walking: Lakehouse, released: Path, tmp_path: Path
) -> None:
    walking.release(tmp_path / "again", licence="https://example.org/licence")
    for path in released.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_raw_rows_coded_with_the_boxes_are_the_rows(walking: Lakehouse, released: Path) -> None:
    """By a join in DuckDB, which knows nothing of how boxes are cut."""
    root = walking.root
    inside = " AND ".join(f"r.{c} >= b.{c}_from AND r.{c} < b.{c}_to" for c in COLUMNS)
    ask(
        f"""
        CREATE OR REPLACE TEMP TABLE coded AS
        WITH r AS (
          SELECT s.distancefromobject, a.x, a.y, a.z
          FROM '{root}/step_trainer/trusted/data/*/*.parquet' s
          JOIN '{root}/accelerometer/trusted/data/*/*.parquet' a
            ON a."timestamp" = s.sensorreadingtime)
        SELECT b.distancefromobject, b.x, b.y, b.z
        FROM r LEFT JOIN '{released}/boxes.parquet' b ON {inside}"""
    )
    columns = ", ".join(COLUMNS)
    both = "SELECT {0}, COUNT(*) AS times FROM {1} GROUP BY {0}"
    left, right = (both.format(columns, name) for name in ("coded", f"'{released / FILE}'"))
    [(different,)] = ask(
        f"SELECT COUNT(*) FROM (({left} EXCEPT {right}) UNION ({right} EXCEPT {left}))"
    )
    assert different == 0


def test_the_data_sheet_has_the_lakehouse_s_own_figures(walking: Lakehouse, released: Path) -> None:
    text = (released / "README.md").read_text()
    status = walking.status()
    [(people,)] = ask(
        f"SELECT COUNT(DISTINCT serialnumber) "
        f"FROM '{walking.root}/step_trainer/trusted/data/*/*.parquet'"
    )
    for name, table in status.tables.items():
        assert table.rows
        is_published = name == "machine_learning_curated"
        rows = f"{table.rows:,}" if is_published else about(table.rows, people)
        assert f"| {name} | {table.zone} | {rows} |" in text
    for note in status.notes:
        said = note.text.removeprefix(f"{note.count:,} ")
        least = 10 ** math.floor(math.log10(note.count))
        assert (f"- at least {least:,} {said}." in text) == (note.count >= 10)
    assert "https://example.org/licence" in text
    assert "The profile was **seed**" in text
    audit = walking.audit()
    assert f"at least {audit.smallest_class} people" in text
    for name, attack in audit.attacks.items():
        assert f"| {name} | {attack.knows} |" in text
        assert attack.note is None or f"- {name}: {attack.note}." in text
    [told] = [line for line in text.splitlines() if line.startswith("| membership |")]
    assert f"| {audit.attacks['membership'].worst:.3f} |" in told


def test_what_generalisation_cost_is_what_numpy_finds(walking: Lakehouse, released: Path) -> None:
    """The mean error of a column, from sorted values: published ones keep the order of raw ones."""
    boxes = pq.read_table(released / "boxes.parquet")
    widths = np.asarray(boxes["distancefromobject_to"]) - np.asarray(
        boxes["distancefromobject_from"]
    )
    [line] = [
        line
        for line in (released / "README.md").read_text().splitlines()
        if line.startswith("| `distancefromobject`") and line.count("|") == 4
    ]
    half, most = (float(cell.strip().removesuffix(" mm")) for cell in line.split("|")[2:4])
    assert 0 < half < most <= widths[np.isfinite(widths)].max()


@pytest.mark.slow
def test_any_double_may_be_a_reading(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=300, seed=3, people=True)
    file = next((lakehouse.root / "accelerometer" / "landing").iterdir())
    edges = ["1.7976931348623157e308", "-1.7976931348623157e308", "1e300", "-0.0", "5e-324"]
    infinite = ["1e309", "-1e999", "Infinity"]
    values = iter([*edges * 8, *infinite])
    file.write_text(
        re.sub(
            r'(?<="x":)( *)(-?[\d.e-]+)',
            lambda found: f" {next(values, found[2])}",
            file.read_text(),
        )
    )
    lakehouse.run()
    assert sum(lakehouse.status().sources["accelerometer"].quarantined.values()) == len(infinite)
    query = "SELECT MAX(x) AS most, MIN(x) AS least FROM accelerometer_landing"
    [ends] = lakehouse.query(query).to_arrow().to_pylist()
    assert ends == {"most": sys.float_info.max, "least": -sys.float_info.max}
    assert lakehouse.audit().ok
    lakehouse.release(tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    [line] = [t for t in text.splitlines() if t.startswith("| `x`") and t.count("|") == 4]
    half, most = (float(cell) for cell in line.split("|")[2:4])
    assert 0 < half < most < 131.072  # forty readings beyond that are of too few people to be told


@pytest.mark.slow
def test_a_k_that_is_small_is_told_with_its_reason(tmp_path: Path) -> None:
    folder, root = tmp_path / "declarations", tmp_path / "root"
    shutil.copytree(str(packaged()), folder)
    contract = folder / "contracts" / "machine_learning_curated.yaml"
    text = contract.read_text()
    Lakehouse.simulate(root, customers=120, seed=3, people=True)
    for reason in ("a pilot of few people", "who gets it is bound by contract"):
        stated = f"k: 4\n          weakerThanRecommended: {reason}\n"
        contract.write_text(text.replace("k: 5\n", stated))
        lakehouse = Lakehouse(root, declarations=folder)
        report = lakehouse.run()
        assert not report.built or "pilot" in reason  # another reason rebuilds nothing
        weakness = f"k is 4, and one person may have up to 1/4 of a class: {WEAKER}{reason}"
        [remark] = report.remarks
        assert remark == f"machine_learning_curated: {weakness}"
        [note] = [n for n in lakehouse.status().notes if n.code == "weaker_than_recommended"]
        assert note.text == remark
        assert lakehouse.audit().weaker_than_recommended == reason
        lakehouse.release(tmp_path / reason)
        assert f"**Weaker than recommended:** {weakness}." in " ".join(
            (tmp_path / reason / "README.md").read_text().split()
        )
        at = ("--root", root, "--declarations", folder)
        for verb in ("run", "status", "audit"):
            told = " ".join(stedi(verb, *at).split())
            assert told.count(reason) == 1, verb
        assert json.loads(stedi("audit", "--json", *at))["weaker_than_recommended"] == reason


def test_the_data_sheet_has_statistics_with_units_and_the_balance_of_classes(
    released: Path,
) -> None:
    sheet = (released / "README.md").read_text()
    with duckdb.connect() as connection:
        [row] = connection.execute(
            "SELECT MIN(v), QUANTILE_CONT(v, 0.5), MAX(v), AVG(v), STDDEV_POP(v), "
            "COUNT(DISTINCT v), COUNT(*) FILTER (WHERE v < 250), COUNT(*) "
            f"FROM (SELECT distancefromobject AS v FROM read_parquet('{released / FILE}'))"
        ).fetchall()
    least, median, greatest, mean, deviation, different, near, rows = row
    [line] = re.findall(r"^\| `distancefromobject` \| mm .*$", sheet, re.MULTILINE)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2] == f"{least:.4g}" and cells[4] == f"{median:.4g}"
    assert cells[6:] == [f"{greatest:.4g}", f"{mean:.4g}", f"{deviation:.4g}", f"{different:,}"]
    assert f"| below 250 mm | {near:,} | {near / rows:.1%} |" in sheet
    assert f"| 250 mm or more | {rows - near:,} | {1 - near / rows:.1%} |" in sheet
    assert re.search(r"\| `distancefromobject` \| [\d.]+ mm \| [\d.]+ mm \|", sheet)


def test_without_a_licence_the_owner_is_asked_for_one(walking: Lakehouse, tmp_path: Path) -> None:
    walking.release(tmp_path / "out")
    assert "Not stated" in (tmp_path / "out" / "README.md").read_text()
    assert "license" not in json.loads((tmp_path / "out" / "croissant.json").read_text())


def test_the_path_of_the_lakehouse_is_not_told(walking: Lakehouse, released: Path) -> None:
    for path in released.iterdir():
        assert str(walking.root).encode() not in path.read_bytes()
        assert b"@" not in path.read_bytes().replace(b"@misc", b"").replace(b'"@', b"") or (
            path.suffix == ".parquet"
        )


def test_nothing_is_released_where_the_audit_fails(walking: Lakehouse, tmp_path: Path) -> None:
    copy = copied(walking, tmp_path)
    [file] = (copy.root / "_stedi" / "boxes").iterdir()
    boxes = pq.read_table(file)
    shifted = pa.chunked_array([np.asarray(boxes["x_from"]) + 0.5])
    pq.write_table(boxes.set_column(boxes.column_names.index("x_from"), "x_from", shifted), file)
    assert copy.status().ok
    with pytest.raises(NotAnonymous, match="fails its audit"):
        copy.release(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_released_where_people_are_too_few(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=4)
    with pytest.raises(NotAnonymous):
        lakehouse.run()
    with pytest.raises(NotAnonymous, match="nothing is published"):
        lakehouse.release(tmp_path / "out")
    assert list(tmp_path.iterdir()) == [tmp_path / "root"]


def test_nothing_is_released_where_sums_do_not_hold(walking: Lakehouse, tmp_path: Path) -> None:
    copy = copied(walking, tmp_path)
    next((copy.root / "customer" / "landing").iterdir()).unlink()
    with pytest.raises(RuleBroken, match="doesn't reconcile"):
        copy.release(tmp_path / "out")


def test_a_folder_that_holds_something_is_left_alone(walking: Lakehouse, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="something is there already"):
        walking.release(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_rows_are_the_published_file_as_it_is(walking: Lakehouse, released: Path) -> None:
    [file] = (walking.root / "step_trainer" / "curated" / "data").rglob("*.parquet")
    assert hashlib.sha256(file.read_bytes()).digest() == (
        hashlib.sha256((released / FILE).read_bytes()).digest()
    )


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(NOW, id="withdrawn", marks=pytest.mark.slow),
        pytest.param(1_900_000_000_000, id="suspended", marks=pytest.mark.slow),
    ],
)
def test_two_data_sheets_do_not_tell_that_one_person_left(
    walking: Lakehouse, tmp_path: Path, changed: int
) -> None:
    """They are the same but for the published rows, and what is measured of these."""
    lakehouse = copied(walking, tmp_path)
    lakehouse.run(full=True)  # so that each is compared with one before it
    lakehouse.release(tmp_path / "before", licence="https://example.org/licence")
    [customer] = (
        lakehouse.query("SELECT * FROM customer_curated ORDER BY email LIMIT 1")
        .to_arrow()
        .to_pylist()
    )
    record = {key: customer[key.lower()] for key in KEYS} | {"lastUpdateDate": changed}
    landing = lakehouse.root / "customer" / "landing"
    (landing / "withdrawn.json").write_text(json.dumps(record) + "\n")
    report = lakehouse.run()
    assert report.withdrawn
    assert report.withdrawn.people == 1
    with pytest.raises(NotAnonymous, match=r"0 people joined and 1 left, fewer than the 5"):
        lakehouse.release(tmp_path / "after")
    lakehouse.release(tmp_path / "after", licence="https://example.org/licence", now=True)
    before, after = (untold(tmp_path / name, lakehouse) for name in ("before", "after"))
    assert before == after
    described = [
        re.sub(
            r'"sha256": "\w+"|snapshot \d+|"datePublished": "[-\d]+"',
            "",
            (tmp_path / name / "croissant.json").read_text(),
        )
        for name in ("before", "after")
    ]
    assert described[0] == described[1]


KEYS = ("customerName", "email", "phone", "birthDay", "serialNumber", "registrationDate")


def untold(folder: Path, lakehouse: Lakehouse) -> list[str]:
    """A data sheet without what follows from the published rows, and when they were published."""
    sheet = (folder / "README.md").read_text()
    rows = pq.read_table(folder / FILE)
    classes = rows.group_by(COLUMNS).aggregate([]).num_rows
    for exact in (f"{rows.num_rows:,}", f"{classes:,}"):
        assert exact in sheet
        sheet = sheet.replace(exact, "")
    sheet = re.sub(r"snapshot \d+, published\n[-\d]+ [:\d]+ UTC", "", sheet)
    attacks = lakehouse.audit().attacks
    lines, measured = [], False
    for line in sheet.splitlines():
        if line.startswith("## "):
            measured = line in ("## Privacy", "## Statistics")
        is_error = line.startswith("| `") and line.count("|") == 4
        is_attack = line.startswith(tuple(f"{mark} {name}" for name in attacks for mark in "|-"))
        is_published = line.startswith("| machine_learning_curated |")
        figures = (
            r"-?[\d.,]+(?:e[-+]?\d+)?"
            if is_published or is_error or is_attack or measured
            else "(?!)"
        )
        lines.append(re.sub(figures, "", line))
    return lines


@pytest.mark.parametrize("people", [7, 20, 110, 150, 464, 1_284, 5_000])
@pytest.mark.parametrize("of_one", [1, 2, 90])
def test_a_count_seldom_reveals_one_person(people: int, of_one: int) -> None:
    """Of a lakehouse in which people have so many rows on average, they move one time in 100."""
    counts = range(people * of_one // 2, people * of_one)
    moved = sum(about(n, people) != about(n - of_one, people - 1) for n in counts)
    assert moved / len(counts) <= 1 / 75 + 2 / people


def collected(folder: Path) -> list[str]:
    """The lines of a data sheet on what lies behind the published table, and on why rows left."""
    text = (folder / "README.md").read_text()
    section = text.split("## Collection")[1].split("## Preprocessing")[0]
    table = "machine_learning_curated"
    own = rf"(\| {table} \|.*\| )[\d,]+( \|.*)"  # the published table's own rows, which it has
    return [re.sub(own, r"\1\2", line) for line in section.splitlines()]


@pytest.mark.slow
def test_two_data_sheets_seldom_tell_that_one_of_300_left(tmp_path: Path) -> None:
    told = []
    for seed in range(20):
        lakehouse = Lakehouse(tmp_path / str(seed))
        lakehouse.simulate(lakehouse.root, customers=300, seed=seed, people=True)
        sheets = []
        with suppress(NotAnonymous):  # of so few people, an audit fails now and then
            for n in range(2):
                lakehouse.run()
                lakehouse.release(tmp_path / f"{seed}, {n}", now=True)
                sheets.append(collected(tmp_path / f"{seed}, {n}"))
                somebody(lakehouse)
        if len(sheets) < 2:
            continue
        told.append([(one, other) for one, other in zip(*sheets, strict=True) if one != other])
    print(f"{sum(map(bool, told))} of {len(told)} leavers move a line: {[*filter(None, told)]}")
    assert len(told) >= 12
    assert sum(map(bool, told)) <= len(told) / 5
