"""A release waits until enough people joined or left since each release before it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.declared import packaged
from stedi.errors import DeclarationError, NotAnonymous
from tests.conftest import on
from tests.support import small
from tests.support.processes import stedi

NAMES = [f"p{n}" for n in range(12)]


def records(name: str, consent: int | None = 100, updated: int = 100) -> list[dict[str, object]]:
    return [small.customer(name, f"D-{name}", updated, consent=consent)]


@pytest.fixture
def lakehouse(place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """Twelve people with a matched reading each; a release needs three who joined or left."""
    monkeypatch.setenv("STEDI_DECLARATIONS", str(folder))
    declare(folder, "3")
    place.mkdir(exist_ok=True)
    for name in NAMES:
        come(place, name)
    made = on("duckdb", place, folder)
    made.run()
    return made


def declare(folder: Path, least: str | None) -> None:
    contract = folder / "contracts" / "machine_learning_curated.yaml"
    lines = contract.read_text().splitlines(keepends=True)
    kept = [line for line in lines if "peopleBetweenReleases" not in line]
    at = next(n for n, line in enumerate(kept) if line.strip() == "k: 1")
    if least is not None:
        kept.insert(at, f"          peopleBetweenReleases: {least}\n")
    contract.write_text("".join(kept))


def come(root: Path, name: str) -> None:
    number = int(name.lstrip("pq"))
    small.write(root, "customer", records(name), f"{name}.json")
    small.write(
        root, "accelerometer", [small.acceleration(name, 1000 + number, number)], f"{name}.json"
    )
    small.write(
        root, "step_trainer", [small.reading(f"D-{name}", 1000 + number, number)], f"{name}.json"
    )


def go(root: Path, name: str) -> None:
    small.write(root, "customer", records(name, None, 9000), f"{name}-goes.json")


def test_the_first_release_is_never_held_back(lakehouse: Lakehouse, tmp_path: Path) -> None:
    assert lakehouse.release(tmp_path / "out").tells == ()


def test_the_same_again_tells_nothing_and_is_never_held_back(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.release(tmp_path / "1", recipient="A")
    assert lakehouse.release(tmp_path / "2", recipient="B").tells == ()
    lakehouse.run(full=True)  # other snapshots, the same values
    assert lakehouse.release(tmp_path / "3", recipient="C").tells == ()


@pytest.mark.parametrize(
    ("coming", "going", "is_held"),
    [
        pytest.param(1, 0, True, marks=pytest.mark.slow),
        pytest.param(0, 1, True, marks=pytest.mark.slow),
        (1, 1, True),
        (2, 0, True),
        (2, 1, False),
        (0, 3, False),
        pytest.param(3, 0, False, marks=pytest.mark.slow),
    ],
)
def test_it_is_held_back_while_too_few_joined_or_left(
    lakehouse: Lakehouse, tmp_path: Path, coming: int, going: int, is_held: bool
) -> None:
    lakehouse.release(tmp_path / "1", recipient="A University")
    for number in range(coming):
        come(lakehouse.root, f"q{20 + number}")
    for name in NAMES[:going]:
        go(lakehouse.root, name)
    lakehouse.run()
    if not is_held:
        assert lakehouse.release(tmp_path / "2").tells == ()
        return
    with pytest.raises(NotAnonymous) as told:
        lakehouse.release(tmp_path / "2")
    people = "person" if coming == 1 else "people"
    for part in (
        "machine_learning_curated was held back, and nothing was released",
        f"to A University ({lakehouse.releases().given[0].name}) {coming} {people} joined and {going} left",
        "fewer than the 3 that its contract declares (contracts/machine_learning_curated.yaml",
        "or release now with --now",
    ):
        assert part in str(told.value)
    assert not (tmp_path / "2").exists()
    assert len(lakehouse.releases().given) == 1
    released = lakehouse.release(tmp_path / "2", now=True)
    [tells] = released.tells
    assert f"{coming} {people} joined and {going} left: anyone with both can compare them" in tells
    assert [given.is_early for given in lakehouse.releases().given] == [False, True]


def test_people_whose_readings_changed_did_not_join_or_leave(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.release(tmp_path / "1")
    for name in NAMES[:5]:
        more = [small.acceleration(name, 1000 + int(name[1:]), 0.5)]
        small.write(lakehouse.root, "accelerometer", more, f"{name}-more.json")
    lakehouse.run()
    with pytest.raises(NotAnonymous, match="0 people joined and 0 left"):
        lakehouse.release(tmp_path / "2")


def test_people_who_came_and_are_behind_no_row_do_not_count(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.release(tmp_path / "1")
    come(lakehouse.root, "q20")
    for name in ("x", "y", "z"):
        small.write(lakehouse.root, "customer", records(name), f"{name}.json")
    lakehouse.run()
    with pytest.raises(NotAnonymous, match="1 person joined and 0 left"):
        lakehouse.release(tmp_path / "2")


def test_every_earlier_release_counts_not_just_the_last(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    """Three join and leave again, and one with them: it is the first release that reveals who."""
    lakehouse.release(tmp_path / "1", recipient="First")
    for name in ("q20", "q21", "q22"):
        come(lakehouse.root, name)
    lakehouse.run()
    lakehouse.release(tmp_path / "2", recipient="Second")
    for name in ("q20", "q21", "q22", "p0"):
        go(lakehouse.root, name)
    lakehouse.run()
    with pytest.raises(NotAnonymous, match=r"to First .* 0 people joined and 1 left"):
        lakehouse.release(tmp_path / "3")


def test_one_that_was_only_begun_counts(lakehouse: Lakehouse, tmp_path: Path) -> None:
    lakehouse.release(tmp_path / "1")
    [done] = (lakehouse.root / "_stedi" / "ledger").glob("*.done")
    done.unlink()
    come(lakehouse.root, "q20")
    lakehouse.run()
    with pytest.raises(NotAnonymous, match="held back"):
        lakehouse.release(tmp_path / "2")


def test_where_nobody_can_tell_it_is_held_back(
    lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse.release(tmp_path / "1")
    for name in ("q20", "q21", "q22"):
        come(lakehouse.root, name)
    lakehouse.run()
    with monkeypatch.context() as patch:
        patch.setenv("STEDI_SECRET", "another secret of the tests, of enough bytes")
        with pytest.raises(NotAnonymous, match="set STEDI_SECRET to that one"):
            lakehouse.release(tmp_path / "2")
    [people] = (lakehouse.root / "_stedi" / "ledger").glob("*.people")
    kept = people.read_bytes()
    people.write_bytes(kept[:-1])
    with pytest.raises(NotAnonymous, match="missing or damaged"):
        lakehouse.release(tmp_path / "2")
    people.write_bytes(kept)
    [entry] = (lakehouse.root / "_stedi" / "ledger").glob("*.json")
    text = entry.read_text()
    entry.write_text(text[:50])
    with pytest.raises(NotAnonymous, match="can't be read as an entry"):
        lakehouse.release(tmp_path / "2")
    entry.write_text(text)
    assert lakehouse.release(tmp_path / "2").tells == ()


def test_nothing_is_held_back_where_the_contract_declares_it(
    lakehouse: Lakehouse, folder: Path, tmp_path: Path
) -> None:
    lakehouse.release(tmp_path / "1")
    declare(folder, "0")
    come(lakehouse.root, "q20")
    assert not [b for b in lakehouse.run().built if b.reason == "its declarations changed"]
    assert lakehouse.release(tmp_path / "2").tells == ()


def test_by_default_it_is_k(folder: Path) -> None:
    from stedi.declared import read_declarations

    def least(folder: Path) -> int:
        publication = read_declarations(folder).contracts["machine_learning_curated"].publication
        assert publication is not None
        return publication.people_between_releases

    assert least(folder) == 1
    assert least(Path(str(packaged()))) == 5
    declare(folder, "-1")
    with pytest.raises(DeclarationError, match="peopleBetweenReleases"):
        least(folder)


def test_the_command_says_what_now_tells(lakehouse: Lakehouse, tmp_path: Path) -> None:
    at = ("--root", lakehouse.root)
    stedi("release", tmp_path / "1", *at)
    go(lakehouse.root, "p3")
    stedi("run", *at)
    told = stedi("release", tmp_path / "2", *at, check=1)
    assert told.startswith("stedi: machine_learning_curated was held back")
    assert not (tmp_path / "2").exists()
    assert "0 people joined and 1 left: anyone with both" in stedi(
        "release", tmp_path / "2", "--now", *at
    )
    shutil.rmtree(tmp_path / "2")
