"""The budget of private releases: charged before anything is written, never twice, for ever."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from stedi.errors import Locked, NotAnonymous, StorageError, UsageError
from stedi.rights import budget as budget_module
from stedi.run import holding
from stedi.science import private_release as release_module
from stedi.science.private_release import PrivateRelease
from stedi.storage.withdrawals import epoch_ms
from tests.conftest import Land, already_run, on
from tests.support import noisy, small
from tests.support.dying import release_privately_and_die
from tests.support.processes import Process, started, stedi

DAY = 86_400_000
RHO = noisy.rho_of(1.0, 1e-6)
CAP = noisy.rho_of(3.0, 1e-6)

pytestmark = already_run


@pytest.fixture
def quick(
    place: Path, folder: Path, small_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> Lakehouse:
    """The small lakehouse, whose releases have few coefficients, so that they take no time."""
    declare(folder, frequencies="1", target="[2]")
    monkeypatch.setenv("STEDI_DECLARATIONS", str(folder))
    return on("duckdb", place, folder)


def declare(folder: Path, **values: str) -> None:
    contract = folder / "contracts" / "machine_learning_curated.yaml"
    text = contract.read_text()
    for name, value in values.items():
        end = r"\[.*?\]" if value.startswith("[") else r"[^,\s}]+"
        text, count = re.subn(rf"(?<=\b{name}: ){end}", value, text)
        assert count
    contract.write_text(text)


def spent(lakehouse: Lakehouse) -> float:
    """What the charges say, read past the code."""
    charges = (lakehouse.root / "_stedi" / "budget").glob("*.json")
    return sum(float(json.loads(path.read_text())["rho"]) for path in charges)


def numbers(path: Path) -> list[int]:
    """The whole numbers of a vector: eight bytes each, the lowest first."""
    content = bytes.fromhex(json.loads(path.read_text())["values"])
    return [value for (value,) in struct.iter_unpack("<q", content)]


def at(patch: pytest.MonkeyPatch, days: float) -> None:
    """Let it be so many days after the first charge."""
    then = int(epoch_ms() + days * DAY)
    patch.setattr(budget_module, "epoch_ms", lambda: then)
    patch.setattr(release_module, "epoch_ms", lambda: then)


def change(land: Land, lakehouse: Lakehouse, name: str = "ann") -> None:
    """Somebody withdraws, and a run follows it."""
    land("customer", [small.customer(name, "S1", 9000)], name=f"{name}-goes.json")
    lakehouse.run()


def test_a_release_is_charged_once_and_serves_again(quick: Lakehouse, tmp_path: Path) -> None:
    first = quick.release_private(tmp_path / "1")
    assert first.is_new
    assert first.rho == pytest.approx(RHO, rel=1e-3)
    assert (first.spent_before, first.spent) == (0, first.rho)
    assert first.cap == pytest.approx(CAP, rel=1e-3)
    again = quick.release_private(tmp_path / "2")
    assert (again.is_new, again.charge, again.spent) == (False, 1, first.spent)
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes(), path.name
    assert spent(quick) == pytest.approx(RHO, rel=1e-3)


def test_another_epsilon_of_the_same_state_costs_too(quick: Lakehouse, tmp_path: Path) -> None:
    quick.release_private(tmp_path / "1")
    other = quick.release_private(tmp_path / "2", epsilon=0.5)
    assert (other.is_new, other.charge) == (True, 2)
    both = RHO + noisy.rho_of(0.5, 1e-6)
    assert other.spent == pytest.approx(both, rel=1e-3)
    assert spent(quick) == pytest.approx(both, rel=1e-3)
    assert quick.release_private(tmp_path / "3").charge == 1
    assert quick.release_private(tmp_path / "4", epsilon=0.5).charge == 2


def test_what_changes_waits_until_the_next_release_is_due(
    quick: Lakehouse, land: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = quick.release_private(tmp_path / "1")
    change(land, quick)
    waiting = quick.release_private(tmp_path / "2")
    assert (waiting.is_new, waiting.charge) == (False, 1)
    name = f"{first.table}.parquet"
    assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    with pytest.raises(NotAnonymous, match=r"next is due on .*Until then --epsilon 1 releases"):
        quick.release_private(tmp_path / "3", epsilon=0.5)
    at(monkeypatch, 89.9)
    assert not quick.release_private(tmp_path / "4").is_new
    at(monkeypatch, 90.1)
    due = quick.release_private(tmp_path / "5")
    assert (due.is_new, due.charge) == (True, 2)
    assert (tmp_path / "1" / name).read_bytes() != (tmp_path / "5" / name).read_bytes()
    assert spent(quick) == pytest.approx(2 * RHO, rel=1e-3)


def test_two_vectors_of_the_same_rows_have_noise_of_their_own(
    quick: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebuilt, all tables have the same rows, and another state: else a difference told all."""
    quick.release_private(tmp_path / "1")
    quick.run(full=True)
    at(monkeypatch, 91)
    assert quick.release_private(tmp_path / "2").charge == 2
    folder = quick.root / "_stedi" / "budget"
    one, other = (numbers(folder / f"00000{n}.vector") for n in (1, 2))
    assert len(one) == len(other)
    assert sum(a == b for a, b in zip(one, other, strict=True)) <= 1


def test_a_lifetime_is_over_when_it_is(quick: Lakehouse, folder: Path, tmp_path: Path) -> None:
    """Of epsilon 3 at this delta there are seven releases of epsilon 1, by the sum of rho."""
    most = int(CAP / RHO)
    assert most == 7
    for n in range(most):
        assert quick.release_private(tmp_path / f"{n}", epsilon=1 - n * 1e-7).is_new
    with pytest.raises(NotAnonymous) as refused:
        quick.release_private(tmp_path / "too-much", epsilon=1.0000001)
    told = str(refused.value)
    assert "epsilon 3 at delta 1e-06" in told
    assert "stays so until the contract declares more" in told
    assert re.search(r"1 of epsilon 0\.[5-9]", told)  # what would be left for one more
    assert not (tmp_path / "too-much").exists()
    assert spent(quick) == pytest.approx(most * RHO, rel=1e-3)
    assert spent(quick) <= CAP
    declare(folder, lifetimeEpsilon="4")
    assert quick.release_private(tmp_path / "more", epsilon=1.0000001).charge == most + 1


def test_an_epsilon_beyond_a_lifetime_is_refused(quick: Lakehouse, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"may have 3 \(contracts/machine.*lifetimeEpsilon\)"):
        quick.release_private(tmp_path / "out", epsilon=3.5)
    assert spent(quick) == 0


def test_other_constants_are_another_release(
    quick: Lakehouse, folder: Path, land: Land, tmp_path: Path
) -> None:
    quick.release_private(tmp_path / "1")
    declare(folder, clip="50")
    assert quick.release_private(tmp_path / "2").charge == 2
    change(land, quick)
    declare(folder, clip="60")
    with pytest.raises(NotAnonymous, match="next is due"):
        quick.release_private(tmp_path / "3")


def test_what_is_kept_is_the_true_vector_and_so_much_noise(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    """With all of STEDI's coefficients: 232 numbers that noise of the declared width is in."""
    small_lakehouse.release_private(tmp_path / "out")
    folder = small_lakehouse.root / "_stedi" / "budget"
    values = numbers(folder / "000001.vector")
    charge = json.loads((folder / "000001.json").read_text())
    assert len(values) == charge["size"] == 232
    assert charge["sensitivity"] == 297 * 64
    # Eight people at most, of whom nobody moves it by more than that: next to nothing beside noise.
    sigma = (1 / (2 * RHO)) ** 0.5 * 297 * 64
    root_mean_square = (sum(v * v for v in values) / 232) ** 0.5
    assert 0.8 * sigma < root_mean_square < 1.25 * sigma
    assert charge["deviation"] == pytest.approx(sigma, rel=1e-3)


def test_what_dies_between_charge_and_noise_is_spent(
    quick: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(release_module, "with_noise", killed)
        with pytest.raises(Killed):
            quick.release_private(tmp_path / "1")
    assert spent(quick) == pytest.approx(RHO, rel=1e-3)
    assert not (tmp_path / "1").exists()
    assert quick.releases().given == []
    with monkeypatch.context() as patch:
        patch.setattr(release_module, "_write", killed)
        with pytest.raises(Killed):
            quick.release_private(tmp_path / "1")
    assert spent(quick) == pytest.approx(2 * RHO, rel=1e-3)
    after = quick.release_private(tmp_path / "1")
    assert (after.is_new, after.charge) == (False, 2)  # this one had its vector


@pytest.mark.slow
def test_a_kill_at_any_moment_never_gives_out_what_is_not_charged(
    quick: Lakehouse, tmp_path: Path
) -> None:
    root, declarations = quick.root, os.environ["STEDI_DECLARATIONS"]
    budget, seen = root / "_stedi" / "budget", set()
    for step in range(99):
        for place in ("_stedi/budget", "_stedi/ledger"):
            shutil.rmtree(root / place, ignore_errors=True)
        out = tmp_path / f"out-{step}"
        done = Process(release_privately_and_die, str(root), declarations, str(out), step).ended()
        charged, bought = len([*budget.glob("*.json")]), len([*budget.glob("*.vector")])
        listed = quick.releases().given
        seen.add((charged, bought, len(listed), out.exists()))
        assert charged >= bought
        assert not out.exists() or (charged and bought and listed)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        if (charged, bought) == (1, 0):
            after = quick.release_private(tmp_path / f"after-{step}")
            assert (after.is_new, after.charge) == (True, 2)  # what was spent is spent
            assert after.spent == pytest.approx(2 * RHO, rel=1e-3)
    assert {(0, 0, 0, False), (1, 0, 0, False), (1, 1, 0, False), (1, 1, 1, True)} <= seen


def test_of_two_at_once_one_waits_and_nothing_is_charged_twice(
    quick: Lakehouse, tmp_path: Path
) -> None:
    command = ("--private", "--wait", "60", "--json", "--root", str(quick.root))
    both = [started("release", tmp_path / name, *command) for name in ("a", "b")]
    done = [process.ended() for process in both]
    assert [one.returncode for one in done] == [0, 0], done
    told = [json.loads(one.stdout) for one in done]
    assert sorted(one["is_new"] for one in told) == [False, True]
    assert spent(quick) == pytest.approx(RHO, rel=1e-3)


def test_while_a_run_is_at_work_nothing_is_charged(quick: Lakehouse, tmp_path: Path) -> None:
    with (
        holding(quick._warehouse(), 0.0),
        pytest.raises(Locked),
    ):
        on("duckdb", quick.root, Path(os.environ["STEDI_DECLARATIONS"])).release_private(
            tmp_path / "out"
        )
    assert spent(quick) == 0


def damaged(quick: Lakehouse, name: str, how: str) -> None:
    path = quick.root / "_stedi" / "budget" / name
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:40])
    else:
        value: dict[str, Any] = json.loads(path.read_text())
        value["rho" if "rho" in value else "values"] = 0.0 if "rho" in value else "00" * 80
        path.write_text(json.dumps(value))


@pytest.mark.parametrize("how", ["gone", "cut", "changed"])
def test_where_nobody_can_tell_what_was_spent_nothing_is_released(
    quick: Lakehouse, tmp_path: Path, how: str
) -> None:
    quick.release_private(tmp_path / "1")
    quick.release_private(tmp_path / "2", epsilon=0.5)
    damaged(quick, "000001.json", how)
    with pytest.raises(StorageError, match=r"nobody can tell what .*restore the folder"):
        quick.release_private(tmp_path / "3", epsilon=0.2)
    assert not (tmp_path / "3").exists()


def test_the_newest_charge_that_is_gone_is_missed(quick: Lakehouse, tmp_path: Path) -> None:
    """The ledger has a release of it; without, an older copy of the folder could be spent again."""
    quick.release_private(tmp_path / "1")
    quick.release_private(tmp_path / "2", epsilon=0.5)
    for part in ("json", "vector"):
        damaged(quick, f"000002.{part}", "gone")
    with pytest.raises(StorageError, match="missing that the ledger has a release of"):
        quick.release_private(tmp_path / "3", epsilon=0.5)


@pytest.mark.parametrize("how", ["cut", "changed"])
def test_a_vector_that_was_changed_is_not_served(
    quick: Lakehouse, tmp_path: Path, how: str
) -> None:
    quick.release_private(tmp_path / "1")
    damaged(quick, "000001.vector", how)
    with pytest.raises(StorageError, match=r"000001\.vector"):
        quick.release_private(tmp_path / "2")


def test_a_vector_that_is_gone_costs_again(quick: Lakehouse, tmp_path: Path) -> None:
    """As if the command had died before it had it: what was spent is spent."""
    quick.release_private(tmp_path / "1")
    damaged(quick, "000001.vector", "gone")
    again = quick.release_private(tmp_path / "2")
    assert (again.is_new, again.charge) == (True, 2)


def test_another_secret_is_told(
    quick: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick.release_private(tmp_path / "1")
    monkeypatch.setenv("STEDI_SECRET", "another secret of the tests, of thirty-two bytes and more")
    with pytest.raises(StorageError, match="set STEDI_SECRET to that one"):
        quick.release_private(tmp_path / "2", epsilon=0.2)


def test_a_full_run_forgets_nothing_of_it(quick: Lakehouse, tmp_path: Path) -> None:
    quick.release_private(tmp_path / "1")
    quick.run(full=True)
    assert spent(quick) == pytest.approx(RHO, rel=1e-3)
    assert not quick.release_private(tmp_path / "2").is_new


def test_the_ledger_lists_it_and_tells_nobody_left(
    quick: Lakehouse, land: Land, tmp_path: Path
) -> None:
    made: PrivateRelease = quick.release_private(tmp_path / "out", recipient="The public")
    change(land, quick)
    told = quick.releases()
    assert told.ok
    [given] = told.given
    assert (given.kind, given.recipient, given.rows) == ("private release", "The public", made.rows)
    assert given.cost is not None
    assert given.cost.rho == pytest.approx(RHO, rel=1e-3)
    assert (given.people, given.left, given.letter, given.unknown) == (None, None, None, None)
    listed = stedi("releases", "--root", quick.root)
    assert "epsilon 1 (rho 0.02436)" in listed


def test_a_folder_that_is_taken_and_a_recipient_that_is_no_name_cost_nothing(
    quick: Lakehouse, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(UsageError, match="something is there already"):
        quick.release_private(tmp_path / "taken")
    with pytest.raises(UsageError, match="--recipient"):
        quick.release_private(tmp_path / "out", recipient="two\nlines")
    assert spent(quick) == 0
