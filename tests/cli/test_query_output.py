"""What `stedi query` prints and writes, and where it takes its statement from."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from stedi.cli import query as cli_query
from stedi.cli.commands import app
from tests.conftest import on
from tests.support import small

VALUES = (
    "SELECT true AS b, NULL AS nothing, 1.5e0 AS x, 1e10 AS big, ARRAY[1, NULL] AS list, "
    "MAP(ARRAY['a'], ARRAY[2]) AS map, TIMESTAMP '2020-01-01 10:00:00' AS at, "
    "from_unixtime(0) AS zoned, 'it|s' AS s, X'00ff' AS bytes, DATE '2020-01-02' AS day"
)
SHOWN = [
    *("true", "NULL", "1.5", "1.0E10", "[1, null]", "{a=2}", "2020-01-01 10:00:00.000"),
    *("1970-01-01 00:00:00.000 UTC", "it|s", "00 ff", "2020-01-02"),
]
MANY = "SELECT n FROM UNNEST(SEQUENCE(1, 120)) AS t (n) ORDER BY n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Path:
    root = tmp_path_factory.mktemp("done") / "root"
    small.land(root)
    on("duckdb", root, not_anonymous).run()
    return root


def ask(root: Path, *arguments: str, given: str | None = None, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["--root", str(root), "query", *arguments], input=given)
    assert (result.exit_code, result.exception if status == 0 else None) == (status, None), result
    return result


def test_values_are_shown_as_athena_shows_them(root: Path) -> None:
    names, dashes, values = ask(root, VALUES).stdout.splitlines()
    assert names.split() == [
        *("b", "nothing", "x", "big", "list", "map", "at", "zoned", "s", "bytes", "day")
    ]
    assert set(dashes) == {"-", " "}
    at = 0
    for text in SHOWN:
        at = values.index(text, at) + len(text)


def test_numbers_are_aligned_to_the_right(root: Path) -> None:
    lines = ask(root, "SELECT n, s FROM (VALUES (1, 'a'), (1000, 'bb')) t (n, s) ORDER BY n").stdout
    assert lines.splitlines() == ["   n  s", "----  --", "   1  a", "1000  bb"]


def test_markdown(root: Path) -> None:
    names, rule, values = ask(root, VALUES, "--format", "markdown").stdout.splitlines()
    assert names.startswith("| b | nothing | x |")
    assert rule == f"|{' --- |' * 11}"
    assert values == f"| {' | '.join(SHOWN)} |".replace("it|s", "it\\|s")


def test_json_lines(root: Path) -> None:
    lines = ask(root, MANY, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"n": n} for n in range(1, 121)]


def test_arrow(root: Path, tmp_path: Path) -> None:
    printed = ask(root, MANY, "--format", "arrow").stdout_bytes
    table = pa.ipc.open_stream(io.BytesIO(printed)).read_all()
    assert table.column("n").to_pylist() == [*range(1, 121)]
    ask(root, MANY, "-o", str(tmp_path / "out.arrow"))
    assert pa.ipc.open_stream((tmp_path / "out.arrow").read_bytes()).read_all().num_rows == 120


def test_lists_and_maps_in_csv(root: Path) -> None:
    lines = ask(root, "SELECT ARRAY[1, 2] AS a, MAP(ARRAY['k'], ARRAY[1]) AS m", "--format", "csv")
    assert lines.stdout.splitlines() == ['"a","m"', '"[1, 2]","{k=1}"']


def test_all_rows_are_printed_where_it_is_no_terminal(root: Path) -> None:
    result = ask(root, MANY)
    assert len(result.stdout.splitlines()) == 122
    assert result.stderr == ""


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl", "markdown"])
def test_a_limit_cuts_and_says_so_on_stderr(root: Path, form: str) -> None:
    result = ask(root, MANY, "--limit", "20", "--format", form)
    assert "20" in result.stdout
    assert "21" not in result.stdout
    assert "more" not in result.stdout
    assert result.stderr == "… and 100 more rows; --limit ROWS prints more\n"


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_fifty_rows_and_wide_ones_a_column_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    rows = pa.table({"n": range(120)})
    cli_query.show_rows(rows.to_reader(), cli_query.Format.table, None)
    terminal.seek(0)
    assert terminal.read().splitlines()[-1].strip() == "49"
    terminal.truncate(0)
    wide = pa.table({"first": ["a" * 50], "second column": [1]})
    cli_query.show_rows(wide.to_reader(), cli_query.Format.table, None)
    terminal.seek(0)
    assert terminal.read().strip("\0").splitlines() == [
        *("-- row 1", f"first          {'a' * 50}", "second column  1")
    ]
    assert "70 more rows" in capsys.readouterr().err


def test_a_statement_from_a_file_or_standard_input(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ask.sql").write_text("-- how many\nSELECT COUNT(*) AS n\nFROM customer_landing;\n")
    for result in (
        ask(root, "-f", str(tmp_path / "ask.sql"), "--format", "jsonl"),
        ask(root, "-", "--format", "jsonl", given="SELECT COUNT(*) AS n FROM customer_landing"),
        ask(
            root, "-f", "-", "--format", "jsonl", given="SELECT COUNT(*) AS n FROM customer_landing"
        ),
    ):
        assert result.stdout == '{"n": 18}\n'
    assert "give a statement" in ask(root, status=2).stderr
    assert "give a statement" in ask(root, "SELECT 1", "-f", "x.sql", status=2).stderr
    assert "No such file" in ask(root, "-f", str(tmp_path / "none.sql"), status=2).stderr
    (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe9'")
    assert "not UTF-8" in ask(root, "-f", str(tmp_path / "latin.sql"), status=2).stderr


def test_parameters_of_the_command_line(root: Path) -> None:
    asked = ("SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e", "--format", "jsonl")
    given = [x for value in ("ann", "7", "'7'", "NULL", "true") for x in ("--param", value)]
    assert json.loads(ask(root, *asked, *given).stdout) == {
        "a": "ann", "b": 7, "c": "7", "d": None, "e": True
    }  # fmt: skip


def test_what_may_differ_is_told_on_stderr(root: Path) -> None:
    result = ask(
        root, "SELECT approx_distinct(email) AS n FROM customer_landing", "--format", "csv"
    )
    assert result.stdout.splitlines()[0] == '"n"'
    assert result.stderr == (
        "Note: approx_distinct: an estimate, which Athena makes in another way.\n"
    )
