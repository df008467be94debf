"""What users read has the words of the glossary, and none of those that it replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import stedi
from tests.support.words import OLD_WORDS, old_words, prose, prose_of_python

SOURCE = Path(stedi.__file__).parent
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("text", "prefer"),
    [
        ("A record is set aside with its reason.", "quarantined"),
        ("`run` sets them aside.", "quarantined"),
        ("stedi brings every derived\ntable up to date.", "update"),
        ("Tables are made anew.", "again; rebuilt; recomputed"),
        ("below the root", "lakehouse folder"),
        ("all of it adds up", "reconciles"),
        ("files that hold rows which left", "removed rows"),
        ("the file tells why", "has; contains; returns"),
        ("The attacker knows his readings", "they"),
        ("SWAPPED for new ones", "rewrite"),
    ],
)
def test_an_old_word_is_found_with_the_one_to_use(text: str, prefer: str) -> None:
    assert any(found.endswith(f"→ {prefer}") for found in old_words(text)), old_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "Records in the file = loaded + quarantined.",
        "Everything is up to date.",
        "The parts add up to the whole.",
        "the root cause",
        "stedi says which rows the table has",
        "the heading",
    ],
)
def test_other_words_are_let_pass(text: str) -> None:
    assert old_words(text) == []


def test_templates_have_no_old_words() -> None:
    templates = [path for end in ("*.md", "*.j2") for path in SOURCE.rglob(end)]
    assert len(templates) >= 2
    for path in templates:
        text = re.sub(r"<[^>]*>|\{[%{].*?[%}]\}", " ", path.read_text())
        assert (path.name, old_words(prose(text))) == (path.name, [])


@pytest.mark.parametrize("folder", ["src", "bench", "docs", "glue", "infra", "supply", "tests"])
def test_docstrings_and_comments_have_no_old_words(folder: str) -> None:
    paths = [path for path in (ROOT / folder).rglob("*.py") if ".venv" not in path.parts]
    assert paths
    for path in paths:
        text = " ¶ ".join(prose_of_python(path.read_text()))
        assert (path.name, old_words(text)) == (path.name, [])


def test_names_of_tests_have_no_old_words() -> None:
    names = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(names) > 1_000
    assert [(name, old_words(name.replace("_", " "))) for name in sorted(names)
            if old_words(name.replace("_", " "))] == []  # fmt: skip


def test_prose_of_python_is_docstrings_and_comments() -> None:
    source = (
        '"""Set aside.\n\n    Made anew, by `root`.\n"""\nROOT = "swap"  # stale:\n# it\n'
        'class A:\n    """A pair."""\n    x: int\n    """The scan."""\n'
    )
    found = [old_words(text) for text in prose_of_python(source)]
    assert sorted(len(words) for words in found if words) == [1, 1, 1, 2]
    assert not any("lakehouse folder" in word for words in found for word in words)


def test_code_is_no_prose() -> None:
    page = "Use `--root`.\n\n    set aside\n\n```bash\nset aside\n```\n\n[link](swap.md) <!-- anew -->\n"
    assert old_words(prose(page)) == []
    assert "link" in prose(page)
    assert old_words(prose("- set aside\n")) != []


def test_no_word_that_is_preferred_is_an_old_one() -> None:
    assert [old.prefer for old in OLD_WORDS if old_words(old.prefer)] == []
