"""YAML of declarations: as safe as ever, a key once, and whatever is wrong said with its place."""

from __future__ import annotations

from typing import Any

import yaml

from stedi.errors import DeclarationError

_LARGEST = 1 << 63
"""Of whole numbers: no column has larger ones, and no engine compares with them."""

_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same, compiled, where PyYAML was built with it."""


def read_yaml(place: str, text: bytes) -> Any:
    """What a document says; raises `DeclarationError`."""
    try:
        return yaml.load(text, Loader=_Strict)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError:
        raise DeclarationError(f"{place}: not YAML: it is not UTF-8") from None
    except RecursionError:
        raise DeclarationError(f"{place}: not YAML: exceeded maximum nesting depth") from None
    except yaml.YAMLError as error:
        raise DeclarationError(f"{place}{_where_and_why(error)}") from None


class _Strict(_Loader):  # type: ignore[valid-type,misc]
    """A key given twice is an error instead of the last one winning; so is a value that is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag in _NUMBERS and ":" in str(node.value):
            raise yaml.MarkedYAMLError(
                problem="a number with colons, which YAML counts in sixties; write it without, or "
                "quote it where it is a text",
                problem_mark=node.start_mark,
            )
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, OverflowError):  # the 45th of a month, 5,000 digits
            value = _LARGEST
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            kind = node.tag.rpartition(":")[2]
            raise yaml.MarkedYAMLError(
                problem=f"no {kind}, or beyond 64 bits; quote it where it is a text",
                problem_mark=node.start_mark,
            )
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if len({*keys}) < len(keys):
            twice = next(key for n, key in enumerate(keys) if key in keys[:n])
            raise yaml.MarkedYAMLError(problem=f"key {twice!r} twice", problem_mark=node.start_mark)
        return mapping


def _where_and_why(error: yaml.YAMLError) -> str:
    """Where YAML can't be read, and why, on one line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    at = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
    return f"{at}: not YAML: {problem or 'it has a character that no text has'}"
