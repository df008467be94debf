"""The receipt says what was done, names nobody, and can't be changed unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stedi import Lakehouse, UsageError
from tests.conftest import already_run
from tests.support.processes import started, stedi
from tests.support.traces import spelled

ANN = "ann@example.com"


@already_run
def test_the_receipt_of_an_erasure(
    small_lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, copy = small_lakehouse.root, tmp_path / "copy.md"
    done = stedi("erase", "--email", ANN, "--yes", "--root", root, "--json", "--output", copy)
    told = json.loads(done)
    assert told["proven"] is True
    path = Path(told["receipt"])
    assert path.parent == root / "_stedi" / "receipts"
    text = path.read_text()
    assert copy.read_text() == text
    for form in spelled(ANN).values():
        assert form not in text.encode()
    content = small_lakehouse.check_receipt(path)
    assert content["removed"]["records"] == {"accelerometer": 3, "customer": 1, "step_trainer": 3}
    assert content["removed"]["rows"]["accelerometer_trusted"] == 3
    assert content["verified"]["proven"] is True
    assert [one["kind"] for one in content["found"]["subjects"]] == ["customer", "device"]
    assert any("backups" in what for what in content["out_of_reach"])
    said = stedi("erase", "--receipt", path, "--root", root)
    assert "seal" in said
    assert "nothing is left" in said
    for old, new in (
        ("3 records", "4 records"),
        ('"customer": 1', '"customer": 2'),
        ("# E", "# e"),
    ):
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(UsageError, match="was changed since it was sealed"):
            small_lakehouse.check_receipt(path)
    path.write_text(text[:-30])
    with pytest.raises(UsageError, match="not a receipt"):
        small_lakehouse.check_receipt(path)
    path.write_text(text)
    monkeypatch.setenv("STEDI_SECRET", "another secret of the tests, of enough bytes")
    with pytest.raises(UsageError, match="another secret"):
        small_lakehouse.check_receipt(path)


@already_run
def test_the_command_line(small_lakehouse: Lakehouse, tmp_path: Path) -> None:
    root = small_lakehouse.root
    shown = stedi("erase", f"--email={ANN}", "--dry-run", "--root", root)
    assert "accelerometer/landing/one.json" in shown
    assert "device S1" in shown
    as_json = json.loads(stedi("erase", "--email", ANN, "--dry-run", "--json", "--root", root))
    assert ANN not in json.dumps(as_json)
    assert len(as_json["landing"]) == 3
    for arguments, said in (
        (["--email", ANN], "add --yes"),
        (["--phone", "5", "--yes"], "there are email, serial-number"),
        (["--email"], "needs a value"),
        ([ANN, "--yes"], "give each with its kind"),
        (["--yes"], "--email, --serial-number"),
        (["--subjects", str(tmp_path / "none"), "--yes"], "no such file"),
    ):
        done = started("erase", *arguments, "--root", root).ended()
        assert done.returncode == 2, (arguments, done)
        assert said in done.stderr, (arguments, done)
    verified = started("erase", "--verify", "--email", ANN, "--root", root).ended()
    assert verified.returncode == 1
    assert "customer/landing/one.json" in verified.stdout
    people = tmp_path / "people.txt"
    people.write_text(f"# who asked\n\nemail={ANN}\nben@example.com\r\nserial-number=S3\n")
    shown = stedi("erase", "--subjects", people, "--yes", "--root", root)
    assert "nothing of theirs is left" in shown
    left = small_lakehouse.query("SELECT email FROM customer_landing").to_arrow().column(0)
    assert {ANN, "ben@example.com"}.isdisjoint(left.to_pylist())
    assert "cat@example.com" in left.to_pylist()  # S3 was asked for beside people: it is no one's
