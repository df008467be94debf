"""Errors in one style: what happened, where, and the command to run; as JSON for programs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.declared import packaged
from tests.conftest import already_run
from tests.support.processes import STEDI, started, stedi


@pytest.fixture
def root(small_lakehouse: Lakehouse) -> Path:
    return small_lakehouse.root


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--xyz"], "there is no option --xyz; `stedi run --help` shows how to use it"),
        (["run", "--max-pair", "3"], "no option --max-pair; did you mean --max-pairs? `stedi run"),
        (["run", "--max-pairs", "x"], "--max-pairs x: is not a whole number; `stedi run --help`"),
        (["run", "--wait", "soon"], "--wait soon: is not a number; `stedi run --help`"),
        (["run", "--wait", "-1"], "--wait -1.0: must be 0 or more; `stedi run --help`"),
        (["run", "--engine", "foo"], "--engine foo: is unknown; choose duckdb, spark; `stedi run"),
        (["run", "--max-pairs"], "--max-pairs needs a value; `stedi run --help`"),
        (["run", "--full=3"], "--full takes no value; `stedi run --help`"),
        (["audit", "a", "b"], "unexpected argument b; `stedi audit --help`"),
        (["page"], "FILE.html is missing; `stedi page --help`"),
        (["rnu"], "there is no command rnu; did you mean run? `stedi --help` shows how"),
        (["quarantine", "lst"], "no command lst; did you mean list? `stedi quarantine --help`"),
        (["--root", "x"], "a command is missing; `stedi --help`"),
    ],
)  # fmt: skip
def test_wrong_options_are_told_as_all_errors_are(arguments: list[str], said: str) -> None:
    done = started(*arguments).ended()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("stedi: ") and said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELEC 1",
            "line 1, column 1: a statement doesn't begin with 'SELEC'; did you mean SELECT?",
        ),
        ("SELECT 1 FROM", "line 1, column 10: a table is missing after FROM"),
        ("SELECT (1", "line 1, column 9: ) is missing"),
        ("SELECT 1 FORM loads", "'loads' is unexpected here; a comma or a keyword may be missing"),
        ("SELECT CASE WHEN TRUE THEN 2", "END is missing after CASE"),
        ("SELECT 1,\n  file,\nFROM loads", "line 2, column 7: something is missing after ,"),
        ("SELECT 1 FROM loads a JOIN loads b ON", "column 36: a condition is missing after ON"),
        ("SELECT 1 FROM loads a JOIN loads b", "a JOIN has no condition"),
    ],
)
@already_run
def test_a_statement_with_a_fault_is_shown_where_it_is(root: Path, sql: str, said: str) -> None:
    assert said in stedi("query", sql, "--root", root, check=2)


@already_run
def test_errors_are_json_for_programs(root: Path) -> None:
    for arguments, kind in (
        (["query", "SELEC 1", "--json", "--root", str(root)], "QueryError"),
        (["run", "--foo", "--json"], "UsageError"),
        (["status", "--json", "--root", "nowhere/at/all"], "UsageError"),
    ):
        done = started(*arguments).ended()
        told = json.loads(done.stderr)
        assert (done.returncode, done.stdout, told["ok"]) == (2, "", False)
        assert (told["error"]["type"], told["error"]["exit_status"]) == (kind, 2)
        assert told["error"]["message"]


@already_run
@pytest.mark.parametrize("verb", [["status"], ["query", "SELECT 1"], ["status", "--json"]])
def test_standard_output_that_is_full_is_named(root: Path, verb: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [STEDI, *verb, "--root", root], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert "standard output: No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("find", "replace", "said"),
    [
        ("maxBadShare", "maxBadshare", "maxBadshare: no such key"),
        ("value: 0.9", "value: many", "must be a number, not 'many'"),
        ("value: 0.9", "value: true", "must be a number, not true"),
        ("value: 0.9", "value: [", ": not YAML: "),
        ("required: true", "required: 3", "must be true or false, not 3"),
    ],
)
def test_wrong_yaml_is_told_in_words(tmp_path: Path, find: str, replace: str, said: str) -> None:
    folder = tmp_path / "declared"
    for name in ("contracts", "transforms"):
        (folder / name).mkdir(parents=True)
        for file in (packaged() / name).iterdir():
            if file.is_file():
                (folder / name / file.name).write_bytes(file.read_bytes())
    contract = folder / "contracts" / "customer_landing.yaml"
    text = contract.read_text()
    assert find in text
    contract.write_text(text.replace(find, replace, 1))
    told = stedi("check", "--declarations", folder, check=1)
    assert "contracts/customer_landing.yaml" in told and said in told
    assert "Input should" not in told


@pytest.mark.parametrize(
    ("verb", "what_is_true"),
    [
        (["query", "SELECT SUM(SIN(a.x * b.x * c.x)) FROM accelerometer_landing a CROSS JOIN "
          "accelerometer_landing b CROSS JOIN accelerometer_landing c CROSS JOIN "
          "accelerometer_landing d CROSS JOIN accelerometer_landing e CROSS JOIN "
          "accelerometer_landing f CROSS JOIN accelerometer_landing g CROSS JOIN "
          "accelerometer_landing h CROSS JOIN accelerometer_landing i"],
         "stopped; nothing was changed"),
    ],
)  # fmt: skip
@already_run
def test_ctrl_c_says_stopping_and_then_what_is_true(
    root: Path, verb: list[str], what_is_true: str
) -> None:
    process = started(*verb, "--root", root)
    time.sleep(1.5)
    assert process.runs
    process.send_signal(signal.SIGINT)
    done = process.ended()
    assert done.returncode == 130
    assert done.stderr == f"stedi: stopping\nstedi: {what_is_true}\n"
