"""What `stedi query` prints and writes, and where it takes its statement from."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from stedi.cli import query as cli_query
from stedi.cli.commands import app
from stedi.errors import QueryError
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("md5(to_utf8('a'))", "0c c1 75 b9 c0 f1 b6 a8 31 c3 99 e2 69 77 26 61"),
        ("X'00ff'", "00 ff"),
        ("DATE '2024-03-31' - DATE '2024-03-01'", "30 00:00:00.000"),
        ("INTERVAL '14' MONTH", "1-2"),
    ],
)
def test_bytes_and_intervals_are_texts_where_a_format_has_no_form(
    root: Path, tmp_path: Path, value: str, shown: str
) -> None:
    sql = f"SELECT {value} AS v"
    assert ask(root, sql, "--format", "csv").stdout == f'"v"\n"{shown}"\n'
    ask(root, sql, "-o", str(tmp_path / "v.csv"))
    assert (tmp_path / "v.csv").read_text() == f'"v"\n"{shown}"\n'
    assert json.loads(ask(root, sql, "--format", "json").stdout) == [{"v": shown}]
    listed = f"SELECT ARRAY[{value}] AS v, MAP(ARRAY['k'], ARRAY[{value}]) AS m"
    [row] = json.loads(ask(root, listed, "--format", "json").stdout)
    assert row == {"v": [shown], "m": [["k", shown]]}
    for asked, expected in ((sql, shown), (listed, f"[{shown}]")):
        ask(root, asked, "-o", str(tmp_path / "v.parquet"))
        [found] = pq.read_table(tmp_path / "v.parquet").column("v").to_pylist()
        assert as_text(found) == expected


def as_text(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(as_text, value))}]"
    return value.hex(" ") if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("format_", ["table", "csv", "json", "markdown", "arrow"])
@pytest.mark.parametrize(
    "value",
    [
        "TIMESTAMP '99999-01-01 00:00:00'",
        "DATE '99999-01-01'",
        "TIMESTAMP '0000-12-31 00:00:00'",
        "ARRAY[ROW(DATE '10000-01-01')]",
        "MAP(ARRAY[1], ARRAY[DATE '10000-01-01'])",
    ],
)
def test_times_that_cannot_be_shown_are_an_error(root: Path, value: str, format_: str) -> None:
    result = ask(root, f"SELECT {value} AS v", "--format", format_, status=1)
    assert isinstance(result.exception, QueryError)
    assert "outside of the years 1 to 9999" in str(result.exception)


def test_the_first_and_last_times_are_shown(root: Path) -> None:
    sql = "SELECT TIMESTAMP '0001-01-01 00:00:00' AS a, DATE '9999-12-31' AS b"
    assert ask(root, sql).stdout.splitlines()[2].split() == [
        "0001-01-01",
        "00:00:00.000",
        "9999-12-31",
    ]


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
