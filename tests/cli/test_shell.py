"""`stedi shell` follows what is typed, tells errors, and goes on."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stedi import Lakehouse
from stedi.cli.commands import app
from stedi.cli.shell import Shell
from tests.conftest import on
from tests.support import small


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Lakehouse:
    root = tmp_path_factory.mktemp("done") / "root"
    small.land(root)
    lakehouse = on("duckdb", root, not_anonymous)
    lakehouse.run()
    return lakehouse


def typed(done: Lakehouse, text: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["--root", str(done.root), "shell"], input=text)
    assert result.exit_code == status, result
    return result


def test_a_statement_may_take_several_lines(done: Lakehouse) -> None:
    result = typed(done, "SELECT COUNT(*) AS n\nFROM customer_landing\n;\nSELECT 1 AS m;")
    assert result.stdout.split() == ["n", "--", "18", "m", "-", "1"]
    assert result.stderr.count("1 row in ") == 2


def test_the_last_semicolon_may_lack(done: Lakehouse) -> None:
    assert typed(done, "SELECT 7 AS n").stdout.split() == ["n", "-", "7"]


def test_commands(done: Lakehouse) -> None:
    said = typed(
        done, ".tables\n.schema accelerometer_trusted\n.mode jsonl\nSELECT 1 AS n;\n.help\n"
    )
    assert "machine_learning_curated" in said.stdout
    assert "timestamp  bigint" in said.stdout
    assert '{"n": 1}' in said.stdout
    assert ".quit" in said.stdout


def test_errors_are_told_and_it_goes_on(done: Lakehouse) -> None:
    result = typed(
        done,
        "SELEC 1;\nSELECT * FROM nowhere;\n.mode odd\n.odd\n.schema\n.mode csv\nSELECT 2 AS n;\n",
        status=2,
    )
    assert result.stdout == '"n"\n2\n'
    assert result.stderr.count("stedi: ") == 5


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("SELECT 3 c; SELECT 4 d;", "c - 3 d - 4"),
        ("SELECT 1 a; SELECT\n2 b;SELECT 3 c", "a - 1 b - 2 c - 3"),
        ("SELECT 1 -- a; b\n AS x;", "x - 1"),
        ("SELECT 1 /* a; \n b; */ AS x;", "x - 1"),
        ("SELECT 'it''s;' AS x;", "x ----- it's;"),
        ('SELECT 1 AS "x;";', "x; -- 1"),
        ("SELECT 'a\n;b' AS x;", "x ----- a\\n;b"),
        (";; -- nothing;\n;/* nothing; */;", ""),
        ("-- a comment\n.mode csv\n-- another\nSELECT 1 x;", '"x" 1'),
    ],
)
def test_a_semicolon_ends_a_statement_outside_of_texts_and_comments(
    done: Lakehouse, text: str, printed: str
) -> None:
    assert typed(done, text).stdout.split() == printed.split()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("SELECT 1;", 0),
        ("SELECT 1 / 0;\nSELECT 1;", 2),
        ("SELEC 1;\n", 2),
        ("SELECT * FROM nowhere", 2),
        (".odd\n", 2),
    ],
)
def test_a_file_of_statements_ends_with_the_status_of_its_first_error(
    done: Lakehouse, text: str, status: int
) -> None:
    typed(done, text, status)


def test_a_limit_cuts_rows_and_names_what_prints_all(done: Lakehouse) -> None:
    sql = "SELECT x FROM (VALUES 1, 2, 3) t (x);\n"
    said = typed(done, f".limit 1\n{sql}.limit all\n{sql}")
    assert said.stdout.split() == ["x", "-", "1", "x", "-", "1", "2", "3"]
    assert "… and 2 more rows; .limit all prints more\n" in said.stderr
    assert "a whole number, or all" in typed(done, ".limit many\n", 2).stderr


WITHOUT = "import sys; sys.modules['prompt_toolkit'] = None; from stedi.cli import main; main()"


@pytest.mark.parametrize("command", [["-m", "stedi"], ["-c", WITHOUT]])
def test_statements_are_typed_at_a_prompt_and_kept_for_their_owner(
    done: Lakehouse, tmp_path: Path, command: list[str]
) -> None:
    env = {**os.environ, "TERM": "xterm", "XDG_STATE_HOME": str(tmp_path)}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *command, "--root", str(done.root), "shell"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=env,
    )  # fmt: skip
    os.close(theirs)
    said = read_until(ours, "stedi>")
    os.write(ours, b"SELECT 6 * 7\r")
    said += read_until(ours, "...")
    os.write(ours, b"AS answer;\r")
    said += read_until(ours, "seconds")
    os.write(ours, b".quit\r")
    said += read_until(ours, None)
    os.close(ours)
    assert process.wait() == 0
    assert "answer" in said and "42" in said
    if command == ["-m", "stedi"]:
        history = tmp_path / "stedi" / "history"
        assert "+SELECT 6 * 7\n+AS answer;\n" in history.read_text()
        assert stat.S_IMODE(history.stat().st_mode) == 0o600
        assert stat.S_IMODE(history.parent.stat().st_mode) == 0o700


def read_until(terminal: int, text: str | None) -> str:
    said = ""
    while text is None or text not in said:
        try:
            block = os.read(terminal, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        said += block.decode()
    return said


def test_quit_ends_it(done: Lakehouse) -> None:
    assert typed(done, ".quit\nSELECT 1 AS n;\n").stdout == ""


def test_tables_columns_and_functions_are_completed(done: Lakehouse) -> None:
    words = Shell(done).words()
    for word in ("customer_trusted", "distancefromobject", "date_diff", "zip_with", "GROUP BY"):
        assert word in words


def test_python_runs_the_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stedi", "-V"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("stedi ")
