"""The audit bites: each way to publish that only looks anonymous is caught by a named check."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse, UsageError
from stedi.arrays import Float64s, Int64s
from stedi.declared import packaged, read_declarations
from stedi.declared.contract import Publication
from stedi.privacy.audit import ATTACKS, Audit, audit
from stedi.privacy.audit.attribution import Attribution
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.linkability import Linkability
from stedi.privacy.audit.stored import Stored
from stedi.privacy.publication import Raw
from stedi.privacy.publication.boxes import Range, table_of_boxes
from stedi.privacy.publication.coding import Coder
from stedi.privacy.publication.search import points, search
from stedi.progress import watched_by
from tests.support import small
from tests.support.attacked import evidence_of, rows_around
from tests.support.processes import stedi
from tests.support.starter import Run

COLUMNS = ["distancefromobject", "x", "y", "z"]


def declared() -> Publication:
    publication = read_declarations(packaged()).contracts["machine_learning_curated"].publication
    assert publication is not None
    return publication


PUBLICATION = declared()


@dataclass(frozen=True)
class Crowd:
    """People at random, of whom each was measured at moments of their own."""

    raw: Raw
    instant: Float64s

    @classmethod
    def of(cls, seed: int, people: int = 150, readings: int = 40) -> Crowd:
        rng = np.random.default_rng(seed)
        person = np.repeat(np.arange(people), readings)
        count = len(person)
        columns = {
            "distancefromobject": rng.integers(150, 400, count).astype(float),
            **{axis: np.round(rng.normal(0, 1, count), 4) for axis in "xyz"},
        }
        return cls(Raw(columns, (person, person)), rng.integers(0, 10**9, count).astype(float))


IN_TABLE, OTHERS = Crowd.of(1), Crowd.of(2)


def audited(
    values: dict[str, Float64s],
    *,
    boxes: dict[str, Range] | None = None,
    order: Sequence[int] | None = None,
    raw: Raw = IN_TABLE.raw,
) -> Audit:
    """Audit a table in which each raw row is published with these values, sorted by default."""
    rows = np.column_stack(list(values.values()))
    known, classes = np.unique(rows, axis=0, return_inverse=True)
    places = np.lexsort(rows.T[::-1]) if order is None else np.array(order)
    return audit(
        "naive",
        Evidence.of_rows(
            PUBLICATION,
            Stored.of([{name: column[places] for name, column in values.items()}]),
            values=dict(zip(values, known.T, strict=True)),
            classes=classes,
            raw=raw,
            control_group=OTHERS.raw,
            boxes=boxes,
        ),
        [],
        (),
        (),
    )


def caught(result: Audit) -> set[str]:
    """The checks and attacks that found something."""
    return {problem.split(":")[0] for problem in result.problems}


def published(raw: Raw, publication: Publication) -> tuple[dict[str, Range], Int64s]:
    """The table of boxes, and each row's class."""
    ranges = table_of_boxes(
        publication, search(points(publication, raw.columns, raw.people), publication)
    )
    on_grid = points(publication, raw.columns, raw.people)
    return ranges, Coder(ranges, on_grid).classes_of(on_grid.rows)


@pytest.fixture(scope="module")
def ours() -> tuple[dict[str, Range], Int64s]:
    """The crowd as the publication would publish it."""
    return published(IN_TABLE.raw, PUBLICATION)


def coded(ours: tuple[dict[str, Range], Int64s]) -> dict[str, Float64s]:
    ranges, classes = ours
    return {name: ranges[name].values[classes] for name in COLUMNS}


def in_order(
    ours: tuple[dict[str, Range], Int64s], raw: Raw = IN_TABLE.raw, **changes: Any
) -> Audit:
    """The audit of the publication as it is, or with some of its evidence changed."""
    ranges, classes = ours
    values = coded(ours)
    order = np.lexsort([values[name] for name in reversed(COLUMNS)])
    evidence: dict[str, Any] = {
        "stored": Stored.of([{name: values[name][order] for name in COLUMNS}]),
        "values": {name: ranges[name].values for name in COLUMNS},
        "classes": classes, "raw": raw, "control_group": OTHERS.raw, "boxes": ranges,
    }  # fmt: skip
    return audit(
        "ours",
        Evidence.of_rows(PUBLICATION, **{**evidence, **changes}),
        [],
        (),
        (),
    )


def test_what_the_publication_makes_holds(ours: tuple[dict[str, Range], Int64s]) -> None:
    result = in_order(ours)
    assert result.ok, result.problems
    assert result.classes > 300
    assert result.attacks["inference"].ok


def test_a_serial_number_that_is_kept_is_caught() -> None:
    person = IN_TABLE.raw.people[0].astype(float)
    result = audited({**IN_TABLE.raw.columns, "serialnumber": person})
    assert {"columns", "attribution", "linkability"} <= caught(result)
    # Even where only the person and nothing else is kept, so that each class is large.
    result = audited(
        {"distancefromobject": 0 * person, "x": person, "y": 0 * person, "z": 0 * person}
    )
    assert {"attribution", "linkability"} <= caught(result)


def test_a_timestamp_that_is_kept_is_caught() -> None:
    nothing = 0 * IN_TABLE.instant
    result = audited(
        {"distancefromobject": IN_TABLE.instant, "x": nothing, "y": nothing, "z": nothing}
    )
    assert {"attribution", "linkability"} <= caught(result)
    assert result.largest_share == 1


def test_k_rows_with_one_person_behind_them_are_caught(
    ours: tuple[dict[str, Range], Int64s],
) -> None:
    ranges, classes = ours
    person = np.where(classes == 7, 3, IN_TABLE.raw.people[0])
    result = in_order(ours, raw=Raw(IN_TABLE.raw.columns, (person, IN_TABLE.raw.people[1])))
    assert {"attribution", "linkability"} <= caught(result)
    # k people, of whom one has most of the rows; on the other side only.
    rows = np.flatnonzero(classes == 7)
    person = IN_TABLE.raw.people[0].copy()
    person[rows[: len(rows) // 2]] = person[rows[0]]
    result = in_order(ours, raw=Raw(IN_TABLE.raw.columns, (IN_TABLE.raw.people[0], person)))
    assert "attribution" in caught(result)
    assert ranges


def test_class_means_are_caught(ours: tuple[dict[str, Range], Int64s]) -> None:
    classes = ours[1]
    rows = np.bincount(classes)
    means = {
        name: (np.bincount(classes, weights=column) / rows)[classes]
        for name, column in IN_TABLE.raw.columns.items()
    }
    assert "midpoints" in caught(audited(means))


def test_observed_minima_are_caught(ours: tuple[dict[str, Range], Int64s]) -> None:
    classes = ours[1]
    least = np.full(classes.max() + 1, np.inf)
    np.minimum.at(least, classes, IN_TABLE.raw.columns["x"])
    assert "midpoints" in caught(audited({**coded(ours), "x": least[classes]}))


def test_a_distance_that_is_recoded_together_with_the_axes_is_caught() -> None:
    columns = [IN_TABLE.raw.columns[name] for name in COLUMNS]
    cells = _cut_all(columns, np.arange(len(columns[0])))
    values, boxes = {}, {}
    for name, column, unit in zip(COLUMNS, columns, (1, 0.001, 0.001, 0.001), strict=True):
        least, most, value = (np.empty(len(column)) for _ in range(3))
        for rows in cells:
            number = np.rint(column[rows] / unit)
            least[rows], most[rows] = (number.min() - 0.5) * unit, (number.max() + 0.5) * unit
            value[rows] = (number.min() + number.max()) / 2 * unit
        values[name], boxes[name] = value, (least, most)
    known, first = np.unique(np.column_stack(list(values.values())), axis=0, return_index=True)
    ranges = {
        name: Range(boxes[name][0][first], boxes[name][1][first], known[:, n])
        for n, name in enumerate(COLUMNS)
    }
    assert "boxes: boxes overlap" in audited(values, boxes=ranges).problems


def test_boxes_of_few_rows_whose_distances_are_told_exactly_are_caught() -> None:
    few = replace(PUBLICATION, k=1, people_per_box=4)
    result = in_order(published(IN_TABLE.raw, few))
    assert {"attribution", "inference"} <= caught(result)


def test_controls_who_differ_as_a_group_neither_fail_it_nor_hide_what_classes_tell() -> None:
    rng = np.random.default_rng(3)

    def with_distance(crowd: Crowd, distance: npt.ArrayLike) -> Raw:
        distances = np.broadcast_to(np.asarray(distance, float), crowd.raw.rows)
        return Raw({**crowd.raw.columns, "distancefromobject": distances.copy()}, crowd.raw.people)

    # Feet are near more often among those in the table, whatever x, y and z are.
    inside, outside = (
        with_distance(crowd, np.where(rng.random(crowd.raw.rows) < share, 100, 600))
        for crowd, share in ((IN_TABLE, 0.6), (OTHERS, 0.4))
    )
    result = in_order(published(inside, PUBLICATION), raw=inside, control_group=outside)
    assert result.ok, result.problems
    for guess in result.attacks["inference"].figures:
        assert guess["in_table"] - guess["controls"] > 0.1
        assert guess["without_classes"] == pytest.approx(0.2, abs=0.05)
    # Boxes of few rows reveal distances; the control group's are easy to guess for anyone.
    easy = with_distance(OTHERS, np.median(IN_TABLE.raw.columns["distancefromobject"]))
    few = replace(PUBLICATION, k=1, people_per_box=4)
    result = in_order(published(IN_TABLE.raw, few), control_group=easy)
    assert "inference" in caught(result)


def _cut_all(columns: list[Float64s], rows: Int64s) -> list[Int64s]:
    """Mondrian over all four columns, the target too, as anyone would write it first."""
    spreads = [np.ptp(column[rows]) / np.ptp(column) for column in columns]
    for n in np.argsort(spreads)[::-1]:
        middle = np.median(columns[n][rows])
        low = columns[n][rows] < middle
        if min(low.sum(), (~low).sum()) >= 8:
            return _cut_all(columns, rows[low]) + _cut_all(columns, rows[~low])
    return [rows]


def test_rows_in_the_order_of_arrival_are_caught(ours: tuple[dict[str, Range], Int64s]) -> None:
    values = coded(ours)
    assert "order" in caught(audited(values, order=range(len(values["x"]))))


def test_rows_left_out_or_changed_are_caught(ours: tuple[dict[str, Range], Int64s]) -> None:
    values = coded(ours)
    order = np.lexsort([values[name] for name in reversed(COLUMNS)])
    published = {name: values[name][order] for name in COLUMNS}
    fewer = {name: column[1:] for name, column in published.items()}
    assert caught(in_order(ours, stored=Stored.of([fewer]))) == {"rows"}
    other = {**published, "z": np.roll(published["z"], 1)}
    assert "rows" in caught(in_order(ours, stored=Stored.of([other])))


def test_boxes_across_the_step_threshold_are_caught(ours: tuple[dict[str, Range], Int64s]) -> None:
    ranges, _ = ours
    target = ranges["distancefromobject"]
    begins = np.where(target.begins == 249.5, 248.5, target.begins)
    moved = {**ranges, "distancefromobject": Range(begins, target.ends, target.values)}
    assert "boxes" in caught(in_order(ours, boxes=moved))


# Exact figures, against plain Python -----------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_attribution_and_linkability_are_what_counting_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 300
    classes, people = rng.integers(0, 25, count), rng.integers(0, 12, count)
    _, classes = np.unique(classes, return_inverse=True)
    zeros = np.zeros(count)
    evidence = Evidence.of_rows(
        PUBLICATION,
        Stored.of([dict.fromkeys(COLUMNS, zeros)]),
        values={name: np.zeros(classes.max() + 1) for name in COLUMNS},
        classes=classes,
        raw=Raw(dict.fromkeys(COLUMNS, zeros), (people, people)),
        control_group=None,
        boxes=None,
    )
    members = [people[classes == one].tolist() for one in range(classes.max() + 1)]
    shares = [max(one.count(p) for p in one) / len(one) for one in members]
    same = [
        sum(a == b for n, a in enumerate(one) for m, b in enumerate(one) if n != m)
        / (len(one) * (len(one) - 1))
        for one in members
    ]
    across = [
        sum(a == b for a in one for b in other) / (len(one) * len(other))
        for n, one in enumerate(members)
        for other in members[:n]
    ]
    attributed = Attribution().run(evidence)
    assert attributed.worst == max(shares)
    assert attributed.figures["fewest_people"] == min(len(set(one)) for one in members)
    assert attributed.mean == pytest.approx(sum(shares) / len(shares))
    linked = Linkability().run(evidence)
    assert linked.figures["of_one_class"] == pytest.approx(max(same))
    assert linked.figures["of_two_classes"] == pytest.approx(max(across))


# On whole lakehouses ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path_factory.mktemp("audited") / "root")
    lakehouse.simulate(lakehouse.root, customers=1_200, seed=9, people=True)
    lakehouse.run()
    return lakehouse


def test_a_lakehouse_of_walking_people_passes_its_audit(done: Lakehouse) -> None:
    result = done.audit()
    assert result.ok, result.problems
    assert result.smallest_class >= result.k == 5
    assert result.attacks["attribution"].worst == result.largest_share <= 0.2
    measured_only = {name for name, attack in result.attacks.items() if attack.ok is None}
    assert measured_only == {
        "membership", "membership_reference", "membership_tenth", "membership_half",
        "membership_all", "difference", "withdrawal",
    }  # fmt: skip
    assert (result.attacks["membership_all"].worst or 0) > 0.99
    assert result.attacks["membership"].figures["ruled_out_in_table"] == 0
    assert result.rows == done.status().tables["machine_learning_curated"].rows


@pytest.mark.parametrize("publication", [PUBLICATION, replace(PUBLICATION, identities=None)])
def test_people_are_counted_on_both_sides_together(publication: Publication) -> None:
    rng = np.random.default_rng(5)
    classes, people = rng.integers(0, 9, 400), rng.integers(0, 40, (2, 400))
    values = {name: np.arange(9.0) for name in COLUMNS}
    raw = Raw({name: column[classes] for name, column in values.items()}, (people[0], people[1]))
    evidence = Evidence.of_rows(
        publication, Stored.of([values]), values, raw, None, None, classes=classes
    )
    shares = [
        np.mean((people[:, classes == number] == person).any(axis=0))
        for number in range(9)
        for person in range(40)
    ]
    if publication.identities is None:  # nobody says that numbers of both sides mean the same
        assert evidence.largest_share_both_sides is None
    else:
        assert evidence.largest_share_both_sides == pytest.approx(max(shares))
        assert evidence.largest_share < max(shares) <= 2 * evidence.largest_share
    both = Raw(raw.columns, (people[0], people[0]))
    alike = Evidence.of_rows(
        PUBLICATION, Stored.of([values]), values, both, None, None, classes=classes
    )
    assert alike.largest_share_both_sides == alike.largest_share


def test_the_starter_data_passes_its_audit(starter_run: Run) -> None:
    result = starter_run("seed").audit()
    assert result.ok, result.problems
    assert result.rows == 43_681


def test_the_command_line_audits(done: Lakehouse) -> None:
    assert "The audit passes." in stedi("audit", "--root", done.root)
    told = json.loads(stedi("audit", "--json", "--root", done.root))
    assert {"ok", "k", "rows", "smallest_class", "largest_share", "attacks"} <= told.keys()
    assert {"worst", "mean", "baseline"} <= told["attacks"]["attribution"].keys()
    assert told["k"] == 5
    assert told["weaker_than_recommended"] is None
    assert told["largest_share"] <= told["largest_share_both_sides"] <= 0.4
    share = f"{told['largest_share_both_sides']:.1%} on both together"
    assert share in " ".join(stedi("audit", "--root", done.root).split())
    membership = told["attacks"]["membership"]["figures"]
    assert {"auc", "lower", "upper", "row_counts_alone"} <= membership.keys()
    assert told["attacks"]["withdrawal"]["figures"]["tries"] == 10


@pytest.mark.slow
def test_a_file_changed_behind_the_lakehouses_back_fails_the_audit(
    done: Lakehouse, tmp_path: Path
) -> None:
    copy = Lakehouse(tmp_path / "root")
    copy.ingest(done.root)
    copy.run()
    [path] = (copy.root / "step_trainer" / "curated" / "data").rglob("*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.take(np.random.default_rng(0).permutation(table.num_rows)), path)
    (path.parent / "old.parquet").write_bytes(b"")
    assert {"order", "files"} <= caught(copy.audit())
    assert "problems" in stedi("audit", "--root", copy.root, check=1)
    content = bytearray(path.read_bytes())
    content[50:90] = bytes(40)  # in the first page
    path.write_bytes(content)
    told = " ".join(stedi("audit", "--root", copy.root, check=1).split())
    assert f"{path.name}: what is published can't be read; `stedi run --full`" in told
    copy.run(full=True)
    assert copy.audit().ok


@pytest.mark.slow
def test_a_table_that_is_out_of_date_is_not_audited(done: Lakehouse, tmp_path: Path) -> None:
    copy = Lakehouse(tmp_path / "root")
    copy.ingest(done.root)
    with pytest.raises(UsageError, match="isn't there yet"):
        copy.audit()
    copy.run()
    [name] = (
        copy.query("SELECT email FROM customer_trusted LIMIT 1").to_arrow()["email"].to_pylist()
    )
    late = copy.root / "customer" / "landing" / "withdrawn.json"
    late.write_text(json.dumps({**small.customer("x", "S", 2**42), "email": name}))
    with pytest.raises(
        UsageError, match="accelerometer_trusted is out of date"
    ):  # a withdrawal that was not read yet
        copy.audit()
    late.unlink()
    copy.run(profile="strict", only=["step_trainer_trusted"])
    with pytest.raises(UsageError, match="machine_learning_curated is out of date"):
        copy.audit()


@pytest.mark.slow
def test_what_a_second_publication_gives_away_is_noted(done: Lakehouse, tmp_path: Path) -> None:
    copy = Lakehouse(tmp_path / "root")
    copy.ingest(done.root)
    copy.run()
    assert copy.audit().attacks["difference"].figures is None
    withdrawn = copy.query("SELECT * FROM customer_trusted LIMIT 1").to_arrow().to_pylist()[0]
    record = {
        "customerName": withdrawn["customername"], "email": withdrawn["email"],
        "phone": withdrawn["phone"], "birthDay": withdrawn["birthday"],
        "serialNumber": withdrawn["serialnumber"],
        "registrationDate": withdrawn["registrationdate"], "lastUpdateDate": 4_000_000_000_000,
    }  # fmt: skip
    (copy.root / "customer" / "landing" / "later.json").write_text(json.dumps(record))
    copy.run()
    figures = copy.audit().attacks["difference"].figures
    assert figures["rows_now"] < figures["rows_before"]
    assert figures["changed"] > 0


@pytest.mark.slow
def test_k_is_what_pycanon_finds(done: Lakehouse, tmp_path: Path) -> None:
    """pyCANON counts rows, so it is given each person of a class once; it lives with old libraries."""
    from stedi.privacy.published import published_table

    evidence = published_table(done._warehouse(), done._declared(), None).evidence
    rows = {
        (one, person)
        for side in evidence.raw.people[:1]
        for one, person in zip(evidence.classes.tolist(), side.tolist(), strict=True)
    }
    (tmp_path / "rows.csv").write_text("class,person\n" + "".join(f"{c},{p}\n" for c, p in rows))
    script = tmp_path / "k.py"
    script.write_text(
        "import pandas, sys\nfrom pycanon import anonymity\n"
        "print(anonymity.k_anonymity(pandas.read_csv(sys.argv[1]), ['class']))\n"
    )
    command = ["uv", "run", "--no-project", "--isolated", "--with", "pycanon==1.3.6"]
    uv = Path(pytest.__file__).parents[4] / "bin" / "uv"
    done_ = subprocess.run(
        [uv, *command[1:], "python", script, tmp_path / "rows.csv"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    people = [len({p for c, p in rows if c == one}) for one in {c for c, _ in rows}]
    assert int(done_.stdout) == min(people)


class Heard:
    """A watcher that counts what is told within one attack."""

    def __init__(self) -> None:
        self.units: dict[str, int] = {}
        self.done = 0

    def step(self, text: str) -> None: ...

    def expect(self, total: int, unit: str) -> None:
        self.units[unit] = total

    def advance(self, amount: int) -> None:
        self.done += amount

    def reach(self, done: int) -> None:
        self.done = done

    def note(self, text: str) -> None: ...


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("inference", "samples of people"),
        ("membership_tenth", "parts of the landing zone"),
        ("withdrawal", "people taken out"),
    ],
)
def test_long_attacks_say_how_much_of_them_is_done(name: str, unit: str) -> None:
    rng = np.random.default_rng(1)
    raw = rows_around(rng.uniform(100, 900, (40, 3)), rng, 30, 20)
    [attack] = [attack for attack in ATTACKS if attack.name == name]
    heard = Heard()
    with watched_by(heard):
        attack.run(evidence_of(raw, raw))
    [(told, total)] = heard.units.items()
    assert (told, heard.done) == (unit, total)
    assert total > 5
