"""Wrong values in the words of all other errors: what was expected, and what stands there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KINDS = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "date_from_datetime_parsing": "a date, as in 2026-11-30",
    "datetime_from_date_parsing": "a time, as in 2026-11-30T09:30:00Z",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "finite_number": "a number that is not infinite",
    "string_too_short": "text of {min_length} or more characters",
    "too_short": "{min_length} or more entries",
    "too_long": "{max_length} entries or fewer",
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
}
_LONGEST = 40


def in_words(problem: Any) -> str:
    """What pydantic found wrong with a value, from one of `ValidationError.errors()`."""
    kind: str = problem["type"]
    if kind == "extra_forbidden":
        return "no such key"
    if kind == "missing":
        return "is missing"
    if kind not in _KINDS:
        return str(problem["msg"]).removeprefix("Value error, ")
    context: Mapping[str, Any] = problem.get("ctx") or {}
    expected = _KINDS[kind].format(**{k: _plain(v) for k, v in context.items()})
    return f"must be {expected}, not {_shown(problem['input'])}"


def _plain(value: Any) -> str:
    return str(value).replace("'", "") if isinstance(value, str) else f"{value}"


def _shown(value: object) -> str:
    """A value as YAML has it; of what has keys or entries, only that."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "keys with values"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
