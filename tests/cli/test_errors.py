"""Errors in one style: what happened, where, and the command to run; as JSON for programs."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, StediError
from stedi.cli import main
from stedi.declared import packaged
from stedi.roots.names import erasure_file
from tests.conftest import already_run
from tests.support.processes import STEDI, Process, started, stedi


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
@pytest.mark.parametrize(
    "verb",
    [
        ["status"],
        ["status", "--json"],
        ["query", "SELECT 1"],
        ["query", "SELECT 1", "--format", "arrow"],
        pytest.param(["audit"], marks=pytest.mark.slow),
        pytest.param(["run", "--help"], marks=pytest.mark.slow),
        ["--help"],
    ],
)
def test_standard_output_that_is_full_is_named(root: Path, verb: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [STEDI, *verb],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "STEDI_ROOT": str(root)},
        )
    assert done.returncode == 1
    assert "standard output: No space left on device" in done.stderr


@already_run
@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("query 'SELECT 1' >&-", 1, "stedi: standard output: Bad file descriptor\n"),
        ("query 'SELECT 1' --format csv >&-", 1, "stedi: standard output: Bad file descriptor\n"),
        ("status --json >&-", 1, "standard output: Bad file descriptor"),
        ("query - <&-", 2, "the statement is empty"),
        ("query 'SELEC 1' 2>&-", 2, ""),
    ],
)
def test_standard_streams_may_be_closed(root: Path, command: str, status: int, said: str) -> None:
    environment = {**os.environ, "STEDI_ROOT": str(root)}
    done = subprocess.run(
        ["sh", "-c", f"{STEDI} {command}"], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


@already_run
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--email", "X", "--dryrun"], "--dryrun; did you mean --dry-run?"),
        (["--dry-runn", "--email", "X"], "--dry-runn; did you mean --dry-run?"),
        (["--emial", "X", "--yes"], "--emial; did you mean --email?"),
        (["--emial=X", "--yes"], "--emial; did you mean --email?"),
    ],
)
def test_a_misspelt_option_of_erase_is_told(root: Path, words: list[str], meant: str) -> None:
    done = started("erase", *words, "--root", root).ended()
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no option {meant}" in done.stderr


@already_run
@pytest.mark.parametrize("folder", [".", "..", "/", "./"])
def test_an_output_file_that_is_a_folder_is_wrong_use(root: Path, folder: str) -> None:
    done = started("query", "SELECT 1", "--output", folder, "--root", root).ended()
    assert (done.returncode, done.stdout) == (2, "")
    assert "is a folder; name a file in it" in done.stderr


@already_run
@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_an_output_file_that_is_full_is_named(root: Path, format_: str) -> None:
    wide = ["query", "SELECT 1 AS a", "--output", "/dev/full", "--format", format_]
    done = started(*wide, "--root", root).ended()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "stedi: /dev/full: No space left on device\n"


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


def _stopped_at(module: str, name: str, call: int, after: bool, arguments: list[str]) -> None:
    """`stedi` with these arguments, sent SIGINT at the so-many-th call of a function of ours."""
    owner = importlib.import_module(module)
    function = getattr(owner, name)
    calls = itertools.count(1)

    def stopped(*given: Any, **options: Any) -> Any:
        is_it = next(calls) == call
        if is_it and not after:
            signal.raise_signal(signal.SIGINT)
        result = function(*given, **options)
        if is_it:
            signal.raise_signal(signal.SIGINT)
        return result

    setattr(owner, name, stopped)
    sys.argv = [str(STEDI), *arguments]
    main()


ERASE = ["erase", "--email", "ann@example.com"]
NOTHING = "stopped; nothing was changed"
BEGUN = (
    "stopped; the erasure was begun and is not finished; the next `stedi run` finishes it, then "
    "`stedi erase --verify` searches every byte"
)
UNPROVEN = (
    "stopped; the records were erased, the proof was not finished, and the receipt says so; "
    "`stedi erase --verify` searches every byte again"
)


@pytest.mark.parametrize(
    ("arguments", "at", "what_is_true", "is_held", "has_plan"),
    [
        ([*ERASE, "--dry-run"], ("stedi.rights.find", "find"), NOTHING, 1, 0),
        ([*ERASE, "--yes"], ("stedi.run.forget", "write_erasure"), BEGUN, 1, 1),
        pytest.param(
            [*ERASE, "--yes"], ("stedi.rights.erase", "find"), NOTHING, 1, 0, marks=pytest.mark.slow
        ),
        pytest.param(
            [*ERASE, "--verify"], ("stedi.rights.prove", "trace"), NOTHING, 1, 0,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            [*ERASE, "--yes"], ("stedi.run.forget", "remove_records"), BEGUN, 1, 1,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            [*ERASE, "--yes"], ("stedi.rights.prove", "trace"), UNPROVEN, 0, 0,
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
@already_run
def test_ctrl_c_in_an_erasure_says_what_is_true(
    root: Path,
    arguments: list[str],
    at: tuple[str, str],
    what_is_true: str,
    is_held: int,
    has_plan: int,
) -> None:
    done = Process(_stopped_at, *at, 1, True, [*arguments, "--root", str(root)]).ended()
    assert done.returncode == 130
    assert done.stderr.splitlines()[-2:] == ["stedi: stopping", f"stedi: {what_is_true}"]
    receipts = [path.read_text() for path in root.glob("_stedi/receipts/*")]
    assert ["Not verified yet" in text for text in receipts] == [True] * (what_is_true == UNPROVEN)
    stedi("erase", "--email", "ann@example.com", "--verify", "--root", root, check=is_held)
    assert erasure_file(root).exists() == bool(has_plan)
    if has_plan:
        stedi("run", "--root", root)
        stedi("erase", "--email", "ann@example.com", "--verify", "--root", root)


def test_ctrl_c_in_ingest_leaves_whole_files_and_the_rest_is_copied_later(
    root: Path, tmp_path: Path
) -> None:
    delivery = tmp_path / "delivery"
    stedi("simulate", delivery, "--customers", "20")
    files = sorted(path.relative_to(delivery) for path in delivery.glob("*/landing/*"))
    lakehouse = tmp_path / "new"
    at = ("stedi.landing.ingest", "_placed", 2, False)
    done = Process(_stopped_at, *at, ["ingest", str(delivery), "--root", str(lakehouse)]).ended()
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == (
        "stedi: stopping\nstedi: stopped; each file is copied whole or not at all; the same command "
        "copies the rest\n"
    )
    copied = [path.relative_to(lakehouse) for path in lakehouse.glob("*/landing/*")]
    assert len(copied) == 1
    stedi("ingest", delivery, "--root", lakehouse)
    for file in files:
        assert (lakehouse / file).read_bytes() == (delivery / file).read_bytes()
    done = Process(
        _stopped_at, "stedi.look", "look", 1, False,
        ["ingest", str(delivery), "--look", "--root", str(lakehouse)],
    ).ended()  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        130, "stedi: stopped; nothing was changed",
    )  # fmt: skip


@pytest.mark.parametrize("leads_to", ["lock", "../_stedi/lock", "other"])
def test_a_lock_that_leads_to_itself_is_named(tmp_path: Path, leads_to: str) -> None:
    (tmp_path / "_stedi").mkdir()
    (tmp_path / "_stedi" / "other").symlink_to("lock")
    (tmp_path / "_stedi" / "lock").symlink_to(leads_to)
    with pytest.raises(StediError, match=r"_stedi/lock: a link that leads to itself; remove it"):
        Lakehouse(tmp_path).run()
