"""What stedi is made of, and whether anybody knows of holes in it."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import audit
import pytest
import sbom

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
NOT_FOR_US = re.compile(r"\b(A|L)?GPL|Affero|SSPL|BUSL|Commons.Clause|not stated", re.IGNORECASE)


def test_the_newest_and_the_locked_have_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    makefile = (ROOT / "Makefile").read_text()
    [newest] = re.findall(r"--editable '\.\[(.+)\]'", makefile)
    [locked] = re.findall(r"compile \$\(LOCK\) (.+) -o requirements-dev.lock", makefile)
    assert {*newest.split(",")} == {*extras}
    assert {*re.findall(r"--extra (\S+)", locked)} == {*extras}


def test_the_bill_of_materials_has_each_pin_of_the_lock_with_its_hashes_and_licence() -> None:
    bill = json.loads(sbom.as_json(sbom.bill(LOCK)))
    assert bill["bomFormat"] == "CycloneDX"
    pinned = re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert sorted((c["name"], c["version"]) for c in bill["components"]) == sorted(pinned)
    hashes = sum(len(c["hashes"]) for c in bill["components"])
    assert hashes == LOCK.read_text().count("--hash=sha256:")
    licences = {
        c["name"]: c["licenses"][0]["license"]["name"]
        for c in bill["components"]
        if "licenses" in c
    }
    assert len(licences) >= len(pinned) - 5  # some are for other systems
    assert {name: said for name, said in licences.items() if NOT_FOR_US.search(said)} == {}
    assert sbom.as_json(sbom.bill(LOCK)) == json.dumps(bill, indent=2)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    answers: dict[str, object] = {}
    monkeypatch.setattr(audit, "ask", lambda database, lock: answers.get(database))
    return answers


def test_an_audit_without_a_database_says_so_and_is_no_success(
    answering: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(LOCK) == audit.OUT_OF_REACH
    assert "nothing is known of requirements.lock" in capsys.readouterr().out


def test_an_audit_asks_the_next_database_and_tells_what_it_knows(
    answering: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    hole = {"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": [], "description": ""}
    fine = {"name": "numpy", "version": "2.5", "vulns": []}
    answering["osv"] = {"dependencies": [fine, {"name": "six", "version": "1.0", "vulns": [hole]}]}
    assert audit.main(LOCK) == 1
    told = capsys.readouterr().out
    assert "six 1.0: PYSEC-1, mended in 2.1" in told and "2 packages, 1 vulnerabilities" in told
    answering["pypi"] = {"dependencies": [fine]}
    assert audit.main(LOCK) == 0
    answering["pypi"] = {"dependencies": [fine, {"name": "odd", "skip_reason": "not found"}]}
    assert audit.main(LOCK) == 1
    assert "could not say of: odd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("printed", "is_answer"),
    [
        ("", False),
        ("[]", False),
        ('{"dependencies": [{"name": "six", "skip_reason": "not found"}]}', False),
        ('{"dependencies": [{"name": "six", "version": "1.0", "vulns": []}]}', True),
    ],
)
def test_what_is_no_answer_is_none(
    printed: str, is_answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Done:
        stdout = printed

    monkeypatch.setattr(subprocess, "run", lambda *_, **__: Done())
    assert (audit.ask("pypi", LOCK) is not None) == is_answer
