"""Help: examples of every command that parse, plain words, and what Tab completes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from stedi import Lakehouse
from stedi.cli import complete
from stedi.cli.commands import app
from stedi.cli.examples import EXAMPLES
from tests.conftest import already_run
from tests.support.processes import STEDI, started, stedi
from tests.support.words import old_words

STEDI_COMMAND: Any = get_command(app)


def commands() -> Iterator[str]:
    for name, command in STEDI_COMMAND.commands.items():
        below = getattr(command, "commands", {})
        yield from (f"{name} {one}" for one in below)
        if not below or getattr(command, "invoke_without_command", False):
            yield name


def parsed(words: list[str]) -> None:
    """Parse a command line, without doing anything; raises what Typer raises."""
    context = STEDI_COMMAND.make_context("stedi", words)
    words = [*context._protected_args, *context.args]
    command = STEDI_COMMAND
    while words and hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, words, parent=context)
        words = [*context._protected_args, *context.args] if hasattr(command, "commands") else []


def test_every_command_has_examples_and_every_example_parses() -> None:
    assert {*commands()} == {*EXAMPLES}
    for command, examples in EXAMPLES.items():
        assert examples
        for example in examples:
            words = shlex.split(example.partition(" < ")[0])
            assert words[0] == "stedi" and all(w in words for w in command.split())
            parsed(words[1:])


def test_an_example_that_is_wrong_would_be_noticed() -> None:
    for wrong in (["run", "--foo"], ["quarantine", "list", "--limit", "x"], ["explain"]):
        with pytest.raises(Exception, match=r"foo|valid int|Missing|TABLE"):
            parsed(wrong)


def test_help_shows_them_and_is_a_command_too() -> None:
    for words in (["help", "run"], ["run", "--help"]):
        assert "Examples:\n    stedi run\n    stedi run --dry-run\n" in stedi(*words)
    assert stedi("help") == stedi("--help")
    assert "Usage: " in stedi("help", "quarantine", "show")
    assert "there is no such command; `stedi help` lists them" in stedi("help", "no", check=2)


def test_tab_completes_profiles_tables_and_sources(tmp_path: Path) -> None:
    environment = {**os.environ, "_STEDI_COMPLETE": "complete_bash"}

    def completed(words: str) -> list[str]:
        told = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        done = subprocess.run([STEDI], env=environment | told, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    assert completed("stedi run --profile s") == ["seed", "shielded", "strict"]
    assert completed("stedi explain machine") == ["machine_learning_curated"]
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "robot_landing.yaml").touch()
    given = type("Context", (), {"params": {"declarations": tmp_path}, "parent": None})()
    assert complete.tables(given, "") == ["robot_landing"]
    assert complete.sources(given, "r") == ["robot"]
    assert complete.derived(given, "") == []


@already_run
def test_what_was_written_is_told(small_lakehouse: Lakehouse, tmp_path: Path) -> None:
    root, rows = small_lakehouse.root, tmp_path / "rows.csv"
    done = started("query", "SELECT * FROM loads", "-o", rows, "--root", root).ended()
    told = f"Wrote 3 rows to {rows} ({rows.stat().st_size:,} bytes)\n"
    assert (done.stdout, done.stderr) == ("", told)
    picture = tmp_path / "lineage.svg"
    assert f"is in {picture}." in stedi("check", "--graph", picture)
    assert stedi("check", "--graph", picture, "--quiet") == ""


@pytest.mark.parametrize("command", ["", *commands()])
def test_help_has_none_of_the_words_that_the_glossary_replaced(command: str) -> None:
    context: Any = STEDI_COMMAND.make_context("stedi", ["status"])
    kind, group = type(context), STEDI_COMMAND
    for name in command.split():
        group = group.commands[name]
        context = kind(group, info_name=name, parent=context)
    text = re.sub(r"--[\w-]+", "", context.get_help())  # names of options stay
    assert old_words(text) == []
