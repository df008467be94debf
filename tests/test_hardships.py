"""What a lakehouse has to live through: kills, files that can't be read, clocks, and no locks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from stedi import Lakehouse
from stedi.errors import StorageError
from tests.conftest import Land, already_run, counts, on
from tests.support import small
from tests.support.dying import command_and_die, command_as_nobody
from tests.support.processes import Done, Process
from tests.support.tables import strays


@pytest.fixture(autouse=True)
def declarations(monkeypatch: pytest.MonkeyPatch, not_anonymous: Path) -> None:
    monkeypatch.setenv("STEDI_DECLARATIONS", str(not_anonymous))


def killed(*arguments: str | Path, at: int) -> Done:
    """A command that is killed at an event of its files; it ends well where it has no more."""
    done = Process(command_and_die, [*map(str, arguments)], at).ended()
    assert done.returncode in (0, -9), done.stderr
    return done


def points(*arguments: str | Path, times: int) -> Iterator[int]:
    """Some of the events at which a command may be killed, the first and the last among them."""
    done = killed(*arguments, at=10_000)
    [(events,)] = [re.findall(r"^(\d+) events$", done.stdout, re.MULTILINE)]
    last = int(events) - 1
    yield from sorted({last * n // (times - 1) for n in range(times)})


def test_a_killed_ingest_leaves_whole_files_and_the_next_one_the_rest(tmp_path: Path) -> None:
    small.land(tmp_path / "delivery")
    sent = {p.read_bytes() for p in (tmp_path / "delivery").rglob("*.json")}
    arguments = ("ingest", tmp_path / "delivery", "--root")
    for at in points(*arguments, tmp_path / "first", times=6):
        root = tmp_path / f"root-{at}"
        killed(*arguments, root, at=at)
        landed = [p.read_bytes() for p in root.glob("*/landing/*.json")]
        assert set(landed) <= sent
        Lakehouse(root).ingest(tmp_path / "delivery")
        landed = [p.read_bytes() for p in root.glob("*/landing/*") if p.is_file()]
        assert sorted(landed) == sorted(sent)


@pytest.mark.slow
@already_run
def test_a_killed_replay_loses_and_doubles_nothing(small_lakehouse: Lakehouse, land: Land) -> None:
    root = small_lakehouse.root
    bad = {**small.acceleration("ann", 3000, 0.9), "x": "0.9"}
    good = small.acceleration("ann", 4000, 0.9)
    file = land("accelerometer", (json.dumps(bad) + "\n" + json.dumps(good)).encode(), "bad.json")
    small_lakehouse.run()
    expected = {**small.SEED, **{n: small.SEED[n] + 1 for n in ("accelerometer_landing",)}}
    expected |= {
        n: small.SEED[n] + 1 for n in ("accelerometer_trusted", "machine_learning_curated")
    }
    del expected["machine_learning_curated"]  # nothing of a step at that time
    for at in points("quarantine", "replay", "--quiet", "--root", root, times=5):
        killed("quarantine", "replay", "--quiet", "--root", root, at=at)
        small_lakehouse.run()
        assert expected.items() <= counts(small_lakehouse).items()
        status = small_lakehouse.status(verify=True)
        assert status.ok, status.problems
        assert sum(status.sources["accelerometer"].quarantined.values()) == 1
        assert strays(small_lakehouse) == []
    assert file.exists()


@already_run
@pytest.mark.parametrize("command", ["release", pytest.param("train", marks=pytest.mark.slow)])
def test_what_is_killed_while_it_hands_out_leaves_all_or_nothing(
    small_lakehouse: Lakehouse, command: str, tmp_path: Path
) -> None:
    if command == "train":
        pytest.importorskip("sklearn")
    root, first = small_lakehouse.root, tmp_path / "first"
    ledger = root / "_stedi" / "ledger"
    now = ("--now",) if command == "release" else ()
    for at in points(command, first, *now, "--root", root, times=5):
        folder = tmp_path / "out" / f"at-{at}"
        killed(command, folder, *now, "--root", root, at=at)
        whole = sorted(p.name for p in first.iterdir())
        if folder.exists():
            assert sorted(p.name for p in folder.iterdir()) in (whole, [])
        else:
            getattr(small_lakehouse, command)(folder, **({"now": True} if now else {}))
            assert sorted(p.name for p in folder.iterdir()) == whole
            assert [
                p.name for p in folder.parent.iterdir() if p.name.startswith(f".at-{at}-")
            ] == []
    assert small_lakehouse.releases() and not [*ledger.rglob("*.part")]
    assert small_lakehouse.status(verify=True).ok


WRITING: dict[str, list[str]] = {
    "rows.parquet": ["query", "SELECT * FROM customer_trusted", "-o"],
    "rows.csv": ["query", "SELECT * FROM customer_trusted", "-o"],
    "lakehouse.duckdb": ["export", "--duckdb"],
    "of fay": ["disclose", "fay@example.com"],
    "page.html": ["page"],
    "privacy.md": ["audit", "--report"],
    "lineage.svg": ["check", "--graph"],
}
ANEW = ("page.html", "privacy.md", "lineage.svg")
"""What takes seconds each time."""


@already_run
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in ANEW else []) for name in WRITING],
)
def test_what_is_killed_while_it_writes_is_not_seen_and_is_swept_by_the_next(
    small_lakehouse: Lakehouse, name: str, tmp_path: Path
) -> None:
    """What is half done lies under a hidden name, which the next command for that place removes."""
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / name
    hold_swept([*WRITING[name]], target, small_lakehouse.root)


@pytest.mark.slow
def test_what_a_killed_predict_wrote_is_not_seen_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.delenv("STEDI_DECLARATIONS")
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=300, seed=3, people=True)
    lakehouse.run()
    lakehouse.train(tmp_path / "model")
    readings = min((lakehouse.root / "accelerometer/landing").glob("*.json"))
    (tmp_path / "out").mkdir()
    command: list[str | Path] = ["predict", tmp_path / "model", readings, "-o"]
    hold_swept(command, tmp_path / "out" / "predicted.csv", lakehouse.root)


def hold_swept(writing: list[str | Path], target: Path, root: Path) -> None:
    """Kill a command that writes to a place; what it left is hidden, and the next one removes it."""
    folder, name = target.parent, target.name
    command: list[str | Path] = [*writing, target, "--root", root]
    for at in points(*command, times=5):
        for path in (target, *folder.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        was_killed = killed(*command, at=at).returncode == -9
        assert {p.name for p in folder.iterdir() if p.name[0] != "."} <= {name}
        if was_killed and target.exists() and name == "of fay":
            continue  # it is whole, and a second one is refused
        assert killed(*command, at=10_000).returncode == 0
        assert [p.name for p in folder.iterdir()] == [name]


@pytest.fixture
def here() -> Iterator[Path]:
    """A folder that anybody may enter: those above pytest's are their owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_an_unreadable_file_is_named_to_somebody_who_is_not_root(
    here: Path, not_anonymous: Path
) -> None:
    root = here / "root"
    small.land(root)
    lakehouse = on("duckdb", root, not_anonymous)
    lakehouse.run()
    more = small.write(root, "accelerometer", [small.acceleration("ann", 3000, 0.9)], "more.json")
    [data] = (root / "customer/trusted/data").glob("*/*.parquet")
    own = here / "declarations"
    shutil.copytree(not_anonymous, own)
    for path in (root, *root.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
    small.land(here / "warm")
    lakehouse_warm = str(here / "warm")

    def as_nobody(*commands: str) -> str:
        done = Process(
            command_as_nobody,
            lakehouse_warm,
            str(own),
            [[c, str(root)] for c in commands],
        ).ended()
        assert done.returncode == 0, done.stderr
        return done.stdout

    more.chmod(0)
    told = as_nobody("status", "run")
    assert "status done" in told
    assert re.search(r"run 1 .*more\.json.*(Permission denied|can't be read)", told), told
    more.chmod(0o600)
    catalog = root / "_stedi" / "catalog.db"
    catalog.chmod(0)
    told = as_nobody("query", "status", "run")
    assert re.search(r"query 1 .*catalog\.db can't be read: Permission denied", told), told
    assert "damaged" not in told and "--full" not in told
    catalog.chmod(0o600)
    data.chmod(0)
    told = as_nobody("query", "status")
    assert re.search(r"query 1 a file of a table is gone or damaged", told), told
    [typed] = (root / "customer/typed/data").glob("*/*.parquet")
    typed.chmod(0)
    (here / "free").mkdir()
    (here / "free").chmod(0o777)
    told = as_nobody("verify", "explain", "export")
    for file in (data, typed):  # the first doesn't end it
        assert re.search(rf"verify done .*{file.name} in [^']*: can't be read: Permission", told), (
            told
        )
    assert re.search(r"explain 1 a file of a table that this one is made from can't be read", told)
    assert re.search(r"export 1 table \w+: a file of it can't be read", told), told
    data.chmod(0o600)
    typed.chmod(0o600)
    assert "run done" in as_nobody("run")
    assert lakehouse.status(verify=True).ok
    assert counts(lakehouse)["accelerometer_landing"] == small.SEED["accelerometer_landing"] + 1


@pytest.mark.parametrize(
    "back",
    [3 * 86_400, *(pytest.param(n, marks=pytest.mark.slow) for n in (90, 400 * 86_400))],
)
def test_a_clock_that_is_set_back_costs_nothing(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch, back: int
) -> None:
    now, now_ns = time.time, time.time_ns
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: now() + back)
        ahead.setattr(time, "time_ns", lambda: now_ns() + back * 10**9)
        small_lakehouse.run()
        land("customer", [small.customer("ann", "S1", 500)], "ann-withdraws.json")
        small_lakehouse.run()
    assert counts(small_lakehouse)["customer_trusted"] == small.SEED["customer_trusted"] - 1
    land("customer", [small.customer("eve", "S5", 2000)], "eve-withdraws.json")
    land("accelerometer", [small.acceleration("fay", 400, 0.9)], "more.json")
    report = small_lakehouse.run()
    assert report.withdrawn is not None and report.withdrawn.people == 1
    expected = {
        "customer_trusted": small.SEED["customer_trusted"] - 2,
        "accelerometer_trusted": small.SEED["accelerometer_trusted"] - 6 + 1,
    }
    assert expected.items() <= counts(small_lakehouse).items()
    assert small_lakehouse.status(verify=True).ok
    assert small_lakehouse.run().built == ()
    assert strays(small_lakehouse) == []
    for name in ("customer_trusted", "accelerometer_trusted"):  # earlier snapshots are gone
        sql = f"SELECT * FROM {name}"
        later = datetime.fromtimestamp(now() + 2 * back, UTC)
        held = str(small_lakehouse.query(sql, as_of=later).to_arrow().to_pylist())
        assert "ann@" not in held and "eve@" not in held


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_refused_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    small.land(tmp_path)

    def without_locks(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", without_locks)
    lakehouse = Lakehouse(tmp_path)
    with pytest.raises(StorageError, match="file system has no locks"):
        lakehouse.run()
    assert not any((tmp_path / "_stedi").glob("catalog.db"))
    assert lakehouse.status().tables["customer_landing"].rows is None
