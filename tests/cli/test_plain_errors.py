"""Errors and results have the words of the glossary, and none of those that it replaced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from stedi import errors
from tests.support.words import old_words

SOURCE = Path(errors.__file__).parent
ERRORS = {name for name in vars(errors) if name.endswith("Error") or name[0].isupper()}
TOLD = ERRORS | {
    *("BadParameter", "_Problem", "_cannot", "line", "sentences", "remarks", "problems"),
    *("AttackResult", "Answer", "Note", "NotKeyed", "Task", "chart", "doing", "expect", "note"),
    *("echo", "_section", "_grid", "append"),
}
REASONS = {
    "file set aside whole",
    "consent suspended: a record of the customer was set aside",
}
"""Values that lakehouses and programs have: they stay."""
OPTION = re.compile(r"--[\w-]+")


def text_of(node: ast.AST) -> str:
    """The text of an expression, with a sign for what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) or "…" for value in node.values)
    return text_of(node.left) + text_of(node.right) if isinstance(node, ast.BinOp) else ""


def _given(call: ast.Call) -> list[ast.AST]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def told_in(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in TOLD and (text := " ".join(map(text_of, _given(node))).strip()):
                yield node.lineno, OPTION.sub("", text)


def test_what_is_told_is_found_in_the_code() -> None:
    code = 'raise UsageError(f"{x}: set " "aside; --max-pairs")\nshow.line("a" + "b")\nother("c")'
    assert [*told_in(code)] == [(1, "…: set aside; "), (2, "ab")]
    assert {"UsageError", "StediError", "Locked"} <= TOLD


def texts_in(source: str) -> Iterator[str]:
    """Texts of several words, but for docstrings: messages, reasons, SQL."""
    tree = ast.parse(source)
    within = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) not in within and isinstance(node, ast.JoinedStr | ast.Constant):
            within |= {id(part) for part in ast.walk(node)}
            if (text := text_of(node)).count(" ") >= 2:
                yield OPTION.sub("", re.sub(r"`[^`]*`", "CODE", text))


def test_texts_in_code_have_no_old_words() -> None:
    found = [
        (path.name, word)
        for path in SOURCE.rglob("*.py")
        for text in texts_in(path.read_text())
        for word in old_words(text)
        if text not in REASONS and "SUM(" not in text
    ]
    assert found == []
    assert [*texts_in('"""A b c."""\nx = f"it is {1} stale"\ny = "--root"')] == ["it is … stale"]


def test_errors_and_results_have_no_old_words() -> None:
    wrong = [
        (path.relative_to(SOURCE), line, found)
        for path in sorted(SOURCE.rglob("*.py"))
        for line, told in told_in(path.read_text(encoding="utf-8"))
        for found in old_words(told)
    ]
    assert wrong == []
