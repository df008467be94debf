"""Tables for people in terminals of any width: no word is broken that fits a line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from stedi.cli import show
from stedi.cli.audit import _show
from stedi.cli.status import _show_steps
from stedi.privacy.audit import Audit
from stedi.privacy.audit.attack import AttackResult
from stedi.status import Status, StepStatus

WIDTHS = (60, 80, 140)
KNOWS = "all readings of a person, and half of the landing zone, and the table"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What is printed on a terminal of a width, as lines."""

    def printed(width: int, function: Any, *arguments: Any) -> list[str]:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        function(*arguments)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).split("\n")
        assert max(len(line.rstrip()) for line in lines) <= width
        return lines

    yield printed


def audit() -> Audit:
    attack = AttackResult(
        knows=KNOWS,
        withheld="whether that person consented",
        baseline=0.5,
        mean=0.6,
        worst=0.912,
        limit=0.2,
        ok=None,
        note="measured only, since whether somebody is in the table is not protected",
    )
    return Audit(
        ok=True,
        table="machine_learning_curated",
        k=5,
        rows=43_681,
        classes=1_204,
        smallest_class=5,
        largest_share=0.2,
        largest_share_both_sides=0.273,
        weaker_than_recommended=None,
        checks={"columns": [], "midpoints": []},
        attacks={"membership_reference": attack, "attribution": attack},
        problems=[],
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_an_audit_breaks_no_word(terminal: Any, width: int) -> None:
    lines = terminal(width, _show, audit(), None)
    words = {word for line in lines for word in line.split()}
    for text in (KNOWS, "membership_reference", "whether that person consented", "measured only"):
        assert {*text.split()} <= words
    assert {"0.912", "1,204", "machine_learning_curated:"} <= words


@pytest.mark.parametrize(("width", "is_table"), [(60, False), (80, False), (140, True)])
def test_a_table_that_does_not_fit_is_a_list_of_its_rows(
    terminal: Any, width: int, is_table: bool
) -> None:
    lines = terminal(width, _show, audit(), None)
    assert any("attack" in line and "withheld" in line for line in lines) == is_table
    assert any(line.split() == ["withheld", "whether", "that", "person", "consented"] for line in lines) != is_table  # fmt: skip


@pytest.mark.parametrize("width", range(30, 120, 3))
def test_no_width_breaks_a_word_of_a_table(terminal: Any, width: int) -> None:
    columns = ("source", "records", "set aside", "why dropped")
    rows = [
        ("accelerometer", 44_225, 135, "consent suspended: a record was quarantined"),
        ("step_trainer", 15_735, 0, ""),
    ]
    lines = terminal(width, show.table, columns, rows)
    words = {word for line in lines for word in line.split()}
    assert {"accelerometer", "step_trainer", "44,225", "135", "suspended:", "quarantined"} <= words


def test_a_word_longer_than_a_line_is_broken_and_nothing_of_it_is_lost(terminal: Any) -> None:
    long = "file:///a/" + "b" * 100
    lines = terminal(60, show.table, ("place", "rows"), [(long, 5)])
    assert long in "".join(line.replace("place", "").strip() for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_sentences_keep_their_indent_and_their_words(terminal: Any, width: int) -> None:
    text = f"  {KNOWS}; {KNOWS}; {KNOWS}"
    lines = terminal(width, show.sentences, text)
    assert " ".join(" ".join(lines).split()) == text.strip()
    assert all(line.startswith("  ") for line in lines if line)
    assert len(lines) > 2


@pytest.mark.parametrize("width", WIDTHS)
def test_problems_on_a_terminal_are_broken_between_words(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    show.problems([f"{KNOWS}; {KNOWS}; {KNOWS}"])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1 and max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()) == f"stedi: {KNOWS}; {KNOWS}; {KNOWS}"


def test_each_reason_of_a_step_has_a_line_of_its_own(terminal: Any) -> None:
    dropped = {"taken before consent": 1_200, "user does not consent": 34}
    step = StepStatus(in_=2_000, kept=766, dropped=dropped, adds_up=True)
    status = Status.model_construct(steps={"accelerometer_trusted": step})
    for width in WIDTHS:
        text = "\n".join(terminal(width, _show_steps, status))
        assert re.search(r"1,200 taken before consent *\n +34 user does not consent", text)


def test_what_no_terminal_reads_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join([KNOWS] * 9)
    show.sentences(text)
    assert capsys.readouterr().out == f"{text}\n"
