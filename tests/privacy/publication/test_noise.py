"""Noise on the counts of classes: as theory says, drawn for each state, and never taken back."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse
from stedi.declared import packaged, read_declarations
from stedi.declared.contract import Noise
from stedi.errors import DeclarationError, NotAnonymous, StorageError
from stedi.lakehouse import EngineName
from stedi.privacy.audit import Audit
from stedi.privacy.publication.noise import discrete_laplace, noisy
from tests.conftest import both_engines, on
from tests.support import withdrawn

SCALE, CAP = 20, 90
TABLE = "machine_learning_curated"
Counts = Counter[tuple[float, ...]]


def check_noise(draw: Callable[[bytes], np.ndarray]) -> None:
    """Discrete Laplace: a chance of each whole number n in proportion to exp(-|n| / 20)."""
    drawn = draw(os.urandom(32))
    q = np.exp(-1 / SCALE)
    assert abs(drawn.mean()) < 5 * 28.3 / np.sqrt(len(drawn))
    assert drawn.var() == pytest.approx(2 * q / (1 - q) ** 2, rel=0.03)
    for n in range(-60, 61, 5):
        share, expected = (drawn == n).mean(), (1 - q) / (1 + q) * q ** abs(n)
        assert abs(share - expected) < 5 * np.sqrt(expected / len(drawn)), n
    assert (drawn != draw(os.urandom(32))).mean() > 0.9  # else noise from a seed
    neighbours = np.corrcoef(drawn[1:], drawn[:-1])[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(len(drawn))


def test_noise_is_distributed_as_theory_says() -> None:
    check_noise(lambda random: discrete_laplace(random, SCALE, 200_000))


@pytest.mark.parametrize(
    "mutant",
    [
        lambda random: discrete_laplace(random, SCALE / 2, 200_000),
        lambda random: discrete_laplace(b"a seed", SCALE, 200_000),
        lambda random: np.abs(discrete_laplace(random, SCALE, 200_000)),
        lambda random: np.resize(discrete_laplace(random, SCALE, 100), 200_000),
        lambda random: np.repeat(discrete_laplace(random, SCALE, 100_000), 2),
    ],
)
def test_noise_gone_wrong_is_noticed(mutant: Callable[[bytes], np.ndarray]) -> None:
    with pytest.raises(AssertionError):
        check_noise(mutant)


def test_the_same_random_bytes_make_the_same_noise() -> None:
    random = os.urandom(32)
    assert (discrete_laplace(random, SCALE, 5_000) == discrete_laplace(random, SCALE, 5_000)).all()
    assert (discrete_laplace(random, SCALE, 10)[:5] == discrete_laplace(random, SCALE, 5)).all()
    assert noisy(np.array([5, 9, 30]), np.array([-9, 2, 0])).tolist() == [0, 11, 30]


# On whole lakehouses ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("landed") / "root"
    Lakehouse(root).simulate(root, customers=300, seed=4, people=True)
    return root


@pytest.fixture(scope="module")
def shielded(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """Read it only."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("shielded") / "root")
    lakehouse.ingest(landed)
    lakehouse.run(profile="shielded")
    return lakehouse


@pytest.fixture(scope="module")
def audited(shielded: Lakehouse) -> Audit:
    return shielded.audit()


@pytest.fixture
def own(landed: Path, tmp_path: Path) -> Iterator[Lakehouse]:
    """One of the test's own."""
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.ingest(landed)
    yield lakehouse


def file_of(lakehouse: Lakehouse) -> Path:
    [path] = (lakehouse.root / "step_trainer" / "curated" / "data").rglob("*.parquet")
    return path


def published(lakehouse: Lakehouse) -> Counts:
    """How often each class is repeated, read past the code."""
    return Counter(zip(*pq.read_table(file_of(lakehouse)).to_pydict().values(), strict=True))


def true_counts(lakehouse: Lakehouse) -> Counts:
    """The rows that each class has, coded with the table of boxes by comparing edges alone."""
    table, _ = lakehouse._published(None)
    boxes = pq.read_table(table.boxes_path).to_pydict()
    names = ["distancefromobject", "x", "y", "z"]
    edges = np.array([[boxes[f"{n}_from"], boxes[f"{n}_to"]] for n in names])  # 4, 2, classes
    values = list(zip(*(boxes[n] for n in names), strict=True))
    grid = [(1.0, 0.0, 16_383.0)] + [(0.001, -131.072, 131.071)] * 3
    counts: Counts = Counter(dict.fromkeys(values, 0))
    for row in np.column_stack([table.rows.columns[n] for n in names]):
        at = [
            np.clip(np.round(v / g) * g, least, most)
            for v, (g, least, most) in zip(row, grid, strict=True)
        ]
        inside = [
            (e[0] <= v + g / 4) & (v + g / 4 < e[1])
            for v, e, (g, *_) in zip(at, edges, grid, strict=True)
        ]
        [one] = np.flatnonzero(np.all(inside, axis=0))
        counts[values[one]] += 1
    return counts


def size_of_noise(count: int) -> tuple[float, float]:
    """Mean and variance of how large noise is that leaves a count above 0, by summing chances."""
    noise = np.arange(1 - count, 2_000)
    chances = np.exp(-np.abs(noise) / SCALE)
    chances /= chances.sum()
    mean = float((chances * np.abs(noise)).sum())
    return mean, float((chances * noise**2).sum()) - mean**2


def test_counts_are_true_ones_with_the_noise_that_was_drawn(shielded: Lakehouse) -> None:
    true, told = true_counts(shielded), published(shielded)
    assert {*told} <= {*true}
    there = [key for key in true if told[key]]
    differences = np.array([told[key] - true[key] for key in there])
    # A class is there where its noise leaves it a row: so the size of noise depends on the count.
    sizes = np.array([size_of_noise(true[key]) for key in there])
    expected, variance = sizes.sum(axis=0)
    assert len(there) > 50
    # Right noise is outside of this once in 100,000 times, half of it three times in four.
    assert -4 < (np.abs(differences).sum() - expected) / np.sqrt(variance) < 6
    assert any(not told[key] for key in true)  # classes that came out at none are not there
    step = shielded.status().steps[TABLE]
    assert step.noise == sum(told.values()) - sum(true.values())
    assert step.kept == sum(told.values())
    assert step.in_ + step.noise == step.kept + sum(step.dropped.values())
    assert step.adds_up
    assert shielded.status(verify=True).ok


def test_nobody_has_more_rows_than_the_cap(shielded: Lakehouse, landed: Path) -> None:
    table, _ = shielded._published(None)
    for side in table.rows.people:
        assert np.unique(side, return_counts=True)[1].max() <= CAP
    most = max(np.unique(side, return_counts=True)[1].max() for side in table.all_rows.people)
    assert most > CAP  # so that it was needed


def test_the_audit_attacks_noisy_counts_and_says_so(audited: Audit, shielded: Lakehouse) -> None:
    assert audited.ok, audited.problems
    assert audited.noise == SCALE
    assert audited.rows == sum(published(shielded).values())
    assert audited.classes == len(published(shielded))
    strongest = audited.attacks["membership_all"]
    assert "counts with noise of scale 20" in str(strongest.note)
    assert strongest.interval is not None
    assert strongest.interval[0] < 0.75  # 1.000 without noise
    assert "fewest_rows" not in audited.attacks["attribution"].figures
    assert "ruled_out_outside" not in audited.attacks["membership"].figures
    assert (audited.attacks["withdrawal"].worst or 0) <= 0.2


def test_the_same_state_has_the_same_noise_and_another_has_other(own: Lakehouse) -> None:
    own.run(profile="shielded")
    once, before, true_before = file_of(own).read_bytes(), published(own), true_counts(own)
    own.run(full=True)
    assert file_of(own).read_bytes() == once
    withdrawn.somebody(own)
    own.run()
    now, true_now = published(own), true_counts(own)
    alike = [key for key in true_before if true_before[key] == true_now.get(key)]
    assert len(alike) > 20  # whose rows are the same, and whose counts would be
    assert sum(before[key] != now[key] for key in alike) > 0.9 * len(alike)
    assert own.status().steps[TABLE].adds_up


@pytest.mark.slow
def test_going_back_and_forth_tells_no_second_noise(own: Lakehouse) -> None:
    own.run(profile="shielded")
    once = file_of(own).read_bytes()
    own.run(profile="strict")
    assert file_of(own).read_bytes() != once
    own.run(profile="shielded")
    assert file_of(own).read_bytes() == once
    email = withdrawn.somebody(own, "goes.json")
    own.run()
    assert "counts with noise" in str(own.audit().attacks["difference"].note)
    withdrawn.comes_back(own, email, "comes.json")
    own.run()
    assert file_of(own).read_bytes() == once
    assert own.status(verify=True).ok
    assert own.audit().ok


@pytest.mark.slow
def test_another_lakehouse_of_the_same_rows_has_other_noise(
    own: Lakehouse, shielded: Lakehouse
) -> None:
    own.run(profile="shielded")
    one, other = published(own), published(shielded)
    assert true_counts(own) == true_counts(shielded)
    assert sum(one[key] != other[key] for key in one | other) > 0.9 * len(one | other)


@pytest.mark.slow
def test_a_kill_between_noise_and_commit_leaves_the_same_noise(
    own: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    drawn = []

    def killed(random: bytes, *_: object) -> np.ndarray:
        drawn.append(random)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("stedi.privacy.publication.discrete_laplace", killed)
        with pytest.raises(Killed):
            own.run(profile="shielded")
    own.run(profile="shielded")
    [kept] = (own.root / "_stedi" / "noise").iterdir()
    assert json.loads(kept.read_text()) == {"random": drawn[0].hex()}


@pytest.mark.slow
def test_true_counts_that_were_published_all_the_same_fail_the_audit(own: Lakehouse) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stedi.privacy.publication.noisy", lambda counts, _: counts)
        own.run(profile="shielded")
    result = own.audit()
    assert not result.ok
    assert any(problem.startswith("rows: ") for problem in result.problems)


@pytest.mark.slow
def test_noise_that_nobody_has_any_more_fails_the_audit(own: Lakehouse, tmp_path: Path) -> None:
    own.run(profile="shielded")
    [kept] = (own.root / "_stedi" / "noise").iterdir()
    kept.write_text("{}")
    with pytest.raises(StorageError, match="randomness of the noise can't be read"):
        own.audit()
    kept.unlink()
    assert [p for p in own.audit().problems if "not the noise that was drawn" in p]
    with pytest.raises(NotAnonymous):
        own.release(tmp_path / "out")


def test_a_release_reports_noise_and_has_no_true_count(shielded: Lakehouse, tmp_path: Path) -> None:
    shielded.release(tmp_path / "out", now=True)
    sheet = " ".join((tmp_path / "out" / "README.md").read_text().split())
    assert "discrete Laplace, scale 20" in sheet
    assert "No epsilon of differential privacy is claimed" in sheet
    told, true = published(shielded), true_counts(shielded)
    assert f"{sum(told.values()):,} rows of people" in sheet
    assert f"there are {len(told):,} classes" in sheet
    for path in (tmp_path / "out").iterdir():
        assert f"{sum(true.values()):,}".encode() not in path.read_bytes(), path.name


@pytest.mark.slow
@both_engines
def test_both_engines_publish_the_same_of_the_same_noise(
    engine: EngineName, own: Lakehouse, shielded: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    [kept] = (shielded.root / "_stedi" / "noise").iterdir()
    random = bytes.fromhex(json.loads(kept.read_text())["random"])
    monkeypatch.setattr("stedi.privacy.publication.noise.fresh", lambda _: random)
    again = on(engine, own.root)
    again.run(profile="shielded")
    assert file_of(again).read_bytes() == file_of(shielded).read_bytes()
    assert [path.name for path in (own.root / "_stedi" / "noise").iterdir()] == [kept.name]


# Declared ----------------------------------------------------------------------------------------------


def test_only_the_profile_shielded_has_noise() -> None:
    assert [noise_of(profile) for profile in ("seed", "strict")] == [None, None]
    assert noise_of("shielded") == Noise(SCALE, CAP, ("shielded",))


def noise_of(profile: str) -> Noise | None:
    publication = read_declarations(packaged(), profile).contracts[TABLE].publication
    assert publication is not None
    return publication.noise


def test_shielded_publishes_the_rows_of_strict() -> None:
    strict, own = (read_declarations(packaged(), profile) for profile in ("strict", "shielded"))
    assert {t: x.fingerprint for t, x in own.transforms.items()} == {
        t: x.fingerprint for t, x in strict.transforms.items()
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("scale: 20", "scale: 0.5"), "noise.scale"),
        (("rowsPerPerson: 90, profiles", "profiles"), "noise.rowsPerPerson"),
        (("rowsPerPerson: 90, profiles", "rowsPerPerson: 1001, profiles"), "at most"),
        (("profiles: [shielded]", "profiles: [sheilded]"), "sheilded is no profile"),
        (("profiles: [shielded]", "profiles: [shielded, shielded]"), "profile shielded twice"),
        (("profiles: [shielded]", "profiles: []"), "noise.profiles"),
        (("{scale: 20", "{scael: 20, scale: 20"), "no such key"),
    ],
)
def test_what_is_wrongly_declared_is_told(
    change: tuple[str, str], told: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(str(packaged()), tmp_path / "declarations"))
    contract = folder / "contracts" / f"{TABLE}.yaml"
    text = contract.read_text()
    assert change[0] in text
    contract.write_text(text.replace(*change))
    with pytest.raises(DeclarationError, match=told):
        read_declarations(folder, "strict")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extends: stirct", "no such profile"),
        ("extends: shielded", "extends itself"),
        ("extend: strict", "has the key extends"),
        ("- strict", "has the key extends"),
        (": [", "not YAML"),
        ("extends: strict\nextends: strict", "'extends' twice"),
        ("extends: " + "[" * 900 + "]" * 900, "no such profile|nesting depth"),
        ("extends: 2026-13-45", "no timestamp"),
    ],
)
def test_a_profile_that_extends_none_is_told(text: str, told: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(str(packaged()), tmp_path / "declarations"))
    (folder / "transforms" / "shielded" / "profile.yaml").write_text(text)
    with pytest.raises(DeclarationError, match=told):
        read_declarations(folder, "shielded")
