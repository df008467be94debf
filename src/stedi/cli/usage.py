"""Wrong options and arguments in the words of all other errors: what, where, the command to run."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from itertools import islice
from typing import Any

from stedi.text import visible

_WRONG_VALUES = {
    r"'(?P<value>.*)' is not a valid (int|integer)(?: range)?\.?": "is not a whole number",
    r"'(?P<value>.*)' is not a valid float(?: range)?\.?": "is not a number",
    r"'(?P<value>.*)' is not a valid boolean\.?": "is neither true nor false",
    r"(?P<value>\S+) is not in the range (?P<range>.*)\.": "must be {range}",
    r"'(?P<value>.*)' is not one of (?P<choices>.*)\.": "is unknown; choose {choices}",
}
_PLAIN = (
    (re.compile(r"^Got unexpected extra arguments? \((.*)\)$"), r"unexpected argument \1"),
    (re.compile(r"^Got unexpected extra argument\(s\) \((.*)\)$"), r"unexpected argument \1"),
    (re.compile(r"^Option '(.*)' requires an argument\.?$"), r"\1 needs a value"),
    (re.compile(r"^Option '(.*)' requires (\d+) arguments\.?$"), r"\1 needs \2 values"),
    (re.compile(r"^Option '(.*)' does not take a value\.?$"), r"\1 takes no value"),
    (re.compile(r"^Missing command.*$"), "a command is missing"),
    (re.compile(r"^No such command '(.*?)'\..*$", re.DOTALL), r"there is no command \1"),
)


def explained(error: Any, commands: Collection[str]) -> str:
    """What is wrong with the words of a command line, from the error that Typer has of it."""
    what, command = _what(error), _command(getattr(error, "ctx", None), commands)
    return f"{what}{'' if what.endswith('?') else ';'} `{command} --help` shows how to use it"


def _command(context: Any, commands: Collection[str]) -> str:
    if context is None:  # an option without its value: Typer doesn't say whose
        names = [*islice((word for word in sys.argv[1:] if word in commands), 1)]
    else:
        names = []
        while context.parent is not None:
            names.insert(0, str(context.info_name))
            context = context.parent
    return " ".join(["stedi", *names])


def _what(error: Any) -> str:
    kind = type(error).__name__
    message = str(error.message or "").strip()
    if kind == "NoSuchOption":
        near = sorted(error.possibilities or ())
        guess = f"; did you mean {' or '.join(near)}?" if near else ""
        return f"there is no option {visible(error.option_name)}{guess}"
    parameter = getattr(error, "param", None)
    if kind == "MissingParameter" and parameter is not None:
        return f"{_name(parameter)} is missing"
    for pattern, words in _PLAIN:
        if pattern.match(message):
            meant = re.search(r"Did you mean (.*)\?", message)
            guess = f"; did you mean {meant[1].replace(chr(39), '')}?" if meant else ""
            return visible(pattern.sub(words, message)) + guess
    if parameter is None:
        return visible(message.rstrip("."))
    return f"{_name(parameter)}{_wrong_value(message)}"


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return max(parameter.opts, key=len)  # type: ignore[no-any-return]
    return str(parameter.metavar or parameter.human_readable_name)


def _wrong_value(message: str) -> str:
    for pattern, words in _WRONG_VALUES.items():
        if found := re.fullmatch(pattern, message):
            parts = found.groupdict()
            parts["choices"] = (parts.get("choices") or "").replace("'", "")
            parts["range"] = _range(parts.get("range") or "")
            return f" {visible(parts['value'])}: {words.format(**parts)}"
    return f": {visible(message.rstrip('.'))}"


def _range(written: str) -> str:
    """A range as click writes it, as in `x>=0` or `0<=x<=1`, in words."""
    if least := re.fullmatch(r"x>=(\S+)", written):
        return f"{least[1]} or more"
    if both := re.fullmatch(r"(\S+?)<=x<=(\S+)", written):
        return f"from {both[1]} to {both[2]}"
    return written
