"""`stedi shell` follows what is typed, tells errors, and goes on."""

from __future__ import annotations

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


def typed(done: Lakehouse, text: str) -> Result:
    result = CliRunner().invoke(app, ["--root", str(done.root), "shell"], input=text)
    assert (result.exit_code, result.exception) == (0, None)
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
    )
    assert result.stdout == '"n"\n2\n'
    assert result.stderr.count("stedi: ") == 5


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
