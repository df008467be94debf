"""A new secret takes the place of one that others may know, and nothing that was noted is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from stedi import Lakehouse, UsageError
from stedi.landing.erased import Keyer
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.secret import secrets_of_user
from tests.conftest import Land, already_run
from tests.rights.conftest import assert_whole
from tests.support import small
from tests.support.dying import rotate_and_die, secret_as_nobody
from tests.support.processes import Process, started, stedi

ANN, EVE = "ann@example.com", "eve@example.com"


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The secret that lakehouses of the tests are made with, in the user's file."""
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "stedi" / "secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(os.environ["STEDI_SECRET"])
    path.chmod(0o600)
    monkeypatch.delenv("STEDI_SECRET")
    return path


def digests(root: Path) -> set[str]:
    """All in a lakehouse's lists of people that may be a keyed fingerprint."""
    paths = [*(root / "_stedi/erased").glob("*"), *(root / "_stedi/ledger").glob("*.people")]
    texts = (p.read_text() if p.suffix == ".json" else p.read_bytes().hex() for p in paths)
    found = (re.findall(r"[0-9a-f]{32}", text) for text in texts)
    return {digest for each in found for digest in each}


def written(lakehouse: Lakehouse) -> set[str]:
    return {p.name for p in lakehouse.root.glob("accelerometer/typed/data/*/*.parquet")}


@already_run
def test_what_was_noted_with_the_secret_before_still_holds(
    small_lakehouse: Lakehouse, land: Land, config: Path, tmp_path: Path
) -> None:
    root = small_lakehouse.root
    small_lakehouse.release(tmp_path / "out")
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten is not None
    receipt, _ = small_lakehouse.receipt(forgotten)
    before, old, known = written(small_lakehouse), Keyer.of_user(), digests(root)
    assert {old.of("customer", ANN)[:32], old.of("customer", EVE)[:32]} <= known

    said = stedi("secret", "rotate", "--root", root)
    assert "1 release in the ledger" in said
    assert config.stat().st_mode & 0o777 == 0o600
    assert list(config.parent.iterdir()) == [config]
    new = Keyer.of_user()
    assert new.key_id != old.key_id
    # What the secret before makes of a name is nowhere in the lists; what the new one makes is.
    assert not known & digests(root)
    assert {new.of("customer", ANN)[:32], new.of("customer", EVE)[:32]} <= digests(root)

    assert_whole(small_lakehouse)
    assert written(small_lakehouse) == before  # nothing was read again
    assert small_lakehouse.check_receipt(receipt)["verified"]["proven"] is True
    [given] = small_lakehouse.releases().given
    assert (given.people, given.left) == (7, 1)
    delivery = tmp_path / "delivery"
    small.land(delivery)
    assert small_lakehouse.ingest(delivery).erased == 7
    land("accelerometer", [{"user": ANN, "timestamp": 1, "x": 0.0, "y": 0.0, "z": 0.0}], "a.json")
    [told] = [r for r in small_lakehouse.run().remarks if "erased" in r]
    assert told.startswith("dropped 1 record")
    assert_whole(small_lakehouse)


@already_run
def test_a_copy_of_a_file_that_was_read_before_is_still_known_as_one(
    small_lakehouse: Lakehouse, config: Path
) -> None:
    small_lakehouse.rotate_secret()
    landing = small_lakehouse.root / "accelerometer" / "landing"
    shutil.copy(landing / "one.json", landing / "copy.json")
    small_lakehouse.run()
    assert small_lakehouse.status().sources["accelerometer"].copies
    assert_whole(small_lakehouse)


def test_a_decision_still_holds(lakehouse: Lakehouse, land: Land, config: Path) -> None:
    for n, email in enumerate(("ann@example.com", "Ann@example.com")):
        land("customer", [{**small.customer("ann", f"S{n}", 1000, 900 if n else None),
                           "email": email}], f"{n}.json")  # fmt: skip
    lakehouse.run()
    [suspension] = lakehouse.review().to_decide
    lakehouse.rotate_secret()
    lakehouse.accept([str(suspension.review)])  # the earlier number is what the list has
    lakehouse.run()
    assert lakehouse.review().to_decide == []
    lakehouse.rotate_secret()
    land("customer", [small.customer("bob", "S9", 1000, 900)], "more.json")
    lakehouse.run()
    assert lakehouse.review().to_decide == []


@pytest.mark.slow
@already_run
def test_another_lakehouse_is_keyed_again_when_its_turn_comes(
    small_lakehouse: Lakehouse, config: Path, tmp_path: Path
) -> None:
    root = small_lakehouse.root
    small_lakehouse.erase([("email", ANN)])
    known = digests(root)
    stedi("secret", "rotate", "--root", tmp_path / "none")
    told = json.loads(stedi("secret", "--root", root, "--json"))
    assert (told["retired"], told["erased"], told["ledger"]) == (1, True, 0)
    assert digests(root) == known
    assert_whole(small_lakehouse)
    assert "identifiers in the list" in stedi("secret", "rekey", "--root", root)
    assert not known & digests(root)
    assert json.loads(stedi("secret", "--root", root, "--json"))["erased"] is False
    assert small_lakehouse.rekey().erased == 0
    assert_whole(small_lakehouse)


@already_run
def test_a_secret_in_a_variable_is_replaced_by_who_sets_it(
    small_lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_lakehouse.erase([("email", ANN)])
    with pytest.raises(UsageError, match="--output"):
        small_lakehouse.rotate_secret()
    small_lakehouse.rotate_secret(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="there already"):
        small_lakehouse.rotate_secret(tmp_path / "new")
    assert len(secrets_of_user()) == 1
    monkeypatch.setenv("STEDI_SECRET", (tmp_path / "new").read_text())
    assert len(secrets_of_user()) == 2
    assert small_lakehouse.rekey().erased > 0
    assert_whole(small_lakehouse)


@pytest.mark.slow
@already_run
def test_without_the_secrets_before_it_the_newest_is_another(
    small_lakehouse: Lakehouse, config: Path
) -> None:
    small_lakehouse.erase([("email", ANN)])
    small_lakehouse.rotate_secret()
    newest = config.read_text().split()[-1]
    config.write_text(f"stedi-secrets {newest}")
    with pytest.raises(UsageError, match="another secret"):
        small_lakehouse.run()


@pytest.mark.parametrize("content", ["stedi-secrets", "stedi-secrets xyz", "stedi-secrets 0011"])
def test_a_file_of_secrets_that_was_cut_is_refused(config: Path, content: str) -> None:
    config.write_text(content)
    with pytest.raises(UsageError, match="backup"):
        Fingerprinter.of_user()


def test_a_secret_that_cannot_be_written_stays_as_it_was(config: Path, tmp_path: Path) -> None:
    before = config.read_text()
    done = started("secret", "rotate", "--root", tmp_path / "none", largest_file=8).ended()
    assert (done.returncode, config.read_text()) == (1, before)
    assert "The secret is as it was" in done.stderr
    assert list(config.parent.iterdir()) == [config]


def test_a_secret_behind_a_link_is_replaced_there(config: Path, tmp_path: Path) -> None:
    kept = config.rename(tmp_path / "kept")
    config.symlink_to(kept)
    Lakehouse(tmp_path / "none").rotate_secret()
    assert config.is_symlink()
    assert kept.read_text().startswith("stedi-secrets ")


@pytest.mark.slow
@already_run
def test_killed_at_any_point_it_is_finished_or_not_begun(
    small_lakehouse: Lakehouse, config: Path, tmp_path: Path
) -> None:
    root, secret = small_lakehouse.root, config.read_text()
    small_lakehouse.release(tmp_path / "out")
    forgotten = small_lakehouse.erase([("email", ANN)])
    assert forgotten is not None
    receipt, _ = small_lakehouse.receipt(forgotten)
    shutil.copytree(root / "_stedi", tmp_path / "own")
    for step in range(100):
        shutil.rmtree(root / "_stedi")
        shutil.copytree(tmp_path / "own", root / "_stedi")
        config.write_text(secret)
        done = Process(rotate_and_die, root, step).ended()
        [given] = small_lakehouse.releases().given
        assert (given.people, given.left, given.unknown) == (7, 1, None)
        assert small_lakehouse.check_receipt(receipt)
        assert small_lakehouse.status(verify=True).ok
        delivery = tmp_path / f"delivery {step}"
        small.land(delivery)
        assert small_lakehouse.ingest(delivery).erased == 7
        small_lakehouse.rekey()
        assert small_lakehouse.secret().erased is False
        assert small_lakehouse.secret().ledger == 0
        [given] = small_lakehouse.releases().given
        assert (given.people, given.left, given.unknown) == (7, 1, None)
        if done.returncode != -signal.SIGKILL:
            break
    assert step > 6


INSTEAD: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": lambda path: os.mkfifo(path, 0o600),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder that nobody may read": lambda path: path.parent.chmod(0),
    "a file in its folder's place": lambda path: _in_place_of(path.parent),
}


def _in_place_of(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


@pytest.mark.parametrize("what", INSTEAD)
def test_what_is_no_secret_is_told_and_nobody_waits_for_it(config: Path, what: str) -> None:
    config.unlink()
    INSTEAD[what](config)
    try:
        done = Process(secret_as_nobody, str(config)).ended()
    finally:
        config.parent.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"UsageError {config}"), done.stdout
    assert "known: 0" in done.stdout
