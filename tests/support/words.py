"""Words that users no longer read, each with the word to use: docs/glossary.md has the same list."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from re import Pattern

OF_DATA = "(?:tables?|files?|columns?|rows?|records?|quer(?:y|ies)|contracts?|functions?|methods?)"


@dataclass(frozen=True)
class OldWord:
    """An old word, how it is recognised in running text, and the word to use."""

    word: str
    prefer: str
    pattern: Pattern[str]


def _old(word: str, prefer: str, pattern: str | None = None) -> OldWord:
    return OldWord(word, prefer, re.compile(pattern or rf"\b{re.escape(word)}\b", re.IGNORECASE))


OLD_WORDS = (
    _old(
        "root", "lakehouse folder", r"\b(?:a|the|this|that|each|one|its|another) root\b(?! cause)"
    ),
    _old("set aside", "quarantined", r"\bsets? (?:\w+ )?aside\b|\bsetting aside\b"),
    _old("set aside whole", "quarantined file", r"\baside whole\b"),
    _old("piece", "quarantined record", r"\bpieces?\b"),
    _old("coarsened", "generalised", r"\bcoarsen"),
    _old("the controls", "control group", r"\b(?:the|over|of) controls\b"),
    _old("stale", "out of date"),
    _old("not up to date", "out of date", r"\bnot up to date\b|\bisn't up to date\b"),
    _old(
        "bring up to date",
        "update",
        r"\b(?:br[io]ngs?|brought|bringing) (?:[\w-]+ ){0,3}up to date\b",
    ),
    _old("anew", "again; rebuilt; recomputed"),
    _old("swap", "rewrite", r"\bswap(?:s|ped|ping)?\b"),
    _old("rows that leave", "removed rows", r"\brows (?:that|which) (?:leave|left)\b"),
    _old("look-up", "lookup table", r"\blook-ups?\b"),
    _old("adds up", "reconciles", r"\badd(?:s|ed|ing)? up\b(?! to\b)"),
    _old("instant", "timestamp", r"\binstants?\b"),
    _old("pair", "matched reading", r"\bpair(?:s|ed|ing)?\b"),
    _old("the scan", "compiled parser", r"\bthe scan\b"),
    _old("slow reader", "strict parser"),
    _old("laid open", "raw rows behind the published table", r"\blaid open\b|\blays? open\b"),
    _old("fits its contract", "valid", r"\bfits? (?:its|their|the) contracts?\b"),
    _old("contract rule", "data quality check", r"\bcontract rules?\b"),
    _old("sweep up", "clean up orphaned files", r"\bsw(?:eeps?|ept|eeping) up\b"),
    _old("through and through", "most of"),
    _old("came and went", "joined or left", r"\b(?:came|comes?) (?:and|or) (?:went|goe?s?)\b"),
    _old("of before", "earlier", r"\bof before\b"),
    _old("told of", "reported", r"\b(?:told|tells?|telling) of\b"),
    _old("whoever", "the person who; anyone who"),
    _old("by hand", "manually; hand-written", r"\bat hand\b"),
    _old("he", "they", r"\b(?:he|him|his)\b"),
    _old(
        "a table holds, tells, gives, stands or says",
        "has; contains; returns",
        rf"\b{OF_DATA} (?:holds?|tells?|gives?|stands?|says?)\b",
    ),
)
"""In running text: names of commands, options, columns and keys stay, and are written as code."""

_FENCED = re.compile(r"^([ ]*)(```|~~~).*?^\1\2\s*$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^\s*\n)(?:^(?: {4}|\t).*\n)+", re.MULTILINE)
_CODE = re.compile(r"`[^`]*`")
_TARGET = re.compile(r"\]\([^)]*\)")
_BETWEEN_COMMENTS = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def prose(markdown: str) -> str:
    """What people read of a Markdown page: without code, comments and the targets of links."""
    for pattern, instead in (
        (_FENCED, "\n"),
        (_COMMENT, ""),
        (_INDENTED, "\n"),
        (_CODE, "CODE"),
        (_TARGET, "]"),
    ):
        markdown = pattern.sub(instead, markdown)
    return markdown


def old_words(text: str) -> list[str]:
    """Each old word in a text, with its place and the word to use: `…is set aside… → quarantined`."""
    text = " ".join(text.split())
    return [
        f"…{text[max(found.start() - 30, 0) : found.end() + 20]}… → {old.prefer}"
        for old in OLD_WORDS
        for found in old.pattern.finditer(text)
    ]


def prose_of_python(source: str) -> Iterator[str]:
    """Each docstring of Python, those of attributes too, and each comment; code within is left out."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(ast.Constant(str() as docstring)):
                    yield prose(inspect.cleandoc(docstring))
    comments, comment = [], ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            comment += token.string.lstrip("#")
        elif comment and token.type not in _BETWEEN_COMMENTS:
            comments.append(comment)
            comment = ""
    yield from map(prose, [*comments, comment])
