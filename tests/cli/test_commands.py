"""The command line, as processes."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse
from tests.conftest import already_run
from tests.support import small
from tests.support.processes import STEDI, started, stedi


@pytest.fixture
def root(small_lakehouse: Lakehouse) -> Path:
    return small_lakehouse.root


@pytest.mark.slow
def test_the_demo_simulates_runs_and_says_where_to_look_next(tmp_path: Path) -> None:
    output = stedi("demo", "--root", tmp_path / "the demo")
    assert "956 customers" in output
    assert "machine_learning_curated" in output
    assert f"{STEDI} status --root '{tmp_path / 'the demo'}'" in output
    again = stedi("demo", "--seed", "1", "--root", tmp_path / "the demo")
    assert "nothing was simulated" in again
    again = stedi("demo", "--root", tmp_path / "the demo")
    assert "Simulated" not in again
    told = json.loads(stedi("demo", "--json", "--root", tmp_path / "the demo"))
    assert (told["simulated"], told["run"]["built"]) == (None, [])
    assert json.loads(stedi("status", "--json", "--root", tmp_path / "the demo"))["ok"]
    # They walk: a foot is near in the half of a stride in which the body leans to its side.
    sql = (
        "SELECT avg(x) FILTER (WHERE distancefromobject < 250) - "
        "avg(x) FILTER (WHERE distancefromobject >= 250) AS leans FROM machine_learning_curated"
    )
    [row] = json.loads(stedi("query", sql, "--json", "--root", tmp_path / "the demo"))
    assert row["leans"] > 0.05  # of the 0.15 g that a pelvis goes sideways


def test_ingest_run_status_query(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert "3 files copied" in stedi("ingest", root, "--root", other)
    assert "0 files copied" in stedi("ingest", root, "--root", other)
    assert "updates 8 tables" in stedi("status", "--root", other)
    assert "machine_learning_curated" in stedi("run", "--root", other)
    assert "up to date" in stedi("run", "--root", other)
    assert "All record counts reconcile" in stedi("status", "--verify", "--root", other)
    more = tmp_path / "more.json"
    more.write_text(json.dumps(small.acceleration("ann", 5000, 0.1)))
    told = stedi("ingest", more, "--source", "accelerometer", "--root", other)
    assert f"1 file copied into {other}, 0 with a content that is there already" in told
    assert "1 landing file not read yet" in stedi("status", "--root", other)
    assert "1 new landing file " in stedi("run", "--root", other)
    assert "12" in stedi("query", "SELECT COUNT(*) FROM machine_learning_curated", "--root", other)


def test_what_is_left_to_do_is_told(root: Path) -> None:
    stedi("run", "--only", "customer_trusted", "--root", root)
    again = stedi("run", "--only", "customer_trusted", "--root", root)
    assert "`stedi run` updates 6 tables." in again
    assert "Everything" not in again


@already_run
def test_options_stand_before_or_after_the_verb_or_in_the_environment(root: Path) -> None:
    for arguments, env in (
        (("--root", root, "status", "--json"), {}),
        (("status", "--root", root, "--json"), {}),
        (("status", "--json"), {"STEDI_ROOT": str(root)}),
        (("--root", "/elsewhere", "status", "--json", "--root", root), {}),
    ):
        tables = json.loads(stedi(*arguments, **env))["tables"]  # type: ignore[arg-type]
        assert tables["customer_trusted"]["rows"] == small.SEED["customer_trusted"]


def test_the_default_root_is_a_folder_here(tmp_path: Path) -> None:
    stedi("demo", "--quiet", cwd=tmp_path)
    assert (tmp_path / "lakehouse" / "_stedi" / "catalog.db").exists()


def test_quiet_is_silent(root: Path) -> None:
    for arguments in (("run",), ("status",), ("check",), ("run", "--full")):
        assert stedi(*arguments, "--quiet", "--root", root) == ""


def test_one_file_is_ingested_as_a_source(root: Path, tmp_path: Path) -> None:
    file = root / "customer" / "landing" / "one.json"
    stedi("ingest", file, "--source", "customer", "--root", tmp_path / "other")
    assert (
        tmp_path / "other" / "customer" / "landing" / "one.json"
    ).read_bytes() == file.read_bytes()
    # the same name with other bytes is kept beside it
    file.write_text(file.read_text() + "\n")
    stedi("ingest", file, "--source", "customer", "--root", tmp_path / "other")
    assert len(list((tmp_path / "other" / "customer" / "landing").iterdir())) == 2


@already_run
@pytest.mark.parametrize("format_", ["csv", "json", "table"])
def test_rows_are_printed_in_every_format(root: Path, format_: str) -> None:
    sql = "SELECT distancefromobject AS d, x FROM machine_learning_curated LIMIT 2"
    output = stedi("query", sql, "--format", format_, "--root", root)
    if format_ == "json":
        assert json.loads(output) == [{"d": 210.0, "x": 0.1}, {"d": 210.0, "x": 0.2}]
    elif format_ == "csv":
        assert output.splitlines() == ['"d","x"', "210,0.1", "210,0.2"]
    else:
        assert "210.0" in output


@already_run
def test_rows_are_written_as_parquet(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    stedi(
        "query",
        "SELECT * FROM machine_learning_curated",
        "--format",
        "parquet",
        "-o",
        path,
        "--root",
        root,
    )
    assert pq.read_metadata(path).num_rows == 12
    by_ending = tmp_path / "by-ending.parquet"
    stedi("query", "SELECT * FROM machine_learning_curated", "-o", by_ending, "--root", root)
    assert pq.read_table(by_ending).equals(pq.read_table(path))
    assert "--output" in stedi("query", "SELECT 1", "--format", "parquet", "--root", root, check=2)
    for options in (["--format", "csv"], ["-o", root / "a.csv"]):
        told = stedi("query", "SELECT 1", "--json", *options, "--root", root, check=2)
        assert "not both" in told
    told = stedi("query", "SELECT 1", "-o", root / "no" / "a.csv", "--root", root, check=2)
    assert "there is no folder" in told


def test_ddl_names_the_location(root: Path) -> None:
    output = stedi("ddl", "--location", "s3://bucket/lake")
    assert output.count("CREATE EXTERNAL TABLE") == 3
    assert "LOCATION 's3://bucket/lake/step_trainer/landing/'" in output
    assert "`sharewithfriendsasofdate` bigint" in output
    assert "'table_type' = 'ICEBERG'" in stedi("ddl", "customer_trusted")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("status", "--root", "/no/such/folder"), 2, "no lakehouse here"),
        (("run", "--root", "/no/such/folder"), 2, "no lakehouse here"),
        (("run", "--profile", "wild"), 2, "seed, shielded, strict"),
        (("run", "--engine", "abacus"), 2, "duckdb"),
        (("run", "--max-pairs", "-1"), 2, "--max-pairs"),
        (("query", "SELEC 1"), 2, "line 1, column 1"),
        (("query", "SELECT * FROM nowhere"), 2, "no table nowhere"),
        (("ddl", "nowhere"), 2, "no table nowhere"),
        (("ingest", "/no/such/folder"), 2, "no such folder"),
        (("ingest",), 2, "--starter"),
        (("ingest", ".", "--source", "shoes"), 2, "step_trainer"),
        (("check", "--declarations", "/no/such/folder"), 2, "no such folder"),
        (("simulate", ".", "--customers", "0"), 2, "at least 1"),
        (("simulate", ".", "--seed", "-1"), 2, "0 or more"),
        (("status", "--root", ""), 2, "--root: is empty"),
        (("query", "SELECT 'x"), 2, "is a quote or a comment without its end?"),
        (("query", "SELECT 1 FROM loads FOR VERSION AS OF 1"), 2, "--as-of TIME"),
        (("check", "--graph", "x.png"), 2, "FILE.svg"),
        (("quarantine", "list", "--file", "x.json"), 2, "no such landing file"),
        (("fly",), 2, "there is no command fly"),
        (("ingest", __file__), 2, "--source NAME"),
        (("check", "--declarations", __file__), 2, "not a folder"),
        (("simulate", __file__), 2, "not a folder"),
        (("simulate", "x", "--customers", "40", "--defects", "2"), 2, "have room for 0 to 1"),
        (("--root", "gs://bucket", "status"), 2, "a local folder"),
    ],
)
def test_wrong_use_is_said_plainly(
    root: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    assert said in stedi(*arguments, check=status, STEDI_ROOT=str(root))


@already_run
def test_a_check_that_fails_ends_with_1(root: Path, tmp_path: Path) -> None:
    (root / "customer" / "landing" / "one.json").unlink()
    for options in ((), ("--quiet",)):
        assert "one.json: gone" in stedi("status", *options, "--root", root, check=1)
    (tmp_path / "d" / "contracts").mkdir(parents=True)
    (tmp_path / "d" / "transforms").mkdir()
    assert "no contracts" in stedi("check", "--declarations", tmp_path / "d", check=1)
    told = stedi("check", "--json", "--declarations", tmp_path / "d", check=1)
    found, _ = json.JSONDecoder().raw_decode(told)  # the same stands on stderr
    assert found["ok"] is False
    assert "no contracts" in found["problems"][0]


def test_help_is_everywhere_and_shells_complete() -> None:
    verbs = ("demo", "simulate", "ingest", "run", "status", "query", "check", "ddl")
    overview = stedi("--help")
    for verb in verbs:
        assert verb in overview
        assert "Usage" in stedi(verb, "--help")
    assert stedi("--version").startswith("stedi 0.")
    script = stedi(check=None, _STEDI_COMPLETE="source_bash")
    assert "_STEDI_COMPLETE" in script


@already_run
def test_a_reader_that_had_enough_is_no_error(root: Path) -> None:
    command = (
        f"{STEDI} query 'SELECT * FROM step_trainer_landing' --format csv --root {root} | head -1"
    )
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_a_query_that_fails_leaves_the_file_that_was_there(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("precious")
    stedi(
        "query",
        "--root",
        root,
        "SELECT CAST(email AS BIGINT) AS a FROM customer_landing",
        "-o",
        file,
        check=2,
    )
    assert file.read_text() == "precious"
    assert [*tmp_path.glob(".*")] == []
    stedi("query", "--root", root, "SELECT 1 AS a", "-o", file)
    assert file.read_text() == '"a"\n1\n'


def test_the_ending_of_a_file_names_its_format(root: Path, tmp_path: Path) -> None:
    ask = ("query", "--root", root, "SELECT 1 AS a", "-o")
    stedi(*ask, tmp_path / "a.JSON")
    assert json.loads((tmp_path / "a.JSON").read_text()) == [{"a": 1}]
    stedi(*ask, tmp_path / "a.xlsx", check=2)
    stedi(*ask, tmp_path / "a.xlsx", "--format", "csv")


def test_defaults_are_shown_in_help() -> None:
    shown = " ".join(stedi("run", "--help").replace("│", " ").split())
    assert shown.count("[default: ") >= 6


def test_what_would_go_unseen_is_told(root: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert stedi("run", "--root", empty).count("There are no records of the source") == 3
    other = tmp_path / "customer" / "landing" / "one.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    said = stedi("ingest", tmp_path, "--root", root)
    assert "customer/landing/one-2.json: a file of its name was there" in said


def test_who_interrupts_is_told_and_half_a_population_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "deliveries"
    process = subprocess.Popen(
        [STEDI, "simulate", folder, "--customers", "1000000"], stderr=subprocess.PIPE, text=True
    )
    give_up = time.monotonic() + 60
    while not any(tmp_path.rglob("*.json")) and time.monotonic() < give_up:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.count("\n")) == (130, 2)
    assert errors.startswith("stedi: stopping\nstedi: stopped; ")
    assert not folder.exists()


def test_quarantine_list_show_and_replay(root: Path) -> None:
    (root / "step_trainer" / "landing" / "cut.json").write_text('{"sensorReadingTime":8,"ser')
    stedi("run", "--root", root)
    listed = stedi("quarantine", "list", "--root", root)
    assert "step_trainer/cut.json@0" in listed
    assert "A program that was stopped" in listed
    assert '"sensorReadingTime":0,"xxx' in listed
    shown = stedi("quarantine", "show", "step_trainer/cut.json@0", "--raw", "--root", root)
    assert '{"sensorReadingTime":8,"ser' in shown
    stedi("quarantine", "show", "step_trainer/cut.json@1", "--root", root, check=2)
    (root / "step_trainer" / "landing" / "cut.json").unlink()
    assert "1" in stedi("quarantine", "replay", "--root", root)
    assert "No record is quarantined" in stedi("quarantine", "list", "--root", root)
    listing = json.loads(stedi("quarantine", "list", "--json", "--root", root))
    assert listing == {"count": 0, "groups": [], "pieces": []}
    report = json.loads(stedi("quarantine", "replay", "--json", "--root", root))
    assert report["before"] == report["after"] == {}


def test_quarantined_text_does_not_reach_the_terminal_as_commands(root: Path) -> None:
    landing = root / "accelerometer" / "landing"
    (landing / "odd\x1b[31m.json").write_bytes(b"\x1b]0;title\x07 {\n")
    stedi("run", "--root", root)
    for raw in ((), ("--raw",)):
        output = stedi("quarantine", "list", *raw, "--root", root)
        assert "\\x1b" in output
        assert "\x1b" not in output
        assert "\x07" not in output


def test_single_kinds_of_defects_can_be_planted(tmp_path: Path) -> None:
    stedi("simulate", tmp_path / "one", "--customers", "100", "--defects", "cut off=2", "--quiet")
    truth = json.loads((tmp_path / "one" / "truth.json").read_text())
    seed = truth["profiles"]["seed"]
    assert seed["sources"]["customer"]["quarantined"] == {"cut off": 2}
    assert "--defects" in stedi("simulate", tmp_path / "two", "--defects", "some", check=2)
    assert "no defect frogs" in stedi("simulate", tmp_path / "two", "--defects", "frogs=1", check=2)


@already_run
@pytest.mark.parametrize("reader", ["status", "query", "query --format csv"])
def test_a_reader_who_has_had_enough_is_no_failure(root: Path, reader: str) -> None:
    verb, *options = reader.split()
    sql = ["SELECT * FROM accelerometer_landing, customer_landing"] if verb == "query" else []
    process = started(verb, *sql, *options, "--root", root)
    process.stdout.close()
    done = process.ended()
    assert (done.returncode, done.stderr) == (0, "")


@already_run
def test_what_a_format_has_no_word_for_is_told(root: Path, tmp_path: Path) -> None:
    odd = "SELECT 1e308 * 10 AS x, 0e0 / 0e0 AS y"
    assert json.loads(stedi("query", odd, "--json", "--root", root)) == [{"x": "inf", "y": "nan"}]
    twice = stedi("query", "SELECT 1 AS a, 2 AS a", "--json", "--root", root, check=2)
    assert "column a twice" in twice
    file = tmp_path / "twice.parquet"
    twice = stedi("query", "SELECT 1 AS a, 2 AS a", "-o", file, "--root", root, check=2)
    assert "column a twice" in twice and not file.exists()
    lists = "SELECT SPLIT(email, '@') AS parts FROM customer_trusted"
    written = stedi("query", lists, "--format", "csv", "--root", root)
    assert '"[ann, example.com]"' in written


@pytest.mark.parametrize("root", ["w/per%41cent", "tab\tbed"])
def test_a_folder_that_a_uri_would_misread_is_refused(root: str) -> None:
    assert "without #, ?" in stedi("run", "--root", root, check=2)


def test_a_location_that_is_no_s3_uri_is_refused() -> None:
    for location in ("s3://x'y/z", "folder"):
        assert "as in s3://bucket" in stedi("ddl", "--location", location, check=2)


def test_a_run_that_must_withhold_its_publication_tells_what_else_it_did(root: Path) -> None:
    # As declared, with five people needed; there are fewer.
    told = stedi("run", "--root", root, check=1, STEDI_DECLARATIONS="")
    assert "accelerometer_trusted" in told
    assert "machine_learning_curated: " in told
    assert "are needed" in told


def test_quarantine_list_keeps_to_120_characters_in_a_pipe(root: Path) -> None:
    name = "deliveries-of-the-year-2026/" + "a-long-name-" * 8 + ".json"
    small.write(root, "customer", b'{"email": "' + b"x" * 900 + b'", "phone": oops}\n', name)
    stedi("run", "--only", "customer_trusted", "--root", root)
    lines = stedi("quarantine", "list", "--root", root).splitlines()
    assert "not JSON" in "".join(lines)
    assert max(map(len, lines)) <= 120


@already_run
def test_a_secret_that_was_rotated_is_told_to_programs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = str(tmp_path / "config")
    monkeypatch.delenv("STEDI_SECRET")
    printed = stedi("secret", "rotate", "--json", "--root", root, XDG_CONFIG_HOME=config)
    told = json.loads(printed)
    place = tmp_path / "config" / "stedi" / "secret"
    assert told == {"place": str(place), "rekeyed": {"erased": 0, "ledger": 0}}
    assert place.exists()
